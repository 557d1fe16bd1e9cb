/* The floor of a parked task's memory: a coroutine parked in a Lua function's call of
 * a C function that yields, held in a table that was made large enough before.
 * "bytes" is the slope of resident memory between the two counts given.
 * One thread, one state, nothing shared. */
#include "bench.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static int park(lua_State *L) {
  return lua_yield(L, 0);
}

static void start(lua_State *L, long from, long to) {
  int nres = 0;
  for (long i = from; i <= to; i++) {
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_resume(co, L, 0, &nres);
    lua_rawseti(L, 2, i);
  }
}

int main(int argc, char **argv) {
  long few = arg_long(argc, argv, 1, 100000);
  long many = arg_long(argc, argv, 2, 500000);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_gc(L, LUA_GCGEN, 0, 0);
  lua_register(L, "park", park);
  if (luaL_loadstring(L, "local park = park park()")) return 1;
  lua_createtable(L, (int)many, 0);
  start(L, 1, few);
  double r = rss_bytes();
  start(L, few + 1, many);
  printf("bytes %.1f\n", (rss_bytes() - r) / (double)(many - few));
  return 0; /* without lua_close: taking it apart is not measured */
}
