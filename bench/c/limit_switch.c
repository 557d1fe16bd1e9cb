/* The floor of a switch: lua_resume from C of a Lua body that calls a C function
 * which yields. Nothing is scheduled, so no scheduler in C can switch for less.
 * "ns" is one resume and its yield: one task gives up, the next begins.
 * "c_body_ns" is the same with a body in C that yields with a continuation.
 * One thread, one state, nothing shared. */
#include "bench.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static int yield_again(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return lua_yieldk(L, 0, ctx, yield_again);
}

static int c_body(lua_State *L) {
  return lua_yieldk(L, 0, 0, yield_again);
}

static int plain_yield(lua_State *L) {
  return lua_yield(L, 0);
}

static double switches(lua_State *L, lua_State *co, long n) {
  int nres = 0;
  lua_resume(co, L, 0, &nres);
  double t = cpu_ns();
  for (long i = 0; i < n; i++) lua_resume(co, L, 0, &nres);
  return (cpu_ns() - t) / (double)n;
}

int main(int argc, char **argv) {
  long n = arg_long(argc, argv, 1, 5000000);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_register(L, "yield", plain_yield);
  lua_State *co = lua_newthread(L);
  if (luaL_loadstring(co, "local yield = yield while true do yield() end")) return 1;
  printf("ns %.3f\n", switches(L, co, n));
  co = lua_newthread(L);
  lua_pushcfunction(co, c_body);
  printf("c_body_ns %.3f\n", switches(L, co, n));
  lua_close(L);
  return 0;
}
