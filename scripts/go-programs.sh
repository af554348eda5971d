# Sourced by the scripts that build programs of Go modules, each once for a user of this machine. They set NAME, for
# messages, and VERSION. Functions end the script with code 3 where something is missing that a test can do without.
UNAVAILABLE=3

say() { printf '%s: %s\n' "$NAME" "$*" >&2; }
fail() { code=$1; shift; say "$@"; exit "$code"; }

. scripts/cache.sh
folder=$cache/$NAME-$VERSION-$(uname -m)

# find_go <minor version of Go 1>: sets go
find_go() {
  go=$(command -v go || true)
  [ -n "$go" ] || go=/usr/local/go/bin/go # where Go's own installer puts it, which no PATH names
  [ -x "$go" ] || fail "$UNAVAILABLE" "Go is missing: install 1.$1 or later"
  version=$("$go" env GOVERSION)
  version=${version#go}
  minor=${version#*.}
  minor=${minor%%[!0-9]*}
  [ "${version%%.*}" -gt 1 ] || [ "${minor:-0}" -ge "$1" ] || fail "$UNAVAILABLE" "Go $version is too old: install 1.$1 or later"
}

# build <module> <package> [flags of the linker]: into the folder, by the last part of its name.
build() {
  program=${2##*/}
  make_temporary
  say "building $program $VERSION, this takes a while"
  (cd "$1" && CGO_ENABLED=0 "$go" build -trimpath -buildvcs=false -ldflags "-s -w ${3-}" -o "$temporary/$program" "$2") >&2
  mkdir -p "$folder"
  mv -f "$temporary/$program" "$folder/$program"
  rmdir "$temporary"
}
