#!/usr/bin/env bash
# A measurement or the demo from nothing: sets up what is missing, builds, then runs the file under bench/ that is named first. All other
# arguments go to it. The Envoy part (35 MB) is set up only when they name envoy, and for the soaks, which need both sidecars.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

setup=()
case " $* " in
  *[[:space:]=,]envoy[[:space:],]* | *' soak.ts '* | *' programs.ts '*) setup+=(--envoy) ;;
esac

sh scripts/setup.sh "${setup[@]}"
npm run --silent build
exec bash scripts/as-root.sh node -r ./scripts/typescript.cjs "bench/$1" "${@:2}"
