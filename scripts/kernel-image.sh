#!/bin/sh
# Fetches a kernel of Debian into the cache, once, and prints its folder: vmlinuz, version, lib/modules/.
#
#   scripts/kernel-image.sh SUITE ARCHITECTURE      bookworm amd64, trixie arm64, trixie-backports amd64, …
#
# The packages are unpacked, not installed. apt checks their signatures, with an apt configuration that holds nothing
# but this suite and the keyring of Debian's archive: so it works on every distribution that has apt, and changes
# nothing about that of the machine. MERBRIDGE_KERNELS=update fetches the suite's newest again. MERBRIDGE_DEBIAN_MIRROR
# is where from, http://deb.debian.org by default: a folder that has debian/ and debian-security/. A proxy in the
# machine's configuration of apt counts as well.
set -eu
cd "$(dirname "$0")/.."
. scripts/apt.sh
. scripts/cache.sh

suite=$1 architecture=$2

say() { printf 'kernel-image: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

folder=$cache/kernels/$suite-$architecture
lock "$folder"
if [ -e "$folder/version" ] && [ "${MERBRIDGE_KERNELS-}" != update ]; then
  printf '%s\n' "$folder"
  exit 0
fi
[ -r "$debian_keyring" ] || fail "$debian_keyring is missing: install debian-archive-keyring, or run scripts/setup.sh --kernels"

make_temporary
mkdir -p "$temporary/state/lists/partial" "$temporary/cache/archives/partial" "$temporary/packages" "$temporary/root"
: >"$temporary/status"
{
  echo "deb [signed-by=$debian_keyring] $debian_mirror/debian $suite main"
  case $suite in *-backports) ;; *) echo "deb [signed-by=$debian_keyring] $debian_mirror/debian-security $suite-security main" ;; esac
} >"$temporary/sources.list"
cat >"$temporary/apt.conf" <<CONFIGURATION
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Dir::Etc::sourcelist "$temporary/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$temporary/state";
Dir::State::status "$temporary/status";
Dir::Cache "$temporary/cache";
CONFIGURATION

# After the files of the machine, which would win over APT_CONFIG.
apt() {
  program=$1
  shift
  "$program" -c "$temporary/apt.conf" $apt_options "$@"
}

say "$suite $architecture: fetching"
apt apt-get update -o APT::Update::Error-Mode=any >&2
packages=$(apt apt-cache depends --recurse --important linux-image-cloud-"$architecture" |
  grep -E '^linux-(image|binary|modules|base)-[0-9]' | sort -u)
(cd "$temporary/packages" && apt apt-get download $packages >&2)
for package in "$temporary"/packages/*.deb; do dpkg-deb -x "$package" "$temporary/root"; done

# Debian moved both: the modules to /usr/lib, and of late the kernel beside them.
set -- "$temporary"/root/lib/modules/* "$temporary"/root/usr/lib/modules/*
modules=
for each; do [ ! -d "$each/kernel" ] || modules=$each; done
[ -n "$modules" ] || fail "there are no modules in: $packages"
version=${modules##*/}
mkdir -p "$temporary/kernel/lib/modules"
for image in "$temporary/root/boot/vmlinuz-$version" "$modules/vmlinuz"; do
  [ ! -e "$image" ] || cp "$image" "$temporary/kernel/vmlinuz"
done
[ -e "$temporary/kernel/vmlinuz" ] || fail "there is no kernel in: $packages"
rm -rf "$modules/vmlinuz"
mv "$modules" "$temporary/kernel/lib/modules/"
/sbin/depmod -b "$temporary/kernel" "$version"
printf '%s\n' "$version" >"$temporary/kernel/version"
chmod 755 "$temporary/kernel"
rm -rf "$folder"
mv "$temporary/kernel" "$folder"
say "$suite $architecture: $version"
printf '%s\n' "$folder"
