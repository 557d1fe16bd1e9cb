#!/bin/bash
# Runs the tests: each spec file and each C test in a process of its own, a few at once, each under a
# time limit. A test that hangs has all its stacks printed and counts as failed; so does one that
# crashes, runs nothing, leaves a process or a temporary file behind, or draws a sanitizer report.
# The last line is `N passed, N failed`, where N counts single tests.
#
#   scripts/test.sh -d DIR [-l LUA] [-j N] [-s asan|tsan|valgrind] [-o OUT] [FILE...]
#     -d  folder of the variant: DIR/weft/core.so, DIR/test/* (C tests)
#     -l  the Lua to run the specs with
#     -o  folder for what the tests report, which stays
#   FILE: spec files or built C tests; all of them when none is given
#   environment: SPEC_TIMEOUT (seconds for one file), SPEC (words that a path must contain),
#     T (pattern of test names), WEFT_QUICK, GC=stress|gen, TEST_CPATH (where else C modules that busted needs are)
set -u
cd "$(dirname "$0")/.." || exit 2
root=$PWD
dir=build/check lua=lua5.4 jobs=2 san='' out=''
while getopts d:l:j:s:o: o; do
  case $o in
    d) dir=$OPTARG ;; l) lua=$OPTARG ;; j) jobs=$OPTARG ;; s) san=$OPTARG ;; o) out=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
case $dir in /*) ;; *) dir=$root/$dir ;; esac
limit=${SPEC_TIMEOUT:-$(case $san in asan|tsan) echo 600 ;; valgrind) echo 900 ;; *) echo 300 ;; esac)}

files=("$@")
if [ ${#files[@]} = 0 ]; then
  for f in "$dir"/test/* spec/*_spec.lua spec/regress/*_spec.lua; do
    case $f in *.o|*.d) continue ;; esac
    [ -f "$f" ] || continue
    # A C test whose source is gone is a leftover of an older build.
    case $f in "$dir"/test/*) [ -f "spec/c/${f##*/}.c" ] || continue ;; esac
    files+=("$f")
  done
fi
if [ -n "${SPEC:-}" ]; then
  kept=()
  for f in "${files[@]}"; do
    for word in $SPEC; do case ${f#"$root"/} in *"$word"*) kept+=("$f"); break ;; esac; done
  done
  files=(${kept[@]+"${kept[@]}"})
fi

# A folder for each run, so that two runs at once do not meet; those of runs that are over go.
for old in "$dir"/results/*; do
  [ -d "$old" ] && ! kill -0 "${old##*/}" 2>/dev/null && rm -rf "$old"
done
out=${out:-$dir/results/$$}
mkdir -p "$out"

# For `require` in the specs: our Lua files, this variant's module, spec.helper, then the defaults and
# where Debian keeps busted (a Lua from elsewhere does not look there).
multiarch=$(gcc -print-multiarch 2>/dev/null || true)
# A 32-bit Lua needs its own (the fifth byte of a program says what it is).
if [ "$(head -c 5 "$(command -v "${lua%% *}")" 2>/dev/null | tail -c 1)" = $'\001' ]; then multiarch=i386-linux-gnu; fi
export LUA_PATH="$root/lua/?.lua;$root/lua/?/init.lua;$root/?.lua;;/usr/share/lua/5.4/?.lua;/usr/share/lua/5.4/?/init.lua"
export LUA_CPATH="$dir/?.so;${TEST_CPATH:+$TEST_CPATH;};/usr/lib/${multiarch:-x86_64-linux-gnu}/lua/5.4/?.so"
unset LUA_PATH_5_4 LUA_CPATH_5_4 LUA_INIT LUA_INIT_5_4 MAKEFLAGS MFLAGS MAKELEVEL
export WEFT_QUICK=${WEFT_QUICK:-1} WEFT_LUA=$lua WEFT_ROOT=$root WEFT_VARIANT_DIR=$dir WEFT_SANITIZER=$san
[ "$WEFT_QUICK" = 0 ] && unset WEFT_QUICK
export UBSAN_OPTIONS_BASE=print_stacktrace=1:halt_on_error=1
export ASAN_OPTIONS_BASE=detect_leaks=1:detect_stack_use_after_return=0:handle_abort=1:strict_string_checks=1
export TSAN_OPTIONS_BASE=second_deadlock_stack=1:halt_on_error=0:history_size=4
export weft_out=$out weft_limit=$limit weft_lua=$lua weft_san=$san
busted=$(command -v busted) || { echo "scripts/test.sh: busted is missing: run scripts/setup.sh test" >&2; exit 2; }
# Some distributions install busted as a shell wrapper around the Lua script; the Lua script is wanted.
if head -1 "$busted" | grep -q 'sh$'; then busted=$root/scripts/busted.lua; fi
export weft_busted=$busted

# Some tests change priorities and know what they were.
if [ "$(nice)" != 0 ] && ! renice -n 0 -p $$ >/dev/null 2>&1; then
  echo "scripts/test.sh: run with a niceness of $(nice): tests of priorities expect 0 and will fail" >&2
fi

start=$(date +%s)
printf '%s\0' ${files[@]+"${files[@]}"} | xargs -0 -r -n 1 -P "$jobs" bash scripts/test_one.sh
status=$?

passed=0 failed=0 skipped=0
while read -r what n; do
  case $what in passed) passed=$((passed + n)) ;; failed) failed=$((failed + n)) ;; skipped) skipped=$((skipped + n)) ;; esac
done < <(cat "$out"/*.count 2>/dev/null)
# xargs itself fails (not 123, "a test failed") when the runner of a test could not do its work.
case $status in 0|123) ;; *) echo "scripts/test.sh: xargs ended with $status"; failed=$((failed + 1)) ;; esac
if [ ${#files[@]} = 0 ]; then echo "no test matches"; failed=$((failed + 1)); fi

echo "${#files[@]} files in $(($(date +%s) - start)) s${san:+ under $san}${GC:+, GC=$GC}"
line="$passed passed, $failed failed"
[ $skipped = 0 ] || line="$line, $skipped skipped"
echo "$line"
[ $failed = 0 ]
