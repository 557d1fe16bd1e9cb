/* See loaders.h. The message has one value, a list: for each entry of preload its name and loader, then `false`, then the
 * searchers if they are not Lua's own. A loader or searcher is a function, the address of one of C, or the text of why it
 * is not here; one of Lua's own searchers is its number. */
#include "rt/loaders.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>

#include "lx/error.h"
#include "lx/lean.h"
#include "lx/pack.h"
#include "sys/pin.h"

enum { OWN = 4 /* searchers that Lua has */ };

/* Lua's own searchers. Written once, before anyone reads. */
static lua_CFunction own[OWN];

static void find_own(void) {
  lua_State *L = luaL_newstate();
  if (L == NULL) return; /* then all count as the script's, and pass as such */
  lua_pushcfunction(L, luaopen_package);
  if (lua_pcall(L, 0, 1, 0) == LUA_OK && lua_getfield(L, -1, "searchers") == LUA_TTABLE) {
    for (int i = 0; i < OWN; i++) {
      lua_rawgeti(L, -1, i + 1);
      own[i] = lua_tocfunction(L, -1);
      lua_pop(L, 1);
    }
  }
  lua_close(L);
}

/* The number of Lua's own searcher on top, from 1; 0: it is none. Lean states have a function around two of them. */
static int own_number(lua_State *L) {
  lua_CFunction f = lua_tocfunction(L, -1);
  if (f == NULL) return 0;
  if (lua_getupvalue(L, -1, 1) != NULL) {
    if (lua_iscfunction(L, -1)) f = lua_tocfunction(L, -1);
    lua_pop(L, 1);
  }
  for (int i = 0; i < OWN; i++)
    if (own[i] == f) return i + 1;
  return 0;
}

/* Push package.searchers, if it is a table; false, and nothing: it is Lua's own list, or none at all. */
static bool push_searchers(lua_State *L) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  int top = lua_gettop(L);
  if (wf_state_package_closed(L)) return false;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  bool there = lua_getfield(L, -1, LUA_LOADLIBNAME) == LUA_TTABLE && lua_getfield(L, -1, "searchers") == LUA_TTABLE;
  if (!there) {
    lua_settop(L, top);
    return false;
  }
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  pthread_once(&once, find_own);
  bool as_ever = lua_rawlen(L, -1) == OWN;
  for (int i = 1; as_ever && i <= OWN; i++) {
    lua_rawgeti(L, -1, i);
    as_ever = own_number(L) == i;
    lua_pop(L, 1);
  }
  if (as_ever) lua_pop(L, 1);
  return !as_ever;
}

/* Stands for a loader or searcher that could not come. Upvalues: what it is, why. */
static int absent(lua_State *L) {
  return luaL_error(L, "%s of the isolate that started this one is not here: %s", lua_tostring(L, lua_upvalueindex(1)),
                    lua_tostring(L, lua_upvalueindex(2)));
}

/* A C function goes by its address: by its name, as a value would, it would be looked for in preload itself. */
static void make_fit_c(lua_State *L, int at, enum wf_pack_reach reach) {
  lua_CFunction f = lua_tocfunction(L, at);
  if (f == absent) lua_getupvalue(L, at, 2);
  else if (reach != WF_REACH_PROCESS) lua_pushliteral(L, "a loader in C cannot go to another process");
  else if (lua_getupvalue(L, at, 1) != NULL) lua_pushliteral(L, "a C function with upvalues cannot cross isolates");
  else if (wf_pin_code((void (*)(void))f)) lua_pushlightuserdata(L, (void *)(uintptr_t)f);
  else lua_pushliteral(L, "the library of a C function cannot be kept");
  lua_replace(L, at);
  lua_settop(L, at);
}

/* Replace what is on top by what can stand for it in the message. */
static void make_fit(lua_State *L, enum wf_pack_reach reach) {
  int at = lua_gettop(L);
  if (lua_iscfunction(L, at)) {
    make_fit_c(L, at, reach);
    return;
  }
  wf_msg *m = lua_isfunction(L, at) ? wf_pack_for(L, at, 1, "function", reach) : NULL;
  if (m != NULL) {
    wf_msg_free(m);
    lua_settop(L, at);
    return;
  }
  if (!lua_isfunction(L, at)) lua_pushfstring(L, "a %s is no function", luaL_typename(L, at));
  luaL_tolstring(L, -1, NULL); /* the reason, instead of the error and the function */
  lua_replace(L, at);
  lua_settop(L, at);
}

static void append(lua_State *L, int list) { lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1); }

static void add_preload(lua_State *L, int list, enum wf_pack_reach reach) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    if (lua_type(L, -2) != LUA_TSTRING) {
      lua_pop(L, 1);
      continue;
    }
    lua_pushvalue(L, -2);
    append(L, list);
    make_fit(L, reach);
    append(L, list);
  }
  lua_pop(L, 1);
}

static void add_searchers(lua_State *L, int list, enum wf_pack_reach reach) {
  int searchers = lua_gettop(L), n = (int)lua_rawlen(L, searchers);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, searchers, i);
    int k = own_number(L);
    if (k > 0) {
      lua_pop(L, 1);
      lua_pushinteger(L, k);
    } else {
      make_fit(L, reach);
    }
    append(L, list);
  }
}

/* Has the script put anything into preload itself? */
static bool has_preload(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushnil(L);
  bool has = lua_next(L, -2) != 0;
  lua_pop(L, has ? 3 : 1);
  return has;
}

wf_msg *wf_loaders_pack(lua_State *L, enum wf_pack_reach reach) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 12, NULL);
  bool searchers = push_searchers(L);
  if (!searchers && !has_preload(L)) return NULL;
  lua_newtable(L);
  int list = lua_gettop(L);
  add_preload(L, list, reach);
  lua_pushboolean(L, 0);
  append(L, list);
  if (searchers) {
    lua_pushvalue(L, list - 1);
    add_searchers(L, list, reach);
  }
  lua_pushvalue(L, list);
  wf_msg *m = wf_pack_for(L, lua_gettop(L), 1, "package", reach);
  if (m == NULL) lua_error(L);
  lua_settop(L, top);
  return m;
}

/* The entry on top as a function. */
static void make_function(lua_State *L, const char *what, const char *name) {
  if (lua_islightuserdata(L, -1)) {
    lua_pushcfunction(L, (lua_CFunction)(uintptr_t)lua_touserdata(L, -1));
    lua_replace(L, -2);
  }
  if (lua_type(L, -1) != LUA_TSTRING) return;
  lua_pushfstring(L, "%s%s%s%s", what, name == NULL ? "" : "['", name == NULL ? "" : name, name == NULL ? "" : "']");
  lua_insert(L, -2);
  lua_pushcclosure(L, absent, 2);
}

static lua_Integer put_preload(lua_State *L, int list) {
  lua_Integer i = 1;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (; lua_rawgeti(L, list, i) == LUA_TSTRING; i += 2) {
    lua_rawgeti(L, list, i + 1);
    make_function(L, "package.preload", lua_tostring(L, -2));
    lua_rawset(L, -3);
  }
  lua_pop(L, 2);
  return i + 1;
}

void wf_loaders_unpack(lua_State *L, const wf_msg *m) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 12, NULL);
  wf_unpack(L, m);
  int list = lua_gettop(L);
  lua_Integer first = put_preload(L, list), n = (lua_Integer)lua_rawlen(L, list);
  if (first <= n) {
    wf_state_lib(L, LUA_LOADLIBNAME);
    lua_getfield(L, -1, "searchers");
    int searchers = lua_gettop(L);
    lua_createtable(L, OWN, 0);
    for (lua_Integer i = first; i <= n; i++) {
      if (lua_rawgeti(L, list, i) == LUA_TNUMBER) {
        lua_rawgeti(L, searchers, lua_tointeger(L, -1));
        lua_remove(L, -2);
      } else {
        make_function(L, "one of package.searchers", NULL);
      }
      lua_rawseti(L, -2, i - first + 1);
    }
    lua_setfield(L, -3, "searchers"); /* where require looks: its upvalue is this table */
  }
  lua_settop(L, top);
}
