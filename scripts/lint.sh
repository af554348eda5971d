#!/usr/bin/env bash
# All static checks, each to its end; fails when one of them does.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

failed=0
check() {
  local title=$1
  shift
  if "$@"; then echo "lint: $title: ok"; else echo "lint: $title: failed" >&2; failed=1; fi
}

shell_syntax() {
  local script status=0
  for script in scripts/*.sh test/kernels/*.sh .ci/run; do
    case $(head -n 1 "$script") in
      *bash) bash -n "$script" ;;
      *) sh -n "$script" ;;
    esac || status=1
  done
  return "$status"
}

# Compiled anew if a source is newer than the object.
generated_abi() {
  bash scripts/build-bpf.sh >/dev/null && node scripts/generate-abi.mjs --check
}

# A header of bpf/ includes what it uses, so that it compiles alone, and only from its own folder and those before it here.
includes_of_bpf() {
  local folder header lines allowed= status=0
  local folders='abi maps lib policy actions hooks'
  for folder in bpf/*/; do
    case " $folders " in *" $(basename "$folder") "*) ;; *) echo "lint: $folder has no place among $folders" >&2; status=1 ;; esac
  done
  for folder in $folders; do
    allowed=$allowed${allowed:+'|'}$folder
    # grep answers 1 where nothing is included: that is right for the lowest folder only if it is there.
    [ -d "bpf/$folder" ] || { echo "lint: bpf/$folder is not there" >&2; status=1; continue; }
    lines=$(grep -nE '^#include ("|<(abi|maps|lib|policy|actions|hooks)/)' "bpf/$folder"/* | grep -vE "#include \"($allowed)/" || true)
    [ -z "$lines" ] || { echo "$lines" >&2; status=1; }
  done
  for header in bpf/*/*.h; do
    "${CLANG:-clang}" -target bpf -O2 -fsyntax-only -Ibpf "-I/usr/include/$(uname -m)-linux-gnu" -x c "$header" || status=1
  done
  return "$status"
}

format_of_c() {
  command -v clang-format >/dev/null || { echo 'lint: clang-format is not installed (scripts/setup.sh installs it)' >&2; return 1; }
  clang-format --dry-run --Werror bpf/*.c bpf/*/*.[ch] bench/library/*.c test/bed/apps/readers/*.[ch]
}

# The report is of the declarations that are compiled.
api_report() {
  node_modules/.bin/tsc && node scripts/api-report.mjs --check
}

lock_file_names_no_host() {
  ! grep -n '"resolved"' package-lock.json
}

sh scripts/setup.sh --modules || exit
# Room rules that nobody breaks prove nothing: this tests the rule itself.
check 'the rule of the rooms' node --test --test-reporter=dot test/package/*.test.mjs
check 'TypeScript and JavaScript' node_modules/.bin/eslint .
check 'format of TypeScript and JavaScript' node_modules/.bin/prettier --log-level warn --check .
check 'format of C' format_of_c
check 'includes of bpf/' includes_of_bpf
check 'src/mesh/abi' generated_abi
check 'api/' api_report
check 'shell scripts' shell_syntax
check 'package-lock.json' lock_file_names_no_host
exit "$failed"
