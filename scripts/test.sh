#!/usr/bin/env bash
# Runs the tests and ends with one line: N passed, N failed.
#
#   scripts/test.sh                     set up what is missing (with Envoy), build, then all tests
#   scripts/test.sh unit [file…]        tests that need neither root nor the kernel
#   scripts/test.sh kernel [file…]      build, then tests on the running kernel, as root (through sudo if need be)
#   scripts/test.sh kubernetes [file…]  build, then tests against API servers, as root: one of our own and, where Go and etcd
#                                       are present or KUBEBUILDER_ASSETS names them, the real one
#
# Each group alone sets up what it needs as well.
#
# With CI set, a skipped test counts as failed: a machine of the CI has all that a test may ask for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

totals=$(mktemp -d)
trap 'rm -rf "$totals"' EXIT
passed=0
failed=0

# The last line of that name: what a test prints appears as a comment, too.
total() {
  sed -n "s/^# $1 \([0-9]*\)$/\1/p" "$2" | tail -n 1
}

count() {
  local tap=$1 status=$2 pass fail cancelled skipped todo
  pass=$(total pass "$tap") fail=$(total fail "$tap") cancelled=$(total cancelled "$tap")
  skipped=$(total skipped "$tap") todo=$(total todo "$tap")
  passed=$((passed + ${pass:-0}))
  local bad=$((${fail:-0} + ${cancelled:-0})) unrun=$((${skipped:-0} + ${todo:-0}))
  if [ "$unrun" -gt 0 ]; then
    echo "$unrun skipped:"
    grep -E '^ *(not )?ok .* # (SKIP|TODO)' "$tap" | sed 's/^ */  /'
    [ -z "${CI-}" ] || bad=$((bad + unrun))
  fi
  # A runner that died has no totals, or totals that hide why it died.
  if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] || [ -z "$pass" ]; then bad=$((bad + 1)); fi
  failed=$((failed + bad))
}

# run <group> <seconds for one file> <prefix…> -- <file…>
run() {
  local group=$1 seconds=$2 prefix=() tap status=0
  shift 2
  while [ "$1" != -- ]; do prefix+=("$1"); shift; done
  shift
  if [ ! -e "${1-}" ]; then
    echo "test: ${1-test/$group}: no tests there" >&2
    failed=$((failed + 1))
    return
  fi
  echo "== $group"
  tap=$totals/$group
  # Neither the runner nor the process of a file outlives what started it. After as-root.sh: another user id takes the signal back.
  "${prefix[@]}" setpriv --pdeathsig KILL -- node -r ts-node/register/transpile-only -r ./test/fixtures/with-runner.cjs --test --test-concurrency=1 --test-timeout=$((seconds * 1000)) \
    --test-reporter=spec --test-reporter-destination=stdout --test-reporter=tap --test-reporter-destination="$tap" \
    "$@" || status=$?
  [ -e "$tap" ] || : >"$tap"
  count "$tap" "$status"
}

# The files that were named, or all of the group.
select_files() {
  local group=$1
  shift
  files=("$@")
  [ "$#" -gt 0 ] || mapfile -t files < <(find "test/$group" -name '*.test.ts' | sort)
}

unit() {
  select_files unit "$@"
  run unit 120 -- "${files[@]}"
}

kernel() {
  select_files kernel "$@"
  run kernel 300 bash scripts/as-root.sh -- "${files[@]}"
}

kubernetes() {
  local assets
  select_files kubernetes "$@"
  if [ -z "${KUBEBUILDER_ASSETS-}" ] && [ -e scripts/kube-apiserver.sh ] && assets=$(sh scripts/kube-apiserver.sh); then
    export KUBEBUILDER_ASSETS=$assets
  fi
  run kubernetes 600 bash scripts/as-root.sh -- "${files[@]}"
}

group=${1-all}
[ "$#" -eq 0 ] || shift
case $group in
  all)
    if sh scripts/setup.sh --envoy && npm run --silent build; then
      unit
      kernel
      kubernetes
    else
      failed=1
    fi
    ;;
  unit)
    if sh scripts/setup.sh --modules; then unit "$@"; else failed=1; fi
    ;;
  kernel)
    if sh scripts/setup.sh --envoy && npm run --silent build; then kernel "$@"; else failed=1; fi
    ;;
  kubernetes)
    if sh scripts/setup.sh && npm run --silent build; then kubernetes "$@"; else failed=1; fi
    ;;
  *)
    echo "test: unknown group $group (unit, kernel, kubernetes)" >&2
    exit 2
    ;;
esac

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
