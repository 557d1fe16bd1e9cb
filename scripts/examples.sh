#!/bin/bash
# Runs every script of examples/ in its quick size, each under a time limit, and fails if one fails.
# With V=1 their output is shown, else only that of failures.
#
#   scripts/examples.sh     (LUA_PATH and LUA_CPATH say where weft is: `make examples` sets them)
set -u
cd "$(dirname "$0")/.." || exit 2
lua=${LUA:-lua5.4}
limit=${EXAMPLE_TIMEOUT:-120}
export WEFT_QUICK=1

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
bad=0 n=0
for script in examples/*.lua; do
  [ -f "$script" ] || continue
  n=$((n + 1))
  began=${EPOCHREALTIME/./}
  # shellcheck disable=SC2086  # LUA may be several words
  bash scripts/limit.sh "$limit" "$tmp/stacks" $lua "$script" </dev/null >"$tmp/out" 2>&1
  rc=$?
  ms=$(((${EPOCHREALTIME/./} - began) / 1000))
  if [ $rc = 0 ]; then
    printf 'ok    %-36s %d.%d s\n' "$script" $((ms / 1000)) $((ms % 1000 / 100))
    [ "${V:-}" != 1 ] || sed 's/^/      | /' "$tmp/out"
  else
    bad=$((bad + 1))
    printf 'FAIL  %-36s exit status %d\n' "$script" $rc
    cat "$tmp/out" "$tmp/stacks" 2>/dev/null | sed 's/^/      | /'
  fi
  rm -f "$tmp/stacks"
done
echo "$((n - bad)) examples ran, $bad failed"
[ $bad = 0 ] && [ $n -gt 0 ]
