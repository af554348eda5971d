#!/usr/bin/env bash
# The mesh of Istio from nothing: sets up and builds what is missing, then compares every way of redirection with
# iptables, in a network namespace of its own. Arguments are ways (iptables off proxies full iptables+off …); all by
# default, and iptables has to be among them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sh scripts/setup.sh --envoy
npm run --silent build
KUBEBUILDER_ASSETS=$(sh scripts/kube-apiserver.sh)
ISTIO_PROGRAMS=$(sh scripts/istio-programs.sh mesh)
export KUBEBUILDER_ASSETS ISTIO_PROGRAMS
exec bash scripts/as-root.sh unshare --net -- setpriv --pdeathsig KILL -- \
  node -r ./scripts/typescript.cjs test/istio/index.ts "$@"
