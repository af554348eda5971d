#!/usr/bin/env bash
# Compiles the BPF objects into dist/objects/<name>.bpf.o.
#
# A source is an object of its own when it carries a licence section (SEC("license")); every other *.bpf.c is a hook
# that an object includes. An object is compiled only when a source, a header, this script or the compiler has changed;
# --force compiles all. One little-endian object serves x86-64 and arm64, so the host's architecture only decides where its headers are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly out=dist/objects
clang=${CLANG:-clang}
strip=${LLVM_STRIP:-llvm-strip}

force=
[ "${1-}" = --force ] && force=yes

# digest_of <object>: where it is kept what the object was made of; no such file is packed.
digest_of() { printf '%s/.%s.digest' "$out" "$(basename "$1")"; }

up_to_date() {
  [ -z "$force" ] && [ -s "$1" ] && [ "$(cat "$(digest_of "$1")" 2>/dev/null)" = "$digest" ]
}

compile() {
  local source=$1 object=$2 temporary
  temporary=$(mktemp "$out/.build.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -f '$temporary'" EXIT
  "$clang" -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter \
    -Ibpf "${include[@]}" "${reproducible[@]}" -c "$source" -o "$temporary"
  "$strip" -g "$temporary"
  chmod 644 "$temporary"
  mv "$temporary" "$object" # at once, so that a reader never finds half an object
  echo "$digest" >"$(digest_of "$object")"
  trap - EXIT
}

mapfile -t sources < <(grep -l 'SEC("license")' bpf/*.bpf.c)
[ "${#sources[@]}" -gt 0 ] || { echo "build-bpf: no BPF source with a licence section in bpf/" >&2; exit 1; }

include=()
multiarch=/usr/include/$(uname -m)-linux-gnu
[ -d "$multiarch" ] && include+=("-I$multiarch")

# The same object wherever it is built: without this, the line numbers in its BTF name this folder.
reproducible=(-fdebug-compilation-dir=. "-ffile-prefix-map=$PWD=.")

for tool in "$clang" "$strip"; do
  command -v "$tool" >/dev/null || { echo "build-bpf: $tool is not installed (scripts/setup.sh installs it)" >&2; exit 1; }
done
# Before they are compiled: a save meanwhile must not be missed.
digest=$({ find bpf scripts/build-bpf.sh -type f | sort | xargs sha256sum; "$clang" --version; } | sha256sum | cut -c1-64)

mkdir -p "$out"
for object in "$out"/*.bpf.o; do # an object whose source is gone must not be shipped
  [ -e "bpf/$(basename "$object" .o).c" ] || rm -f "$object"
done
for source in "${sources[@]}"; do
  object=$out/$(basename "$source" .c).o
  if up_to_date "$object"; then
    echo "build-bpf: $object is up to date"
    continue
  fi
  echo "build-bpf: $source -> $object"
  compile "$source" "$object"
done
