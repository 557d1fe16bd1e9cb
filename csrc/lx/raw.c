/* The trial of raw.h: tables of a state of its own, read both ways.
 *
 * Every block of that state is known by address and size. A record is looked at only when its block has the size that it
 * must have, and a pointer in it is followed only when it is the address of such a block. */
#include "lx/raw.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "lx/release.h"

enum { BLOCKS = 512 };

typedef struct trial {
  struct {
    const void *at;
    size_t size;
  } block[BLOCKS];
} trial;

static void *trial_alloc(void *ud, void *block, size_t osize, size_t nsize) {
  trial *t = ud;
  size_t i = 0;
  (void)osize;
  while (i < BLOCKS && t->block[i].at != block) i++; /* block NULL: a free place */
  if (i == BLOCKS) return NULL;
  void *moved = NULL;
  if (nsize == 0) free(block);
  else if ((moved = realloc(block, nsize)) == NULL) return NULL;
  t->block[i].at = moved;
  t->block[i].size = moved == NULL ? 0 : nsize;
  return moved;
}

/* How large the block at that address is; 0: there is none. */
static size_t size_at(const trial *t, const void *at) {
  for (size_t i = 0; at != NULL && i < BLOCKS; i++)
    if (t->block[i].at == at) return t->block[i].size;
  return 0;
}

static bool same_string(lua_State *L, const trial *t, int idx, uint8_t tag, const void *p) {
  size_t len, want;
  const char *text = lua_tolstring(L, idx, &want);
  if (p != lua_topointer(L, idx) || size_at(t, p) < offsetof(wf_raw_string, bytes) + want + 1) return false;
  if (tag != (want <= 40 ? WF_RAW_SHORT : WF_RAW_LONG)) return false;
  return wf_raw_text(tag, p, &len) == text && len == want;
}

/* Is the value on the stack the one that was read? */
static bool same(lua_State *L, const trial *t, int idx, uint8_t tag, wf_raw_data v) {
  switch (lua_type(L, idx)) {
    case LUA_TBOOLEAN: return tag == (lua_toboolean(L, idx) ? WF_RAW_TRUE : WF_RAW_FALSE);
    case LUA_TNUMBER:
      if (lua_isinteger(L, idx)) return tag == WF_RAW_INTEGER && v.i == lua_tointeger(L, idx);
      return tag == WF_RAW_FLOAT && v.n == lua_tonumber(L, idx);
    case LUA_TLIGHTUSERDATA: return tag == WF_RAW_POINTER && v.p == lua_touserdata(L, idx);
    case LUA_TSTRING: return same_string(L, t, idx, tag, v.p);
    case LUA_TTABLE: return tag == WF_RAW_TABLE && v.p == lua_topointer(L, idx);
    default: return false;
  }
}

/* The pairs of the table on top in the order of lua_next, and nothing else; with that many places in array and hash. */
static bool table_reads(lua_State *L, const trial *t, size_t array, size_t nodes) {
  const wf_raw_table *raw = lua_topointer(L, -1);
  if (size_at(t, raw) != sizeof *raw || wf_raw_array_size(raw) != array || wf_raw_nodes(raw) != nodes) return false;
  if (array > 0 && size_at(t, raw->array) != array * sizeof *raw->array) return false;
  if (nodes > 0 && size_at(t, raw->node) != nodes * sizeof *raw->node) return false;
  lua_pushnil(L);
  for (size_t i = 0; i < array; i++) {
    wf_raw_data key = {.i = (lua_Integer)i + 1};
    if (wf_raw_is_nil(raw->array[i].tag)) continue;
    if (!lua_next(L, -2) || !same(L, t, -2, WF_RAW_INTEGER, key) || !same(L, t, -1, raw->array[i].tag, raw->array[i].v))
      return false;
    lua_pop(L, 1);
  }
  for (size_t i = 0; i < nodes; i++) {
    const wf_raw_node *n = &raw->node[i];
    if (wf_raw_is_nil(n->tag)) continue;
    if (!lua_next(L, -2) || !same(L, t, -2, n->key_tag, n->key) || !same(L, t, -1, n->tag, n->v)) return false;
    lua_pop(L, 1);
  }
  return !lua_next(L, -2);
}

static void set(lua_State *L, const char *key, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, key);
}

/* Protected. Stack: the trial. Gives a boolean. */
static int try_all(lua_State *L) {
  const trial *t = lua_touserdata(L, 1);
  const char *text = "a text that is too long for the table of short strings";
  lua_newtable(L);
  bool ok = table_reads(L, t, 0, 0);
  lua_createtable(L, 4, 8); /* every kind of key and value */
  for (int i = 1; i <= 3; i++) {
    lua_pushinteger(L, i * 1000);
    lua_rawseti(L, -2, i);
  }
  lua_pushnumber(L, 0.5);
  lua_rawseti(L, -2, 4);
  set(L, "key", "value");
  set(L, text, text);
  lua_pushboolean(L, 1);
  lua_pushboolean(L, 0);
  lua_rawset(L, -3);
  lua_pushnumber(L, -2.5);
  lua_pushlightuserdata(L, (void *)(uintptr_t)t);
  lua_rawset(L, -3);
  lua_pushlightuserdata(L, (void *)(uintptr_t)&t->block[1]);
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  lua_pushinteger(L, -9);
  lua_newtable(L);
  lua_rawset(L, -3);
  ok = ok && table_reads(L, t, 4, 8);
  lua_pushnil(L);
  lua_setfield(L, -2, "key");
  lua_pushnil(L);
  lua_rawseti(L, -2, 2);
  ok = ok && table_reads(L, t, 4, 8);
  const wf_raw_table *raw = lua_topointer(L, -1);
  ok = ok && raw->metatable == NULL;
  lua_newtable(L);
  const void *meta = lua_topointer(L, -1);
  lua_setmetatable(L, -2);
  ok = ok && raw->metatable == meta;
  lua_createtable(L, 8, 0); /* its length is asked for, so its limit is no longer its size */
  for (int i = 1; i <= 5; i++) {
    lua_pushinteger(L, i);
    lua_rawseti(L, -2, i);
  }
  ok = ok && lua_rawlen(L, -1) == 5 && table_reads(L, t, 8, 0);
  lua_pushboolean(L, ok);
  return 1;
}

static bool try_it(void) {
  trial *t = calloc(1, sizeof *t);
  lua_State *L = t == NULL ? NULL : lua_newstate(trial_alloc, t);
  bool ok = false;
  if (L != NULL) {
    lua_pushcfunction(L, try_all);
    lua_pushlightuserdata(L, t);
    ok = lua_pcall(L, 1, 1, 0) == LUA_OK && lua_toboolean(L, -1);
    lua_close(L);
  }
  free(t);
  return ok;
}

bool wf_raw_works(void) {
  if (LX_EARLY) return false; /* before 5.4.3 the bit that says what the array's limit means is in `marked` */
  static _Atomic int known; /* 1: yes, -1: no. Any thread; all find the same, so relaxed */
  int answer = atomic_load_explicit(&known, memory_order_relaxed);
  if (wf_unlikely(answer == 0)) {
    answer = try_it() ? 1 : -1;
    atomic_store_explicit(&known, answer, memory_order_relaxed);
  }
  return answer > 0;
}
