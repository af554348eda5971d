#!/bin/sh
# Builds a real Kubernetes API server for the tests, once for a user of this machine, and prints the folder that holds
# `kube-apiserver` and `etcd`: the value for KUBEBUILDER_ASSETS, the convention of the field.
#
#   KUBEBUILDER_ASSETS=$(scripts/kube-apiserver.sh)
#   folder=$(scripts/kube-apiserver.sh kubelet kubectl)      # these programs of Kubernetes as well, in the same folder
#
# Where KUBEBUILDER_ASSETS is set it prints that and does nothing. The first run takes 5 to 10 minutes on two cores and
# some 3 GB for Go's own caches, and 2 more for kubelet, kubectl, controller manager and scheduler; later ones take no
# time. Several at once wait for the first.
#
# Exit code 3: Go 1.24 or later, or etcd, is missing. The tests then run against a server of their own.
set -eu
cd "$(dirname "$0")/.."

NAME=kube-apiserver
VERSION=v1.34.2
. scripts/go-programs.sh

if [ -n "${KUBEBUILDER_ASSETS-}" ]; then
  for program in kube-apiserver etcd "$@"; do
    [ -x "$KUBEBUILDER_ASSETS/$program" ] || fail 1 "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, which has no $program"
  done
  printf '%s\n' "$KUBEBUILDER_ASSETS"
  exit 0
fi

etcd=$(command -v etcd) || fail "$UNAVAILABLE" 'etcd is missing: install it (Debian, Ubuntu: etcd-server), or run scripts/setup.sh'
package=k8s.io/component-base/version
lock "$folder"
for program in kube-apiserver "$@"; do
  [ -x "$folder/$program" ] && continue
  find_go 24
  build test/kube/apiserver "k8s.io/kubernetes/cmd/$program" \
    "-X $package.gitVersion=$VERSION -X $package.gitMajor=1 -X $package.gitMinor=34"
done
[ "$(readlink "$folder/etcd" || true)" = "$etcd" ] || ln -sfn "$etcd" "$folder/etcd"
printf '%s\n' "$folder"
