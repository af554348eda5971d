#!/usr/bin/env bash
# Runs tests of the kernel under other kernels, each in QEMU (scripts/guest.sh), and prints a table kernel × test. Needs root.
# Ends with one line: N passed, N failed. A kernel counts each file of tests as one.
#
#   scripts/test-kernels.sh [--only WORD] [FILE…]     every kernel, or those whose name has WORD in it; hours
#                                                     a FILE that is no test, as test/kernels/facts.ts, prints facts, and
#                                                     the table has a row for each
#   scripts/test-kernels.sh --short                   the kernels of Debian 12 and 13, smoke and hazards-maps: minutes
#
# At SIGINT and SIGTERM it ends the guest, and prints the table of what was run.
# What was printed in the guests stays in .cache/kernels/, one file a kernel.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. scripts/cache.sh

# Suite of Debian, architecture, cgroups. 6.1, 6.12, and the newest there is.
GUESTS=(
  'bookworm amd64 unified'
  'trixie amd64 unified'
  'trixie-backports amd64 unified'
  'bookworm amd64 hybrid'
  'trixie amd64 hybrid'
  'trixie-backports amd64 hybrid'
  'trixie arm64 unified'
)
SHORT=('bookworm amd64 hybrid' 'trixie amd64 unified') # not of backports, which change under a test
FILES=(
  test/kernels/smoke.test.ts
  test/kernel/hazards/hazards-{half-close,maps,options,reads,writes}.test.ts
  test/kernel/bpf/bpf-cgroup.test.ts
  test/kernel/datapath/mesh-{iptables-equal,scope}.test.ts
  test/kernel/pins/mesh-{pins,upgrade}.test.ts
  test/kernels/hardened.test.ts
)
# Of a file, under a kernel. The bed's own limits grow by MERBRIDGE_TEST_SLOWNESS.
SECONDS_A_FILE=1500

only=
while [ "$#" -gt 0 ]; do
  case $1 in
    --short)
      GUESTS=("${SHORT[@]}") FILES=(test/kernels/smoke.test.ts test/kernel/hazards/hazards-maps.test.ts)
      SECONDS_A_FILE=240
      ;;
    --only) only=${2:?a word is missing}; shift ;;
    -h | --help) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "test-kernels: unknown argument $1 (try --help)" >&2; exit 2 ;;
    *) break ;;
  esac
  shift
done
[ "$#" -eq 0 ] || FILES=("$@")
# What changes its machine for good comes last, however it was named.
mapfile -t FILES < <(printf '%s\n' "${FILES[@]}" | awk '/hardened/ { last = last $0 "\n"; next } { print } END { printf "%s", last }')
for file in "${FILES[@]}"; do
  [ -e "$file" ] || { echo "test-kernels: $file: no tests there" >&2; exit 2; }
done

# Two would write into the same logs.
logs=.cache/kernels
lock "$logs/run"

# What a guest would take minutes for. As root: what the tests compiled before belongs to root.
bash scripts/as-root.sh node -e "require('./scripts/typescript.cjs').compileAll(); require('./test/fixtures/compile.ts').compileAll()" || exit 1

# In the guest: each file on its own, so that one that hangs costs no other its result.
script=$(
  cat <<SCRIPT
export CI=true NO_COLOR=1 MERBRIDGE_TEST_SLOWNESS=50 MERBRIDGE_TEST_ROUNDS=1
export MERBRIDGE_TEST_LONGEST_WAIT=$((SECONDS_A_FILE / 2)) MERBRIDGE_TEST_CLANG=$(printf %q "$(clang --version)")
uname -a
for file in $(printf '%q ' "${FILES[@]}"); do
  echo "== \$file"
  since=\$SECONDS status=0
  case \$file in
    *.test.ts)
      timeout -k 10 $((SECONDS_A_FILE + 10)) node -r ./scripts/typescript.cjs -r ./test/fixtures/with-runner.cjs --test \\
        --test-concurrency=1 --test-timeout=$((SECONDS_A_FILE * 1000)) --test-reporter=spec --test-reporter-destination=stdout \\
        --test-reporter=./test/reporter.mjs --test-reporter-destination=/tmp/report "\$file" || status=\$?
      cat /tmp/report
      rm -f /tmp/report ;;
    *) timeout -k 10 $SECONDS_A_FILE node -r ./scripts/typescript.cjs "\$file" && echo 'totals 1 0 0' || status=\$? ;;
  esac
  echo "took \$((SECONDS - since)) \$file \$status"
done
SCRIPT
)

table=$(mktemp)
trap 'rm -f "$table"' EXIT
passed=0 failed=0

# cell <log> <file>: what the table says of it.
cell() {
  awk -v wanted="$2" '
    $1 == "==" { here = $2 == wanted }
    here && $1 == "totals" { pass = $2; bad = $3; unrun = $4; found = 1 }
    here && $1 == "took" { seconds = $2; status = $4 }
    # As scripts/guest.sh has it, when its whole time was over.
    $0 == "test-kernels: timed out" { if (here && !found) status = 124 }
    END {
      if (!found && (status == 124 || status == 137)) print "**timed out**"
      else if (!found) print "**did not end**"
      else if (bad || status) printf "**%d of %d failed, exit code %d**\n", bad, pass + bad, status
      else printf "%d%s, %d s\n", pass, unrun ? " (" unrun " skipped)" : "", seconds
    }' "$1"
}

exec 3>&1 4>&2
# A guest, or what fetches its kernel, in a process group of its own: a signal ends all of it.
running=
apart() {
  local status=0
  set -m
  "$@" </dev/null 3>&- 4>&- &
  running=$!
  set +m
  wait "$running" || status=$?
  running=
  return "$status"
}

run=()
# guest <suite> <architecture> <cgroups>
guest() {
  local suite=$1 architecture=$2 cgroups=$3 status=0 root=
  # sudo asks only in the foreground, and may have forgotten the password since the last guest.
  bash scripts/as-root.sh true || exit 1
  log=$logs/$suite-$architecture-$cgroups.log name="$suite $architecture (no kernel), $cgroups"
  printf '\n== %s %s, %s\n' "$suite" "$architecture" "$cgroups"
  : >"$log"
  run+=("$log")
  if apart sh scripts/kernel-image.sh "$suite" "$architecture" >"$logs/kernel"; then
    kernel=$(cat "$logs/kernel")
    name="$(cat "$kernel/version"), $cgroups"
    if [ "$architecture" = arm64 ]; then
      apart bash scripts/as-root.sh bash scripts/arm64-root.sh >"$logs/root" || status=1
      root=$(cat "$logs/root")
    fi
    if [ "$status" -eq 0 ]; then
      tail -n +1 -f --pid=$$ "$log" &
      shown=$!
      # A minute to boot; each file may take 20 s more than its time, to be killed.
      MERBRIDGE_GUEST_ROOT=$root MERBRIDGE_GUEST_SECONDS=$((60 + ${#FILES[@]} * (SECONDS_A_FILE + 20))) \
        apart bash scripts/as-root.sh setpriv --pdeathsig KILL -- bash scripts/guest.sh "$kernel" "$cgroups" "$script" >"$log" 2>&1 ||
        status=$?
      case $status in
        124) echo 'test-kernels: timed out' >>"$log" ;;
        125) echo 'test-kernels: the kernel ended before its tests' >>"$log" ;;
      esac
      hide
    fi
  fi
  note
}

# tail looks once a second.
shown=
hide() {
  [ -n "$shown" ] || return 0
  sleep 1.2
  kill "$shown"
  wait "$shown" 2>/dev/null
  shown=
}

# What the table says of the guest that ran last.
log=
note() {
  local file each
  for file in "${FILES[@]}"; do
    each=$(cell "$log" "$file")
    # A skipped test is a failed one on the CI.
    case $each${CI:+ on the CI} in
      '**'* | 0[,\ ]* | *skipped*CI) failed=$((failed + 1)) ;;
      *) passed=$((passed + 1)) ;;
    esac
    printf '%s\t%s\t%s\n' "$name" "\`$(basename "$file" .test.ts)\`" "$each" >>"$table"
  done
  sed -n "s/^fact\t/$name\t/p" "$log" >>"$table"
  log=
}

# A row for each test, a column for each kernel.
report() {
  echo
  awk -F '\t' '
    !($1 in column) { column[$1] = ++columns; head[columns] = $1 }
    !($2 in row) { row[$2] = ++rows; left[rows] = $2 }
    { cell[row[$2], column[$1]] = $3 }
    END {
      printf "| |"; for (c = 1; c <= columns; c++) printf " %s |", head[c]
      printf "\n|---|"; for (c = 1; c <= columns; c++) printf "---|"
      for (r = 1; r <= rows; r++) {
        printf "\n| %s |", left[r]
        for (c = 1; c <= columns; c++) printf " %s |", cell[r, c]
      }
      print ""
    }' "$table"
  if [ "$failed" -gt 0 ]; then
    printf '\n== failed in other kernels\n'
    grep -H '^failure ' "${run[@]}" |
      sed "s|^$logs/||; s|\.log:failure |: |"
  fi
  echo "$passed passed, $failed failed"
}

# interrupted <exit code>
interrupted() {
  trap '' INT TERM HUP
  exec >&3 2>&4 # not those of the command that was interrupted
  if [ -n "$running" ]; then
    bash scripts/as-root.sh kill -TERM -- "-$running" 2>/dev/null
    # QEMU ends at once; a guest that is still being prepared need not.
    for _ in {1..50}; do bash scripts/as-root.sh kill -0 -- "-$running" 2>/dev/null || break; sleep 0.1; done
    bash scripts/as-root.sh kill -KILL -- "-$running" 2>/dev/null
    wait "$running" 2>/dev/null
  fi
  hide
  if [ -n "$log" ]; then
    echo 'test-kernels: interrupted' >>"$log"
    note
  fi
  [ "$failed" -gt 0 ] || failed=1
  report
  exit "$1"
}
trap 'interrupted 130' INT
trap 'interrupted 143' TERM HUP

for each in "${GUESTS[@]}"; do
  # shellcheck disable=SC2086 # three words
  case $each in *"$only"*) guest $each ;; esac
done
[ -s "$table" ] || { echo "test-kernels: no kernel is called $only" >&2; exit 2; }

report
[ "$failed" -eq 0 ]
