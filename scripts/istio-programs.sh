#!/bin/sh
# Builds programs of Istio for the tests, once for a user of this machine, and prints the folder that holds them:
#
#   folder=$(scripts/istio-programs.sh)        # pilot-agent: writes the rules of iptables, and runs a sidecar
#   folder=$(scripts/istio-programs.sh mesh)   # also pilot-discovery (istiod), istioctl, and Envoy's bootstrap template
#
# The first run takes a minute for pilot-agent, and 5 more for a mesh, on two cores; later ones take no time. Istio's
# tags are no versions of a Go module, so the version is a commit of the branch release-1.31.
#
# Exit code 3: Go 1.26 or later is missing. The tests then write the rules that test/bed/istio-rules.ts has.
set -eu
cd "$(dirname "$0")/.."

NAME=istio
VERSION=v0.0.0-20260827124520-eed52ebb66ad
MODULE=test/istio/programs
. scripts/go-programs.sh

packages=pilot/cmd/pilot-agent
template=
case ${1-} in
  '') ;;
  mesh) packages="$packages pilot/cmd/pilot-discovery istioctl/cmd/istioctl" template=envoy_bootstrap.json ;;
  *) fail 2 "unknown argument $1" ;;
esac

lock "$folder"
for package in $packages; do
  [ -x "$folder/${package##*/}" ] && continue
  find_go 26
  build "$MODULE" "istio.io/istio/$package"
done
if [ -n "$template" ] && [ ! -e "$folder/$template" ]; then
  find_go 26
  source=$(cd "$MODULE" && "$go" list -m -f '{{.Dir}}' istio.io/istio)
  install -m 644 "$source/tools/packaging/common/$template" "$folder/.$template"
  mv "$folder/.$template" "$folder/$template"
fi
printf '%s\n' "$folder"
