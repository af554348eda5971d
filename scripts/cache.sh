# shellcheck shell=sh
# Sourced by the scripts that make something once for a user of this machine: where it is kept, and how it gets there.

# Root makes nothing in the home of a user, which sudo may have left it: the user could not remove it, and npm and pip
# would fail there afterwards.
if [ "$(id -u)" -eq 0 ]; then
  if [ ! -d "${HOME-}" ] || [ ! -O "$HOME" ]; then export HOME=/root; fi
  if [ -e "${XDG_CACHE_HOME-}" ] && [ ! -O "$XDG_CACHE_HOME" ]; then unset XDG_CACHE_HOME; fi
fi
cache=${XDG_CACHE_HOME:-${HOME-}/.cache}/merbridge

# lock <path>: several at once wait for the first.
lock() {
  mkdir -p "${1%/*}"
  exec 9>"$1.lock"
  flock 9
}

# make_temporary: sets temporary, a folder that is removed at the end. What was made there is renamed: so what is in the
# cache is whole, also after an interruption.
make_temporary() {
  # What a SIGKILL left. Nothing here takes a day.
  find "$cache" -maxdepth 1 -name 'making.*' -mmin +1440 -exec rm -rf {} + 2>/dev/null || true
  temporary=$(mktemp -d "$cache/making.XXXXXX")
  trap 'rm -rf "$temporary"' EXIT
  trap 'exit 130' INT TERM HUP
}
