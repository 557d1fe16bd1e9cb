#!/bin/sh
# Installs what is missing to build and test weft on Debian 12 and its relatives; does nothing, and
# needs no network, when everything is there.
#
#   scripts/setup.sh [build|demo|test|faults|bench|asan|tsan|valgrind|examples|gallery|rock|lint|deep|coverage|performance|versions]
#
# Works as root or through sudo; otherwise says what to install. `bench` goes on without the peers that it cannot get,
# the tests without the tools that speak with the examples' servers: tests that need one say so.
set -u
goal=${1:-test}
missing=
optional=

have() { command -v "$1" >/dev/null 2>&1; }
need() { missing="$missing $1"; }
want() { optional="$optional $1"; }
module() { lua5.4 -e "require '$1'" >/dev/null 2>&1; }

have gcc || have "${CC:-cc}" || need gcc
# gcc alone brings no C library headers on Debian.
[ -e /usr/include/stdlib.h ] || need libc6-dev
have make || need make
if have pkg-config; then
  [ -n "${LUA_DIR:-}" ] || pkg-config --exists lua5.4 || need liblua5.4-dev
  [ -n "${UV_DIR:-}" ] || pkg-config --exists libuv || need libuv1-dev
else
  need pkg-config
  [ -n "${LUA_DIR:-}" ] || need liblua5.4-dev
  [ -n "${UV_DIR:-}" ] || need libuv1-dev
fi
[ -n "${LUA_DIR:-}" ] || have lua5.4 || need lua5.4

case $goal in
  test | faults | versions | asan | tsan | valgrind | deep | coverage)
    have busted || need lua-busted
    have ps || need procps
    have luarocks || need luarocks
    have curl || want curl
    have nc || want netcat-openbsd
    have redis-benchmark || want redis-tools
    # Where it would be started as a service, that is left to whoever owns the machine.
    have redis-server || [ -d /run/systemd/system ] || want redis-server
    have wrk || want wrk
    # Debian keeps redis-lua in an older version's folder only.
    module redis || [ -e /usr/share/lua/5.1/redis.lua ] || want lua-redis
    module socket || want lua-socket
    ;;
esac
case $goal in
  versions) have clang || want clang; have ld.lld || want lld ;;
  rock) have luarocks || need luarocks ;;
  gallery | deep) have chromium || have google-chrome || want chromium ;;
  valgrind) have valgrind || need valgrind ;;
  lint) have luacheck || want lua-check; have clang || want clang; have clang-tidy || want clang-tidy; have cppcheck || want cppcheck ;;
  bench | performance)
    have go || want golang-go
    have erl || want erlang-base
    have node || have nodejs || want nodejs
    module luv || want lua-luv
    module cqueues || want lua-cqueues
    module cjson || want lua-cjson
    # Debian keeps copas, a Lua file, in an older version's folder only.
    module copas || [ -e /usr/share/lua/5.1/copas.lua ] || want lua-copas
    ;;
esac

# What could not be had once is not asked for at each run.
tried=${BUILD:-build}/setup-tried-$goal
give_up_on() { [ -z "$1" ] || { mkdir -p "${tried%/*}" && echo "$1" >"$tried"; }; }
[ "$(cat "$tried" 2>/dev/null)" != "$optional" ] || optional=
[ -n "$missing$optional" ] || exit 0

by_hand() {
  echo "weft: $1" >&2
  [ -z "$missing" ] || echo "weft: please install:$missing" >&2
  [ -z "$optional" ] || echo "weft: useful for '$goal', not needed:$optional" >&2
  give_up_on "$optional"
  [ -z "$missing" ]
  exit
}

have apt-get || by_hand "no apt-get on this system"
if [ "$(id -u)" = 0 ]; then
  sudo=
elif have sudo && sudo -n true 2>/dev/null; then
  sudo="sudo -n"
elif have sudo && [ -t 0 ]; then
  sudo=sudo
else
  by_hand "not root, and no sudo"
fi

apt() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null; }

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
echo "weft: installing$missing$optional"
apt update >"$log" 2>&1 || { tail -n 5 "$log" >&2; echo "weft: apt-get update failed; trying with the lists at hand" >&2; }
if [ -n "$missing" ]; then
  # shellcheck disable=SC2086  # a list of words
  apt install --no-install-recommends $missing >"$log" 2>&1 || { tail -n 20 "$log" >&2; by_hand "apt-get install failed"; }
fi
failed=
for p in $optional; do
  apt install --no-install-recommends "$p" >"$log" 2>&1 && continue
  echo "weft: $p cannot be had here; '$goal' goes on without it"
  failed="$failed $p"
done
give_up_on "$failed"
exit 0
