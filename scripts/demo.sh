#!/usr/bin/env bash
# The demo from nothing: sets up what is missing, builds, then measures. All arguments go to bench/demo.ts.
# The Envoy part (35 MB) is set up only when the arguments name envoy.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

setup=()
case " $* " in
  *[[:space:]=,]envoy[[:space:],]*) setup+=(--envoy) ;;
esac

sh scripts/setup.sh "${setup[@]}"
npm run --silent build
exec bash scripts/as-root.sh node_modules/.bin/ts-node --transpile-only bench/demo.ts "$@"
