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
  if (r->known != NULL && len <= WF_STRINGS_LEN) wf_strings_push(&r->known->strings, r->L, r->array, s, len);
  else lua_pushlstring(r->L, s, len);
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

/* The operand of a tag, of whose bytes eight are there. */
typedef union wf_operand {
  int8_t i1;
  int16_t i2;
  int32_t i4;
  int64_t i8;
  uint16_t len;
  double d;
} wf_operand;

/* Scalars, short strings and references; the rest is wf_read_other's. */
static inline __attribute__((always_inline)) bool read_any(wf_reader *r) {
  lua_State *L = r->L;
  const uint8_t *at = r->at;
  if (wf_unlikely(at == r->end)) return wf_read_bad_end(r);
  uint8_t tag = *at++;
  r->at = at;
  if (tag >= TAG_REF) return read_reference(r, tag - TAG_REF);
  if (tag >= TAG_INT) {
    lua_pushinteger(L, tag - TAG_INT);
    return true;
  }
  if (wf_unlikely(reader_left(r) < sizeof(wf_operand))) return wf_read_other(r, tag);
  wf_operand u;
  memcpy(&u, at, sizeof u);
  switch (tag) {
    case TAG_STR: r->at = at + 2; return read_bytes(r, u.len);
    case TAG_FALSE:
    case TAG_TRUE: lua_pushboolean(L, tag == TAG_TRUE); return true;
    case TAG_INT8:
      r->at = at + 1;
      lua_pushinteger(L, u.i1);
      return true;
    case TAG_INT16:
      r->at = at + 2;
      lua_pushinteger(L, u.i2);
      return true;
    case TAG_INT32:
      r->at = at + 4;
      lua_pushinteger(L, u.i4);
      return true;
    case TAG_INT64:
      r->at = at + 8;
      lua_pushinteger(L, u.i8);
      return true;
    case TAG_FLOAT:
      r->at = at + 8;
      lua_pushnumber(L, u.d);
      return true;
    default: return wf_read_other(r, tag);
  }
}

/* A table after its tag (unpack_table.c). */
bool wf_read_table(wf_reader *r, bool shared);

#endif
