#!/usr/bin/env bash
# One measurement from nothing: sets up what is missing, builds, then runs bench/index.ts with the arguments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sh scripts/setup.sh
npm run --silent build
exec bash scripts/as-root.sh node_modules/.bin/ts-node --transpile-only bench/index.ts "$@"
