#!/bin/sh
# Installs what building, testing and measuring this project needs. Safe to run again: it does only what is missing.
#
#   scripts/setup.sh            system packages and node_modules
#   scripts/setup.sh --envoy    the same, and Envoy into .venv/   (or MERBRIDGE_ENVOY=1)
#   scripts/setup.sh --kernels  the same as without, and QEMU with what scripts/test-kernels.sh needs
#   scripts/setup.sh --arm64    the same as --kernels, and what emulates arm64
#   scripts/setup.sh --modules  node_modules alone; says nothing when they are present
set -eu
cd "$(dirname "$0")/.."

# What needs what: bpftool lists what is left in the kernel; clang-format checks the programs' layout; clang, llvm (llvm-strip), libbpf-dev and linux-libc-dev compile the programs; libbpf1 is what the
# library calls; iproute2, util-linux (nsenter, setpriv), iptables, haproxy, wrk, curl and openssl are the test bed; etcd-server and
# util-linux (flock) belong to the API server that scripts/kube-apiserver.sh builds; strace counts what an idle agent does; python3-venv holds Envoy;
# nginx, apache2-bin, python3-aiohttp, default-jdk-headless and Go (below) are servers and clients that the datapath has to carry;
# sockperf, iperf3, libc6-dev (a C program to compare with) and fonts-dejavu-core (for the pictures) are for bench/.
PACKAGES='bpftool clang clang-format llvm libbpf1 libbpf-dev linux-libc-dev iproute2 util-linux iptables haproxy wrk curl openssl ca-certificates
  etcd-server strace python3-venv nginx apache2-bin python3-aiohttp default-jdk-headless sockperf iperf3 libc6-dev fonts-dejavu-core'
# QEMU itself brings virtiofsd up to version 7; later it is a package of its own.
KERNEL_PACKAGES='qemu-system-x86 busybox-static kmod cpio xz-utils file debian-archive-keyring'
NODE_MAJOR=20
NODE_MINOR=19
. scripts/apt.sh
. scripts/cache.sh
# One that Go's own installer put there is as good, and often newer.
command -v go >/dev/null || [ -x /usr/local/go/bin/go ] || PACKAGES="$PACKAGES golang-go"

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "needs root to run '$*': run this script as root, or install sudo"
  fi
}

envoy=${MERBRIDGE_ENVOY:-}
modules=
kernels=
for argument; do
  case $argument in
    --envoy) envoy=1 ;;
    --kernels) PACKAGES="$PACKAGES $KERNEL_PACKAGES" kernels=1 ;;
    --arm64) PACKAGES="$PACKAGES $KERNEL_PACKAGES qemu-system-arm mmdebstrap" kernels=1 ;;
    --modules) modules=only ;;
    -h|--help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) fail "unknown argument $argument (try --help)" ;;
  esac
done

require_system() {
  [ "$(uname -s)" = Linux ] || fail 'this project is about Linux kernels: run it on Linux'
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null && [ -r /etc/os-release ] ||
    fail "needs Debian 12 or Ubuntu 24.04 or later; elsewhere install the equivalents of: $(echo $PACKAGES)"
  ID='' VERSION_ID=''
  . /etc/os-release
  case $ID in
    debian) oldest=12 ;;
    ubuntu) oldest=24 ;;
    *) return 0 ;; # a derivative: its packages decide
  esac
  # testing and unstable carry no version
  [ -z "$VERSION_ID" ] || [ "${VERSION_ID%%.*}" -ge "$oldest" ] ||
    fail "$ID $VERSION_ID is too old: libbpf 1.x comes with Debian 12 and Ubuntu 24.04"
}

virtiofsd() {
  PATH=$PATH:/usr/lib/qemu:/usr/libexec command -v virtiofsd >/dev/null
}

missing_packages() {
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $PACKAGES 2>/dev/null | sed -n 's/^installed //p')
  for package in $PACKAGES; do
    printf '%s\n' "$installed" | grep -qx "$package" || printf '%s ' "$package"
  done
}

apt_get() {
  # shellcheck disable=SC2086 # several words
  as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get $apt_options "$@"
}

# apt waits for the locks of dpkg only, not for that of the lists.
update() {
  attempts=40
  until said=$(apt_get update 2>&1); do
    attempts=$((attempts - 1))
    case $said in
      *'Could not get lock'*) [ "$attempts" -gt 0 ] || fail "$said" ;;
      *) fail "$said" ;;
    esac
    say 'system packages: another apt updates its lists, waiting'
    sleep 15
  done
}

install_now() {
  say "system packages: installing $*"
  apt_get install -y --no-install-recommends "$@"
}

install_packages() {
  missing=$(missing_packages)
  if [ -z "$missing" ] && { [ -z "$kernels" ] || virtiofsd; }; then
    say 'system packages: present'
    return 0
  fi
  update
  [ -z "$missing" ] || install_now $missing
  [ -z "$kernels" ] || virtiofsd || install_now virtiofsd
  # The tests start their own; the packages' services are of no use here. (apache2-bin has none: that is in apache2.)
  case $missing in *haproxy*) no_service haproxy ;; esac
  case $missing in *etcd-server*) no_service etcd ;; esac
  case $missing in *nginx*) no_service nginx ;; esac
}

no_service() {
  [ ! -d /run/systemd/system ] || as_root systemctl disable --now "$1" || true
}

# npm writes that file last.
modules_present() {
  [ -e node_modules/.package-lock.json ] && ! [ package-lock.json -nt node_modules/.package-lock.json ]
}

# --ignore-scripts as in .npmrc, which the environment may override: the native packages bring their binaries, and their scripts fail on current Node.js versions.
install_modules() {
  command -v node >/dev/null && command -v npm >/dev/null || fail "needs Node.js $NODE_MAJOR.$NODE_MINOR or later with npm"
  version=$(node -p 'process.versions.node')
  minor=${version#*.}
  [ "${version%%.*}" -gt "$NODE_MAJOR" ] || { [ "${version%%.*}" -eq "$NODE_MAJOR" ] && [ "${minor%%.*}" -ge "$NODE_MINOR" ]; } ||
    fail "needs Node.js $NODE_MAJOR.$NODE_MINOR or later, found $version"
  if modules_present; then
    [ -n "$modules" ] || say 'node_modules: present'
    return 0
  fi
  # Two at once would write into the same folder.
  # Not in .cache, which belongs to root after tests by sudo.
  lock "$cache/setup.$(pwd | cksum | cut -d ' ' -f 1)"
  ! modules_present || return 0
  say 'node_modules: npm ci --ignore-scripts'
  npm ci --ignore-scripts --no-audit --no-fund
}

if [ -n "$modules" ]; then
  install_modules
  exit
fi
require_system
install_packages
install_modules
case $envoy in
  ''|0) say 'Envoy: left out (--envoy installs it)' ;;
  *) scripts/envoy.sh ;;
esac
say 'done'
