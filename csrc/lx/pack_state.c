/* What a state keeps for packing (pack_state.h), and the names of its metatables (weft.register).
 *
 * The userdata lies in the registry under an address of ours. Names and metatables are kept strongly in one
 * table, both ways: a registered class stays for the life of the state.
 */
#include <lauxlib.h>
#include <string.h>

#include "base/alloc.h"
#include "lx/error.h"
#include "lx/late.h"
#include "lx/lean_state.h"
#include "lx/pack.h"
#include "lx/pack_state.h"

static const char STATE_KEY = 0;

/* Finaliser. The registry still leads here while the rest of the state is being finalised. */
static int state_gc(lua_State *L) {
  wf_pack_state *st = lua_touserdata(L, 1);
  wf_lean *s = wf_lean_of(L);
  if (s != NULL && s->packs == st) s->packs = NULL;
  st->closed = true;
  wf_scratch_free(&st->scratch);
  wf_msg_free(st->reading);
  st->reading = NULL;
  if (st->pool != NULL) wf_msg_pool_close(st->pool);
  st->pool = NULL;
  if (st->known != NULL) wf_shapes_free(&st->known->shapes);
  wf_free(st->known);
  st->known = NULL;
  return 0;
}

static wf_pack_state *state_create(lua_State *L) {
  luaL_checkstack(L, 5, "packing");
  wf_pack_state *st = lua_newuserdatauv(L, sizeof *st, STATE_VALUES);
  memset(st, 0, sizeof *st);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, state_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lx_late_note(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &STATE_KEY);
  wf_lean *s = wf_lean_of(L);
  if (s != NULL) s->packs = st;
  return st;
}

/* In a lean state without a look into the registry. */
static inline wf_pack_state *state_get(lua_State *L) {
  const wf_lean *s = wf_lean_of(L);
  if (wf_likely(s != NULL && s->packs != NULL)) return s->packs;
  luaL_checkstack(L, 1, "packing");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &STATE_KEY);
  wf_pack_state *st = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return wf_likely(st != NULL) ? st : state_create(L);
}

wf_known *wf_pack_state_learn(lua_State *L, size_t bytes) {
  enum { OFTEN = 64, LARGE = 256 };
  wf_pack_state *st = state_get(L);
  if (st->known != NULL) return st->known;
  size_t counts = bytes / LARGE + 1;
  st->received += counts < OFTEN ? (uint32_t)counts : OFTEN;
  if (st->closed || st->received <= OFTEN) return NULL;
  luaL_checkstack(L, 4, "unpacking");
  lua_createtable(L, WF_STRINGS + WF_SHAPES, 0);
  int ref = luaL_ref(L, LUA_REGISTRYINDEX);
  /* A finaliser that received something may have been here first. (The end of the state cannot: it collects nothing.) */
  wf_known *known = st->known == NULL ? wf_calloc(1, sizeof *known) : NULL;
  if (known == NULL) luaL_unref(L, LUA_REGISTRYINDEX, ref);
  else (st->known = known)->ref = ref;
  return st->known;
}

wf_pack_state *wf_pack_state_seen(lua_State *L) {
  const wf_lean *s = wf_lean_of(L);
  return s == NULL ? NULL : s->packs;
}

wf_pack_state *wf_pack_state_get(lua_State *L) {
  wf_pack_state *st = state_get(L);
  if (wf_unlikely(st->pool == NULL && !st->closed)) st->pool = wf_msg_pool_new(); /* without one, messages are not recycled */
  return st;
}

void wf_pack_state_push(lua_State *L) {
  wf_pack_state_get(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &STATE_KEY);
}

void wf_pack_state_place(lua_State *L, int box) {
  if (wf_likely(!lua_isnil(L, box))) return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &STATE_KEY);
  lua_replace(L, box);
}

void wf_pack_state_value(lua_State *L, int box, int which) {
  if (lua_getiuservalue(L, box, which) != LUA_TNIL) return;
  lua_pop(L, 1);
  luaL_checkstack(L, 6, "packing");
  switch (which) {
    case STATE_METAS: /* with weft's own errors */
      lua_createtable(L, 0, 2);
      lx_error_meta(L);
      lua_pushvalue(L, -1);
      lua_setfield(L, -3, "weft.error");
      lua_pushliteral(L, "weft.error");
      lua_rawset(L, -3);
      break;
    case STATE_CODE:
      lua_newtable(L);
      lua_createtable(L, 0, 1);
      lua_pushliteral(L, "k");
      lua_setfield(L, -2, "__mode");
      lua_setmetatable(L, -2);
      break;
    case STATE_HOOK: lua_pushliteral(L, "__weft_transfer"); break;
    default: lua_newtable(L); break;
  }
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, box, which);
}

void wf_register_meta(lua_State *L, const char *name, int idx) {
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 6, "registering a metatable");
  int top = lua_gettop(L);
  wf_pack_state_push(L);
  wf_pack_state_value(L, top + 1, STATE_METAS);
  int metas = top + 2;
  int held = lua_getfield(L, metas, name);
  if (held != LUA_TNIL && !lua_rawequal(L, -1, idx))
    luaL_error(L, "the name '%s' is registered for another metatable", name);
  lua_pushvalue(L, idx);
  if (lua_rawget(L, metas) == LUA_TSTRING && strcmp(lua_tostring(L, -1), name) != 0)
    luaL_error(L, "this metatable is registered as '%s'", lua_tostring(L, -1));
  if (held == LUA_TNIL) {
    lua_pushvalue(L, idx);
    lua_pushstring(L, name);
    lua_rawset(L, metas); /* first the way that unpacking does not use: half a pair does no harm */
    lua_pushvalue(L, idx);
    lua_setfield(L, metas, name);
  }
  lua_settop(L, top);
}

int wf_register(lua_State *L) {
  size_t len;
  const char *name = luaL_checklstring(L, 1, &len);
  luaL_argcheck(L, len > 0 && len <= 200 && strlen(name) == len, 1, "a name of 1 to 200 bytes without zeros expected");
  luaL_checktype(L, 2, LUA_TTABLE);
  wf_register_meta(L, name, 2);
  return 0;
}
