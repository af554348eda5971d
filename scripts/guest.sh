#!/usr/bin/env bash
# Runs a script as root under another kernel: in QEMU, without KVM, so on every machine. Needs scripts/setup.sh --kernels.
#
#   scripts/guest.sh KERNEL CGROUPS SCRIPT      KERNEL: a folder of scripts/kernel-image.sh
#                                               CGROUPS: unified (cgroup2 alone), or hybrid (cgroup2 beside version 1)
#                                               SCRIPT: for bash, in the root of this tree
#
# The guest sees this machine's /usr, some of /etc, node and this tree, read-only, and nothing else of it; what it writes
# stays in its memory. It has no network. MERBRIDGE_GUEST_ROOT is a root of another architecture, which brings its own /usr.
# What comes back is the console, and the exit code of SCRIPT; 124: MERBRIDGE_GUEST_SECONDS (1800) were over;
# 125: the kernel ended before SCRIPT did, and the console says why.
set -euo pipefail

# All mounts and processes end with this script, by SIGKILL too. The first process of a namespace is 1: who has the
# variable from elsewhere must not mount on the machine.
if [ "${MERBRIDGE_GUEST-}" != inside ] || [ "$$" -ne 1 ]; then
  MERBRIDGE_GUEST=inside exec unshare --mount --pid --fork --kill-child --mount-proc bash "$0" "$@"
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tree=$PWD kernel=$(realpath "$1") cgroups=$2 script=$3
root=${MERBRIDGE_GUEST_ROOT-}
version=$(cat "$kernel/version")
virtiofsd=$(PATH=$PATH:/usr/lib/qemu:/usr/libexec command -v virtiofsd) ||
  { echo 'guest: virtiofsd is missing: run scripts/setup.sh --kernels' >&2; exit 1; }
node=$(realpath "$(command -v node)")

# A new folder, so that the mount hides nothing. Its path is short: that of a socket ends at 107 bytes.
place=$(mktemp -d /run/merbridge-guest.XXXXXX)
trap 'umount --lazy "$place" || true; rmdir "$place"' EXIT
trap 'exit 143' INT TERM HUP
mount -t tmpfs -o mode=755 guest "$place"
view=$place/view initrd=$place/initrd
mkdir -p "$view"/{dev,etc,merbridge,modules,opt/bin,proc,root,run,sys,tmp,usr,var/lib,var/tmp} "$initrd"/{bin,first,host,memory,proc,root}

# What the guest sees.
show() { mount --bind "$1" "$2"; mount -o remount,bind,ro "$2"; }
show "$root/usr" "$view/usr"
show "$tree" "$view/merbridge"
show "$kernel/lib/modules" "$view/modules"
for link in bin sbin lib lib64; do [ ! -e "$view/usr/$link" ] || ln -s "usr/$link" "$view/$link"; done
for part in alternatives group hosts ld.so.cache ld.so.conf ld.so.conf.d nsswitch.conf passwd protocols services ssl; do
  [ ! -e "$root/etc/$part" ] || cp -a "$root/etc/$part" "$view/etc/"
done
[ -n "$root" ] || { : >"$view/opt/bin/node"; show "$node" "$view/opt/bin/node"; }
# What the guest mounts over the tree: a link out of it leads nowhere there, and an Envoy has one architecture.
replace() { mkdir -p "$view/replaced/$1"; show "$(realpath "$2")" "$view/replaced/$1"; }
[ ! -L "$tree/node_modules" ] || replace node_modules "$tree/node_modules"
if [ -n "$root" ]; then replace .venv "$root/venv"; elif [ -L "$tree/.venv" ]; then replace .venv "$tree/.venv"; fi

# The modules that mount the root, one after the other. All others come from there.
cp "$view/usr/bin/busybox" "$initrd/bin/busybox"
cp test/kernels/init.sh "$initrd/init"
cp test/kernels/guest.sh "$initrd/guest"
printf '%s\n' "$script" >"$initrd/script"
chmod 755 "$initrd/init"
modules=$(/sbin/modprobe -d "$kernel" -S "$version" -a --show-depends virtio_pci virtiofs overlay |
  sed -n 's/^insmod \(.*\.ko[^ ]*\).*/\1/p' | awk '!seen[$0]++')
number=10
while read -r module; do
  case $module in *.xz) xz -dc "$module" ;; *) cat "$module" ;; esac >"$initrd/first/$((number++)).ko"
done <<<"$modules"
(cd "$initrd" && find . | cpio --quiet -o -H newc | gzip -1) >"$place/initrd.gz"

"$virtiofsd" --socket-path="$place/host" -o source="$view" -o cache=always -o sandbox=chroot >"$place/virtiofsd.log" 2>&1 &
until [ -S "$place/host" ]; do
  sleep 0.1
  kill -0 $! 2>/dev/null || { cat "$place/virtiofsd.log" >&2; exit 125; }
done

case $(file -b "$kernel/vmlinuz") in
  # la57: Linux 6.1 fails to boot with it here.
  *x86*) qemu=(qemu-system-x86_64 -M q35 -cpu max,la57=off) console=ttyS0 ;;
  *) qemu=(qemu-system-aarch64 -M virt -cpu cortex-a72) console=ttyAMA0 ;;
esac
memory=${MERBRIDGE_GUEST_MEMORY:-3G} limit=${MERBRIDGE_GUEST_SECONDS:-1800}
SECONDS=0
# What the kernel does not know of its command line becomes init's environment.
timeout --foreground -k 5 "$limit" "${qemu[@]}" -accel tcg,thread=multi -smp 2 \
  -nodefaults -no-user-config -display none -no-reboot \
  -m "$memory" -object "memory-backend-memfd,id=memory,size=$memory,share=on" -numa node,memdev=memory \
  -chardev socket,id=host,path="$place/host" -device vhost-user-fs-pci,queue-size=1024,chardev=host,tag=host \
  -serial stdio -kernel "$kernel/vmlinuz" -initrd "$place/initrd.gz" \
  -append "console=$console panic=-1 loglevel=4 mitigations=off cgroups=$cgroups ${MERBRIDGE_GUEST_APPEND-}" </dev/null |
  tee "$place/console" || true
status=$(sed -n 's/^guest: exit \([0-9]*\).*/\1/p' "$place/console" | tail -n 1)
# By the clock: where QEMU had to be killed, timeout says the same as where something else killed it.
if [ -z "$status" ]; then status=$((SECONDS < limit ? 125 : 124)); fi
exit "$status"
