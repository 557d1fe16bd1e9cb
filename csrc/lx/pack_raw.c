/* Packing tables that are read in place (raw.h), in plain mode.
 *
 * The order of the pairs and the message are those of pack_value.c. No call of Lua's API is made, so nothing is allocated
 * or collected meanwhile, but for the name of a metatable that is not the one before it. */
#include "lx/pack_put.h"
#include "lx/raw.h"

/* The name of a registered metatable. */
static enum wf_packed find_name(wf_packer *p, const void *metatable) {
  lua_State *L = p->L;
  enum wf_packed r = PACK_FULL;
  wf_pack_state_place(L, p->box);
  if (lua_getiuservalue(L, p->box, STATE_METAS) == LUA_TTABLE) {
    const wf_raw_table *metas = lua_topointer(L, -1);
    const wf_raw_node *n = metas->node, *end = n + wf_raw_nodes(metas);
    while (n < end && !(n->key_tag == WF_RAW_TABLE && n->key.p == metatable)) n++;
    if (n < end) {
      wf_assert(n->tag == WF_RAW_SHORT || n->tag == WF_RAW_LONG);
      p->metatable = metatable;
      p->meta_name = wf_raw_text(n->tag, n->v.p, &p->meta_len);
      r = PACK_OK;
    }
  }
  lua_pop(L, 1);
  return r;
}

/* Room for 16 bytes is there. */
static enum wf_packed put_meta(wf_packer *p, const void *metatable) {
  enum wf_packed r = p->metatable == metatable ? PACK_OK : find_name(p, metatable);
  if (r != PACK_OK) return r;
  wf_assert(packer_has(p, 16));
  put_tag(p, TAG_META);
  r = pack_bytes(p, p->meta_name, p->meta_len, false, false);
  return r == PACK_OK ? pack_need(p, PACK_TABLE_BYTES) : r;
}

/* Short strings as most are: with tag and length they take no more than that, so room for one is made at once. */
enum { NAME = 16, NAME_ROOM = 3 + NAME + 1 };

static inline void put_name(wf_packer *p, const wf_raw_string *s) {
  uint32_t head = TAG_STR | (uint32_t)s->short_len << 8; /* its last byte is written over */
  memcpy(p->at, &head, sizeof head);
  p->at += 3;
  put_text(p, s->bytes, s->short_len);
}

/* A short string, with room for a name. once: it is known not to come again. */
static inline __attribute__((always_inline)) enum wf_packed put_short(wf_packer *p, const wf_raw_string *s, bool once) {
  wf_scratch *sc = p->scratch;
  if (wf_unlikely(s->short_len > NAME)) return pack_bytes(p, s->bytes, s->short_len, false, once);
  if (!once) {
    wf_slot *slot = wf_slots_find(&sc->strings, sc->gen, s->bytes);
    if (wf_unlikely(slot == NULL || slot->gen == sc->gen || sc->strings.used >= STRINGS_MAX))
      return pack_bytes(p, s->bytes, s->short_len, false, false);
    *slot = (wf_slot){s->bytes, sc->gen, STRING_SEEN};
    sc->strings.used++;
  }
  put_name(p, s);
  return PACK_OK;
}

/* With room for a name. */
static __attribute__((noinline)) enum wf_packed put_other(wf_packer *p, uint8_t tag, wf_raw_data v, bool once) {
  switch (tag) {
    case WF_RAW_LONG: {
      const wf_raw_string *s = v.p;
      return pack_bytes(p, s->bytes, s->long_len, false, once);
    }
    case WF_RAW_FLOAT: put_float(p, v.n); return PACK_OK;
    case WF_RAW_FALSE: put_tag(p, TAG_FALSE); return PACK_OK;
    case WF_RAW_TRUE: put_tag(p, TAG_TRUE); return PACK_OK;
    case WF_RAW_TABLE: return wf_pack_raw_table(p, v.p);
    case WF_RAW_POINTER: return wf_pack_pointer(p, v.p);
    default: return PACK_FULL; /* functions, userdata; coroutines, which it refuses */
  }
}

static inline __attribute__((always_inline)) enum wf_packed put_value(wf_packer *p, uint8_t tag, wf_raw_data v, bool once) {
  enum wf_packed r = pack_need(p, NAME_ROOM);
  if (wf_unlikely(r != PACK_OK)) return r;
  if (tag == WF_RAW_SHORT) return put_short(p, v.p, once);
  if (wf_unlikely(tag != WF_RAW_INTEGER)) return put_other(p, tag, v, once);
  put_integer(p, v.i, false);
  return PACK_OK;
}

/* The array up to its first hole. One with values behind that is for the API. */
static enum wf_packed put_array(wf_packer *p, const wf_raw_table *t, uint32_t *count) {
  const wf_raw_value *v = t->array, *end = v + wf_raw_array_size(t);
  enum wf_packed r = PACK_OK;
  for (; v < end && !wf_raw_is_nil(v->tag); v++) {
    r = put_value(p, v->tag, v->v, false);
    if (wf_unlikely(r != PACK_OK)) return r;
  }
  size_t n = (size_t)(v - t->array);
  if (n > INT32_MAX) return PACK_LONG;
  *count = (uint32_t)n;
  while (v < end)
    if (!wf_raw_is_nil(v++->tag)) return PACK_SLOW;
  return PACK_OK;
}

/* The hash part. As long as it goes on where the array ended, that is the array, too. */
static enum wf_packed put_nodes(wf_packer *p, const wf_raw_table *t, uint32_t sizes[2]) {
  const wf_raw_node *n = t->node, *end = n + wf_raw_nodes(t);
  bool once = p->objects == 1; /* the keys of the first table are all different */
  for (; n < end; n++) {
    if (wf_raw_is_nil(n->tag)) continue;
    enum wf_packed r;
    if (n->key_tag == WF_RAW_INTEGER && n->key.i == (lua_Integer)sizes[0] + 1 && sizes[1] == 0) {
      sizes[0]++;
    } else {
      sizes[1]++;
      r = put_value(p, n->key_tag, n->key, once);
      if (wf_unlikely(r != PACK_OK)) return r;
    }
    if (wf_unlikely((r = put_value(p, n->tag, n->v, false)) != PACK_OK)) return r;
  }
  return PACK_OK;
}

/* Room for 16 bytes is there. */
enum wf_packed wf_pack_raw_table(wf_packer *p, const wf_raw_table *t) {
  bool done;
  if (wf_unlikely(p->depth == PACK_DEPTH)) return PACK_FULL; /* which words the refusal */
  enum wf_packed r = wf_pack_object(p, t, &done);
  if (r != PACK_OK || done) return r;
  uint32_t ordinal = p->objects - 1, sizes[2] = {0, 0};
  if (wf_unlikely(t->metatable != NULL) && (r = put_meta(p, t->metatable)) != PACK_OK) return r;
  uint32_t at = packer_offset(p);
  p->scratch->object[ordinal].at = at;
  put_tag(p, TAG_TABLE);
  put_bytes(p, sizes, sizeof sizes);
  p->depth++;
  r = put_array(p, t, &sizes[0]);
  if (r == PACK_OK) r = put_nodes(p, t, sizes);
  if (wf_unlikely(r != PACK_OK)) return r;
  p->depth--;
  memcpy(p->msg->data + at + 1, sizes, sizeof sizes);
  return PACK_OK;
}
