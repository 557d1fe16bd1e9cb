/* Shared by the tests of packing: two states with counted memory, and Lua functions over wf_pack and
 * wf_unpack for test scripts. One thread. Include once, in a file with main. */
#ifndef PACK_UTIL_H
#define PACK_UTIL_H

#include <lauxlib.h>
#include <lualib.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/alloc.h"
#include "heap.h"
#include "lx/error.h"
#include "lx/pack.h"

/* Not every test uses everything here. */
#define MAYBE_UNUSED __attribute__((unused))

static int failures;

#define CHECK(cond, ...)                                \
  do {                                                  \
    if (!(cond)) {                                      \
      printf("%s:%d: %s: ", __FILE__, __LINE__, #cond); \
      printf(__VA_ARGS__);                              \
      printf("\n");                                     \
      failures++;                                       \
    }                                                   \
  } while (0)

/* The one behind wf_malloc, and those of the two states. */
static heap c_heap MAYBE_UNUSED, here_heap MAYBE_UNUSED, there_heap MAYBE_UNUSED;

/* `there` of the test scripts: the second state. */
static lua_State *there;

/* ---- a class of userdata that travels: a counted box ---- */

static atomic_long box_live;

typedef struct box {
  atomic_int refs;
  lua_Integer value;
} box;

static void box_drop(void *handle) {
  box *b = handle;
  if (atomic_fetch_sub(&b->refs, 1) == 1) {
    box_live--;
    wf_free(b);
  }
}

static int box_gc(lua_State *L) {
  box **u = lua_touserdata(L, 1);
  if (*u != NULL) box_drop(*u);
  *u = NULL;
  return 0;
}

static void box_push(lua_State *L, box *b);

static void *box_take(lua_State *L, int idx) {
  box **u = lua_touserdata(L, idx);
  switch ((*u)->value) { /* the errors that a class may give */
    case 13: lua_pushliteral(L, "a box with 13 stays at home"); return NULL;
    case 14: lx_error_new(L, "closed", "box %d is closed", 14); return NULL;
    case 15: lua_pushnil(L); return NULL;
    default: break;
  }
  atomic_fetch_add(&(*u)->refs, 1);
  return *u;
}

static void box_give(lua_State *L, void *handle) { box_push(L, handle); }

static const wf_transfer box_transfer = {"test.box", box_take, box_give, box_drop, 0, NULL, NULL, NULL};

static int box_value(lua_State *L) {
  box **u = luaL_checkudata(L, 1, "test.box");
  lua_pushinteger(L, (*u)->value);
  return 1;
}

/* b: NULL makes a new one. The userdata takes a reference of its own. */
static void box_push(lua_State *L, box *b) {
  luaL_checkstack(L, 6, NULL);
  box **u = lua_newuserdatauv(L, sizeof *u, 0);
  *u = NULL;
  if (luaL_newmetatable(L, "test.box")) {
    lua_pushcfunction(L, box_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, box_value);
    lua_setfield(L, -2, "__len");
    lua_pushlightuserdata(L, (void *)(uintptr_t)&box_transfer);
    lua_setfield(L, -2, "__weft_transfer");
  }
  lua_setmetatable(L, -2);
  if (b != NULL) {
    atomic_fetch_add(&b->refs, 1);
    *u = b;
  }
}

static int box_new(lua_State *L) {
  lua_Integer value = luaL_checkinteger(L, 1);
  box_push(L, NULL);
  box **u = lua_touserdata(L, -1);
  box *b = wf_malloc(sizeof *b);
  if (b == NULL) return luaL_error(L, "not enough memory");
  box_live++;
  atomic_init(&b->refs, 1);
  b->value = value;
  *u = b;
  return 1;
}

/* ---- functions for test scripts ---- */

static enum wf_pack_reach reach = WF_REACH_PROCESS;

/* Unpack m in L by the reader for `reach`; frees it. Raises what unpacking raised. */
static int unpack_by_reach(lua_State *L, wf_msg *m) {
  int n = reach == WF_REACH_PEERS ? wf_unpack_peer(L, m->data, m->len) : wf_unpack_untrusted(L, m->data, m->len);
  wf_msg_free(m);
  if (n < 0) lua_error(L);
  return n;
}

/* The message at index 1 (light userdata), so that an error cannot lose it. */
static int unpack_protected(lua_State *L) {
  wf_msg *m = lua_touserdata(L, 1);
  lua_settop(L, 0);
  return reach == WF_REACH_PROCESS ? wf_unpack(L, m) : unpack_by_reach(L, m);
}

/* Move n values at `first` of `from` to `to`: pushes them, or raises in `from` with `to` cut back to `floor`. */
static int move(lua_State *from, int first, int n, lua_State *to, int floor, const char *what) {
  int top = lua_gettop(from), base = lua_gettop(to);
  wf_msg *m = wf_pack_for(from, first, n, what, reach);
  if (m == NULL) {
    CHECK(lua_gettop(from) == top + 1, "one error value, not %d", lua_gettop(from) - top);
    if (from != to) lua_settop(to, floor);
    return lua_error(from);
  }
  CHECK(lua_gettop(from) == top, "packing left %d", lua_gettop(from) - top);
  lua_pushcfunction(to, unpack_protected);
  lua_pushlightuserdata(to, m);
  int bad = lua_pcall(to, 1, LUA_MULTRET, 0);
  if (reach == WF_REACH_PROCESS) wf_msg_free(m);
  if (bad) {
    if (from == to) return lua_error(from);
    m = wf_pack(to, lua_gettop(to), 1, "value");
    if (m != NULL) {
      wf_unpack(from, m);
      wf_msg_free(m);
    } else {
      lua_pushliteral(from, "unpacking failed");
    }
    lua_settop(to, floor);
    return lua_error(from);
  }
  return lua_gettop(to) - base;
}

/* cross(...): the arguments, moved to the other state and back. */
static int l_cross(lua_State *L) {
  int n = lua_gettop(L), base = lua_gettop(there);
  int m = move(L, 1, n, there, base, "arg");
  CHECK(m == n, "%d values of %d arrived", m, n);
  int k = move(there, base + 1, m, L, n, "result");
  lua_settop(there, base);
  return k;
}

/* copy(...): the same within the state. */
static int l_copy(lua_State *L) {
  int n = lua_gettop(L);
  return move(L, 1, n, L, n, "arg");
}

/* at(code, ...): run code in the other state with the arguments moved there; its results moved back. */
static int l_at(lua_State *L) {
  int base = lua_gettop(there);
  const char *code = luaL_checkstring(L, 1);
  if (luaL_loadbufferx(there, code, strlen(code), "=there", "t") != LUA_OK)
    return luaL_error(L, "%s", lua_tostring(there, -1));
  int n = move(L, 2, lua_gettop(L) - 1, there, base, "arg");
  if (lua_pcall(there, n, LUA_MULTRET, 0) != LUA_OK) {
    lua_pushstring(L, luaL_tolstring(there, -1, NULL));
    lua_settop(there, base);
    return lua_error(L);
  }
  int k = move(there, base + 1, lua_gettop(there) - base, L, lua_gettop(L), "result");
  lua_settop(there, base);
  return k;
}

/* reach(n): who reads from now on, 0 this process, 1 peers, 2 anyone. */
static int l_reach(lua_State *L) {
  reach = (enum wf_pack_reach)luaL_checkinteger(L, 1);
  return 0;
}

/* bytes(...): the message as a string. */
static int l_bytes(lua_State *L) {
  int n = lua_gettop(L);
  wf_msg *m = wf_pack_for(L, 1, n, "value", reach);
  if (m == NULL) return lua_error(L);
  lua_pushlstring(L, m->data, m->len);
  wf_msg_free(m);
  return 1;
}

static int l_closure(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  return 1;
}

/* A C function in no module; with an argument a closure over it. */
static int l_hidden(lua_State *L) {
  int n = lua_gettop(L);
  lua_pushcclosure(L, l_closure, n);
  return 1;
}

/* A light userdata; a C function of a shared library; one whose code is in no file. */
static int l_pointer(lua_State *L) {
  lua_pushlightuserdata(L, &failures);
  return 1;
}

static int l_foreign(lua_State *L) {
  lua_pushcfunction(L, (lua_CFunction)(uintptr_t)uv_version);
  return 1;
}

static int l_nowhere(lua_State *L) {
  lua_pushcfunction(L, (lua_CFunction)(uintptr_t)lua_touserdata(L, lua_upvalueindex(1)));
  return 1;
}

MAYBE_UNUSED static lua_State *state_new(heap *h) {
  static const luaL_Reg lib[] = {
      {"cross", l_cross},     {"copy", l_copy},       {"at", l_at},         {"reach", l_reach},
      {"bytes", l_bytes},     {"box", box_new},       {"hidden", l_hidden}, {"register", wf_register},
      {"pointer", l_pointer}, {"foreign", l_foreign}, {NULL, NULL},
  };
  lua_State *L = lua_newstate(heap_lua, h);
  if (L == NULL) abort();
  luaL_openlibs(L);
  lua_pushglobaltable(L);
  luaL_setfuncs(L, lib, 0);
  lua_newuserdatauv(L, 64, 0);
  lua_pushcclosure(L, l_nowhere, 1);
  lua_setfield(L, -2, "nowhere");
  lua_pop(L, 1);
  return L;
}

#endif
