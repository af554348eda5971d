#!/usr/bin/env bash
# Runs tests of the kernel under other kernels, each in QEMU (scripts/guest.sh), and prints a table kernel × test. Needs root.
# Ends with one line: N passed, N failed. A kernel counts each file of tests as one.
#
#   scripts/test-kernels.sh [--only WORD] [FILE…]     every kernel, or those whose name has WORD in it; hours
#                                                     a FILE that is no test, as test/kernels/facts.ts, prints facts, and
#                                                     the table has a row for each
#   scripts/test-kernels.sh --short                   the oldest and the newest kernel, smoke and hazards-maps: minutes
#
# What was printed in the guests stays in .cache/kernels/, one file a kernel.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

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
SHORT=('bookworm amd64 hybrid' 'trixie-backports amd64 unified')
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
    --short) GUESTS=("${SHORT[@]}") FILES=(test/kernels/smoke.test.ts test/kernel/hazards/hazards-maps.test.ts) ;;
    --only) only=$2; shift ;;
    -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
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

# What a guest would take minutes for.
node -e "require('./scripts/typescript.cjs').compileAll(); require('./test/fixtures/compile.ts').compileAll()" || exit 1

# In the guest: each file on its own, so that one that hangs costs no other its result.
script=$(
  cat <<SCRIPT
export CI=true NO_COLOR=1 MERBRIDGE_TEST_SLOWNESS=60 MERBRIDGE_TEST_ROUNDS=1
uname -a
for file in ${FILES[*]}; do
  echo "== \$file"
  since=\$SECONDS
  case \$file in
    *.test.ts)
      timeout -k 10 $((SECONDS_A_FILE + 60)) node -r ./scripts/typescript.cjs -r ./test/fixtures/with-runner.cjs --test \\
        --test-concurrency=1 --test-timeout=$((SECONDS_A_FILE * 1000)) --test-reporter=spec --test-reporter-destination=stdout \\
        --test-reporter=./test/reporter.mjs --test-reporter-destination=/tmp/report "\$file"
      cat /tmp/report
      rm -f /tmp/report ;;
    *) timeout -k 10 $SECONDS_A_FILE node -r ./scripts/typescript.cjs "\$file" && echo 'totals 1 0 0' ;;
  esac
  echo "took \$((SECONDS - since)) \$file"
done
SCRIPT
)

logs=.cache/kernels
mkdir -p "$logs"
table=$(mktemp)
trap 'rm -f "$table"' EXIT
passed=0 failed=0

# cell <log> <file>: what the table says of it.
cell() {
  awk -v wanted="$2" '
    $1 == "==" { here = $2 == wanted }
    here && $1 == "totals" { pass = $2; bad = $3; unrun = $4; found = 1 }
    here && $1 == "took" { seconds = $2 }
    END {
      if (!found) print "**did not end**"
      else if (bad) printf "**%d of %d failed**\n", bad, pass + bad
      else printf "%d%s, %d s\n", pass, unrun ? " (" unrun " skipped)" : "", seconds
    }' "$1"
}

# guest <suite> <architecture> <cgroups>
guest() {
  local suite=$1 architecture=$2 cgroups=$3 log kernel name status=0 file each
  log=$logs/$suite-$architecture-$cgroups.log
  printf '\n== %s %s, %s\n' "$suite" "$architecture" "$cgroups"
  : >"$log"
  if kernel=$(sh scripts/kernel-image.sh "$suite" "$architecture"); then
    export MERBRIDGE_GUEST_ROOT=
    if [ "$architecture" = arm64 ]; then MERBRIDGE_GUEST_ROOT=$(bash scripts/as-root.sh bash scripts/arm64-root.sh) || status=1; fi
    if [ "$status" -eq 0 ]; then
      MERBRIDGE_GUEST_SECONDS=$((120 + ${#FILES[@]} * SECONDS_A_FILE)) \
        bash scripts/as-root.sh setpriv --pdeathsig KILL -- bash scripts/guest.sh "$kernel" "$cgroups" "$script" 2>&1 | tee "$log" || status=$?
    fi
    name=$(cat "$kernel/version")
  else
    name="$suite $architecture (no kernel)"
  fi
  for file in "${FILES[@]}"; do
    each=$(cell "$log" "$file")
    # A skipped test is a failed one on the CI.
    case $each${CI:+ on the CI} in
      '**'* | 0[,\ ]* | *skipped*CI) failed=$((failed + 1)) ;;
      *) passed=$((passed + 1)) ;;
    esac
    printf '%s\t%s\t%s\n' "$name, $cgroups" "\`$(basename "$file" .test.ts)\`" "$each" >>"$table"
  done
  sed -n "s/^fact\t/$name, $cgroups\t/p" "$log" >>"$table"
}

for each in "${GUESTS[@]}"; do
  case $each in *"$only"*) guest $each ;; esac
done
[ -s "$table" ] || { echo "test-kernels: no kernel is called $only" >&2; exit 2; }

# A row for each test, a column for each kernel.
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
  grep -H '^failure ' $(for each in "${GUESTS[@]}"; do case $each in *"$only"*) echo "$logs/${each// /-}.log" ;; esac; done) |
    sed "s|^$logs/||; s|\.log:failure |: |"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
