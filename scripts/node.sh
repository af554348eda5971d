#!/usr/bin/env bash
# Runs the example's DaemonSet on a real Kubernetes node, from nothing: sets up, builds the library and, once for a user of this
# machine, Kubernetes; then runs test/node/, which all arguments go to. For a release, not for each run of the CI.
#
#   scripts/node.sh                       needs Go 1.24 or later, apt and root; touches nothing outside namespaces and cgroups of its own
#   scripts/node.sh --keep-logs FOLDER    copies the logs of all programs there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sh scripts/setup.sh --envoy
npm run --silent build
assets=$(sh scripts/kube-apiserver.sh kubelet kubectl kube-controller-manager kube-scheduler)
programs=$(sh scripts/node-programs.sh)
exec bash scripts/as-root.sh node -r ./scripts/typescript.cjs test/node/index.ts "$assets" "$programs" "$@"
