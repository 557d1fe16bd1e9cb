/* Unpacking tables: by the API, or in place where that may be done (raw.h), records by their shape (shape.h).
 *
 * In place is but a way to go: it can be left at every value, and what is left to do is done by the API. */
#include <lauxlib.h>
#include <math.h>

#include "base/alloc.h"
#include "lx/unpack_read.h"

uint64_t wf_read_table_cost(uint32_t narr, uint32_t nhash) {
  uint64_t nodes = nhash == 0 ? 0 : 1;
  while (nodes < nhash) nodes *= 2;
  return COST_TABLE + (uint64_t)narr * COST_SLOT + nodes * COST_NODE + (nhash == 0 ? 1u : 2u) * COST_STACK;
}

/* ---- by the API ---- */

static inline bool read_key(wf_reader *r) {
  if (wf_unlikely(reader_left(r) < 2)) return wf_read_bad_end(r);
  uint8_t tag = *r->at;
  if (wf_unlikely(!read_there(r))) return false;
  if (wf_unlikely(tag == TAG_NIL || (tag == TAG_FLOAT && isnan(lua_tonumber(r->L, -1)))))
    return wf_read_bad(r, "nil or NaN as a key");
  return true;
}

/* The value of the key on top, into the table below it. */
static inline bool read_field(wf_reader *r) {
  if (wf_unlikely(reader_left(r) < 1)) return wf_read_bad_end(r);
  if (wf_unlikely(*r->at == TAG_NIL)) return wf_read_bad(r, "a key without value");
  if (wf_unlikely(!read_there(r))) return false;
  lua_rawset(r->L, -3);
  return true;
}

static bool read_pairs(wf_reader *r, uint32_t nhash) {
  for (; nhash > 0; nhash--)
    if (wf_unlikely(!read_key(r) || !read_field(r))) return false;
  return true;
}

/* ---- in place ---- */

/* A number, boolean or string that is there already, at *at: nothing is allocated. False, and nothing was read, for the others. */
static inline __attribute__((always_inline)) bool take_value(const wf_reader *r, const uint8_t **from, wf_raw_data *v, uint8_t *value_tag) {
  const uint8_t *at = *from;
  if (wf_unlikely(r->safe - at < 1 + OPERAND)) return false; /* so it is before the end, which is OPERAND bytes before that at most */
  uint8_t tag = *at++;
  if (tag >= TAG_REF) {
    if (wf_unlikely(tag - TAG_REF >= (int)r->dict_used)) return false;
    v->p = lua_topointer(r->L, r->dict + tag - TAG_REF);
    *value_tag = wf_raw_tag(v->p);
    *from = at;
    return true;
  }
  if (tag == TAG_STR) {
    uint16_t len;
    wf_string_key k;
    bool kept;
    memcpy(&len, at, sizeof len);
    at += sizeof len;
    if (len > WF_STRINGS_LEN || r->end - at < (ptrdiff_t)len) return false;
    unsigned place = wf_strings_find(&r->known->strings, (const char *)at, len, &k, &kept);
    if (!kept) return false;
    v->p = r->known->strings.entry[place].string;
    *value_tag = WF_RAW_SHORT;
    *from = at + len;
    return true;
  }
  uint8_t kind;
  int size = read_scalar(tag, at, v, &kind);
  if (size < 0 || r->end - at < size) return false;
  *value_tag = kind;
  *from = at + size;
  return true;
}

/* The table on top, to be written to. */
static wf_raw_table *raw_table(lua_State *L) { return (wf_raw_table *)(uintptr_t)lua_topointer(L, -1); }

static inline bool read_array(wf_reader *r, uint32_t narr) {
  wf_raw_table *t = narr > 0 && r->fills ? raw_table(r->L) : NULL;
  for (uint32_t i = 0; i < narr; i++) {
    if (t != NULL && !wf_raw_is_black(t) && take_value(r, &r->at, &t->array[i].v, &t->array[i].tag)) continue;
    if (wf_unlikely(!read_any(r))) return false;
    lua_rawseti(r->L, -2, (lua_Integer)i + 1);
  }
  return true;
}

/* ---- records ---- */

static inline uint64_t load_word(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

/* Is the key at *from that one? Then it is read. */
static inline __attribute__((always_inline)) bool take_key(const wf_reader *r, const uint8_t **from, wf_shape_key *k) {
  const uint8_t *at = *from;
  size_t left = (size_t)(r->end - at);
  uint64_t word = 0;
  if (wf_likely(r->safe - at >= (ptrdiff_t)sizeof word)) word = load_word(at);
  else memcpy(&word, at, left);
  if (wf_likely((word & k->mask) == k->head)) {
    if (left < k->size) return false;
    if (k->size > sizeof word && load_word(at + k->size - sizeof word) != k->tail) return false;
    if (k->size > 2 * sizeof word && memcmp(at + 3, k->string->bytes, k->size - 3u) != 0) return false;
    *from = at + k->size;
    return true;
  }
  if (wf_unlikely(left == 0)) return false;
  uint8_t tag = *at;
  if (tag < TAG_REF) return false;
  if (k->message != r->message || k->ref != tag) {
    if (tag - TAG_REF >= (int)r->dict_used || lua_topointer(r->L, r->dict + tag - TAG_REF) != k->string) return false;
    k->message = r->message;
    k->ref = tag;
  }
  *from = at + 1;
  return true;
}

/* Pairs of t, the table on top, by a shape that is laid down in it, as long as they come in its order. How many; or -1. */
static int read_shaped(wf_reader *r, wf_raw_table *t, wf_shape *s) {
  lua_State *L = r->L;
  uint64_t changes = r->known->shapes.changes;
  uint32_t i = 0, keys = s->keys;
  const uint8_t *key = r->at;
  for (const uint8_t *at = key; i < keys; i++, key = at) {
    if (wf_unlikely(!take_key(r, &at, &s->key[i]))) break;
    wf_raw_node *n = &t->node[s->key[i].node];
    if (wf_likely(take_value(r, &at, &n->v, &n->tag))) continue;
    r->at = at;
    if (wf_unlikely(reader_left(r) < 1 || *r->at == TAG_NIL)) {
      r->at = key; /* the API's way finds what is wrong */
      return (int)i;
    }
    if (wf_unlikely(!read_there(r))) return -1;
    int type = lua_type(L, -1);
    bool untouched = !wf_raw_is_black(t) && n->key_tag == WF_RAW_SHORT;
    if (wf_likely(untouched && (type == LUA_TSTRING || type == LUA_TTABLE))) {
      n->v.p = lua_topointer(L, -1);
      n->tag = wf_raw_tag(n->v.p);
      lua_pop(L, 1);
    } else {
      const uint8_t *after = r->at;
      r->at = key;
      bool again = wf_read_value(r); /* as take_key has found it: a string that is there */
      wf_assert(again);
      (void)again;
      r->at = after;
      /* The collector may have come to it even now; then the key may be put in anew, and the nodes lie elsewhere. */
      untouched = untouched && !wf_raw_is_black(t) && n->key_tag == WF_RAW_SHORT;
      lua_insert(L, -2);
      lua_rawset(L, -3);
    }
    if (wf_unlikely(!untouched || changes != r->known->shapes.changes)) return (int)i + 1;
    at = r->at;
  }
  r->at = key;
  return (int)i;
}

/* The mark of the table whose first key comes next, or 0. */
static uint32_t next_mark(const wf_reader *r, uint32_t nhash) {
  uint8_t tag = *r->at;
  size_t len;
  const char *text;
  if (tag >= TAG_REF) {
    if (tag - TAG_REF >= (int)r->dict_used) return 0;
    text = lua_tolstring(r->L, r->dict + tag - TAG_REF, &len);
  } else {
    uint16_t n;
    if (tag != TAG_STR) return 0;
    memcpy(&n, r->at + 1, sizeof n);
    text = (const char *)r->at + 3;
    len = n;
    if (reader_left(r) < 3 + len) return 0;
  }
  return wf_shape_mark(text, len, nhash);
}

/* Forget the shape at a place, with its keys. */
static void drop_shape(wf_shapes *all, unsigned place) {
  wf_free(all->at[place].shape);
  all->at[place].shape = NULL;
  all->changes++;
}

/* Read the pairs of the table on top by the API, and keep its shape, if it has one. */
static __attribute__((noinline)) bool read_learning(wf_reader *r, uint32_t nhash, unsigned place) {
  lua_State *L = r->L;
  const void *key[WF_SHAPE_KEYS];
  for (uint32_t i = 0; i < nhash; i++) {
    if (!read_key(r)) return false;
    key[i] = lua_type(L, -1) == LUA_TSTRING ? lua_topointer(L, -1) : NULL;
    if (!read_field(r)) return false;
  }
  wf_shapes *all = &r->known->shapes;
  luaL_checkstack(L, 4, "unpacking");
  lua_createtable(L, (int)nhash, 0);
  lua_pushnil(L);
  for (lua_Integer i = 1; lua_next(L, -3) != 0; i++) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, i);
  }
  drop_shape(all, place); /* one that a finaliser has learned meanwhile loses its keys now */
  wf_read_array(r);
  lua_insert(L, -2);
  lua_rawseti(L, -2, WF_STRINGS + (lua_Integer)place + 1);
  lua_pop(L, 1);
  all->at[place].shape = wf_shape_new(lua_topointer(L, -1), key, nhash);
  all->at[place].credit = WF_SHAPE_CREDIT;
  return true;
}

/* The pairs of the table on top, just made for so many. */
static bool read_record(wf_reader *r, uint32_t nhash) {
  wf_shapes *all = &r->known->shapes;
  uint32_t mark = next_mark(r, nhash);
  if (mark == 0) return read_pairs(r, nhash);
  unsigned place = mark % WF_SHAPES;
  wf_shape *s = all->at[place].shape;
  wf_raw_table *t = raw_table(r->L);
  int done = 0;
  if (wf_likely(s != NULL && s->mark == mark && wf_shape_lay(s, t))) {
    done = read_shaped(r, t, s);
    if (wf_likely(done == (int)nhash)) {
      all->at[place].credit = WF_SHAPE_CREDIT;
      return true;
    }
    if (wf_unlikely(done < 0)) return false;
  } else if (s == NULL && all->at[place].seen == mark) {
    return read_learning(r, nhash, place);
  }
  all->at[place].seen = mark;
  if (all->at[place].shape != NULL && --all->at[place].credit < 0) drop_shape(all, place);
  return read_pairs(r, nhash - (uint32_t)done);
}

bool wf_read_table(wf_reader *r, bool shared) {
  lua_State *L = r->L;
  if (wf_unlikely(reader_left(r) < 8)) return wf_read_bad_end(r);
  uint32_t narr = reader_u32(r), nhash = reader_u32(r);
  size_t left = reader_left(r);
  if (wf_unlikely(narr > left || nhash > (left - narr) / 2 || narr > INT32_MAX || nhash > INT32_MAX))
    return wf_read_bad_end(r);
  if (wf_unlikely(r->reach == WF_REACH_ANYONE) && !reader_pay(r, wf_read_table_cost(narr, nhash))) return wf_read_bad_cost(r);
  if (wf_unlikely(r->depth == PACK_DEPTH)) return wf_read_bad(r, "nested too deep");
  if (wf_unlikely(r->depth % STACK_LEVELS == STACK_LEVELS - 1) && !lua_checkstack(L, STACK_AHEAD))
    return wf_read_bad(r, "no room on the stack");
  r->depth++;
  uint32_t ordinal = r->objects++;
  lua_createtable(L, (int)narr, (int)nhash);
  if (wf_unlikely(shared) && !wf_read_keep(r, ordinal)) return false;
  if (!read_array(r, narr)) return false;
  bool ok = true;
  if (nhash > 0) {
    if (wf_unlikely(r->reach == WF_REACH_ANYONE)) ok = wf_read_strict_pairs(r, nhash);
    else if (r->fills && nhash > 1 && nhash <= WF_SHAPE_KEYS) ok = read_record(r, nhash);
    else ok = read_pairs(r, nhash);
  }
  r->depth--;
  return ok;
}
