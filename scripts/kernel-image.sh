#!/bin/sh
# Fetches a kernel of Debian into the cache, once, and prints its folder: vmlinuz, version, lib/modules/.
#
#   scripts/kernel-image.sh SUITE ARCHITECTURE      bookworm amd64, trixie arm64, trixie-backports amd64, …
#
# The packages are unpacked, not installed. apt checks their signatures, with an apt configuration that holds nothing
# but this suite and the keyring of Debian's archive: so it works on every distribution that has apt, and changes
# nothing about that of the machine. MERBRIDGE_KERNELS=update fetches the suite's newest again.
set -eu

suite=$1 architecture=$2
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=http://deb.debian.org

say() { printf 'kernel-image: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/merbridge/kernels
folder=$cache/$suite-$architecture
mkdir -p "$cache"
exec 9>"$folder.lock"
flock 9
if [ -e "$folder/version" ] && [ "${MERBRIDGE_KERNELS-}" != update ]; then
  printf '%s\n' "$folder"
  exit 0
fi
[ -r "$keyring" ] || fail "$keyring is missing: install debian-archive-keyring, or run scripts/setup.sh --kernels"

# To a name of its own, then renamed: what is there is whole, also after a download that was interrupted.
work=$(mktemp -d "$cache/fetching.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/packages" "$work/root"
: >"$work/status"
{
  echo "deb [signed-by=$keyring] $mirror/debian $suite main"
  case $suite in *-backports) ;; *) echo "deb [signed-by=$keyring] $mirror/debian-security $suite-security main" ;; esac
} >"$work/sources.list"
cat >"$work/apt.conf" <<CONFIGURATION
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$work/state";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
CONFIGURATION

# After the files of the machine, which would win over APT_CONFIG.
apt() {
  program=$1
  shift
  "$program" -c "$work/apt.conf" -q "$@"
}

say "$suite $architecture: fetching"
apt apt-get update -o APT::Update::Error-Mode=any >&2
packages=$(apt apt-cache depends --recurse --important linux-image-cloud-"$architecture" |
  grep -E '^linux-(image|binary|modules|base)-[0-9]' | sort -u)
(cd "$work/packages" && apt apt-get download $packages >&2)
for package in "$work"/packages/*.deb; do dpkg-deb -x "$package" "$work/root"; done

# Debian moved both: the modules to /usr/lib, and of late the kernel beside them.
set -- "$work"/root/lib/modules/* "$work"/root/usr/lib/modules/*
modules=
for each; do [ ! -d "$each/kernel" ] || modules=$each; done
[ -n "$modules" ] || fail "there are no modules in: $packages"
version=${modules##*/}
mkdir -p "$work/kernel/lib/modules"
for image in "$work/root/boot/vmlinuz-$version" "$modules/vmlinuz"; do
  [ ! -e "$image" ] || cp "$image" "$work/kernel/vmlinuz"
done
[ -e "$work/kernel/vmlinuz" ] || fail "there is no kernel in: $packages"
rm -rf "$modules/vmlinuz"
mv "$modules" "$work/kernel/lib/modules/"
/sbin/depmod -b "$work/kernel" "$version"
printf '%s\n' "$version" >"$work/kernel/version"
chmod 755 "$work/kernel"
rm -rf "$folder"
mv "$work/kernel" "$folder"
say "$suite $architecture: $version"
printf '%s\n' "$folder"
