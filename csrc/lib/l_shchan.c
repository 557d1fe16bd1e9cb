/* Channels that have crossed: what their methods do, and how they cross. */
#include "lib/l_channel.h"
#include "lib/lib.h"
#include "lx/error.h"
#include "rt/peer.h"
#include "rt/sched.h"
#include "rt/shchan.h"

enum wf_channel_now wf_channel_shared_try_send(lua_State *L, wf_channel *c) {
  wf_parcel p;
  wf_parcel_put_for(L, WF_CHANNEL_VALUE, &p, "value", wf_shchan_for_peers(c->shared));
  enum wf_channel_now now = wf_shchan_send_now(c->shared, &p);
  if (now != WF_CHANNEL_OK) wf_parcel_free(&p);
  wf_peers_hint(c->object.iso);
  return now;
}

enum wf_channel_now wf_channel_shared_try_recv(lua_State *L, wf_channel *c) {
  wf_parcel p;
  wf_peers_hint(c->object.iso);
  enum wf_channel_now now = wf_shchan_recv_now(c->shared, &p);
  if (now == WF_CHANNEL_OK) wf_parcel_push(L, &p);
  return now;
}

/* The parcels between their taking and their making. In a userdata, so that none is lost when one cannot be made. */
typedef struct drained {
  size_t n;
  wf_parcel parcels[];
} drained;

/* Push what is in the userdata at 1 as a list. Protected. */
static int push_drained(lua_State *L) {
  drained *d = lua_touserdata(L, 1);
  lua_createtable(L, (int)d->n, 0);
  for (size_t i = 0; i < d->n; i++) {
    wf_parcel_push(L, &d->parcels[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

void wf_channel_shared_drain(lua_State *L, wf_channel *c) {
  size_t most = wf_shchan_count(c->shared);
  luaL_checkstack(L, 4, NULL);
  drained *d = lua_newuserdatauv(L, sizeof *d + most * sizeof *d->parcels, 0);
  lua_pushcfunction(L, push_drained);
  lua_pushvalue(L, -2);
  d->n = wf_shchan_drain(c->shared, d->parcels, most);
  int status = lua_pcall(L, 1, 1, 0);
  if (status != LUA_OK) {
    for (size_t i = 0; i < d->n; i++) wf_parcel_free(&d->parcels[i]);
    lua_error(L);
  }
  lua_remove(L, -2);
}

/* The record and the node of a wait for c; NULL: memory is out. */
static wf_snode *node_for(wf_iso *iso, wf_task *t, wf_channel *c) {
  wf_swait *w = wf_swait_of(iso, t);
  return w == NULL ? NULL : wf_swait_add(w, &c->shared->shared, 1);
}

/* The armed task need not wait after all. */
static void wait_undo(wf_task *t) {
  if (t->flags & WF_F_SHARED) wf_swait_undo(t);
  t->claim = WF_IDLE;
}

int wf_channel_shared_send(lua_State *L, wf_channel *c) {
  wf_iso *iso = c->object.iso;
  wf_task *t = iso->cur;
  wf_parcel p;
  wf_wait_prepare(iso, L, t); /* all that may raise, before the parcel is ours */
  wf_parcel_put_for(L, WF_CHANNEL_VALUE, &p, "value", wf_shchan_for_peers(c->shared));
  enum wf_channel_now now = wf_shchan_send_now(c->shared, &p);
  if (now == WF_CHANNEL_OK) {
    wf_peers_hint(iso);
    return 0;
  }
  if (now == WF_CHANNEL_CLOSED || (t->flags & WF_F_CANCEL)) {
    wf_parcel_free(&p);
    if (now == WF_CHANNEL_CLOSED) return wf_channel_raise_closed(L, c);
    wf_cancel_raise(iso, L, t);
  }
  wf_wait_arm(t, WF_WHY_SEND);
  wf_snode *n = node_for(iso, t, c);
  if (n == NULL) {
    wf_parcel_free(&p);
    wait_undo(t);
    return lx_raise_memory(L);
  }
  n->parcel = p;
  now = wf_shchan_send_or_wait(c->shared, n);
  if (now == WF_CHANNEL_WOULD_WAIT) {
    wf_wait_outside(iso, t);
    return wf_wait_park(iso, L, t, c->shared->id, wf_channel_send_k);
  }
  wait_undo(t);
  return now == WF_CHANNEL_CLOSED ? wf_channel_raise_closed(L, c) : 0;
}

int wf_channel_shared_recv(lua_State *L, wf_channel *c, lua_KFunction k) {
  wf_iso *iso = c->object.iso;
  wf_task *t;
  wf_parcel p;
  wf_peers_hint(iso);
  /* Who had to wait last time will have to as a rule: then the lock is taken once. */
  enum wf_channel_now now = c->waits && !wf_wait_is_refused(iso, L, iso->cur) ? WF_CHANNEL_WOULD_WAIT : wf_shchan_recv_now(c->shared, &p);
  if (now == WF_CHANNEL_WOULD_WAIT) {
    t = wf_wait_begin(iso, L, WF_WHY_RECV);
    wf_snode *n = node_for(iso, t, c);
    if (n == NULL) {
      wait_undo(t);
      return lx_raise_memory(L);
    }
    now = wf_shchan_recv_or_wait(c->shared, n, &p);
    c->waits = now == WF_CHANNEL_WOULD_WAIT;
    if (now == WF_CHANNEL_WOULD_WAIT) {
      wf_wait_outside(iso, t);
      return wf_wait_park(iso, L, t, c->shared->id, k);
    }
    wait_undo(t);
  }
  if (now == WF_CHANNEL_CLOSED) {
    lua_pushnil(L);
    lua_pushboolean(L, 0);
    return 2;
  }
  wf_parcel_push(L, &p);
  lua_pushboolean(L, 1);
  return 2;
}

/* Crossing ------------------------------------------------------------------------------------- */

static void *channel_take(lua_State *L, int idx) {
  wf_channel *c = lua_touserdata(L, idx);
  wf_shchan *s = wf_channel_share(c->object.iso, L, c, idx);
  wf_shared_hold(&s->shared);
  return s;
}

static void channel_give(lua_State *L, void *handle) {
  wf_iso *iso = wf_iso_of(L);
  if (iso == NULL) luaL_error(L, "a weft.channel cannot come to a Lua state without weft");
  wf_class_open(iso, L, WF_CLASS_SHARED_CHANNEL);
  wf_channel_push_shared(iso, L, handle);
}

static void channel_drop(void *handle) { wf_shared_release(&((wf_shchan *)handle)->shared); }

const wf_transfer wf_channel_transfer = {"weft.channel", channel_take, channel_give, channel_drop, 1, NULL, NULL, NULL};
