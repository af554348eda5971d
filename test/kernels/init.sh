#!/bin/busybox sh
# First process of a guest of scripts/guest.sh: mounts its root, read-only from the host and writable in memory.
for applet in cp insmod mkdir mount switch_root; do /bin/busybox ln -s busybox /bin/$applet; done
mount -t proc proc /proc
for module in /first/*; do [ ! -e "$module" ] || insmod "$module"; done
mount -t virtiofs -o ro host /host
mount -t tmpfs -o size=75% memory /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work overlay /root
mkdir -p /root/lib/modules
mount --bind /host/modules /root/lib/modules
cp /guest /script /root/
exec switch_root /root /bin/bash /guest
