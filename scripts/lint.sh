#!/bin/bash
# Every check that reads the code without running it: layers and sizes, the rockspec's lists, luacheck,
# builds with warnings as errors by gcc and clang, clang-tidy, cppcheck, shellcheck. A tool that is not
# installed is named and left out.
set -u
cd "$(dirname "$0")/.."
lua=${LUA:-lua5.4} make=${MAKE:-make}
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

includes=(-Icsrc $(pkg-config --cflags lua5.4 libuv))
sources=(csrc/*.c csrc/*/*.c)
if have clang-tidy; then
  checks='-*,bugprone-*,clang-analyzer-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier'
  checks+=',-bugprone-assignment-in-if-condition,-bugprone-narrowing-conversions,-bugprone-macro-parentheses'
  checks+=',-clang-analyzer-security.insecureAPI.*,-bugprone-implicit-widening-of-multiplication-result'
  checks+=',-bugprone-signal-handler,-clang-analyzer-optin.performance.Padding'
  step "clang-tidy" bash -c 'printf "%s\0" "${@:4}" | xargs -0 -n 4 -P "$(nproc)" sh -c "clang-tidy --quiet --warnings-as-errors=\"*\" \
    -checks=\"\$0\" \"\$@\" -- -std=gnu11 $3 2>/dev/null" "$2"' _ _ "$checks" "${includes[*]}" "${sources[@]}"
fi
if have cppcheck; then
  step "cppcheck" cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr -j "$(nproc)" \
    --suppress=missingIncludeSystem --suppress=nullPointerRedundantCheck -Icsrc "${sources[@]}"
fi
if have shellcheck; then step "shellcheck" shellcheck -S warning scripts/*.sh .ci/run; fi

[ $bad = 0 ] && echo "lint: nothing to report" || echo "lint: $bad checks failed"
[ $bad = 0 ]
