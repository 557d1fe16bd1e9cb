#!/bin/bash
# Runs one fuzz target with libFuzzer, under the address and undefined-behaviour sanitizers. `make fuzz` calls it.
#
#   scripts/fuzz.sh TARGET [RUNS [SECONDS]]    so many inputs at most, for so long at most (0: no limit)
#   scripts/fuzz.sh --minimise TARGET          spec/corpus/TARGET anew, from it and what was found: as few inputs as reach all
#
# TARGET: unpack   the decoder of messages from strangers (spec/c/fuzz_unpack.c)
#         lines    reading from streams (spec/fuzz/lines.lua)
#         prompt   editor, completion, compiling at the prompt (spec/fuzz/prompt.lua)
#         command  the command line (spec/fuzz/command.lua)
#
# What it learns is kept in build/fuzz/corpus/TARGET. An input that finds something is written to build/fuzz/found, its path
# is printed, and the exit status is not 0. `build/check/test/fuzz_lua_test TARGET FILE` runs it again without clang.
set -u
cd "$(dirname "$0")/.." || exit 2

minimise=
if [ "${1:-}" = --minimise ]; then minimise=1; shift; fi
target=${1:-} runs=${2:-0} seconds=${3:-0}
build=${BUILD:-build}
out=$build/fuzz
case $target in
  unpack) host=$out/test/fuzz_unpack longest=512 ;;
  lines) host=$out/test/fuzz_lua_test longest=512 ;;
  prompt | command) host=$out/test/fuzz_lua_test longest=256 ;;
  *) echo "usage: make fuzz TARGET=unpack|lines|prompt|command [RUNS=n] [SECONDS=s]" >&2; exit 2 ;;
esac

if ! echo 'int LLVMFuzzerTestOneInput(const char *b, long n) { return b != 0 && n < 0; }' |
  clang -x c -fsanitize=fuzzer,address,undefined -o /dev/null - 2>/dev/null; then
  version=$(clang -dumpversion 2>/dev/null | cut -d. -f1)
  echo "weft: fuzzing needs clang with libFuzzer and its sanitizers: Debian: apt install clang libclang-rt-${version:-14}-dev" >&2
  exit 1
fi
"${MAKE:-make}" -s --no-print-directory BUILD="$build" fuzz-hosts || exit 1

export WEFT_FUZZ=$target WEFT_ROOT=$PWD
unset WEFT_LUA LUA_INIT LUA_INIT_5_4
# Stacks of all allocations take most of the time; a state that lives on leaves no leak that could be told after one input, and
# the host counts for itself.
export ASAN_OPTIONS=malloc_context_size=1:quarantine_size_mb=16:detect_leaks=0:handle_abort=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
mkdir -p "$out/corpus/$target" "$out/found"

if [ -n "$minimise" ]; then
  new=$(mktemp -d) || exit 1
  trap 'rm -rf "$new"' EXIT
  "$host" -merge=1 -max_len="$longest" "$new" "spec/corpus/$target" "$out/corpus/$target" 2>&1 | grep -a 'MERGE-OUTER' | tail -n 1
  [ -n "$(ls -A "$new")" ] || { echo "weft: nothing was left of spec/corpus/$target" >&2; exit 1; }
  rm -f "spec/corpus/$target"/*
  cp "$new"/* "spec/corpus/$target/"
  echo "spec/corpus/$target: $(ls "spec/corpus/$target" | wc -l) inputs, $(cat "spec/corpus/$target"/* | wc -c) bytes"
  exit 0
fi

options=(-max_len="$longest" -detect_leaks=0 -timeout=20 -rss_limit_mb=3000 -print_final_stats=1 -artifact_prefix="$out/found/$target-")
[ "$runs" = 0 ] || options+=(-runs="$runs")
[ "$seconds" = 0 ] || options+=(-max_total_time="$seconds")
[ ! -f "spec/fuzz/$target.dict" ] || options+=(-dict="spec/fuzz/$target.dict")
echo "fuzz $target: since $(date -u '+%Y-%m-%d %H:%M:%S') UTC"
"$host" "${options[@]}" "$out/corpus/$target" "spec/corpus/$target"
status=$?
echo "fuzz $target: until $(date -u '+%Y-%m-%d %H:%M:%S') UTC, exit status $status"
exit $status
