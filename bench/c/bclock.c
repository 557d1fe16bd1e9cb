/* bclock: the clock of every Lua program in bench/, weft's and its peers' alike,
 * so that none is timed by an instrument of its own. A plain Lua C module without
 * state; all numbers are floats: now() and cpu() in nanoseconds, rss() and peak()
 * in bytes. And bare(n): n doubles in a userdata whose metamethods check nothing,
 * the floor of anything with elements that is written in C. */
#include "bench.h"

#include <lauxlib.h>
#include <lua.h>
#include <sys/resource.h>

static int clock_now(lua_State *L) {
  lua_pushnumber(L, now_ns());
  return 1;
}

static int clock_cpu(lua_State *L) {
  lua_pushnumber(L, cpu_ns());
  return 1;
}

static int clock_rss(lua_State *L) {
  lua_pushnumber(L, rss_bytes());
  return 1;
}

static int clock_peak(lua_State *L) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  lua_pushnumber(L, (double)r.ru_maxrss * 1024.0);
  return 1;
}

static int bare_index(lua_State *L) {
  const double *b = lua_touserdata(L, 1);
  lua_pushnumber(L, b[lua_tointeger(L, 2) - 1]);
  return 1;
}

static int bare_newindex(lua_State *L) {
  double *b = lua_touserdata(L, 1);
  b[lua_tointeger(L, 2) - 1] = lua_tonumber(L, 3);
  return 0;
}

static int clock_bare(lua_State *L) {
  size_t size = (size_t)luaL_checkinteger(L, 1) * sizeof(double);
  memset(lua_newuserdatauv(L, size, 0), 0, size);
  lua_newtable(L);
  lua_pushcfunction(L, bare_index);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, bare_newindex);
  lua_setfield(L, -2, "__newindex");
  lua_setmetatable(L, -2);
  return 1;
}

int luaopen_bclock(lua_State *L);

int luaopen_bclock(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"now", clock_now}, {"cpu", clock_cpu}, {"rss", clock_rss}, {"peak", clock_peak}, {"bare", clock_bare}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
