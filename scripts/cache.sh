# Sourced by the scripts that make something once for a user of this machine: where it is kept, and how it gets there.
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/merbridge

# lock <path>: several at once wait for the first.
lock() {
  mkdir -p "${1%/*}"
  exec 9>"$1.lock"
  flock 9
}

# make_temporary: sets temporary, a folder that is removed at the end. What was made there is renamed: so what is in the
# cache is whole, also after an interruption.
make_temporary() {
  temporary=$(mktemp -d "$cache/making.XXXXXX")
  trap 'rm -rf "$temporary"' EXIT
  trap 'exit 130' INT TERM HUP
}
