/* Unpacking: entry, and what is not in unpack_read.h, unpack_table.c and unpack_func.c (unpacker.h; format in pack_format.h).
 *
 * Runs on the carrier of the state it fills. Stack, from where the call began: the dictionary's near entries,
 * two tables if the message needs them, then the values; in the end the values move down.
 */
#include <lauxlib.h>

#include "lx/error.h"
#include "lx/release.h"
#include "lx/unpack_read.h"

enum {
  /* What a reader of a stranger's bytes may cost: 16 bytes for each and 4 KiB, of which most is set aside for
   * the stack that is there already, for what the state keeps and for the words of an error. */
  COST_RATE = 16,
  COST_FREE = (4 << 10) - (3 << 10) - (1 << 9),
  LARGE = 16 << 10, /* a message during which the collector is held */
  MEMORY_RATE = 4,  /* what data takes in Lua, in bytes of its message, about */
};

bool wf_read_bad(wf_reader *r, const char *what) {
  luaL_checkstack(r->L, 8, "unpacking");
  lx_error_new(r->L, "transfer", "malformed message: %s", what);
  return false;
}

bool wf_read_bad_cost(wf_reader *r) { return wf_read_bad(r, "it asks for more memory than its size allows"); }
bool wf_read_bad_end(wf_reader *r) { return wf_read_bad(r, "it ends too early"); }

bool wf_read_pay(wf_reader *r, uint64_t bytes) {
  if (wf_unlikely(!reader_pay(r, bytes))) return wf_read_bad_cost(r);
  return true;
}

/* ---- strings ---- */

void wf_read_array(wf_reader *r) { lua_rawgeti(r->L, LUA_REGISTRYINDEX, r->known->ref); }

static bool read_blob(wf_reader *r) {
  if (reader_left(r) < 4) return wf_read_bad_end(r);
  uint32_t i = reader_u32(r);
  if (i >= r->nside || r->side[i].ops != NULL) return wf_read_bad(r, "a string is missing");
  const wf_blob *b = r->side[i].held;
  lua_pushlstring(r->L, b->bytes, b->len);
  return true;
}

static bool read_define(wf_reader *r) {
  if (reader_left(r) < 1) return wf_read_bad_end(r);
  uint8_t tag = *r->at;
  if ((tag != TAG_STR && tag != TAG_LSTR && tag != TAG_BLOB) || r->dict_used == r->dict_size)
    return wf_read_bad(r, "its dictionary is not as announced");
  if (!wf_read_value(r)) return false;
  uint32_t i = r->dict_used++;
  if (i < PACK_DICT_NEAR) {
    lua_copy(r->L, -1, r->dict + (int)i);
  } else {
    lua_pushvalue(r->L, -1);
    lua_rawseti(r->L, r->far, (lua_Integer)(i - PACK_DICT_NEAR) + 1);
  }
  return true;
}

/* ---- values ---- */

bool wf_read_value(wf_reader *r) { return read_any(r); }

/* ---- objects ---- */

bool wf_read_keep(wf_reader *r, uint32_t ordinal) {
  if (r->shared_left == 0) return wf_read_bad(r, "more shared objects than announced");
  r->shared_left--;
  lua_pushvalue(r->L, -1);
  lua_rawseti(r->L, r->shared, ordinal);
  return true;
}

static bool read_objref(wf_reader *r) {
  if (reader_left(r) < 4) return wf_read_bad_end(r);
  uint32_t ordinal = reader_u32(r);
  if (r->shared == 0 || lua_rawgeti(r->L, r->shared, ordinal) == LUA_TNIL)
    return wf_read_bad(r, "a reference to an unknown object");
  return true;
}

/* META name, then a table. */
static bool read_with_meta(wf_reader *r) {
  if (!wf_read_meta(r)) return false;
  if (reader_left(r) < 1 || (*r->at != TAG_TABLE && *r->at != TAG_TABLE_SHARED))
    return wf_read_bad(r, "a metatable without table");
  if (!wf_read_value(r)) return false;
  lua_insert(r->L, -2);
  lua_setmetatable(r->L, -2);
  return true;
}

/* ---- the rest ---- */

/* What refers to the reader's own functions, modules or memory. */
static bool read_powerful(wf_reader *r, uint8_t tag) {
  if (r->reach == WF_REACH_ANYONE)
    return wf_read_bad(r, "functions, modules and pointers are not taken from strangers");
  switch (tag) {
    case TAG_GLOBALS: lua_pushglobaltable(r->L); return true;
    case TAG_NAMED: return wf_read_named(r);
    case TAG_FUNC:
    case TAG_FUNC_SHARED: return wf_read_function(r, tag == TAG_FUNC_SHARED);
    case TAG_HANDLE:
    case TAG_HANDLE_SHARED: return wf_read_handle(r, tag == TAG_HANDLE_SHARED);
    default: break;
  }
  if (r->reach != WF_REACH_PROCESS) return wf_read_bad(r, "a pointer from another process");
  switch (tag) {
    case TAG_POINTER:
      if (reader_left(r) < 8) return wf_read_bad_end(r);
      lua_pushlightuserdata(r->L, (void *)(uintptr_t)reader_u64(r));
      return true;
    case TAG_BLOB: return read_blob(r);
    case TAG_CFUNC: return wf_read_c_function(r);
    default: return wf_read_bad(r, "a tag out of place"); /* CELL and JOIN */
  }
}

bool wf_read_other(wf_reader *r, uint8_t tag) {
  uint8_t bytes[OPERAND] = {0}, kind; /* what is left may be less */
  size_t left = reader_left(r);
  memcpy(bytes, r->at, left < sizeof bytes ? left : sizeof bytes);
  wf_raw_data v;
  int size = read_scalar(tag, bytes, &v, &kind);
  if (size >= 0) {
    if (left < (size_t)size) return wf_read_bad_end(r);
    r->at += size;
    push_scalar(r->L, v, kind);
    return true;
  }
  static const uint8_t operand[TAG_HANDLE_SHARED + 1] = {[TAG_STR] = 2, [TAG_LSTR] = 4, [TAG_REF16] = 2};
  if (tag >= sizeof operand) return wf_read_bad(r, "an unknown tag");
  if (wf_unlikely(left < operand[tag])) return wf_read_bad_end(r);
  uint16_t u2;
  uint32_t u4;
  memcpy(&u2, bytes, sizeof u2);
  memcpy(&u4, bytes, sizeof u4);
  r->at += operand[tag];
  switch (tag) {
    case TAG_NIL: lua_pushnil(r->L); return true;
    case TAG_STR: return read_bytes(r, u2);
    case TAG_LSTR: return read_bytes(r, u4);
    case TAG_REF16: return read_reference(r, u2);
    case TAG_DEF: return read_define(r);
    case TAG_TABLE:
    case TAG_TABLE_SHARED: return wf_read_table(r, tag == TAG_TABLE_SHARED);
    case TAG_META: return read_with_meta(r);
    case TAG_OBJREF: return read_objref(r);
    default: return read_powerful(r, tag);
  }
}

/* ---- entry ---- */

/* Reserve the dictionary and the tables of the reader, above `top`. */
static bool reader_reserve(wf_reader *r, const wf_pack_head *head, int top) {
  lua_State *L = r->L;
  uint32_t near = head->dict < PACK_DICT_NEAR ? head->dict : PACK_DICT_NEAR, far = head->dict - near;
  uint64_t cost =
      (uint64_t)near * COST_STACK + (uint64_t)far * COST_SLOT + (head->shared ? wf_read_table_cost(0, head->shared) : 0);
  if (!reader_pay(r, cost)) return wf_read_bad_cost(r);
  r->dict = top + 1;
  r->dict_size = head->dict;
  lua_settop(L, top + (int)near);
  if (far > 0) {
    lua_createtable(L, (int)far, 0);
    r->far = lua_gettop(L);
  }
  if (head->shared > 0) {
    lua_createtable(L, 0, (int)head->shared);
    r->shared = lua_gettop(L);
    r->shared_left = head->shared;
  }
  return true;
}

static bool read_head(wf_reader *r, wf_pack_head *head, int top) {
  if (wf_unlikely(reader_left(r) < sizeof *head)) return wf_read_bad_end(r);
  memcpy(head, r->at, sizeof *head);
  r->at += sizeof *head;
  if (wf_unlikely(head->magic != PACK_MAGIC)) return wf_read_bad(r, "it is of another kind or version");
  size_t left = reader_left(r);
  if (wf_unlikely(head->values > left || head->dict > left || head->shared > left || head->dict > PACK_DICT_MAX ||
                  head->values > INT32_MAX / 2 || head->shared > INT32_MAX))
    return wf_read_bad_end(r);
  if (wf_unlikely(r->reach == WF_REACH_ANYONE && head->values > PACK_VALUES_ANYONE)) return wf_read_bad_cost(r);
  uint32_t near = head->dict < PACK_DICT_NEAR ? head->dict : PACK_DICT_NEAR;
  if (wf_unlikely(!lua_checkstack(r->L, (int)head->values + (int)near + STACK_AHEAD)))
    return wf_read_bad(r, "too many values for the stack");
  return (head->dict | head->shared) == 0 || reader_reserve(r, head, top);
}

/* [-0, +(n|1), e] How many values, or -1 and the error value. */
static int read_all(wf_reader *r, const wf_pack_state *st) {
  lua_State *L = r->L;
  int top = lua_gettop(L), n = 0;
  wf_pack_head head;
  int below = top;
  if (r->reach != WF_REACH_ANYONE) r->known = wf_pack_state_known(L, st, reader_left(r));
  if (r->known != NULL) {
    r->message = ++r->known->shapes.messages;
    r->fills = wf_raw_fills();
    if (!r->fills) {
      wf_read_array(r);
      r->array = below = top + 1;
    }
  }
  bool ok = read_head(r, &head, below);
  if (ok && (head.dict | head.shared) != 0) below = lua_gettop(L);
  for (; ok && n < (int)head.values; n++) ok = read_any(r);
  if (ok && wf_unlikely(r->at != r->end)) ok = wf_read_bad(r, "bytes after its end");
  if (wf_unlikely(!ok)) {
    lua_copy(L, -1, top + 1);
    lua_settop(L, top + 1);
    return -1;
  }
  if (below > top) {
    for (int i = 1; i <= n; i++) lua_copy(L, below + i, top + i);
    lua_settop(L, top + n);
  }
  return n;
}

static inline int unpack_in(lua_State *L, const wf_pack_state *st, const wf_msg *m) {
  const uint8_t *bytes = (const uint8_t *)m->data;
  size_t beyond = m->room - m->len;
  wf_reader r = {.L = L,
                 .at = bytes,
                 .end = bytes + m->len,
                 .safe = bytes + m->len + (beyond < OPERAND ? beyond : OPERAND),
                 .side = m->side,
                 .nside = m->nside,
                 .reach = m->peer ? WF_REACH_PEERS : WF_REACH_PROCESS};
  int held = wf_unlikely(m->len >= LARGE) ? gc_hold(L, (int)(m->len * MEMORY_RATE >> 10)) : 0;
  int n = read_all(&r, st);
  gc_release(L, held);
  if (n < 0) lua_error(L);
  return n;
}

int wf_unpack(lua_State *L, const wf_msg *m) { return unpack_in(L, wf_pack_state_seen(L), m); }

static int unpack_guarded(lua_State *L) { return wf_unpack(L, lua_touserdata(L, 1)); }

/* A message that is noted in the state needs no protected call: what an error leaves there is given up by the next, or with the
 * state. Only a finaliser can ask for another while one is read, and Luas before 5.4.4 do not tell whether one runs. */
void wf_unpack_take(lua_State *L, wf_msg *m) {
  wf_pack_state *st = LX_EARLY ? NULL : wf_pack_state_seen(L);
  if (wf_likely(st != NULL && !lx_in_finaliser(L))) {
    wf_msg_free(st->reading);
    st->reading = m;
    unpack_in(L, st, m);
    st->reading = NULL;
    wf_msg_free(m);
    return;
  }
  lua_pushcfunction(L, unpack_guarded);
  lua_pushlightuserdata(L, m);
  int status = lua_pcall(L, 1, 1, 0);
  wf_msg_free(m);
  if (status != LUA_OK) lua_error(L);
}

int wf_unpack_peer(lua_State *L, const void *bytes, size_t len) {
  const uint8_t *end = (const uint8_t *)bytes + len;
  wf_reader r = {.L = L, .at = bytes, .end = end, .safe = end, .reach = WF_REACH_PEERS};
  return read_all(&r, NULL);
}

int wf_unpack_untrusted(lua_State *L, const void *bytes, size_t len) {
  wf_reader r = {.L = L,
                 .at = bytes,
                 .end = (const uint8_t *)bytes + len,
                 .safe = (const uint8_t *)bytes + len,
                 .reach = WF_REACH_ANYONE,
                 .memory = (uint64_t)len * COST_RATE + COST_FREE};
  return read_all(&r, NULL);
}
