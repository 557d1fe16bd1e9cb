#!/bin/bash
# Every check that reads the code without running it: layers and sizes, the rockspec's lists, luacheck,
# builds with warnings as errors by gcc and clang, clang-tidy, cppcheck, shellcheck. A tool that is not
# installed is named and left out.
set -u
cd "$(dirname "$0")/.." || exit 2
lua=${LUA:-lua5.4} make=${MAKE:-make}
unset MAKEFLAGS MFLAGS MAKELEVEL # the builds below are makes of their own
shopt -s nullglob
bad=0

step() {
  echo "-- $1"
  shift
  "$@" || { bad=$((bad + 1)); echo "-- FAILED: $*"; }
}
have() { command -v "$1" >/dev/null 2>&1 || { echo "-- $1 is not installed: left out"; return 1; }; }

step "layers and file sizes" "$lua" scripts/layers.lua
step "lists of the rockspec" "$lua" scripts/rockspec.lua --check
if have luacheck; then step "luacheck" luacheck -q .; fi

for cc in gcc clang; do
  have $cc || continue
  step "build with $cc, warnings are errors" "$make" -s --no-print-directory READY=1 BUILD=build/lint-$cc CC=$cc CFLAGS=-Werror \
    -j"$(nproc)" build/lint-$cc/weft/core.so tests-check
done

read -ra includes < <(pkg-config --cflags lua5.4 libuv)
sources=(csrc/*.c csrc/*/*.c)

# Left out: what fires on code that is as it should be (addresses of locals measure the stack, sizes of pointers are
# meant, names of threads need no end, int8_t is a number). One file a run: clang 14's analyzer mistakes a va_list of the
# next file for one of the last.
tidy() {
  local checks='-*,bugprone-*,clang-analyzer-*' x
  for x in bugprone-{easily-swappable-parameters,reserved-identifier,assignment-in-if-condition,narrowing-conversions} \
    bugprone-{macro-parentheses,implicit-widening-of-multiplication-result,signal-handler,sizeof-expression} \
    bugprone-{not-null-terminated-result,branch-clone,signed-char-misuse} clang-analyzer-security.insecureAPI.\* \
    clang-analyzer-optin.performance.Padding clang-analyzer-core.StackAddressEscape; do
    checks+=",-$x"
  done
  printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$(nproc)" clang-tidy --quiet --checks="$checks" --warnings-as-errors='*' \
    --extra-arg=-std=gnu11 --extra-arg=-D_GNU_SOURCE= --extra-arg=-DWF_DEBUG --extra-arg=-Icsrc --extra-arg=-include --extra-arg=scripts/analyze.h "${includes[@]/#/--extra-arg=}" 2>/dev/null
}
if have clang-tidy; then step "clang-tidy" tidy; fi

if have cppcheck; then
  step "cppcheck" cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr -j "$(nproc)" \
    --suppress=missingIncludeSystem --suppress=nullPointerRedundantCheck --suppress=autoVariables \
    --suppress=returnDanglingLifetime -Icsrc "${sources[@]}"
fi
# 2046, 2086: words are split on purpose; 2154: test_one.sh takes its settings from test.sh.
if have shellcheck; then step "shellcheck" shellcheck -S warning -e SC2046,SC2086,SC2154 scripts/*.sh .ci/run; fi

[ $bad = 0 ] && echo "lint: nothing to report" || echo "lint: $bad checks failed"
[ $bad = 0 ]
