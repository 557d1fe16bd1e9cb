/* The floor of a round trip between two Lua tasks: each turn resumes one of them,
 * moves the integer that it yielded to the other and resumes that. Two switches and
 * two value moves, no queue, no channel, no check. "ns" is one round trip.
 * One thread, one state, nothing shared. */
#include "bench.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static int pass(lua_State *L) {
  return lua_yield(L, 1);
}

static lua_State *body(lua_State *L, const char *source) {
  lua_State *co = lua_newthread(L);
  if (luaL_loadstring(co, source)) exit(1);
  return co;
}

int main(int argc, char **argv) {
  long n = arg_long(argc, argv, 1, 2000000);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_register(L, "pass", pass);
  lua_State *asker = body(L, "local pass, n = pass, 0 while true do n = pass(n) + 1 end");
  lua_State *echo = body(L, "local pass, v = pass, ... while true do v = pass(v) end");
  int nres = 0;
  lua_resume(asker, L, 0, &nres);
  double t = cpu_ns();
  for (long i = 0; i < n; i++) {
    lua_xmove(asker, echo, 1);
    lua_resume(echo, L, 1, &nres);
    lua_xmove(echo, asker, 1);
    lua_resume(asker, L, 1, &nres);
  }
  t = cpu_ns() - t;
  if (lua_tointeger(asker, -1) != n) return 1;
  printf("ns %.3f\n", t / (double)n);
  lua_close(L);
  return 0;
}
