#!/bin/bash
# The tests by other compilers, flags, Luas and libuvs: one build and one run of `make test` a row, and a table. What is not
# there is a row that says why; it never counts as passed. docs/versions.md has the table of the last run.
#
#   make versions [VERSIONS="words"] [LUA_DIRS="dir ..."] [UV_DIRS="dir ..."] [LUA_DIR_32=dir UV_DIR_32=dir]
#
#   VERSIONS    only the rows whose name has one of the words (`make versions VERSIONS=none` shows the names)
#   LUA_DIRS    other Luas, as for LUA_DIR: each is a row of its own (LUA_DIR counts as one more)
#   UV_DIRS     other libuvs, as for UV_DIR, each a row; those that have a static library too have two
#   LUA_DIR_32, UV_DIR_32   a 32-bit Lua and libuv; where they are not named, those that Debian's :i386 packages install.
#               TEST_CPATH: where the C modules that busted needs are, compiled for it
#   WHOLE=1     the whole suite in every row
#
# Each row is built in build/versions/NAME, which also has its log (log) and its result (row): rows of several calls make
# one table, build/versions/table.md, as long as nobody removes them.
set -u
cd "$(dirname "$0")/.." || exit 2
make=${MAKE:-make} jobs=${JOBS:-2} out=${BUILD:-build}/versions
unset MAKEFLAGS MFLAGS MAKELEVEL BUILD CC CFLAGS LUA # each row is a make of its own
lua_dirs="${LUA_DIRS:-} ${LUA_DIR:-}" uv_dirs="${UV_DIRS:-} ${UV_DIR:-}"
unset LUA_DIRS LUA_DIR UV_DIRS UV_DIR UV_STATIC
mkdir -p "$out"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# What a row runs that changes the code of the C half alone: all C tests, and the specs of what depends on how it was
# compiled: C stacks and unwinding, atomics and lock-free words, packed bytes, vector loops, signals in running code.
compiled="_test /task_spec /channel_spec select_spec coroutine_spec /cancel_spec values_spec buffer_bulk atomic_spec /mutex_spec
  preempt_spec /time_spec /net_spec fs_quick"
# And with another libuv: all C tests, and whatever a loop has its hands in.
looped="_test time_spec sync main_spec exit_spec net_ socket udp tls dns signal stdio line_spec fs_ file_spec exec process
  workers blocking child info regress"

names=()
wanted() { # NAME: is the row asked for?
  names+=("$1")
  [ -n "${VERSIONS:-}" ] || return 0
  local word
  for word in $VERSIONS; do case $1 in *"$word"*) return 0 ;; esac; done
  return 1
}

row() { # NAME COMPILER VERSIONS TESTS PASSED FAILED SKIPPED SECONDS
  mkdir -p "$out/$1"
  printf '| %s | %s | %s | %s | %s | %s | %s | %s |\n' "$@" | tee "$out/$1/row"
}

none=0
missing() { # NAME WHY
  none=$((none + 1))
  mkdir -p "$out/$1"
  printf '| %s | not available: %s | | | | | | |\n' "$1" "$2" | tee "$out/$1/row"
}

bad=0
# NAME TESTS [VARIABLE=VALUE ...]: build, run, write the row. TESTS: "all", or words as for SPEC.
run() {
  local name=$1 tests=$2 dir=$out/$1 start lua path compiler versions what last failed skipped
  shift 2
  rm -rf "$dir/check/results"
  mkdir -p "$dir"
  compiler=$(for v in "$@"; do case $v in CC=*) echo "${v#CC=}" ;; esac; done)
  compiler=$("${compiler:-gcc}" --version | head -1 | sed 's/(.*) //; s/^Debian //; s/ version / /; s/ *$//')
  [ "${WHOLE:-}" != 1 ] || tests=all
  what=all
  [ "$tests" = all ] || what=some
  start=$SECONDS
  if ! "$make" --no-print-directory READY=1 -j"$jobs" BUILD="$dir" "$@" tests-check >"$dir/log" 2>&1; then
    bad=$((bad + 1))
    tail -n 15 "$dir/log"
    row "$name" "$compiler" "" "does not build" 0 1 0 $((SECONDS - start))
    return
  fi
  SPEC=$([ "$tests" = all ] || echo $tests) "$make" --no-print-directory READY=1 BUILD="$dir" JOBS="$jobs" "$@" test >>"$dir/log" 2>&1 ||
    bad=$((bad + 1))
  last=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$dir/log" | tail -1)
  failed=$(sed -n 's/.*, \([0-9]*\) failed.*/\1/p' <<<"$last")
  skipped=$(sed -n 's/.*, \([0-9]*\) skipped.*/\1/p' <<<"$last")
  [ "${failed:-1}" = 0 ] || grep -E '^FAIL|FAILED ' "$dir/log"
  # What was loaded says which it is.
  lua=lua5.4
  for path in "$@"; do
    case $path in LUA_DIR=*) lua=$(ls "${path#LUA_DIR=}"/{bin/lua,bin/lua5.4,src/lua,lua} 2>/dev/null | head -1) ;; esac
  done
  versions=$(LUA_CPATH="$dir/check/?.so" "$lua" -e 'print((require "weft.core".versions:gsub("Lua ", ""):gsub("libuv ", "")))' 2>&1 | tail -1)
  row "$name" "$compiler" "$versions" "$what" "${last%% *}" "${failed:-1}" "${skipped:-0}" $((SECONDS - start))
}

# Does it compile, link and run?
works() { # CC FLAG...
  echo 'int main(void) { return 0; }' >"$tmp/a.c"
  "$@" -o "$tmp/a" "$tmp/a.c" >"$tmp/err" 2>&1 && "$tmp/a"
}

head='| configuration | compiler | Lua, libuv | tests | passed | failed | skipped | seconds |'
line='|---|---|---|---|---|---|---|---|'
printf '%s\n%s\n' "$head" "$line"

# ---- compilers and flags: the system's Lua and libuv

for cc in gcc clang; do
  case $cc in gcc) ar=gcc-ar ld= ;; clang) ar=llvm-ar ld=-fuse-ld=lld ;; esac
  there=; command -v $cc >/dev/null 2>&1 && there=1
  for o in "" -O0 -O1 -O3; do
    wanted "$cc$o" || continue
    if [ -z "$there" ]; then missing "$cc$o" "$cc is not installed"; continue; fi
    # `make test` is -O2: that row is the whole suite.
    if [ -z "$o" ]; then run $cc all CC=$cc; else run "$cc$o" "$compiled" CC=$cc CFLAGS="$o"; fi
  done
  if wanted "$cc-lto"; then
    if [ -z "$there" ]; then missing "$cc-lto" "$cc is not installed"
    elif ! works $cc -flto $ld || ! command -v $ar >/dev/null 2>&1; then
      missing "$cc-lto" "$cc -flto $ld cannot link, or there is no $ar (Debian: gcc; lld, llvm)"
    else
      # The optimiser sees the whole: with what the shipped module is compiled with.
      run "$cc-lto" "$compiled" CC=$cc CFLAGS="-O3 -flto $ld" AR=$ar
    fi
  fi
  if wanted "$cc-m32"; then
    l32=${LUA_DIR_32:-} u32=${UV_DIR_32:-}
    [ -n "$l32" ] || [ ! -e /usr/lib/i386-linux-gnu/liblua5.4.a ] || l32=/usr
    [ -n "$u32" ] || [ ! -e /usr/lib/i386-linux-gnu/libuv.so ] || u32=/usr
    if [ -z "$there" ]; then missing "$cc-m32" "$cc is not installed"
    elif ! works $cc -m32; then missing "$cc-m32" "$cc -m32 cannot link (Debian: gcc-multilib)"
    elif [ -z "$l32" ] || [ -z "$u32" ]; then
      missing "$cc-m32" "no 32-bit Lua or libuv (LUA_DIR_32, UV_DIR_32; Debian: lua5.4:i386 liblua5.4-dev:i386 libuv1-dev:i386)"
    else
      # No TLS: OpenSSL's files for linking are the other architecture's.
      run "$cc-m32" all CC=$cc CFLAGS="-m32 -Wno-psabi" LUA_DIR="$l32" UV_DIR="$u32" SSL_LIBS=
    fi
  fi
done

# ---- Luas: the whole suite; their headers, their library, their interpreter

label() { # a folder's own name, without what is not for a file name
  local name
  name=$(basename "$(realpath "$1")")
  echo "${name//[^A-Za-z0-9._-]/_}"
}

n=0
for dir in $lua_dirs; do
  n=$((n + 1))
  name=lua-$(label "$dir")
  wanted "$name" || continue
  if [ ! -d "$dir" ]; then missing "$name" "no folder $dir"; else run "$name" all LUA_DIR="$(realpath "$dir")"; fi
done
if [ $n = 0 ] && wanted lua-others; then missing lua-others "no LUA_DIRS named"; fi

# ---- libuvs

n=0
for dir in $uv_dirs; do
  n=$((n + 1))
  name=libuv-$(label "$dir")
  if [ ! -d "$dir" ]; then
    wanted "$name" && missing "$name" "no folder $dir"
    continue
  fi
  if wanted "$name"; then run "$name" "$looped" UV_DIR="$(realpath "$dir")"; fi
  shopt -s nullglob
  both=("$dir"/{lib,lib64,.libs,build,.}/libuv{,_a}.a)
  shared=("$dir"/{lib,lib64,.libs,build,.}/libuv.so)
  shopt -u nullglob
  if [ ${#both[@]} -gt 0 ] && [ ${#shared[@]} -gt 0 ] && wanted "$name-static"; then
    run "$name-static" "$looped" UV_DIR="$(realpath "$dir")" UV_STATIC=1
  fi
done
if [ $n = 0 ] && wanted libuv-others; then missing libuv-others "no UV_DIRS named"; fi

# ---- the table of all rows that there are

{
  printf '%s\n%s\n' "$head" "$line"
  for name in "${names[@]}"; do cat "$out/$name/row" 2>/dev/null; done
} >"$out/table.md"
[ "${VERSIONS:-}" != none ] || printf '%s\n' "${names[@]}"
echo "rows that failed: $bad; not available: $none; the table: $out/table.md"
[ $bad = 0 ]
