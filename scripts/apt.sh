# shellcheck shell=sh
# Sourced by the scripts that use apt, or Debian's archive.

# On a fresh machine something updates by itself, and holds the locks for minutes. A mirror may be short of breath.
# -q: no progress bars.
apt_options='-q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3'

# Where kernels of Debian and the root of arm64 come from, on Ubuntu too: see scripts/kernel-image.sh.
debian_mirror=${MERBRIDGE_DEBIAN_MIRROR:-http://deb.debian.org}
debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg
