/* The floor of moving a value between two Lua states: a straight recursive copy from
 * state to state in C. No cycle or shared reference is looked for, no message exists
 * in between, both states belong to this one thread: what a runtime whose states run
 * on different threads cannot do. The data comes from the Lua file named first, which
 * returns a function that makes it. "us" is the best of five batches, in CPU time, as
 * pack_bench.c takes weft's. */
#include "bench.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static void copy(lua_State *from, int at, lua_State *to);

static void copy_table(lua_State *from, int at, lua_State *to) {
  int n = (int)lua_rawlen(from, at);
  luaL_checkstack(from, 4, NULL);
  luaL_checkstack(to, 4, NULL);
  lua_createtable(to, n, n ? 0 : 8);
  if (n) {
    for (int i = 1; i <= n; i++) {
      lua_rawgeti(from, at, i);
      copy(from, lua_gettop(from), to);
      lua_rawseti(to, -2, i);
      lua_pop(from, 1);
    }
    return;
  }
  lua_pushnil(from);
  while (lua_next(from, at)) {
    copy(from, lua_gettop(from) - 1, to);
    copy(from, lua_gettop(from), to);
    lua_rawset(to, -3);
    lua_pop(from, 1);
  }
}

static void copy(lua_State *from, int at, lua_State *to) {
  size_t len = 0;
  const char *s = NULL;
  switch (lua_type(from, at)) {
    case LUA_TNIL: lua_pushnil(to); break;
    case LUA_TBOOLEAN: lua_pushboolean(to, lua_toboolean(from, at)); break;
    case LUA_TNUMBER:
      if (lua_isinteger(from, at)) lua_pushinteger(to, lua_tointeger(from, at));
      else lua_pushnumber(to, lua_tonumber(from, at));
      break;
    case LUA_TSTRING:
      s = lua_tolstring(from, at, &len);
      lua_pushlstring(to, s, len);
      break;
    case LUA_TTABLE: copy_table(from, at, to); break;
    default: abort();
  }
}

static double batch(lua_State *from, lua_State *to, long n) {
  double t = cpu_ns();
  for (long i = 0; i < n; i++) {
    copy(from, 1, to);
    lua_settop(to, 0);
  }
  return (cpu_ns() - t) / 1e3 / (double)n;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  long n = arg_long(argc, argv, 2, 20);
  lua_State *from = luaL_newstate();
  luaL_openlibs(from);
  if (luaL_dofile(from, argv[1])) return 1;
  lua_call(from, 0, 1);
  lua_State *to = luaL_newstate();
  lua_gc(to, LUA_GCGEN, 0, 0);
  batch(from, to, 3);
  double best = 1e18;
  for (int i = 0; i < 5; i++) {
    double us = batch(from, to, n);
    if (us < best) best = us;
  }
  printf("us %.3f\n", best);
  lua_close(to);
  lua_close(from);
  return 0;
}
