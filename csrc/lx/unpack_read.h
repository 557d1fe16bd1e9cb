/* Inside unpacking: values that are most of a message, in line where tables are filled (unpack.c, unpack_table.c). */
#ifndef WF_LX_UNPACK_READ_H
#define WF_LX_UNPACK_READ_H

#include "lx/pack_state.h"
#include "lx/unpacker.h"

enum {
  /* What Lua takes, rounded up: a table, a slot of its array, a node of its hash; a string's header and its place
   * in the table of short strings; a slot of the stack, which doubles and is copied then. */
  COST_TABLE = 56,
  COST_SLOT = 16,
  COST_NODE = 24,
  COST_STRING = 25,
  COST_INTERN = 16,
  COST_STACK = 48,
  SHORT_STRING = 40,
};

/* A table with places for so many. */
uint64_t wf_read_table_cost(uint32_t narr, uint32_t nhash);

/* Push the error of a message that ends too early, or that asks for more than it may, and return false. [-0, +1, m] */
bool wf_read_bad_end(wf_reader *r);
bool wf_read_bad_cost(wf_reader *r);

/* False, without an error pushed, when a stranger's message asks for more than it may. */
static inline bool reader_pay(wf_reader *r, uint64_t bytes) {
  if (wf_likely(r->reach != WF_REACH_ANYONE)) return true;
  if (bytes > r->memory) return false;
  r->memory -= bytes;
  return true;
}

static inline bool read_bytes(wf_reader *r, size_t len) {
  if (wf_unlikely(reader_left(r) < len)) return wf_read_bad_end(r);
  if (wf_unlikely(!reader_pay(r, COST_STRING + len + (len <= SHORT_STRING ? COST_INTERN : 0))))
    return wf_read_bad_cost(r);
  const char *s = (const char *)r->at;
  if (r->known == NULL || len > WF_STRINGS_LEN) {
    lua_pushlstring(r->L, s, len);
  } else if (r->array != 0) {
    wf_strings_push(&r->known->strings, r->L, r->array, s, len);
  } else {
    wf_read_array(r);
    wf_strings_push(&r->known->strings, r->L, lua_gettop(r->L), s, len);
    lua_remove(r->L, -2);
  }
  r->at += len;
  return true;
}

static inline bool read_reference(wf_reader *r, uint32_t i) {
  if (wf_unlikely(i >= r->dict_used)) return wf_read_bad(r, "a reference to an unknown string");
  if (wf_likely(i < PACK_DICT_NEAR)) lua_pushvalue(r->L, r->dict + (int)i);
  else lua_rawgeti(r->L, r->far, (lua_Integer)(i - PACK_DICT_NEAR) + 1);
  return true;
}

/* All others, after their tag. */
bool wf_read_other(wf_reader *r, uint8_t tag);

enum { OPERAND = 8 }; /* the most bytes of a number's */

/* A number or boolean of this tag, which is no reference's, with its operand at `at`, where OPERAND bytes can be read: how many
 * of them it has, or -1: the tag is another kind's. */
static inline __attribute__((always_inline)) int read_scalar(uint8_t tag, const uint8_t *at, wf_raw_data *v, uint8_t *kind) {
  union {
    int8_t i1;
    int16_t i2;
    int32_t i4;
    int64_t i8;
    double d;
  } u;
  *kind = WF_RAW_INTEGER;
  if (tag >= TAG_INT) {
    v->i = tag - TAG_INT;
    return 0;
  }
  memcpy(&u, at, sizeof u);
  switch (tag) {
    case TAG_INT8: v->i = u.i1; return 1;
    case TAG_INT16: v->i = u.i2; return 2;
    case TAG_INT32: v->i = u.i4; return 4;
    case TAG_INT64: v->i = u.i8; return 8;
    case TAG_FLOAT:
      *kind = WF_RAW_FLOAT;
      v->n = u.d;
      return 8;
    case TAG_FALSE: *kind = WF_RAW_FALSE; return 0;
    case TAG_TRUE: *kind = WF_RAW_TRUE; return 0;
    default: return -1;
  }
}

static inline void push_scalar(lua_State *L, wf_raw_data v, uint8_t kind) {
  if (kind == WF_RAW_INTEGER) lua_pushinteger(L, v.i);
  else if (kind == WF_RAW_FLOAT) lua_pushnumber(L, v.n);
  else lua_pushboolean(L, kind == WF_RAW_TRUE);
}

/* Scalars, short strings and references; the rest is wf_read_other's. A byte is there. */
static inline __attribute__((always_inline)) bool read_there(wf_reader *r) {
  const uint8_t *at = r->at;
  uint8_t tag = *at++, kind;
  r->at = at;
  if (tag >= TAG_REF) return read_reference(r, tag - TAG_REF);
  if (wf_unlikely((size_t)(r->safe - at) < OPERAND)) return wf_read_other(r, tag);
  if (tag == TAG_STR) {
    uint16_t len;
    memcpy(&len, at, sizeof len);
    if (wf_unlikely(reader_left(r) < sizeof len)) return wf_read_bad_end(r);
    r->at = at + sizeof len;
    return read_bytes(r, len);
  }
  wf_raw_data v;
  int size = read_scalar(tag, at, &v, &kind);
  if (wf_unlikely(size < 0)) return wf_read_other(r, tag);
  if (wf_unlikely(reader_left(r) < (size_t)size)) return wf_read_bad_end(r);
  r->at = at + size;
  push_scalar(r->L, v, kind);
  return true;
}

/* The same, be there anything or not. */
static inline __attribute__((always_inline)) bool read_any(wf_reader *r) {
  if (wf_unlikely(r->at == r->end)) return wf_read_bad_end(r);
  return read_there(r);
}

/* A table after its tag (unpack_table.c). */
bool wf_read_table(wf_reader *r, bool shared);

#endif
