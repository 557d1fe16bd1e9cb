/* Calls in the middle of something that a finaliser of the script must not come upon. */
#ifndef WF_LX_UNCOLLECTED_H
#define WF_LX_UNCOLLECTED_H

#include <lua.h>
#include <stdbool.h>

/* lua_pcall, in which nothing is collected: nothing happens but what is called. */
static inline int lx_pcall_uncollected(lua_State *L, int nargs, int nresults) {
  bool collects = lua_gc(L, LUA_GCISRUNNING) == 1;
  lua_gc(L, LUA_GCSTOP);
  int status = lua_pcall(L, nargs, nresults, 0);
  if (collects) lua_gc(L, LUA_GCRESTART);
  return status;
}

#endif
