/* What the releases of Lua 5.4 differ in and weft depends on. (The C stack of tasks: wf_resumer in rt/iso.h.)
 *
 * 5.4.0, 5.4.1 and 5.4.2 all say that they are 5.4.0, and so does 5.4.3, which would not need this. */
#ifndef WF_LX_RELEASE_H
#define WF_LX_RELEASE_H

#include <lua.h>

#include "base/base.h"

enum { LX_EARLY = LUA_VERSION_RELEASE_NUM < 50404 };

/* Lua calls a finaliser with memory for its frame, or frees what it is for without it: so at the cap of a state's memory
 * finalisers may have LX_FINALISERS bytes more. Is one being called? Luas before 5.4.4 do not tell. May be asked by the
 * state's allocator. */
enum { LX_FINALISERS = 32 << 10 };

static inline bool lx_in_finaliser(lua_State *L) { return lua_gc(L, LUA_GCISRUNNING) < 0; }

/* Luas before 5.4.3 begin the registry's list of free references when the first one is given back: luaL_unref may
 * need memory then, and raise. Begin it now, with its end. [-0, +0, m] */
static inline void lx_unref_prepare(lua_State *L) {
  if (!LX_EARLY) return;
  if (lua_rawgeti(L, LUA_REGISTRYINDEX, 0) == LUA_TNIL) {
    lua_pushinteger(L, 0);
    lua_rawseti(L, LUA_REGISTRYINDEX, 0);
  }
  lua_pop(L, 1);
}

/* Remove a light userdata's entry from a table. To set a key that is not there to nil takes memory in Luas before 5.4.3.
 * The index is no pseudo-index. [-0, +0, -] */
static inline void lx_rawdelp(lua_State *L, int idx, const void *key) {
  if (LX_EARLY) {
    bool there = lua_rawgetp(L, idx, key) != LUA_TNIL;
    lua_pop(L, 1);
    if (!there) return;
  }
  lua_pushnil(L);
  lua_rawsetp(L, idx < 0 ? idx - 1 : idx, key);
}

#endif
