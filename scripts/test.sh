#!/usr/bin/env bash
# Runs the tests. Ends with what failed and why, and with one line: N passed, N failed.
#
#   scripts/test.sh                     set up what is missing (with Envoy), build, then all tests; those against API servers
#                                       beside those on the kernel, as both mostly wait
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

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
# The runner of the tests ends at a signal, and says so to nobody: without these the next group would begin.
trap 'end_beside; exit 130' INT
trap 'end_beside; exit 143' TERM
passed=0
failed=0
# Files on the kernel at the same time: most of them wait for most of their time.
TOGETHER=$(($(nproc) + 1))

# count <report> <group> <exit code>: adds up what test/reporter.mjs wrote, and keeps what failed for the end.
count() {
  local report=$1 status=$3 pass bad unrun is_complete=
  if read -r _ pass bad unrun < <(grep '^totals ' "$report" | tail -n 1); then is_complete=1; else pass=0 bad=0 unrun=0; fi
  passed=$((passed + pass))
  if [ "$unrun" -gt 0 ]; then
    echo "$unrun skipped:"
    sed -n 's/^unrun /  /p' "$report"
    [ -z "${CI-}" ] || bad=$((bad + unrun))
  fi
  # A runner that died has no totals, or totals that hide why it died.
  if [ -z "$is_complete" ] || { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; }; then bad=$((bad + 1)); fi
  failed=$((failed + bad))
  if [ "$bad" -gt 0 ]; then
    {
      echo "== failed in $2"
      [ -n "$is_complete" ] || echo "the runner of $2 ended before its tests (exit code $status)"
      sed -n 's/^failure //p' "$report"
      [ -z "${CI-}" ] || sed -n 's/^unrun /skipped: /p' "$report"
    } >>"$reports/failures"
  fi
}

# run <group> <files at a time> <seconds for one file> <prefix…> -- <file…>
run() {
  local group=$1 together=$2 seconds=$3 prefix=() report status=0
  shift 3
  while [ "$1" != -- ]; do prefix+=("$1"); shift; done
  shift
  local file
  for file in "${@:-test/$group/*.test.ts}"; do
    [ -e "$file" ] && continue
    echo "test: $file: no tests there" >&2
    failed=$((failed + 1))
    return
  done
  echo "== $group"
  report=$reports/$group
  # Neither the runner nor the process of a file outlives what started it. After as-root.sh: another user id takes the signal back.
  "${prefix[@]}" setpriv --pdeathsig KILL -- node -r ./scripts/typescript.cjs -r ./test/fixtures/with-runner.cjs --test \
    --test-concurrency="$together" --test-timeout=$((seconds * 1000)) \
    --test-reporter=spec --test-reporter-destination=stdout --test-reporter=./test/reporter.mjs --test-reporter-destination="$report" \
    "$@" || status=$?
  [ -e "$report" ] || : >"$report"
  count "$report" "$group" "$status"
}

# A group in the background, in a process group of its own; what it prints comes when it has ended.
beside=
begin_beside() {
  set -m
  MERBRIDGE_TEST_READY=1 setpriv --pdeathsig KILL -- bash scripts/test.sh "$1" >"$reports/beside" 2>&1 </dev/null &
  beside=$!
  set +m
}

join_beside() {
  local pass=0 bad=1 status=0
  wait "$beside" || status=$?
  beside=
  sed '/^== failed in /,$d; /^[0-9]* passed, [0-9]* failed$/d' "$reports/beside"
  sed -n '/^== failed in /,$p' "$reports/beside" | sed '/^[0-9]* passed, [0-9]* failed$/d' >>"$reports/failures"
  # It ends with the same line as this, unless something ended it.
  if [[ $(tail -n 1 "$reports/beside") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    pass=${BASH_REMATCH[1]} bad=${BASH_REMATCH[2]}
  else
    printf '== failed in the group beside\nit ended before its tests (exit code %s)\n' "$status" >>"$reports/failures"
  fi
  passed=$((passed + pass))
  failed=$((failed + bad))
}

end_beside() {
  # As root: what it runs through sudo takes no signal of another user.
  [ -z "$beside" ] || bash scripts/as-root.sh kill -TERM -- "-$beside" 2>/dev/null || true
}

# Whether everything is there; the script that began this one has seen to it.
ready() {
  [ -n "${MERBRIDGE_TEST_READY-}" ] || "$@"
}

built() {
  ready sh scripts/setup.sh "$@" && ready npm run --silent build
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
  run unit 2 120 -- "${files[@]}"
}

kernel() {
  local alone=() together=() file
  select_files kernel "$@"
  for file in "${files[@]}"; do
    if grep -qs '^// Alone: ' "$file"; then alone+=("$file"); else together+=("$file"); fi
  done
  [ "${#together[@]}" -eq 0 ] && [ "${#alone[@]}" -gt 0 ] || run kernel "$TOGETHER" 600 bash scripts/as-root.sh -- "${together[@]}"
  [ -z "$beside" ] || join_beside
  [ "${#alone[@]}" -eq 0 ] || run 'kernel, alone' 1 600 bash scripts/as-root.sh -- "${alone[@]}"
}

# The real one, where it is or can be built.
api_server() {
  local assets
  if [ -z "${KUBEBUILDER_ASSETS-}" ] && [ -e scripts/kube-apiserver.sh ] && assets=$(sh scripts/kube-apiserver.sh); then
    export KUBEBUILDER_ASSETS=$assets
  fi
}

# Istio's own program for its rules, where it is or can be built.
istio_rules() {
  local folder
  if [ -z "${PILOT_AGENT-}${MERBRIDGE_ISTIO_RULES-}" ] && folder=$(sh scripts/istio-programs.sh); then
    export PILOT_AGENT=$folder/pilot-agent
  fi
}

kubernetes() {
  select_files kubernetes "$@"
  run kubernetes 1 600 bash scripts/as-root.sh -- "${files[@]}"
}

group=${1-all}
[ "$#" -eq 0 ] || shift
case $group in
  all)
    if built --envoy; then
      unit
      api_server
      istio_rules
      # Asks for a password, if it has to, before anything is in the background.
      if bash scripts/as-root.sh true; then
        begin_beside kubernetes
        kernel
      else
        failed=$((failed + 1))
        printf '== failed in kernel, kubernetes\nthere is no root\n' >>"$reports/failures"
      fi
    else
      failed=1
    fi
    ;;
  unit)
    if ready sh scripts/setup.sh --modules; then unit "$@"; else failed=1; fi
    ;;
  kernel)
    if built --envoy; then
      istio_rules
      kernel "$@"
    else
      failed=1
    fi
    ;;
  kubernetes)
    if built; then
      api_server
      kubernetes "$@"
    else
      failed=1
    fi
    ;;
  *)
    echo "test: unknown group $group (unit, kernel, kubernetes)" >&2
    exit 2
    ;;
esac

[ ! -e "$reports/failures" ] || cat "$reports/failures"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
