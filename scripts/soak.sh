#!/usr/bin/env bash
# The soak from nothing: sets up what is missing, with Envoy, builds, then runs bench/soak.ts with the arguments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sh scripts/setup.sh --envoy
npm run --silent build
exec bash scripts/as-root.sh node_modules/.bin/ts-node --transpile-only bench/soak.ts "$@"
