/* Unpacking what belongs to the reader's own state: functions and their upvalues, modules and what is in them,
 * registered metatables, objects that live outside Lua. (unpacker.h)
 *
 * May run Lua code: `require` of a module that is not loaded yet, and whatever the metatables of a module do. */
#include <lauxlib.h>

#include "lx/error.h"
#include "lx/lean.h"
#include "lx/pack_state.h"
#include "lx/unpacker.h"

/* ---- names ---- */

/* [-0, +1, e] The module `name`, loaded if it is not. */
static bool push_module(wf_reader *r, const char *name) {
  lua_State *L = r->L;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, name) == LUA_TNIL || (lua_isboolean(L, -1) && !lua_toboolean(L, -1))) {
    int preloaded = wf_lean_preload(L, name);
    if (preloaded > 0) {
      lua_replace(L, -3);
      lua_pop(L, 1);
      return true;
    }
    if (preloaded < 0) {
      const char *why = luaL_tolstring(L, -1, NULL);
      lx_error_new(L, "transfer", "module '%s' cannot be loaded here: %s", name, why);
      return false;
    }
    if (lua_getglobal(L, "require") != LUA_TFUNCTION) {
      lx_error_new(L, "transfer", "module '%s' is not loaded here, and there is no `require`", name);
      return false;
    }
    lua_pushstring(L, name);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
      const char *why = luaL_tolstring(L, -1, NULL);
      lx_error_new(L, "transfer", "module '%s' cannot be loaded here: %s", name, why);
      return false;
    }
    lua_replace(L, -2);
  }
  lua_remove(L, -2);
  return true;
}

/* [-0, +1, m] "module.field.field" for an error. */
static const char *push_dotted(lua_State *L, const char *name, size_t len) {
  luaL_Buffer b;
  char *to = luaL_buffinitsize(L, &b, len);
  for (size_t i = 0; i < len; i++) to[i] = name[i] == '\0' ? '.' : name[i];
  luaL_pushresultsize(&b, len);
  return lua_tostring(L, -1);
}

bool wf_read_named(wf_reader *r) {
  lua_State *L = r->L;
  luaL_checkstack(L, 12, "unpacking");
  if (!wf_read_value(r)) return false;
  int name = lua_gettop(L);
  if (lua_type(L, name) != LUA_TSTRING) return wf_read_bad(r, "a name that is no string");
  size_t len;
  const char *at = lua_tolstring(L, name, &len), *start = at, *end = at + len;
  if (!push_module(r, at)) return false; /* the first part ends at its zero byte */
  for (at += strlen(at); at < end; at += strlen(at)) {
    at++;
    if (lua_istable(L, -1)) lua_getfield(L, -1, at);
    else lua_pushnil(L);
    lua_remove(L, -2);
  }
  if (lua_isnil(L, -1)) {
    lx_error_new(L, "transfer", "'%s' is not there in this isolate", push_dotted(L, start, len));
    return false;
  }
  lua_remove(L, name);
  return true;
}

bool wf_read_meta(wf_reader *r) {
  lua_State *L = r->L;
  luaL_checkstack(L, 8, "unpacking");
  if (!wf_read_pay(r, 48) || !wf_read_value(r)) return false; /* a slot of the stack */
  if (lua_type(L, -1) != LUA_TSTRING) return wf_read_bad(r, "a name that is no string");
  wf_pack_state_push(L);
  wf_pack_state_value(L, lua_gettop(L), STATE_METAS);
  lua_pushvalue(L, -3);
  if (lua_rawget(L, -2) != LUA_TTABLE) {
    lx_error_new(L, "transfer", "no metatable is registered here as '%s' (weft.register)", lua_tostring(L, -4));
    return false;
  }
  lua_replace(L, -4);
  lua_pop(L, 2);
  return true;
}

/* ---- functions ---- */

static bool read_code(wf_reader *r) {
  lua_State *L = r->L;
  if (reader_left(r) < 1) return wf_read_bad(r, "a function without code");
  uint8_t tag = *r->at++;
  const char *bytes;
  size_t len;
  if (reader_left(r) < 4) return wf_read_bad(r, "a function without code");
  uint32_t n = reader_u32(r);
  if (tag == TAG_BLOB && n < r->nside && r->side[n].ops == NULL) {
    const wf_blob *b = r->side[n].held;
    bytes = b->bytes;
    len = b->len;
  } else if (tag == TAG_LSTR && n <= reader_left(r)) {
    bytes = (const char *)r->at;
    len = n;
    r->at += n;
  } else {
    return wf_read_bad(r, "a function without code");
  }
  if (luaL_loadbufferx(L, bytes, len, "=function", "b") == LUA_OK) return true;
  lx_error_new(L, "transfer", "a function cannot be loaded here: %s", lua_tostring(L, -1));
  return false;
}

/* Upvalue n of the function on top. */
static bool read_upvalue(wf_reader *r, int n) {
  lua_State *L = r->L;
  if (reader_left(r) < 1) return wf_read_bad(r, "a function without its upvalues");
  uint8_t tag = *r->at++;
  if (tag == TAG_CELL) {
    r->objects++;
    if (!wf_read_value(r)) return false;
    if (lua_setupvalue(L, -2, n) == NULL) return wf_read_bad(r, "an upvalue too many");
    return true;
  }
  if (tag != TAG_JOIN || reader_left(r) < 5) return wf_read_bad(r, "a function without its upvalues");
  uint32_t owner = reader_u32(r);
  int index = *r->at++;
  /* What is shared is a table, a function of ours, or a userdata: no C function. */
  if (r->shared == 0 || lua_rawgeti(L, r->shared, owner) != LUA_TFUNCTION || lua_getupvalue(L, -1, index) == NULL)
    return wf_read_bad(r, "a reference to an unknown upvalue");
  wf_assert(!lua_iscfunction(L, -2));
  lua_pop(L, 1);
  if (lua_getupvalue(L, -2, n) == NULL) return wf_read_bad(r, "an upvalue too many");
  lua_pop(L, 1);
  lua_upvaluejoin(L, -2, n, -1, index);
  lua_pop(L, 1);
  return true;
}

bool wf_read_function(wf_reader *r, bool shared) {
  lua_State *L = r->L;
  luaL_checkstack(L, STACK_AHEAD, "unpacking");
  if (r->depth == PACK_DEPTH) return wf_read_bad(r, "nested too deep");
  uint32_t ordinal = r->objects++;
  if (!read_code(r)) return false;
  if (shared && !wf_read_keep(r, ordinal)) return false;
  if (reader_left(r) < 1) return wf_read_bad(r, "a function without its upvalues");
  int n = *r->at++;
  r->depth++;
  for (int i = 1; i <= n; i++)
    if (!read_upvalue(r, i)) return false;
  r->depth--;
  return true;
}

bool wf_read_c_function(wf_reader *r) {
  if (reader_left(r) < 8) return wf_read_bad(r, "it ends too early");
  lua_pushcfunction(r->L, (lua_CFunction)(uintptr_t)reader_u64(r));
  return true;
}

/* ---- objects outside Lua ---- */

bool wf_read_handle(wf_reader *r, bool shared) {
  lua_State *L = r->L;
  luaL_checkstack(L, 12, "unpacking");
  if (reader_left(r) < 4) return wf_read_bad(r, "it ends too early");
  uint32_t i = reader_u32(r), ordinal = r->objects++;
  if (i >= r->nside || r->side[i].ops == NULL) return wf_read_bad(r, "an object is missing");
  r->side[i].ops->give(L, r->side[i].held);
  return !shared || wf_read_keep(r, ordinal);
}
