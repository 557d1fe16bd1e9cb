/* See swait.h. */
#include "rt/swait.h"

#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "rt/copool.h"
#include "rt/sched.h"

/* Parcels ------------------------------------------------------------------------------------- */

/* What `msg` is when the cell has a handle: its head points to the wf_transfer, its value is the handle. */
#define HANDLE ((wf_msg *)(uintptr_t)1)

static const wf_transfer *parcel_ops(const wf_parcel *p) { return (const wf_transfer *)(uintptr_t)p->cell.v.head; }

/* Take the handle of an object outside Lua; false when it is none, or cannot cross: wf_pack says why. [-0, +0, m] */
static bool handle_put(lua_State *L, int idx, wf_parcel *p, bool peers) {
  if (lua_type(L, idx) != LUA_TUSERDATA || luaL_getmetafield(L, idx, "__weft_transfer") == LUA_TNIL) return false;
  const wf_transfer *ops = lua_islightuserdata(L, -1) ? lua_touserdata(L, -1) : NULL;
  lua_pop(L, 1);
  if (ops == NULL || (peers && ops->peer_kind == 0)) return false;
  void *handle = peers && ops->take_for_peer != NULL ? ops->take_for_peer(L, idx) : ops->take(L, idx);
  if (handle == NULL) {
    lua_pop(L, 1);
    return false;
  }
  wf_parcel_set_handle(p, ops, handle);
  return true;
}

void wf_parcel_set_handle(wf_parcel *p, const wf_transfer *ops, void *handle) {
  p->cell.v.head = (uintptr_t)ops;
  p->cell.v.u.p = handle;
  p->msg = HANDLE;
}

void *wf_parcel_handle(const wf_parcel *p, const wf_transfer **ops) {
  if (p->msg != HANDLE) return NULL;
  *ops = parcel_ops(p);
  return p->cell.v.u.p;
}

void wf_parcel_put_for(lua_State *L, int idx, wf_parcel *p, const char *what, bool peers) {
  p->msg = NULL;
  if (!lua_istable(L, idx)) {
    if (wf_cell_put(L, idx, &p->cell)) {
      if (wf_likely(!peers || !wf_cell_is_pointer(&p->cell))) return;
    } else if (handle_put(L, idx, p, peers)) {
      return;
    }
  }
  p->msg = wf_pack_for(L, idx, 1, what, peers ? WF_REACH_PEERS : WF_REACH_PROCESS);
  if (p->msg == NULL) lua_error(L);
}

void wf_parcel_put(lua_State *L, int idx, wf_parcel *p, const char *what) { wf_parcel_put_for(L, idx, p, what, false); }

static int give_handle(lua_State *L) {
  const wf_parcel *p = lua_touserdata(L, 1);
  parcel_ops(p)->give(L, p->cell.v.u.p);
  return 1;
}

void wf_parcel_push(lua_State *L, wf_parcel *p) {
  if (wf_likely(p->msg == NULL)) {
    wf_cell_push(L, &p->cell);
    return;
  }
  wf_parcel own = *p;
  p->msg = NULL;
  if (wf_likely(own.msg != HANDLE)) {
    wf_unpack_take(L, own.msg);
    return;
  }
  lua_pushcfunction(L, give_handle);
  lua_pushlightuserdata(L, &own);
  int status = lua_pcall(L, 1, 1, 0);
  wf_parcel_free(&own);
  if (status != LUA_OK) lua_error(L);
}

void wf_parcel_free(wf_parcel *p) {
  if (p->msg == HANDLE)
    parcel_ops(p)->drop(p->cell.v.u.p);
  else
    wf_msg_free(p->msg);
  p->msg = NULL;
}

/* Shared objects ------------------------------------------------------------------------------ */

void wf_shared_init(wf_shared *s, void (*release)(wf_shared *s)) {
  atomic_init(&s->refs, 1);
  pthread_mutex_init(&s->lock, NULL);
  s->free = release;
  s->settle = NULL;
  s->waiter = NULL;
}

/* The port of one who waits for it, held, or NULL. */
static wf_port *waiters_port(wf_shared *s) {
  if (s->waiter == NULL) return NULL;
  pthread_mutex_lock(&s->lock);
  const wf_snode *n = s->waiter(s);
  wf_port *port = n == NULL ? NULL : n->wait->port;
  if (port != NULL) wf_port_hold(port);
  pthread_mutex_unlock(&s->lock);
  return port;
}

static void shared_drop(wf_shared *s, uint64_t what) {
  if ((uint32_t)atomic_fetch_sub_explicit(&s->refs, what, memory_order_acq_rel) != 1) return;
  pthread_mutex_destroy(&s->lock);
  s->free(s);
}

void wf_shared_release(wf_shared *s) {
  uint64_t r = atomic_load_explicit(&s->refs, memory_order_relaxed);
  if (wf_likely(r < WF_SHARED_NODE)) { /* nobody waits; who begins to will look by itself */
    if (atomic_compare_exchange_strong_explicit(&s->refs, &r, r - 1, memory_order_acq_rel, memory_order_relaxed)) {
      if ((uint32_t)r != 1) return;
      pthread_mutex_destroy(&s->lock);
      s->free(s);
      return;
    }
  }
  /* When it gets lonely, those who wait are to be told: who that is must be known before, for afterwards it may be gone. */
  wf_port *port = NULL;
  bool lonely;
  do {
    lonely = r >= WF_SHARED_NODE && (uint32_t)r - (uint32_t)(r >> 32) == 2;
    if (lonely && port == NULL) port = waiters_port(s);
  } while (!atomic_compare_exchange_weak_explicit(&s->refs, &r, r - 1, memory_order_acq_rel, memory_order_relaxed));
  if ((uint32_t)r == 1) {
    pthread_mutex_destroy(&s->lock);
    s->free(s);
  }
  if (port == NULL) return;
  if (lonely) {
    atomic_store(&port->look, 1);
    wf_port_wake(port);
  }
  wf_port_release(port);
}

/* Records ------------------------------------------------------------------------------------- */

static void swait_free(wf_swait *w, bool queued);

/* Push the value. Protected. */
static int push_value(lua_State *L) {
  wf_parcel_push(L, lua_touserdata(L, 1));
  return 1;
}

/* Push what the record brings on the coroutine that waits, or the error that this raises: then false. */
static bool hand_over(wf_iso *iso, lua_State *to, wf_parcel *p) {
  lua_checkstack(to, 2);
  if (p->msg == NULL && !wf_cell_is_string(&p->cell)) { /* needs no memory */
    wf_cell_push(to, &p->cell);
    return true;
  }
  lua_State *L = iso->bench; /* a suspended coroutine cannot call */
  lua_checkstack(L, 4);
  lua_pushcfunction(L, push_value);
  lua_pushlightuserdata(L, p);
  bool ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
  lua_xmove(L, to, 1);
  return ok;
}

/* The mail has come home: hand over what it brings, as a sender of the same isolate would. */
static void on_mail(wf_iso *iso, wf_mail *m) {
  wf_swait *w = wf_container_of(m, wf_swait, mail);
  wf_task *t = w->task;
  int how = w->how;
  if (t == NULL) { /* abandoned */
    wf_parcel_free(&w->parcel);
    swait_free(w, true);
    return;
  }
  t->won = w->won;
  if (w->has_value) {
    lua_State *to = wf_task_lua(t);
    if (hand_over(iso, to, &w->parcel)) {
      lua_pushboolean(to, 1);
      t->got = 2;
    } else {
      how = WF_RAISE;
      t->got = 1;
    }
  }
  wf_swait_end(t);
  wf_wake(iso, t, how);
}

/* The isolate closed before its mail came: the task was never to run again. */
static void on_mail_dropped(wf_mail *m) {
  wf_swait *w = wf_container_of(m, wf_swait, mail);
  wf_parcel_free(&w->parcel);
  for (wf_snode *n = w->nodes; n != NULL; n = n->next)
    if (n->owner->settle != NULL && n->index == w->won && w->how == WF_GOT) n->owner->settle(n->owner, n, NULL, NULL, true);
}

wf_swait *wf_swait_of(wf_iso *iso, wf_task *t) {
  wf_ext *x = wf_task_ext(iso, t);
  if (x == NULL) return NULL;
  if (x->shared != NULL) return x->shared;
  wf_swait *w = iso->free_wait; /* with its hold of the port */
  if (wf_unlikely(w == NULL)) {
    if ((w = wf_malloc(sizeof *w)) == NULL) return NULL;
    wf_port_hold(iso->port);
  }
  iso->free_wait = NULL;
  memset(w, 0, offsetof(wf_swait, first));
  w->first.owner = NULL; /* not in use */
  w->mail.deliver = on_mail;
  w->mail.drop = on_mail_dropped;
  w->port = iso->port;
  w->iso = iso;
  w->task = t;
  w->id = wf_task_id(iso, t);
  t->flags |= WF_F_SHARED;
  return x->shared = w;
}

wf_snode *wf_swait_add(wf_swait *w, wf_shared *owner, uint16_t index) {
  wf_snode *n = w->first.owner == NULL ? &w->first : wf_malloc(sizeof *n);
  if (n == NULL) return NULL;
  memset(n, 0, sizeof *n);
  atomic_fetch_add_explicit(&owner->refs, 1 + WF_SHARED_NODE, memory_order_relaxed);
  n->owner = owner;
  n->wait = w;
  n->index = index;
  n->next = w->nodes;
  w->nodes = n;
  return n;
}

/* Is the wait open, and nothing that it is for in others' reach? */
static bool is_stuck(const wf_task *t) {
  wf_swait *w = t->ext->shared;
  if (!wf_swait_open(w)) return false;
  for (wf_snode *n = w->nodes; n != NULL; n = n->next)
    if (n->owner->waiter == NULL || !wf_shared_lonely(n->owner)) return false;
  return true;
}

void wf_swait_look(wf_iso *iso, const wf_task *t) {
  for (wf_snode *n = t->ext->shared->nodes; n != NULL; n = n->next)
    if (wf_shared_lonely(n->owner)) atomic_store_explicit(&iso->port->look, 1, memory_order_relaxed);
}

bool wf_iso_stuck(wf_iso *iso) {
  if (wf_likely(atomic_load_explicit(&iso->port->look, memory_order_relaxed) == 0)) return false;
  uint32_t stuck = 0;
  wf_walk w = {0, NULL};
  for (const wf_task *t = &iso->main; t != NULL; t = wf_iso_walk(iso, &w)) {
    if (!(t->flags & WF_F_OUTSIDE) || t->claim != WF_ARMED) continue;
    if (!(t->flags & WF_F_SHARED) || !is_stuck(t)) return false; /* look again when this one has ended */
    stuck++;
  }
  if (stuck == 0) atomic_store(&iso->port->look, 0);
  return stuck > 0 && stuck == iso->outside && !wf_mpsc_maybe_nonempty(&iso->port->inbox);
}

static bool take(wf_swait *w, uint32_t by) {
  uint32_t open = WF_OPEN;
  return atomic_compare_exchange_strong_explicit(&w->claim, &open, by, memory_order_acq_rel, memory_order_acquire);
}

bool wf_swait_take_here(wf_swait *w) {
  return take(w, WF_TAKEN_HERE) || atomic_load_explicit(&w->claim, memory_order_relaxed) == WF_TAKEN_HERE;
}

static void swait_free(wf_swait *w, bool queued) {
  bool elsewhere = atomic_load_explicit(&w->claim, memory_order_relaxed) == WF_TAKEN_THERE;
  for (wf_snode *n = w->nodes, *next; n != NULL; n = next) {
    next = n->next;
    bool won = elsewhere && n->index == w->won;
    /* Not looked for where it is not: the winner took it out, which came with the mail. */
    if (queued && !(won && n->out)) {
      pthread_mutex_lock(&n->owner->lock);
      wf_list_unlink(&n->link);
      pthread_mutex_unlock(&n->owner->lock);
    }
    if (n->owner->settle != NULL) n->owner->settle(n->owner, n, w->iso, w->task, won && w->how == WF_GOT);
    if (n->parcel.msg != NULL) wf_parcel_free(&n->parcel);
    shared_drop(n->owner, 1 + WF_SHARED_NODE);
    if (n != &w->first) wf_free(n);
  }
  if (w->iso->free_wait == NULL) {
    w->iso->free_wait = w;
    return;
  }
  wf_port_release(w->port);
  wf_free(w);
}

void wf_swait_forget(wf_iso *iso) {
  wf_swait *w = iso->free_wait;
  iso->free_wait = NULL;
  if (w == NULL) return;
  wf_port_release(w->port);
  wf_free(w);
}

/* Part the record from its task. */
static wf_swait *swait_part(wf_task *t) {
  wf_swait *w = t->ext->shared;
  t->ext->shared = NULL;
  t->flags &= ~(uint32_t)WF_F_SHARED;
  return w;
}

void wf_swait_end(wf_task *t) { swait_free(swait_part(t), true); }

void wf_swait_undo(wf_task *t) { swait_free(swait_part(t), false); }

void wf_swait_abandon(wf_task *t) {
  wf_swait *w = swait_part(t);
  w->task = NULL;
  if (wf_swait_take_here(w)) swait_free(w, true);
}

wf_snode *wf_snode_take_locked(wf_link *queue) {
  while (!wf_list_empty(queue)) {
    wf_snode *n = wf_list_entry(queue->next, wf_snode, link);
    wf_list_unlink(&n->link); /* won or lost, it is of no more use here */
    n->out = true;
    if (take(n->wait, WF_TAKEN_THERE)) return n;
  }
  return NULL;
}

bool wf_snode_claim_locked(wf_snode *n, bool here) { return take(n->wait, here ? WF_TAKEN_HERE : WF_TAKEN_THERE); }

bool wf_snode_waiting_locked(wf_link *queue) {
  for (wf_link *l = queue->next; l != queue; l = l->next)
    if (atomic_load_explicit(&wf_list_entry(l, wf_snode, link)->wait->claim, memory_order_relaxed) == WF_OPEN) return true;
  return false;
}

void wf_swait_leave_private(wf_iso *iso, wf_link *queue) {
  while (!wf_list_empty(queue)) {
    wf_node *n = wf_list_entry(queue->next, wf_node, link);
    wf_task *t = n->task;
    wf_list_unlink(&n->link);
    if (t->claim != WF_ARMED) continue;
    if (!wf_node_is_case(n)) t->flags &= ~(uint32_t)WF_F_NODE;
    wf_wait_outside(iso, t);
  }
}
