/* See results.h. */
#include "rt/results.h"

#include <lauxlib.h>

#include "rt/iso.h"

void wf_results_keep(lua_State *L, int n) {
  lua_pushinteger(L, n);
  lua_setfield(L, 2, "n");
  for (int i = n; i > 0; i--) lua_rawseti(L, 2, i);
  lua_setiuservalue(L, 1, 1);
}

static void unpack_now(lua_State *L, int idx, uint8_t *state, lua_CFunction unpack) {
  lua_pushcfunction(L, unpack);
  lua_pushvalue(L, idx);
  int status = lua_pcall(L, 1, 0, 0);
  if (status == LUA_ERRMEM) lua_error(L); /* another time */
  if (status == LUA_OK) return;
  *state = WF_FAILED;
  lua_createtable(L, 1, 0);
  lua_insert(L, -2);
  lua_rawseti(L, -2, 1);
  lua_setiuservalue(L, idx, 1);
}

int wf_results_push(lua_State *L, int idx, bool *unpacked, uint8_t *state, lua_CFunction unpack) {
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 8, NULL);
  if (!*unpacked) unpack_now(L, idx, state, unpack);
  *unpacked = true;
  lua_getiuservalue(L, idx, 1);
  int kept = lua_gettop(L);
  if (*state != WF_DONE) {
    lua_rawgeti(L, kept, 1);
    lua_remove(L, kept);
    return -1;
  }
  lua_getfield(L, kept, "n");
  int n = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  luaL_checkstack(L, n + 1, "too many results");
  for (int i = 1; i <= n; i++) lua_rawgeti(L, kept, i);
  lua_remove(L, kept);
  return n;
}
