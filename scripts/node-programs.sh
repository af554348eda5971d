#!/bin/sh
# Puts what a Kubernetes node is made of, beside Kubernetes itself, into a folder, once for a user of this machine, and prints that:
#
#   usr/bin/containerd, usr/sbin/runc, usr/lib/cni/    of Debian's packages, unpacked; none is installed, no service starts
#   base.tar                                           the file system that the images of the test have in common
#
# Takes what apt offers on this machine and has verified. Remove the folder to get newer packages.
set -eu
cd "$(dirname "$0")/.."

PROGRAMS='containerd runc containernetworking-plugins'
# sleep and test, what the example's Dockerfile adds to its base image, what Node.js is linked with, Istio's rules.
BASE="coreutils $(sed -n 's/.*apt-get install .*--no-install-recommends //p' examples/daemonset/Dockerfile | tr -d '\\') libstdc++6 iptables"

. /etc/os-release
. scripts/apt.sh
. scripts/cache.sh
folder=$cache/node-$ID${VERSION_ID-}-$(uname -m)

# Into $temporary/base: the packages and all that they depend on, for a machine that has nothing.
download_base() {
  mkdir -p "$temporary/archives/partial"
  : >"$temporary/status"
  apt-get $apt_options -y -o Dir::State::status="$temporary/status" -o Debug::NoLocking=1 -o Dir::Cache::archives="$temporary/archives" -o APT::Sandbox::User=root \
    --no-install-recommends --download-only install $BASE
  # As Debian's own installer begins: packages still have files in /bin and /lib.
  mkdir -p "$temporary/base/usr" "$temporary/base/tmp" "$temporary/base/etc"
  for name in bin sbin lib lib64; do
    mkdir "$temporary/base/usr/$name"
    ln -s "usr/$name" "$temporary/base/$name"
  done
  for package in "$temporary"/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -C "$temporary/base" --keep-directory-symlink -x
  done
  rm -rf "$temporary/base/usr/share/doc" "$temporary/base/usr/share/man" "$temporary/base/usr/share/locale"
  chmod 1777 "$temporary/base/tmp"
  # Their maintainer scripts do not run; this is what of them is needed.
  ln -sf xtables-nft-multi "$temporary/base/usr/sbin/iptables"
  ln -sf xtables-nft-multi "$temporary/base/usr/sbin/iptables-restore"
  tar -C "$temporary/base" --sort=name -cf "$temporary/root/base.tar" .
}

build() {
  make_temporary
  mkdir "$temporary/root"
  chmod 755 "$temporary/root"
  (cd "$temporary" && apt-get $apt_options -o APT::Sandbox::User=root download $PROGRAMS)
  for package in "$temporary"/*.deb; do dpkg-deb -x "$package" "$temporary/root"; done
  download_base
  mv "$temporary/root" "$folder"
}

lock "$folder"
[ -d "$folder" ] || build >&2
printf '%s\n' "$folder"
