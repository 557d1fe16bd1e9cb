/*
** The machinery of a lean state: libraries that open when a script looks at them.
**
** At first _G holds nothing. Its metatable, which the registry's _LOADED shares,
** puts a name there when it is looked for: a base function by itself, a library
** with all that belongs to it. Strings have a metatable that does arithmetic and
** opens `string` at the first method. A name is handed out once; what the script
** then assigns or removes stays assigned or removed.
**
** A script could notice only by looking past metamethods, so those doors are
** watched:
**
**   next, pairs, getmetatable, setmetatable on _G or package.loaded
**                            everything opens at once, the metatables go
**   rawget, rawset on those  the one name is settled first
**   getmetatable of a string `string` opens first
**   debug                    everything opens, the metatables go
**   a C module               everything opens before it is loaded
**
** Six base functions are ours for that, and stay ours: each looks whether a door
** is concerned and then goes on as Lua's own, in the same C frame, so arguments,
** errors and tracebacks are Lua's. The openers run protected: when memory is out
** half way the library counts as closed and opens anew at the next look.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "lx/lean_state.h"

/* A script that looks at this many globals that are not there, or calls the doors
   so often, pays for the machinery each time: opening everything costs about as
   much and ends it. */
enum { MISSES_MAX = 200, CHECKS_MAX = 10000 };

static bool lib_closed(const wf_lean *s, unsigned lib) {
  return (s->libs_left & ~s->libs_opening) >> lib & 1;
}

static bool base_missing(const wf_lean *s, unsigned i) { return s->base_left >> i & 1; }

/* [-0, +0, m] Puts a base name into _G; the table is at index t. */
static void base_place(lua_State *L, wf_lean *s, const wf_lean_name *n, int t) {
  lua_pushlstring(L, n->text, n->len);
  if (n->f) lua_pushcfunction(L, n->f);
  else if (strcmp(n->text, "_G") == 0) lua_pushvalue(L, t);
  else lua_pushliteral(L, LUA_VERSION); /* what base has besides: _VERSION */
  lua_rawset(L, t);
  s->base_left &= ~((uint64_t)1 << n->index);
}

/* ---------------------------------------------------------------- libraries */

/* upvalue 1: Lua's own loader. A C module may look at _G past any metamethod. */
static int load_c(lua_State *L) {
  wf_state_open_all(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* [-1, +1, m] */
static void guard_loader(lua_State *L) { lua_pushcclosure(L, load_c, 1); }

/* The table of `package` is on top. */
static void package_set_up(lua_State *L, wf_lean *s) {
  if (s->path) {
    lua_pushstring(L, s->path);
    lua_setfield(L, -2, "path");
  }
  if (s->cpath) {
    lua_pushstring(L, s->cpath);
    lua_setfield(L, -2, "cpath");
  }
  lua_getfield(L, -1, "loadlib");
  guard_loader(L);
  lua_setfield(L, -2, "loadlib");
  lua_getfield(L, -1, "searchers");
  for (int i = 3; i <= 4; i++) { /* the two that load C modules */
    lua_rawgeti(L, -1, i);
    guard_loader(L);
    lua_rawseti(L, -2, i);
  }
  lua_pop(L, 1);
}

/* Protected. Argument: the library's number. As luaL_requiref, but past the
   metamethods, which would come back here. */
static int lib_open_body(lua_State *L) {
  wf_lean *s = wf_lean_of(L);
  enum wf_lib lib = (enum wf_lib)lua_tointeger(L, 1);
  const char *name = wf_lean_lib_name(lib);
  lua_settop(L, 0);
  lua_pushcfunction(L, wf_lean_lib_opener(lib));
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
  if (lib == WF_LIB_PACKAGE) package_set_up(L, s);
  if (s->opened) {
    s->opened(L, name, s->ud);
    lua_settop(L, 1);
  }
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushglobaltable(L);
  for (int t = 2; t <= 3; t++) {
    lua_pushstring(L, name);
    lua_pushvalue(L, 1);
    lua_rawset(L, t);
  }
  return 0;
}

/* [-0, +0, -] Takes a name out of a table again; allocates nothing. */
static void forget(lua_State *L, int t, int k) {
  lua_pushvalue(L, k);
  if (lua_rawget(L, t) != LUA_TNIL) {
    lua_pushvalue(L, k);
    lua_pushnil(L);
    lua_rawset(L, t);
  }
  lua_pop(L, 1);
}

/*
** Opens a library, or raises and leaves it as closed as it was. All that undoing
** takes is on the stack before anything is done. [-0, +0, m]
*/
static void lib_open(lua_State *L, wf_lean *s, unsigned lib) {
  luaL_checkstack(L, 12, NULL);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  int top = lua_gettop(L); /* loaded, _G, the two names, a string, its metatable */
  lua_pushglobaltable(L);
  lua_pushstring(L, wf_lean_lib_name((enum wf_lib)lib));
  lua_pushstring(L, lib == WF_LIB_PACKAGE ? "require" : lua_tostring(L, -1));
  lua_pushliteral(L, "");
  if (!lua_getmetatable(L, -1)) lua_pushnil(L);
  lua_pushcfunction(L, lib_open_body);
  lua_pushinteger(L, (lua_Integer)lib);
  s->libs_opening |= 1u << lib;
  int status = lua_pcall(L, 1, 0, 0);
  s->libs_opening &= ~(1u << lib);
  if (status != LUA_OK) {
    for (int t = top; t <= top + 1; t++)
      for (int k = top + 2; k <= top + 3; k++) forget(L, t, k);
    lua_pushvalue(L, top + 5);
    if (lib == WF_LIB_STRING) lua_setmetatable(L, top + 4);
    lua_settop(L, top + 6);
    lua_error(L);
  }
  s->libs_left &= ~(1u << lib);
  lua_settop(L, top - 1);
}

/* [-0, +0, -] Allocates nothing. */
static void machinery_remove(lua_State *L, wf_lean *s) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushglobaltable(L);
  for (int i = 0; i < 2; i++) {
    lua_pushnil(L);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
  }
  s->lazy = false;
}

/*
** `debug` last, and the machinery goes with it: a script that has `debug` must not
** see it, even when memory was out on the way and all else stays half done.
** While an opener runs (one that looked through a door) all is not there, and the
** machinery stays until the next look.
*/
void wf_state_open_all(lua_State *L) {
  wf_lean *s = wf_lean_of(L);
  if (!s || !s->lazy) return;
  luaL_checkstack(L, 6, NULL);
  for (unsigned lib = 0; lib < WF_LIB_DEBUG; lib++)
    if (lib_closed(s, lib)) lib_open(L, s, lib);
  lua_pushglobaltable(L);
  int t = lua_gettop(L);
  const wf_lean_name *n;
  for (unsigned i = 0; (n = wf_lean_name_base(i)) != NULL; i++)
    if (base_missing(s, i)) base_place(L, s, n, t);
  lua_pop(L, 1);
  if (s->libs_opening != 0) return;
  if (lib_closed(s, WF_LIB_DEBUG)) lib_open(L, s, WF_LIB_DEBUG);
  machinery_remove(L, s);
}

/* Opens a library for a script; `debug` sees through everything. */
static void lib_demand(lua_State *L, wf_lean *s, unsigned lib) {
  if (lib == WF_LIB_DEBUG) wf_state_open_all(L);
  else lib_open(L, s, lib);
}

/* ------------------------------------------------------------------- names */

/* Makes what the name at index k means in the table at t be there, if it is yet
   to come; false if there is nothing to come. [-0, +0, m] */
static bool name_settle(lua_State *L, wf_lean *s, int t, int k) {
  if (lua_type(L, k) != LUA_TSTRING) return false;
  size_t len;
  const char *text = lua_tolstring(L, k, &len);
  const wf_lean_name *n = wf_lean_name_find(text, len);
  if (!n) return false;
  bool in_globals = lua_topointer(L, t) == s->globals;
  if (n->kind == WF_NAME_BASE) {
    if (!in_globals || !base_missing(s, n->index)) return false;
    base_place(L, s, n, t);
    return true;
  }
  if ((n->kind == WF_NAME_REQUIRE && !in_globals) || !lib_closed(s, n->index)) return false;
  lib_demand(L, s, n->index);
  return true;
}

static int open_all(lua_State *L) {
  wf_state_open_all(L);
  return 0;
}

/* For the script's speed alone, so failing must not show. [-0, +0, -] */
static void open_quietly(lua_State *L) {
  if (!lua_checkstack(L, 2)) return;
  lua_pushcfunction(L, open_all);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) lua_pop(L, 1);
}

/* __index of _G and _LOADED. */
static int on_index(lua_State *L) {
  wf_lean *s = wf_lean_of(L);
  lua_settop(L, 2);
  if (name_settle(L, s, 1, 2)) {
    lua_rawget(L, 1);
    return 1;
  }
  if (++s->misses >= MISSES_MAX) {
    s->misses = 0;
    open_quietly(L);
  }
  return 0;
}

static int raw_set(lua_State *L) {
  lua_rawset(L, 1);
  return 0;
}

/* _G[nil] = v and _G[0/0] = v: the error must tell the script's line, not ours. */
static int refuse_key(lua_State *L) {
  lua_pushcfunction(L, raw_set);
  lua_insert(L, 1);
  lua_pcall(L, 3, 0, 0);
  luaL_where(L, 1);
  lua_insert(L, -2);
  lua_concat(L, 2);
  return lua_error(L);
}

/* __newindex of both: the old value comes first, so that what it brings with it
   (the library behind the name) is there, and then the new one takes its place. */
static int on_newindex(lua_State *L) {
  wf_lean *s = wf_lean_of(L);
  lua_settop(L, 3);
  if (lua_isnil(L, 2) || (lua_type(L, 2) == LUA_TNUMBER && !lua_rawequal(L, 2, 2))) return refuse_key(L);
  name_settle(L, s, 1, 2);
  return raw_set(L);
}

/* __index of strings while `string` is closed. Opening it gives them Lua's own. */
static int on_string_index(lua_State *L) {
  wf_lean *s = wf_lean_of(L);
  lua_settop(L, 2);
  if (lib_closed(s, WF_LIB_STRING)) lib_open(L, s, WF_LIB_STRING);
  lua_gettable(L, 1);
  return 1;
}

/* ------------------------------------------------------------------- doors */

/* The record, if the first argument is a table that the machinery is in. (Or a
   light userdata of the same address: then Lua's own function refuses it.) */
static wf_lean *door_of(lua_State *L) {
  wf_lean *s = wf_lean_of(L);
  if (!s || !s->lazy) return NULL;
  const void *t = lua_topointer(L, 1);
  if (wf_unlikely(t == s->globals || t == s->loaded)) return s;
  if (wf_unlikely(++s->checks >= CHECKS_MAX)) {
    s->checks = 0;
    open_quietly(L);
  }
  return NULL;
}

static void open_at_door(lua_State *L) {
  if (door_of(L)) wf_state_open_all(L);
}

static int door_next(lua_State *L) {
  open_at_door(L);
  return wf_lean_stock[WF_DOOR_NEXT](L);
}

static int door_pairs(lua_State *L) {
  open_at_door(L);
  int n = wf_lean_stock[WF_DOOR_PAIRS](L);
  if (lua_tocfunction(L, -n) == wf_lean_stock[WF_DOOR_NEXT]) { /* the `next` of this state is ours */
    lua_pushcfunction(L, door_next);
    lua_replace(L, -n - 1);
  }
  return n;
}

static int door_rawget(lua_State *L) {
  wf_lean *s = door_of(L);
  if (s && lua_istable(L, 1) && lua_gettop(L) >= 2) name_settle(L, s, 1, 2);
  return wf_lean_stock[WF_DOOR_RAWGET](L);
}

static int door_rawset(lua_State *L) {
  wf_lean *s = door_of(L);
  if (s && lua_istable(L, 1) && lua_gettop(L) >= 3) name_settle(L, s, 1, 2);
  return wf_lean_stock[WF_DOOR_RAWSET](L);
}

static int door_getmetatable(lua_State *L) {
  wf_lean *s = wf_lean_of(L);
  if (s && s->lazy && lua_type(L, 1) == LUA_TSTRING && lib_closed(s, WF_LIB_STRING)) lib_open(L, s, WF_LIB_STRING);
  open_at_door(L);
  return wf_lean_stock[WF_DOOR_GETMETA](L);
}

static int door_setmetatable(lua_State *L) {
  open_at_door(L);
  return wf_lean_stock[WF_DOOR_SETMETA](L);
}

const lua_CFunction wf_lean_doors[WF_DOORS] = {
  [WF_DOOR_NEXT] = door_next,     [WF_DOOR_PAIRS] = door_pairs,          [WF_DOOR_RAWGET] = door_rawget,
  [WF_DOOR_RAWSET] = door_rawset, [WF_DOOR_GETMETA] = door_getmetatable, [WF_DOOR_SETMETA] = door_setmetatable,
};

/* ------------------------------------------------------------ a fresh state */

void wf_lean_install(lua_State *L, wf_lean *s) {
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, on_index);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, on_newindex);
  lua_setfield(L, -2, "__newindex");
  lua_pushglobaltable(L);
  s->globals = lua_topointer(L, -1);
  lua_createtable(L, 0, 4);
  s->loaded = lua_topointer(L, -1);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, LUA_GNAME);
  lua_pushvalue(L, -3);
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_insert(L, -2);
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
  lua_pushliteral(L, "");
  wf_lean_push_string_meta(L);
  lua_pushcfunction(L, on_string_index);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
  s->base_left = wf_lean_names_base_bits();
  s->libs_left = (1u << WF_LIBS) - 1;
  s->lazy = true;
}
