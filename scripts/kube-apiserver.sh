#!/bin/sh
# Builds a real Kubernetes API server for the tests, once for a user of this machine, and prints the folder that holds
# `kube-apiserver` and `etcd`: the value for KUBEBUILDER_ASSETS, the convention of the field.
#
#   KUBEBUILDER_ASSETS=$(scripts/kube-apiserver.sh)
#
# Where KUBEBUILDER_ASSETS is set it prints that and does nothing. The first run takes 5 to 10 minutes on two cores and
# some 3 GB for Go's own caches; later ones take no time. Several at once wait for the first.
#
# Exit code 3: Go 1.24 or later, or etcd, is missing. The tests then run against a server of their own.
set -eu
cd "$(dirname "$0")/.."

VERSION=v1.34.2
MODULE=test/kube/apiserver
UNAVAILABLE=3

say() { printf 'kube-apiserver: %s\n' "$*" >&2; }
fail() { code=$1; shift; say "$@"; exit "$code"; }

if [ -n "${KUBEBUILDER_ASSETS-}" ]; then
  for program in kube-apiserver etcd; do
    [ -x "$KUBEBUILDER_ASSETS/$program" ] || fail 1 "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, which has no $program"
  done
  printf '%s\n' "$KUBEBUILDER_ASSETS"
  exit 0
fi

cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/merbridge
folder=$cache/kube-apiserver-$VERSION-$(uname -m)

find_etcd() {
  etcd=$(command -v etcd) || fail "$UNAVAILABLE" 'etcd is missing: install it (Debian, Ubuntu: etcd-server), or run scripts/setup.sh'
}

find_go() {
  go=$(command -v go || true)
  [ -n "$go" ] || go=/usr/local/go/bin/go # where Go's own installer puts it, which no PATH names
  [ -x "$go" ] || fail "$UNAVAILABLE" 'Go is missing: install 1.24 or later, or set KUBEBUILDER_ASSETS'
  version=$("$go" env GOVERSION)
  version=${version#go}
  minor=${version#*.}
  minor=${minor%%[!0-9]*}
  [ "${version%%.*}" -gt 1 ] || [ "${minor:-0}" -ge 24 ] || fail "$UNAVAILABLE" "Go $version is too old: install 1.24 or later"
}

# To a name of its own, then renamed: what is there is whole, also after a build that was interrupted.
build() {
  temporary=$(mktemp -d "$cache/building.XXXXXX")
  trap 'rm -rf "$temporary"' EXIT
  trap 'exit 130' INT TERM HUP
  say "building $VERSION, this takes a while"
  package=k8s.io/component-base/version
  (cd "$MODULE" && CGO_ENABLED=0 "$go" build -trimpath -buildvcs=false \
    -ldflags "-s -w -X $package.gitVersion=$VERSION -X $package.gitMajor=1 -X $package.gitMinor=34" \
    -o "$temporary/kube-apiserver" k8s.io/kubernetes/cmd/kube-apiserver) >&2
  chmod 755 "$temporary"
  mkdir -p "$folder"
  mv -f "$temporary/kube-apiserver" "$folder/kube-apiserver"
}

find_etcd
mkdir -p "$cache"
exec 9>"$folder.lock"
flock 9
if [ ! -x "$folder/kube-apiserver" ]; then
  find_go
  build
fi
[ "$(readlink "$folder/etcd" || true)" = "$etcd" ] || ln -sfn "$etcd" "$folder/etcd"
printf '%s\n' "$folder"
