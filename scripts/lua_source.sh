#!/bin/bash
# Fetches the distribution's Lua 5.4 sources with apt-get into build/lua-src (or DIR) and prints the
# folder for LUA_SRC, with which the sanitizer hosts get an instrumented Lua:
#
#   make tsan LUA_SRC=$(scripts/lua_source.sh) BUILD=build/src
#
# Does nothing when they are there already. Needs no root and leaves the system's lists alone.
set -eu
cd "$(dirname "$0")/.."
dir=${1:-$PWD/build/lua-src}
if [ ! -e "$dir/src/lapi.c" ]; then
  tmp=$(mktemp -d)
  trap 'rm -rf "$tmp"' EXIT
  mkdir -p "$tmp/lists/partial" "$tmp/cache/archives/partial" "$tmp/get" "$dir"
  # The system's own lines, as sources of source packages.
  for f in /etc/apt/sources.list /etc/apt/sources.list.d/debian.list; do
    [ ! -e "$f" ] || sed -n 's/^deb /deb-src /p' "$f"
  done >"$tmp/src.list"
  f=/etc/apt/sources.list.d/debian.sources
  [ ! -e $f ] || sed 's/^Types:.*/Types: deb-src/' $f >"$tmp/src.sources"
  if [ -s "$tmp/src.sources" ]; then list=$tmp/src.sources; else list=$tmp/src.list; fi
  apt() {
    apt-get -q -y -o Dir::Etc::sourcelist="$list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$tmp/lists" \
      -o Dir::Cache="$tmp/cache" -o APT::Sandbox::User=root "$@" </dev/null >&2
  }
  apt update
  (cd "$tmp/get" && apt source --download-only lua5.4)
  tar -xf "$tmp"/get/lua5.4_*.orig.tar.* -C "$dir" --strip-components=1
fi
[ -e "$dir/src/lapi.c" ] && echo "$dir/src"
