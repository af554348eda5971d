#!/usr/bin/env bash
# Runs a command as root with this environment: directly as root, through sudo otherwise. What loads programs into the
# kernel goes through here.
set -euo pipefail

if [ "$(id -u)" -eq 0 ]; then
  exec "$@"
elif command -v sudo >/dev/null; then
  exec sudo -E env "PATH=$PATH" "$@" # sudo replaces PATH even with -E, and node need not be where root looks
else
  echo "as-root: '$*' loads eBPF programs and needs root: run it as root, or install sudo" >&2
  exit 1
fi
