# The rest of the boot of a guest of scripts/guest.sh, then its script.
export PATH=/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sys /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t bpf bpf /sys/fs/bpf
mount -t securityfs security /sys/kernel/security
# shellcheck disable=SC2154 # of the kernel's command line
if [ "$cgroups" = hybrid ]; then
  # As systemd arranges it.
  mount -t tmpfs cgroup /sys/fs/cgroup
  for one in cpu memory pids; do
    mkdir "/sys/fs/cgroup/$one"
    mount -t cgroup -o "$one" cgroup "/sys/fs/cgroup/$one"
  done
  mkdir /sys/fs/cgroup/unified
  mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
else
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
for each in .venv node_modules; do
  [ -d "/replaced/$each" ] || continue
  [ ! -L "/merbridge/$each" ] || { rm "/merbridge/$each" && mkdir "/merbridge/$each"; }
  mount --bind "/replaced/$each" "/merbridge/$each"
done
stty -F /dev/console -onlcr
ip link set lo up
cd /merbridge
setsid bash /script </dev/null
echo "guest: exit $?"
echo b >/proc/sysrq-trigger
sleep 60
