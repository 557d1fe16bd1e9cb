/* See opts.h. */
#include "lx/opts.h"

#include <lauxlib.h>
#include <string.h>

bool lx_callable(lua_State *L, int idx) {
  if (lua_isfunction(L, idx)) return true;
  if (luaL_getmetafield(L, idx, "__call") == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}

void lx_check_callable(lua_State *L, int arg) {
  if (!lx_callable(L, arg)) luaL_typeerror(L, arg, "function");
}

void lx_opts_unknown(lua_State *L, int arg, const char *key, const char *const *known) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  lua_pushfstring(L, "unknown option '%s'%s", key, known[0] == NULL ? ": none is known" : ": one of ");
  luaL_addvalue(&b);
  for (size_t i = 0; known[i] != NULL; i++) {
    luaL_addstring(&b, known[i]);
    luaL_addstring(&b, " ");
  }
  if (known[0] != NULL) luaL_addstring(&b, "expected");
  luaL_pushresult(&b);
  luaL_argerror(L, arg, lua_tostring(L, -1));
}

void lx_opts_check(lua_State *L, int arg, const char *const *known) {
  lua_pushnil(L);
  while (lua_next(L, arg)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) luaL_argerror(L, arg, lua_pushfstring(L, "option names are strings, got a %s", luaL_typename(L, -1)));
    const char *key = lua_tostring(L, -1);
    size_t i = 0;
    while (known[i] != NULL && strcmp(known[i], key) != 0) i++;
    if (known[i] == NULL) lx_opts_unknown(L, arg, key, known);
  }
}

static int option_error(lua_State *L, int arg, const char *key, const char *want) {
  return luaL_argerror(L, arg, lua_pushfstring(L, "option '%s': %s expected, got %s", key, want, luaL_tolstring(L, -1, NULL)));
}

const char *lx_opt_string(lua_State *L, int arg, const char *key, const char *def) {
  const char *s = def;
  if (lua_getfield(L, arg, key) != LUA_TNIL) {
    if (lua_type(L, -1) != LUA_TSTRING) option_error(L, arg, key, "string");
    s = lua_tostring(L, -1);
  }
  lua_pop(L, 1);
  return s;
}

lua_Integer lx_opt_integer(lua_State *L, int arg, const char *key, lua_Integer def, lua_Integer min, lua_Integer max) {
  lua_Integer n = def;
  if (lua_getfield(L, arg, key) != LUA_TNIL) {
    int ok = 0;
    if (lua_type(L, -1) == LUA_TNUMBER) n = lua_tointegerx(L, -1, &ok);
    if (!ok || n < min || n > max)
      luaL_argerror(L, arg, lua_pushfstring(L, "option '%s': an integer from %I to %I expected, got %s", key, min, max,
                                            luaL_tolstring(L, -1, NULL)));
  }
  lua_pop(L, 1);
  return n;
}

bool lx_opt_given(lua_State *L, int arg, const char *key) {
  bool yes = lua_getfield(L, arg, key) != LUA_TNIL;
  lua_pop(L, 1);
  return yes;
}

bool lx_opt_boolean(lua_State *L, int arg, const char *key, bool def) {
  bool v = def;
  if (lua_getfield(L, arg, key) != LUA_TNIL) {
    if (lua_type(L, -1) != LUA_TBOOLEAN) option_error(L, arg, key, "boolean");
    v = lua_toboolean(L, -1);
  }
  lua_pop(L, 1);
  return v;
}
