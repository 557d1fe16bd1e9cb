#!/bin/bash
# Installs the rock into an empty tree with `luarocks make` and runs a script from there with nothing
# but that tree's paths. Contacts no server.
#
#   scripts/rock.sh TREE [SCRIPT [ARG...]]
#
# SCRIPT defaults to a few lines that load weft and run a task and a channel. luarocks puts objects
# beside their sources, so it works on a copy, TREE.src.
set -eu
cd "$(dirname "$0")/.."
tree=${1:?usage: scripts/rock.sh TREE [SCRIPT [ARG...]]}
shift
case $tree in /*) ;; *) tree=$PWD/$tree ;; esac
lua=${LUA:-lua5.4}

rm -rf "$tree" "$tree.src"
mkdir -p "$tree" "$tree.src"
trap 'rm -rf "$tree.src"' EXIT
for f in csrc lua bin examples weft-scm-1.rockspec LICENSE README.md CHANGELOG.md docs; do
  [ ! -e "$f" ] || cp -R "$f" "$tree.src/"
done

# A configuration without servers: a step that wanted one would fail instead of going out.
options=(--lua-version=5.4 --tree "$tree")
if [ -n "${LUA_DIR:-}" ]; then options+=(--lua-dir="$LUA_DIR"); fi
printf 'rocks_servers = {}\nrocks_trees = { "%s" }\n' "$tree" >"$tree.src/luarocks.conf"
if ! (cd "$tree.src" && LUAROCKS_CONFIG=$tree.src/luarocks.conf luarocks "${options[@]}" make --deps-mode none weft-scm-1.rockspec \
  </dev/null >make.log 2>&1); then
  cat "$tree.src/make.log"
  exit 1
fi
if grep -q 'warning:' "$tree.src/make.log"; then grep -A4 'warning:' "$tree.src/make.log"; fi
echo "rock: installed into ${tree#"$PWD"/}: $(find "$tree" -name '*.lua' -path '*/share/*' | wc -l) Lua files, $(find "$tree" -name '*.so' | wc -l) C module"

export LUA_PATH="$tree/share/lua/5.4/?.lua;$tree/share/lua/5.4/?/init.lua" LUA_CPATH="$tree/lib/lua/5.4/?.so"
unset LUA_PATH_5_4 LUA_CPATH_5_4 LUA_INIT LUA_INIT_5_4
if [ $# -gt 0 ] && [ -f "$1" ]; then set -- "$(readlink -f "$1")" "${@:2}"; fi
cd / # so that nothing is found by being in the source tree
if [ $# -gt 0 ]; then
  exec "$lua" "$@"
fi
exec "$lua" - <<'LUA'
local weft = require "weft"
local ch = weft.channel(2)
local job = weft.go(function() for i = 1, 3 do ch:send(i * i) end ch:close() return "sent" end)
local got = {}
for v in ch do got[#got + 1] = v end
assert(table.concat(got, " ") == "1 4 9" and job:join() == "sent")
assert(weft.thread(function(a, b) return a + b end, 20, 22):join() == 42)
print("rock: weft from the installed tree: " .. package.searchpath("weft.core", package.cpath))
LUA
