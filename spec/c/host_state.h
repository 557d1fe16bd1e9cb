/* Lua states of C tests with weft in them. The core is built into the test; the Lua half comes from LUA_PATH. */
#ifndef HOST_STATE_H
#define HOST_STATE_H

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>

#include "weft.h"

/* `require "weft.core"`, and so `require "weft"`, finds the core of the test. [-0, +0, m] */
static inline void host_preload(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_weft_core);
  lua_setfield(L, -2, "weft.core");
  lua_pop(L, 1);
}

/* The core alone, as the global weft. [-0, +0, m] */
static inline void host_open_core(lua_State *L) {
  luaL_requiref(L, "weft.core", luaopen_weft_core, 0);
  lua_setglobal(L, "weft");
}

/* A state with the standard libraries, and with that or with what a script requires. */
static inline lua_State *host_core(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  host_open_core(L);
  return L;
}

static inline lua_State *host_whole(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  host_preload(L);
  return L;
}

/* Run a script, and show it with its error when it fails. The stack is empty then. */
static inline bool host_run(lua_State *L, const char *script) {
  bool ok = luaL_dostring(L, script) == LUA_OK;
  if (!ok) printf("%s\nin: %s\n", luaL_tolstring(L, -1, NULL), script);
  lua_settop(L, 0);
  return ok;
}

#endif
