/* See late.h. */
#include "lx/late.h"

#include <lauxlib.h>

#include "base/base.h"

static const char KEY = 'l'; /* its address is a key in the registry: false; true once the isolate ends; or the list */

static void key_set(lua_State *L, int ending) {
  lua_pushboolean(L, ending);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &KEY);
}

void lx_late_prepare(lua_State *L) { key_set(L, 0); }

void lx_late_begin(lua_State *L) { key_set(L, 1); } /* the key is there: this takes no memory */

void lx_late_note(lua_State *L) {
  luaL_checkstack(L, 3, NULL);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &KEY);
  if (wf_likely(!lua_toboolean(L, -1))) {
    lua_pop(L, 1);
    return;
  }
  if (!lua_istable(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &KEY);
  }
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
}

void lx_finaliser_set(lua_State *L, const char *name, lua_CFunction gc) {
  luaL_newmetatable(L, name);
  if (lua_getfield(L, -1, "__gc") == LUA_TNIL) { /* not at the first time alone: that may have run out of memory here */
    lua_pushcfunction(L, gc);
    lua_setfield(L, -3, "__gc");
  }
  lua_pop(L, 1);
  lua_setmetatable(L, -2);
  lx_late_note(L);
}

/* Protected: the finalisers of the list on top. */
static int finalise(lua_State *L) {
  for (lua_Integer i = (lua_Integer)lua_rawlen(L, 1); i > 0; i--) {
    lua_rawgeti(L, 1, i);
    lua_pushnil(L);
    lua_rawseti(L, 1, i); /* whatever it raises */
    luaL_callmeta(L, -1, "__gc");
    lua_settop(L, 1);
  }
  return 0;
}

void lx_late_end(lua_State *L) {
  if (!lua_checkstack(L, 4)) return;
  for (;;) {
    lua_pushcfunction(L, finalise);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &KEY) != LUA_TTABLE || lua_rawlen(L, -1) == 0) break;
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
  }
  lua_pop(L, 2);
}
