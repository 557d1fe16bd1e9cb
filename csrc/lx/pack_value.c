/* Packing the values that plain mode knows: scalars, strings, tables. (See packer.h; format in pack_format.h.)
 *
 * Runs on the carrier of the state it reads. The stack discipline, which the path in errors relies on: `top` is
 * the highest slot in use; a table is walked with its key at top + 1 and the value at top + 2.
 */
#include "lx/pack_put.h"
#include "lx/packer.h"
#include "lx/raw.h"

enum { GAP_MAX = 64 /* nils in a row that an array may always have */ };

/* ---- bytes ---- */

enum wf_packed wf_packer_room(wf_packer *p, size_t bytes) {
  size_t len = (size_t)(p->at - p->msg->data), room = p->msg->room;
  room = room < (1 << 20) ? room * 4 : room * 2;
  if (room < len + bytes) room = len + bytes;
  if (room > UINT32_MAX) {
    if (len + bytes > UINT32_MAX) return PACK_LONG;
    room = UINT32_MAX;
  }
  p->msg->len = len;
  wf_msg *m = wf_msg_grow(p->msg, room);
  if (m == NULL) return PACK_NOMEM;
  p->msg = m;
  p->at = m->data + len;
  p->end = m->data + m->room;
  return PACK_OK;
}

/* ---- scalars ---- */

static void put_number(wf_packer *p, int idx) {
  if (lua_isinteger(p->L, idx)) {
    put_integer(p, lua_tointegerx(p->L, idx, NULL), false);
  } else {
    put_float(p, lua_tonumberx(p->L, idx, NULL));
  }
}

enum wf_packed wf_pack_pointer(wf_packer *p, const void *pointer) {
  if (p->reach != WF_REACH_PROCESS) return wf_pack_refuse(p, "a light userdata cannot leave the process");
  uint64_t v = (uintptr_t)pointer;
  put_tag(p, TAG_POINTER);
  put_bytes(p, &v, sizeof v);
  return PACK_OK;
}

/* ---- strings ---- */

enum wf_packed wf_pack_long(wf_packer *p, const char *s, size_t len) {
  if (p->reach == WF_REACH_PROCESS) {
    wf_blob *blob = wf_blob_new(len);
    wf_side *side = blob == NULL ? NULL : wf_msg_side(p->msg);
    if (side == NULL) {
      if (blob != NULL) wf_blob_unref(blob);
      return PACK_NOMEM;
    }
    memcpy(blob->bytes, s, len);
    *side = (wf_side){NULL, blob};
    put_tag(p, TAG_BLOB);
    put_u32(p, p->msg->nside - 1);
    return PACK_OK;
  }
  enum wf_packed r = pack_need(p, len + 5); /* no more than 4 GiB */
  if (r != PACK_OK) return r;
  put_tag(p, TAG_LSTR);
  put_u32(p, (uint32_t)len);
  put_bytes(p, s, len);
  return PACK_OK;
}

enum wf_packed wf_pack_define(wf_packer *p, wf_slot *slot, const char *s, size_t len, bool wide) {
  if (p->dict < PACK_DICT_MAX && (len >= 3 || !p->wide)) {
    enum wf_packed r = pack_need(p, 6);
    if (r != PACK_OK) return r;
    slot->val = p->dict++;
    put_tag(p, TAG_DEF);
  }
  return pack_text(p, s, len, wide);
}

static inline enum wf_packed pack_string(wf_packer *p, int idx, bool wide, bool once) {
  size_t len;
  const char *s = lua_tolstring(p->L, idx, &len);
  return pack_bytes(p, s, len, wide, once);
}

enum wf_packed wf_pack_string(wf_packer *p, int idx) { return pack_string(p, idx, p->wide, false); }

/* ---- tables ---- */

void wf_pack_share(wf_packer *p, uint32_t at) {
  char *tag = p->msg->data + at;
  if (*tag == TAG_TABLE) *tag = TAG_TABLE_SHARED;
  else if (*tag == TAG_FUNC) *tag = TAG_FUNC_SHARED;
  else if (*tag == TAG_HANDLE) *tag = TAG_HANDLE_SHARED;
  else return; /* it is already */
  p->shared++;
}

enum wf_packed wf_pack_object(wf_packer *p, const void *address, bool *seen) {
  wf_scratch *sc = p->scratch;
  wf_slot *slot = wf_slots_find(&sc->objects, sc->gen, address);
  if (wf_unlikely(slot == NULL)) return PACK_NOMEM;
  *seen = slot->gen == sc->gen;
  if (wf_unlikely(*seen)) {
    wf_assert(packer_has(p, 5));
    wf_pack_share(p, sc->object[slot->val].at);
    put_tag(p, TAG_OBJREF);
    put_u32(p, slot->val);
    return PACK_OK;
  }
  if (wf_unlikely(p->objects == sc->object_room) && !wf_scratch_objects_grow(sc)) return PACK_NOMEM;
  *slot = (wf_slot){address, sc->gen, p->objects};
  sc->objects.used++;
  sc->object[p->objects++] = (wf_object){packer_offset(p), 0};
  return PACK_OK;
}

/* The metatable of the table at idx was pushed at top + 1: write its name, pop it. Room for 16 bytes is there. */
static enum wf_packed pack_meta(wf_packer *p, int top) {
  lua_State *L = p->L;
  wf_pack_state_place(L, p->box);
  if (p->full) wf_pack_state_value(L, p->box, STATE_METAS);
  else if (lua_getiuservalue(L, p->box, STATE_METAS) == LUA_TNIL) return PACK_FULL;
  lua_pushvalue(L, top + 1);
  if (lua_rawget(L, -2) != LUA_TSTRING) {
    if (!p->full) return PACK_FULL;
    lua_pushliteral(L, "__name");
    if (lua_rawget(L, top + 1) == LUA_TSTRING)
      return wf_pack_refuse(p, "the metatable of this %s is not registered (weft.register)", lua_tostring(L, -1));
    return wf_pack_refuse(p, "its metatable is not registered (weft.register)");
  }
  wf_assert(packer_has(p, 16));
  put_tag(p, TAG_META);
  enum wf_packed r = wf_pack_string(p, top + 3);
  lua_settop(L, top);
  return r == PACK_OK ? pack_need(p, PACK_TABLE_BYTES) : r;
}

/* The array of the table at `table` has n elements so far, and `key` comes next: how many nils between them belong to
 * it, so that the length stays what it is. 0: the key is no part of the array. */
static size_t pack_gap(wf_packer *p, int table, lua_Integer n, lua_Integer key) {
  if (key <= n || (lua_Unsigned)key > lua_rawlen(p->L, table) || key >= INT32_MAX) return 0;
  return key - n - 1 <= n + GAP_MAX ? (size_t)(key - n - 1) : 0;
}

static enum wf_packed pack_table(wf_packer *p, int idx, int top);

/* The first room is 16 bytes: what a scalar takes at most. */
static inline enum wf_packed pack_any(wf_packer *p, int idx, int top, bool wide) {
  enum wf_packed r = pack_need(p, 16);
  if (wf_unlikely(r != PACK_OK)) return r;
  switch (lua_type(p->L, idx)) {
    case LUA_TNIL: put_tag(p, TAG_NIL); return PACK_OK;
    case LUA_TBOOLEAN: put_tag(p, lua_toboolean(p->L, idx) ? TAG_TRUE : TAG_FALSE); return PACK_OK;
    case LUA_TNUMBER:
      if (wf_unlikely(wide) && lua_isinteger(p->L, idx)) put_integer(p, lua_tointegerx(p->L, idx, NULL), true);
      else put_number(p, idx);
      return PACK_OK;
    case LUA_TSTRING: return pack_string(p, idx, wide, false);
    case LUA_TTABLE: return pack_table(p, idx, top);
    case LUA_TLIGHTUSERDATA: return wf_pack_pointer(p, lua_touserdata(p->L, idx));
    case LUA_TFUNCTION: return p->full ? wf_pack_function(p, idx, top) : PACK_FULL;
    case LUA_TUSERDATA: return p->full ? wf_pack_userdata(p, idx, top) : PACK_FULL;
    default: return wf_pack_refuse(p, "a coroutine cannot cross isolates");
  }
}

/* The array: values of the keys 1, 2, 3... in the order in which lua_next visits them. Ends with the first other pair
 * on the stack and *more set, or with nothing. */
static enum wf_packed pack_sequence(wf_packer *p, int idx, int top, uint32_t *narr, bool *more) {
  lua_State *L = p->L;
  lua_Integer n = 0;
  *more = false;
  lua_pushnil(L);
  while (lua_next(L, idx)) {
    lua_Integer key;
    if (!lua_isinteger(L, -2) || (key = lua_tointegerx(L, -2, NULL)) < 1) {
      *more = true;
      break;
    }
    enum wf_packed r = pack_need(p, 16);
    if (wf_likely(r == PACK_OK) && wf_unlikely(key != n + 1)) {
      size_t gap = pack_gap(p, idx, n, key);
      if ((*more = gap == 0)) break;
      if ((r = pack_need(p, gap + 16)) == PACK_OK) {
        memset(p->at, TAG_NIL, gap);
        p->at += gap;
      }
    }
    if (wf_unlikely(r != PACK_OK)) return r;
    n = key;
    if (lua_isinteger(L, -1)) /* so that arrays of integers take a step less */
      put_integer(p, lua_tointegerx(L, -1, NULL), false);
    else if ((r = pack_any(p, top + 2, top + 2, false)) != PACK_OK) return r;
    lua_pop(L, 1);
  }
  *narr = (uint32_t)n;
  return PACK_OK;
}

/* The other pairs, the first of which is on the stack. */
static enum wf_packed pack_pairs(wf_packer *p, int idx, int top, wf_frame *f, uint32_t *nhash) {
  lua_State *L = p->L;
  enum wf_packed r;
  do {
    ++*nhash;
    f->in_key = true;
    /* the keys of the first table are all different */
    r = wf_likely(lua_type(L, -2) == LUA_TSTRING) ? pack_string(p, top + 1, p->wide, p->objects == 1)
                                                  : pack_any(p, top + 1, top + 2, p->wide);
    if (wf_unlikely(r != PACK_OK)) return r;
    f->in_key = false;
    r = pack_any(p, top + 2, top + 2, false);
    if (wf_unlikely(r != PACK_OK)) return r;
    lua_pop(L, 1);
  } while (lua_next(L, idx));
  return PACK_OK;
}

/* Room for 16 bytes is there. */
static enum wf_packed pack_table(wf_packer *p, int idx, int top) {
  lua_State *L = p->L;
  bool done;
  enum wf_packed r;
  if (p->full) {
    r = wf_pack_named_table(p, idx, top, &done);
    if (r != PACK_OK || done) return r;
  } else if (wf_likely(p->raw)) {
    return wf_pack_raw_table(p, lua_topointer(L, idx));
  }
  if (wf_unlikely(p->depth == PACK_DEPTH)) return wf_pack_refuse(p, "nested deeper than %d", PACK_DEPTH);
  if (wf_unlikely(p->depth % STACK_LEVELS == STACK_LEVELS - 1) && !lua_checkstack(L, STACK_AHEAD)) return PACK_NOMEM;
  const void *address = lua_topointer(L, idx);
  r = wf_pack_object(p, address, &done);
  if (r != PACK_OK || done) return r;
  uint32_t ordinal = p->objects - 1;
  if (wf_unlikely(lua_getmetatable(L, idx))) {
    r = pack_meta(p, top);
    if (r != PACK_OK) return r;
  }
  uint32_t at = packer_offset(p), sizes[2] = {0, 0};
  p->scratch->object[ordinal].at = at;
  put_tag(p, TAG_TABLE);
  put_bytes(p, sizes, sizeof sizes);
  wf_frame frame = {p->frame, top + 1, 0, false};
  p->frame = &frame;
  p->depth++;
  r = pack_sequence(p, idx, top, &sizes[0], &done);
  if (r == PACK_OK && done) r = pack_pairs(p, idx, top, &frame, &sizes[1]);
  if (wf_unlikely(r != PACK_OK)) return r;
  p->depth--;
  p->frame = frame.up;
  memcpy(p->msg->data + at + 1, sizes, sizeof sizes);
  return PACK_OK;
}

enum wf_packed wf_pack_value(wf_packer *p, int idx, int top) { return pack_any(p, idx, top, false); }

/* ---- all of a message ---- */

enum wf_packed wf_pack_all(wf_packer *p, int top) {
  p->frame = NULL;
  p->depth = 0;
  p->objects = p->shared = p->dict = 0;
  p->at = p->msg->data + sizeof(wf_pack_head);
  p->end = p->msg->data + p->msg->room;
  wf_scratch_begin(p->scratch);
  if (p->full) wf_pack_names_begin(p);
  p->raw = !p->full && !p->slow && !p->wide && wf_raw_works();
  p->metatable = NULL;
  for (p->value = 1; p->value <= p->count; p->value++) {
    enum wf_packed r = pack_any(p, p->first + p->value - 1, top, false);
    if (wf_unlikely(r != PACK_OK)) return r;
  }
  wf_pack_head head = {PACK_MAGIC, (uint32_t)p->count, p->dict, p->shared};
  memcpy(p->msg->data, &head, sizeof head);
  p->msg->len = (size_t)(p->at - p->msg->data);
  return PACK_OK;
}
