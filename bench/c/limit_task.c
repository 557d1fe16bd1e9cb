/* The floor of starting and finishing a task: one coroutine is used again and again
 * for a Lua function that returns at once ("ns"), against a new coroutine for each
 * ("new_ns", collected by the generational collector that plain lua5.4 runs).
 * One thread, one state, nothing shared. */
#include "bench.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

int main(int argc, char **argv) {
  long n = arg_long(argc, argv, 1, 1000000);
  int nres = 0;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_gc(L, LUA_GCGEN, 0, 0);
  if (luaL_loadstring(L, "local n = 0 return function() n = n + 1 end")) return 1;
  lua_call(L, 0, 1);
  lua_State *co = lua_newthread(L);
  double t = cpu_ns();
  for (long i = 0; i < n; i++) {
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_resume(co, L, 0, &nres);
    lua_settop(co, 0);
  }
  printf("ns %.3f\n", (cpu_ns() - t) / (double)n);
  lua_settop(L, 1);
  t = cpu_ns();
  for (long i = 0; i < n; i++) {
    co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_resume(co, L, 0, &nres);
    lua_settop(L, 1);
  }
  printf("new_ns %.3f\n", (cpu_ns() - t) / (double)n);
  lua_close(L);
  return 0;
}
