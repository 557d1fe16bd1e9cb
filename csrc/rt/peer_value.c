/* See peer.h: values between processes. A message is its size, the number of objects beside it, its bytes (lx/pack.h,
 * WF_REACH_PEERS), then each object: its kind and what that needs. */
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "lx/error.h"
#include "lx/pack.h"
#include "lx/uncollected.h"
#include "rt/buffer.h"
#include "rt/peer.h"
#include "rt/shchan.h"

enum { KIND_NONE, KIND_CHANNEL, KIND_BUFFER, KIND_MESSAGE }; /* wf_transfer.peer_kind */
enum { PARCEL_CELL, PARCEL_MSG, PARCEL_HANDLE };

/* Objects -------------------------------------------------------------------------------------------- */

static void put_object(wf_peer *p, const wf_transfer *ops, void *held) {
  uint8_t kind = ops->peer_kind;
  wf_peer_put(p, &kind, sizeof kind);
  if (kind == KIND_CHANNEL)
    wf_peer_put_channel(p, held);
  else if (kind == KIND_BUFFER)
    wf_peer_put_view(p, held);
  else
    wf_peer_put_msg(p, ops->msg_of(held));
}

/* Parts of weft.core open when they are first used: here an object of this kind is. The name of one of its functions does it.
 * Protected. Stack: isolate, kind. */
static int open_kind(lua_State *L) {
  static const char *const names[] = {[KIND_CHANNEL] = "channel", [KIND_BUFFER] = "buffer", [KIND_MESSAGE] = "seal"};
  wf_iso *iso = lua_touserdata(L, 1);
  lua_pushcfunction(L, iso->open_core);
  lua_call(L, 0, 1);
  lua_getfield(L, -1, names[lua_tointeger(L, 2)]);
  return 0;
}

static const wf_transfer *ops_of(wf_iso *iso, uint8_t kind) {
  lua_State *L = iso->bench;
  if (iso->transfers[kind] == NULL && iso->open_core != NULL && lua_checkstack(L, 4)) {
    lua_pushcfunction(L, open_kind);
    lua_pushlightuserdata(L, iso);
    lua_pushinteger(L, kind);
    if (lx_pcall_uncollected(L, 2, 0) != LUA_OK) lua_pop(L, 1);
  }
  return iso->transfers[kind];
}

static bool get_object(wf_peer *p, wf_peer_bytes *b, const wf_transfer **ops, void **held) {
  uint8_t kind;
  if (!wf_peer_get(b, &kind, sizeof kind) || kind == KIND_NONE || kind > KIND_MESSAGE) return false;
  *ops = ops_of(p->iso, kind);
  if (*ops == NULL) {
    wf_peer_fail(p, ENOMEM);
    return false;
  }
  *held = NULL;
  if (kind == KIND_CHANNEL) {
    *held = wf_peer_get_channel(p, b);
  } else if (kind == KIND_BUFFER) {
    *held = wf_peer_get_view(p, b);
  } else {
    wf_msg *m = wf_peer_get_msg(p, b);
    if (m != NULL && (*held = (*ops)->of_msg(m)) == NULL) {
      wf_peer_fail(p, ENOMEM);
      wf_msg_free(m);
    }
  }
  return *held != NULL;
}

/* Messages ------------------------------------------------------------------------------------------- */

void wf_peer_put_msg(wf_peer *p, const wf_msg *m) {
  wf_assert(m != NULL);
  wf_peer_put_u32(p, (uint32_t)m->len);
  wf_peer_put_u32(p, m->nside);
  wf_peer_put(p, m->data, m->len);
  for (uint32_t i = 0; i < m->nside; i++) put_object(p, m->side[i].ops, m->side[i].held);
}

wf_msg *wf_peer_get_msg(wf_peer *p, wf_peer_bytes *b) {
  uint32_t len, nside;
  if (!wf_peer_get(b, &len, sizeof len) || !wf_peer_get(b, &nside, sizeof nside)) return NULL;
  const char *bytes = wf_peer_get_bytes(b, len);
  if (bytes == NULL) return NULL;
  wf_msg *m = wf_msg_new(NULL, len);
  if (m == NULL) {
    wf_peer_fail(p, ENOMEM);
    return NULL;
  }
  m->peer = true;
  m->len = len;
  memcpy(m->data, bytes, len);
  for (uint32_t i = 0; i < nside; i++) {
    wf_side one, *side = NULL;
    bool got = get_object(p, b, &one.ops, &one.held);
    if (got && (side = wf_msg_side(m)) == NULL) wf_peer_fail(p, ENOMEM);
    if (side == NULL) {
      if (got) one.ops->drop(one.held);
      wf_msg_free(m);
      return NULL;
    }
    *side = one;
  }
  return m;
}

/* Values that were encoded for states of this process ---------------------------------------------------- */


/* Push the value, encode it anew. Protected. */
static int make_anew(lua_State *L) {
  wf_parcel *v = lua_touserdata(L, 1), anew;
  wf_parcel_push(L, v);
  wf_parcel_put_for(L, lua_gettop(L), &anew, "value", true);
  *v = anew;
  return 0;
}

/* A line on stderr. Protected. Stack: the error. */
static int tell_why(lua_State *L) {
  fprintf(stderr, "weft: a value was not delivered to another process: %s\n", luaL_tolstring(L, 1, NULL));
  return 0;
}

/* In the middle of a frame: a finaliser of the script could send another one, or end the peer. */
static bool for_peers(wf_peer *p, wf_parcel *v) {
  const wf_transfer *ops;
  bool plain = v->msg == NULL && !wf_cell_is_pointer(&v->cell);
  if (wf_likely(plain)) return true;
  if (wf_parcel_handle(v, &ops) == NULL && v->msg != NULL && v->msg->peer) return true;
  if (wf_parcel_handle(v, &ops) != NULL && ops->peer_kind == KIND_CHANNEL) return true;
  lua_State *L = p->iso->bench;
  if (!lua_checkstack(L, 4)) return false;
  lua_pushcfunction(L, make_anew);
  lua_pushlightuserdata(L, v);
  if (lx_pcall_uncollected(L, 1, 0) == LUA_OK) return true;
  lua_pushcfunction(L, tell_why);
  lua_insert(L, -2);
  if (lx_pcall_uncollected(L, 1, 0) != LUA_OK) lua_pop(L, 1);
  return false;
}

/* Parcels ------------------------------------------------------------------------------------------------ */

bool wf_peer_put_parcel(wf_peer *p, wf_parcel *v) {
  const wf_transfer *ops;
  if (!for_peers(p, v)) return false;
  void *held = wf_parcel_handle(v, &ops);
  uint8_t kind = held != NULL ? PARCEL_HANDLE : v->msg != NULL ? PARCEL_MSG : PARCEL_CELL;
  wf_peer_put(p, &kind, sizeof kind);
  if (kind == PARCEL_HANDLE)
    put_object(p, ops, held);
  else if (kind == PARCEL_MSG)
    wf_peer_put_msg(p, v->msg);
  else
    wf_peer_put(p, &v->cell, sizeof v->cell);
  return true;
}

bool wf_peer_get_parcel(wf_peer *p, wf_peer_bytes *b, wf_parcel *v) {
  const wf_transfer *ops;
  void *held;
  uint8_t kind;
  v->msg = NULL;
  if (!wf_peer_get(b, &kind, sizeof kind)) return false;
  switch (kind) {
    case PARCEL_CELL: return wf_peer_get(b, &v->cell, sizeof v->cell) && !wf_cell_is_pointer(&v->cell) && (v->cell.s.len <= sizeof v->cell.s.text);
    case PARCEL_MSG: return (v->msg = wf_peer_get_msg(p, b)) != NULL;
    case PARCEL_HANDLE:
      if (!get_object(p, b, &ops, &held)) return false;
      wf_parcel_set_handle(v, ops, held);
      return true;
    default: return false;
  }
}
