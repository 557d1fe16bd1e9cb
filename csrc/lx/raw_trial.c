/* The trial of raw.h and shape.h: tables of a state of its own, read both ways, and filled in place and read by the API.
 *
 * Every block of that state is known by address and size. A record is looked at only when its block has the size that it
 * must have, and a pointer in it is followed only when it is the address of such a block. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "lx/raw_blocks.h"
#include "lx/release.h"
#include "lx/shape.h"

typedef struct trial {
  wf_raw_blocks blocks;
  wf_shape *shape;
} trial;

static size_t size_at(const trial *t, const void *at) { return wf_raw_block_size(&t->blocks, at); }

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
static int try_reading(lua_State *L) {
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
  lua_pushlightuserdata(L, (void *)(uintptr_t)&t->blocks.block[1]);
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

/* ---- filling ---- */

enum { FIELDS = 5, NODES = 8 };

static const char *const field[FIELDS] = {"id", "name", "__index", "price", "tags"};

/* The table on top gets the fields from that one on, by the API. */
static void fill_slowly(lua_State *L, int from) {
  for (int i = from; i < FIELDS; i++) {
    lua_pushinteger(L, i * 100);
    lua_setfield(L, -2, field[i]);
  }
}

/* A table made for them is on top: lay down the shape and give the first n their values. NULL: that cannot be. */
static wf_raw_table *fill_fast(lua_State *L, const trial *t, const wf_shape *s, int n) {
  wf_raw_table *raw = (wf_raw_table *)(uintptr_t)lua_topointer(L, -1);
  if (size_at(t, raw) != sizeof *raw || size_at(t, raw->node) != NODES * sizeof *raw->node) return NULL;
  if (wf_raw_is_black(raw) || !wf_shape_lay(s, raw)) return NULL;
  for (int i = 0; i < n; i++) {
    wf_raw_node *at = &raw->node[s->key[i].node];
    if (!wf_raw_is_nil(at->tag) || at->key_tag != WF_RAW_SHORT) return NULL;
    at->v.i = i * 100;
    at->tag = WF_RAW_INTEGER;
  }
  return raw;
}

/* Are these its fields, and is it as the API would have made it? Room for more is found, too. */
static bool is_filled(lua_State *L, const trial *t, int n) {
  if (!table_reads(L, t, 0, NODES)) return false;
  for (int i = 0; i < FIELDS; i++) {
    bool ok = lua_getfield(L, -1, field[i]) == (i < n ? LUA_TNUMBER : LUA_TNIL) && lua_tointeger(L, -1) == (i < n) * i * 100;
    lua_pop(L, 1);
    if (!ok) return false;
  }
  fill_slowly(L, n);
  for (int i = 1; i <= 40; i++) {
    lua_pushinteger(L, i);
    lua_rawsetp(L, -2, &t->blocks.block[i]);
  }
  for (int i = 1; i <= 40; i++) {
    bool ok = lua_rawgetp(L, -1, &t->blocks.block[i]) == LUA_TNUMBER && lua_tointeger(L, -1) == i;
    lua_pop(L, 1);
    if (!ok) return false;
  }
  for (int i = 0; i < FIELDS; i++) {
    bool ok = lua_getfield(L, -1, field[i]) == LUA_TNUMBER && lua_tointeger(L, -1) == i * 100;
    lua_pop(L, 1);
    if (!ok) return false;
  }
  return table_reads(L, t, 0, 64);
}

/* Stack: a table of that shape. Tables made by it are like those that the API makes, as metatables also; and what the collector
 * does to a table shows. */
static bool shape_works(lua_State *L, const trial *t, const wf_shape *s) {
  for (int n = 0; n <= FIELDS; n++) {
    lua_createtable(L, 0, FIELDS);
    if (fill_fast(L, t, s, n) == NULL || !is_filled(L, t, n)) return false;
    lua_pop(L, 1);
  }
  lua_newtable(L); /* a metatable that gets its __index after it was found to have none */
  lua_createtable(L, 0, FIELDS);
  lua_pushvalue(L, -1);
  lua_setmetatable(L, -3);
  bool ok = lua_getfield(L, -2, "id") == LUA_TNIL;
  lua_pop(L, 1);
  wf_raw_table *raw = ok ? fill_fast(L, t, s, 2) : NULL;
  if (raw == NULL) return false;
  wf_raw_node *index = &raw->node[s->key[2].node];
  index->v.p = lua_topointer(L, 2); /* the table of that shape */
  index->tag = wf_raw_tag(index->v.p);
  ok = index->tag == WF_RAW_TABLE && lua_getfield(L, -2, "price") == LUA_TNUMBER && lua_tointeger(L, -1) == 300;
  lua_settop(L, 2);
  lua_createtable(L, 0, FIELDS);
  raw = ok ? fill_fast(L, t, s, 1) : NULL;
  if (raw == NULL) return false;
  lua_gc(L, LUA_GCCOLLECT);
  ok = raw->node[s->key[0].node].key_tag == WF_RAW_SHORT && raw->node[s->key[1].node].key_tag != WF_RAW_SHORT;
  lua_gc(L, LUA_GCGEN, 0, 0); /* what is there is old then, and black */
  return ok && wf_raw_is_black(raw);
}

/* The array that a table is made with. */
static bool array_works(lua_State *L, const trial *t) {
  lua_createtable(L, 3, 0);
  wf_raw_table *raw = (wf_raw_table *)(uintptr_t)lua_topointer(L, -1);
  if (size_at(t, raw) != sizeof *raw || size_at(t, raw->array) != 3 * sizeof *raw->array) return false;
  if (wf_raw_array_size(raw) != 3 || wf_raw_is_black(raw)) return false;
  for (int i = 0; i < 3; i++) {
    if (raw->array[i].tag != WF_RAW_EMPTY) return false;
    raw->array[i].v.i = i;
    raw->array[i].tag = WF_RAW_INTEGER;
  }
  return table_reads(L, t, 3, 0) && lua_rawlen(L, -1) == 3;
}

/* The same for what is written. */
static int try_filling(lua_State *L) {
  trial *t = lua_touserdata(L, 1);
  const void *keys[FIELDS];
  lua_createtable(L, 0, FIELDS);
  fill_slowly(L, 0);
  for (int i = 0; i < FIELDS; i++) {
    lua_pushstring(L, field[i]);
    keys[i] = lua_topointer(L, -1);
    lua_pop(L, 1);
  }
  t->shape = wf_shape_new(lua_topointer(L, -1), keys, FIELDS);
  lua_pushboolean(L, t->shape != NULL && shape_works(L, t, t->shape) && array_works(L, t));
  return 1;
}

static bool try_it(lua_CFunction try) {
  trial *t = calloc(1, sizeof *t);
  bool ok = t != NULL && wf_raw_blocks_run(&t->blocks, try, t);
  if (t != NULL) wf_free(t->shape);
  free(t);
  return ok;
}

_Atomic(int) wf_raw_reading, wf_raw_filling;

static bool answer(_Atomic(int) *known, bool yes) {
  atomic_store_explicit(known, yes ? 1 : -1, memory_order_relaxed);
  return yes;
}

/* Before 5.4.3 the bit that says what a limit means is in `marked`. */
bool wf_raw_try_reading(void) { return answer(&wf_raw_reading, !LX_EARLY && try_it(try_reading)); }

bool wf_raw_try_filling(void) { return answer(&wf_raw_filling, wf_raw_works() && try_it(try_filling)); }
