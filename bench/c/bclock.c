/* bclock: the clock of every Lua program in bench/, weft's and its peers' alike,
 * so that none is timed by an instrument of its own. A plain Lua C module without
 * state; all numbers are floats: now() and cpu() in nanoseconds, rss() and peak()
 * in bytes. */
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

int luaopen_bclock(lua_State *L);

int luaopen_bclock(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"now", clock_now}, {"cpu", clock_cpu}, {"rss", clock_rss}, {"peak", clock_peak}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
