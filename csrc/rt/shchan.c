/* See shchan.h. Any thread, but for sharing and pushing, which the carrier of the state does. */
#include "rt/shchan.h"

#include "base/alloc.h"
#include "lx/error.h"
#include "rt/sched.h"

enum { FIRST_ROOM = 8, UV_HOLDER = 2 };

static void shchan_free(wf_shared *shared) {
  wf_shchan *s = wf_container_of(shared, wf_shchan, shared);
  for (size_t i = 0; i < s->count; i++) wf_parcel_free(&s->ring[(s->head + i) & (s->room - 1)]);
  for (size_t i = 0; i < s->inbox_count; i++) wf_parcel_free(&s->inbox[(s->inbox_head + i) & (s->inbox_room - 1)]);
  wf_free(s->inbox);
  wf_free(s->ring);
  wf_free(s);
}

static wf_snode *waiter(wf_shared *shared) {
  wf_shchan *s = wf_container_of(shared, wf_shchan, shared);
  wf_link *q = wf_list_empty(&s->receivers) ? &s->senders : &s->receivers;
  return wf_list_empty(q) ? NULL : wf_list_entry(q->next, wf_snode, link);
}

wf_shchan *wf_shchan_new(size_t capacity) {
  wf_shchan *s = wf_calloc(1, sizeof *s);
  if (s == NULL) return NULL;
  wf_shared_init(&s->shared, shchan_free);
  s->shared.waiter = waiter;
  wf_list_init(&s->receivers);
  wf_list_init(&s->senders);
  wf_list_init(&s->bells);
  s->capacity = capacity;
  return s;
}

/* Room for one more parcel; false when memory is out. */
static bool ring_reserve_locked(wf_shchan *s) {
  if (s->count < s->room) return true;
  size_t room = s->room == 0 ? FIRST_ROOM : s->room * 2;
  wf_parcel *ring = wf_malloc(room * sizeof *ring);
  if (ring == NULL) return false;
  for (size_t i = 0; i < s->count; i++) ring[i] = s->ring[(s->head + i) & (s->room - 1)];
  wf_free(s->ring);
  s->ring = ring;
  s->room = room;
  s->head = 0;
  return true;
}

/* `sender`: the id of a waiting task whose value it is, 0 for the running one's. */
static void ring_put_locked(wf_shchan *s, const wf_parcel *p, uint64_t sender) {
  wf_trace(WF_TRACE_PUT, WF_WHY_NONE, s->taken + (uint32_t)s->count, sender, s->id);
  s->ring[(s->head + s->count) & (s->room - 1)] = *p;
  s->count++;
}

static void ring_take_locked(wf_shchan *s, wf_parcel *p) {
  if (wf_unlikely(wf_trace_on() != 0)) wf_trace_record(WF_TRACE_TAKE, WF_WHY_NONE, s->taken++, 0, s->id);
  *p = s->ring[s->head];
  s->head = (s->head + 1) & (s->room - 1);
  s->count--;
}

/* Operations ---------------------------------------------------------------------------------- */

/* What a locked operation found, and whom to post to once the lock is released. */
typedef struct outcome {
  enum wf_channel_now now;
  wf_swait *post;
  bool ring; /* connections to other processes may have something to do */
} outcome;

/* Tell the connections; one at a time: posting is not done under the lock. receivers_only: of a channel that is at home, those
 * that want to know of receivers. */
static void ring_bells(wf_shchan *s, bool receivers_only) {
  wf_bell *found;
  do {
    wf_port *port = NULL;
    found = NULL;
    pthread_mutex_lock(&s->shared.lock);
    for (wf_link *l = s->bells.next; l != &s->bells && found == NULL; l = l->next) {
      wf_bell *b = wf_list_entry(l, wf_bell, link);
      if (!b->rung && (!receivers_only || b->receivers)) found = b;
    }
    if (found != NULL) {
      found->rung = true;
      wf_port_hold(port = found->port); /* the bell may be gone as soon as the mail is out */
    }
    pthread_mutex_unlock(&s->shared.lock);
    if (found != NULL) {
      wf_port_post(port, &found->mail);
      wf_port_release(port);
    }
  } while (found != NULL);
}

/* The first receiver gets it, or NULL: nobody waits. */
static wf_swait *receiver_give_locked(wf_shchan *s, wf_parcel *p) {
  wf_snode *n = wf_snode_take_locked(&s->receivers);
  if (n == NULL) return NULL;
  wf_swait *w = n->wait;
  w->won = n->index;
  w->how = WF_GOT;
  w->has_value = true;
  w->parcel = *p;
  p->msg = NULL;
  return w;
}

static outcome send_locked(wf_shchan *s, wf_parcel *p) {
  if (s->closed) return (outcome){WF_CHANNEL_CLOSED, NULL, false};
  wf_swait *w = s->mirror ? NULL : receiver_give_locked(s, p);
  if (w != NULL) return (outcome){WF_CHANNEL_OK, w, false};
  /* No memory for the ring: wait for a receiver as if it were full. */
  if (s->count >= s->capacity || !ring_reserve_locked(s)) return (outcome){WF_CHANNEL_WOULD_WAIT, NULL, s->mirror};
  ring_put_locked(s, p, 0);
  p->msg = NULL;
  return (outcome){WF_CHANNEL_OK, NULL, s->mirror};
}

/* The first sender's value into *p. */
static wf_swait *sender_take_locked(wf_shchan *s, wf_parcel *p) {
  wf_snode *n = wf_snode_take_locked(&s->senders);
  if (n == NULL) return NULL;
  wf_swait *w = n->wait;
  w->won = n->index;
  w->how = WF_GOT;
  *p = n->parcel;
  n->parcel.msg = NULL;
  return w;
}

static void inbox_take_locked(wf_shchan *s, wf_parcel *p) {
  if (wf_unlikely(wf_trace_on() != 0)) wf_trace_record(WF_TRACE_TAKE, WF_WHY_NONE, s->inbox_taken++ | WF_SHCHAN_INBOX, 0, s->id);
  *p = s->inbox[s->inbox_head];
  s->inbox_head = (s->inbox_head + 1) & (s->inbox_room - 1);
  s->inbox_count--;
}

/* Receiving from a mirror: what has come from the other process. */
static outcome recv_mirror_locked(wf_shchan *s, wf_parcel *p) {
  if (s->inbox_count > 0) {
    inbox_take_locked(s, p);
    return (outcome){WF_CHANNEL_OK, NULL, false};
  }
  if (s->drained) return (outcome){WF_CHANNEL_CLOSED, NULL, false};
  s->wanted = true;
  return (outcome){WF_CHANNEL_WOULD_WAIT, NULL, true};
}

/* The oldest value that was sent here. */
static outcome take_locked(wf_shchan *s, wf_parcel *p) {
  if (s->count > 0) {
    ring_take_locked(s, p);
    wf_parcel next;
    wf_swait *w = sender_take_locked(s, &next);
    if (w != NULL) ring_put_locked(s, &next, w->id); /* into the room just made */
    return (outcome){WF_CHANNEL_OK, w, false};
  }
  wf_swait *w = sender_take_locked(s, p);
  if (w != NULL) return (outcome){WF_CHANNEL_OK, w, false};
  return (outcome){s->closed ? WF_CHANNEL_CLOSED : WF_CHANNEL_WOULD_WAIT, NULL, false};
}

static outcome recv_locked(wf_shchan *s, wf_parcel *p) { return wf_unlikely(s->mirror) ? recv_mirror_locked(s, p) : take_locked(s, p); }

/* May the caller have to ring? Under the lock; for the common case, a channel of this process alone, one comparison. */
static bool has_bells_locked(const wf_shchan *s) { return s->bells.next != &s->bells; }

static enum wf_channel_now unlock_and_post(wf_shchan *s, outcome o) {
  bool ring = o.ring && has_bells_locked(s);
  pthread_mutex_unlock(&s->shared.lock);
  if (o.post != NULL) wf_swait_post(o.post);
  if (wf_unlikely(ring)) ring_bells(s, false);
  return o.now;
}

enum wf_channel_now wf_shchan_send_now(wf_shchan *s, wf_parcel *p) {
  pthread_mutex_lock(&s->shared.lock);
  return unlock_and_post(s, send_locked(s, p));
}

enum wf_channel_now wf_shchan_recv_now(wf_shchan *s, wf_parcel *p) {
  pthread_mutex_lock(&s->shared.lock);
  return unlock_and_post(s, recv_locked(s, p));
}

size_t wf_shchan_drain(wf_shchan *s, wf_parcel *out, size_t most) {
  size_t n = 0;
  pthread_mutex_lock(&s->shared.lock);
  while (n < most && s->count > 0 && !s->mirror) ring_take_locked(s, &out[n++]);
  pthread_mutex_unlock(&s->shared.lock);
  while (n < most && wf_shchan_recv_now(s, &out[n]) == WF_CHANNEL_OK) n++;
  return n;
}

enum wf_channel_now wf_shchan_send_or_wait(wf_shchan *s, wf_snode *n) {
  pthread_mutex_lock(&s->shared.lock);
  outcome o = send_locked(s, &n->parcel);
  if (o.now == WF_CHANNEL_WOULD_WAIT) wf_list_append(&s->senders, &n->link);
  return unlock_and_post(s, o);
}

enum wf_channel_now wf_shchan_recv_or_wait(wf_shchan *s, wf_snode *n, wf_parcel *p) {
  pthread_mutex_lock(&s->shared.lock);
  outcome o = recv_locked(s, p);
  bool waits = o.now == WF_CHANNEL_WOULD_WAIT;
  if (waits) wf_list_append(&s->receivers, &n->link);
  bool ring = waits && !s->mirror && has_bells_locked(s);
  enum wf_channel_now now = unlock_and_post(s, o);
  if (wf_unlikely(ring)) ring_bells(s, true);
  return now;
}

/* The channels of the cases in the order of their addresses, each once: how many. Few: insertion sort. */
static int lock_order(const wf_shcase *cases, int n, wf_shchan **order) {
  int count = 0;
  for (int i = 0; i < n; i++) {
    int at = count;
    while (at > 0 && (uintptr_t)order[at - 1] > (uintptr_t)cases[i].chan) at--;
    if (at > 0 && order[at - 1] == cases[i].chan) continue;
    for (int j = count++; j > at; j--) order[j] = order[j - 1];
    order[at] = cases[i].chan;
  }
  return count;
}

enum wf_channel_now wf_shchan_select(wf_shcase *cases, int n, wf_shchan **order, int *done) {
  int locks = lock_order(cases, n, order);
  outcome o = {WF_CHANNEL_WOULD_WAIT, NULL, false};
  for (int i = 0; i < locks; i++) pthread_mutex_lock(&order[i]->shared.lock);
  for (int i = 0; i < n && o.now == WF_CHANNEL_WOULD_WAIT; i++) {
    wf_shcase *c = &cases[i];
    o = c->send ? send_locked(c->chan, &c->node->parcel) : recv_locked(c->chan, &c->node->parcel);
    *done = i;
  }
  for (int i = 0; i < n && o.now == WF_CHANNEL_WOULD_WAIT; i++)
    wf_list_append(cases[i].send ? &cases[i].chan->senders : &cases[i].chan->receivers, &cases[i].node->link);
  bool ring = false;
  for (int i = 0; i < locks; i++) ring |= has_bells_locked(order[i]);
  for (int i = locks; i-- > 0;) pthread_mutex_unlock(&order[i]->shared.lock);
  if (o.post != NULL) wf_swait_post(o.post);
  for (int i = 0; i < locks && wf_unlikely(ring); i++) ring_bells(order[i], !order[i]->mirror);
  return o.now;
}

bool wf_shchan_ready(wf_shchan *s, bool send) {
  pthread_mutex_lock(&s->shared.lock);
  bool ready, room = send && s->count < s->capacity && ring_reserve_locked(s); /* as in send_locked */
  if (wf_unlikely(s->mirror))
    ready = send ? s->closed || room : s->drained || s->inbox_count > 0;
  else
    ready = s->closed || (send ? room || wf_snode_waiting_locked(&s->receivers) : s->count > 0 || wf_snode_waiting_locked(&s->senders));
  pthread_mutex_unlock(&s->shared.lock);
  return ready;
}

static bool add_locked(wf_shchan *s, wf_parcel *p, size_t behind, uint64_t sender);

/* Take the first waiter of a queue, to tell it that the channel is closed. A value from another process was accepted there
 * already: it is kept. */
static wf_swait *closed_waiter_locked(wf_shchan *s, wf_link *queue) {
  wf_snode *n = wf_snode_take_locked(queue);
  if (n == NULL) return NULL;
  n->wait->won = n->index;
  n->wait->how = n->committed && add_locked(s, &n->parcel, SIZE_MAX, n->wait->id) ? WF_GOT : WF_CLOSED;
  return n->wait;
}

/* Close for senders, for receivers, or both, and tell those who wait. */
static void close_for(wf_shchan *s, bool senders, bool receivers) {
  wf_swait *w;
  do { /* one at a time: posting is not done under the lock */
    pthread_mutex_lock(&s->shared.lock);
    if (senders) s->closed = true;
    if (receivers) s->drained = true;
    w = receivers ? closed_waiter_locked(s, &s->receivers) : NULL;
    if (w == NULL && senders) w = closed_waiter_locked(s, &s->senders);
    pthread_mutex_unlock(&s->shared.lock);
    if (w != NULL) wf_swait_post(w);
  } while (w != NULL);
}

/* Receivers of a mirror wait until its home says that nothing is left there. */
void wf_shchan_close(wf_shchan *s) {
  close_for(s, true, !s->mirror);
  ring_bells(s, false);
}

size_t wf_shchan_count(wf_shchan *s) {
  pthread_mutex_lock(&s->shared.lock);
  size_t n = s->count + s->inbox_count;
  pthread_mutex_unlock(&s->shared.lock);
  return n;
}

bool wf_shchan_closed(wf_shchan *s) {
  pthread_mutex_lock(&s->shared.lock);
  bool closed = s->closed;
  pthread_mutex_unlock(&s->shared.lock);
  return closed;
}

/* Between processes ---------------------------------------------------------------------------- */

void wf_shchan_bell(wf_shchan *s, wf_bell *b) {
  pthread_mutex_lock(&s->shared.lock);
  wf_list_append(&s->bells, &b->link);
  pthread_mutex_unlock(&s->shared.lock);
}

void wf_shchan_unbell(wf_shchan *s, wf_bell *b) {
  pthread_mutex_lock(&s->shared.lock);
  wf_list_unlink(&b->link);
  pthread_mutex_unlock(&s->shared.lock);
}

static size_t count_open_locked(wf_link *queue, size_t most) {
  size_t n = 0;
  for (wf_link *l = queue->next; l != queue && n < most; l = l->next)
    if (wf_swait_open(wf_list_entry(l, wf_snode, link)->wait)) n++;
  return n;
}

void wf_shchan_heard(wf_shchan *s, wf_bell *b) {
  pthread_mutex_lock(&s->shared.lock);
  b->rung = false;
  pthread_mutex_unlock(&s->shared.lock);
}

void wf_shchan_survey(wf_shchan *s, size_t most, size_t *receivers, size_t *senders, bool *closed) {
  pthread_mutex_lock(&s->shared.lock);
  *receivers = count_open_locked(&s->receivers, most);
  *senders = count_open_locked(&s->senders, most);
  if (s->mirror && s->wanted && *receivers == 0 && s->inbox_count == 0) *receivers = 1;
  s->wanted = false;
  *closed = s->closed && s->count == 0 && *senders == 0;
  pthread_mutex_unlock(&s->shared.lock);
}

/* Room in a ring of the inbox's kind. */
static bool inbox_reserve_locked(wf_shchan *s) {
  if (s->inbox_count < s->inbox_room) return true;
  size_t room = s->inbox_room == 0 ? FIRST_ROOM : s->inbox_room * 2;
  wf_parcel *ring = wf_malloc(room * sizeof *ring);
  if (ring == NULL) return false;
  for (size_t i = 0; i < s->inbox_count; i++) ring[i] = s->inbox[(s->inbox_head + i) & (s->inbox_room - 1)];
  wf_free(s->inbox);
  s->inbox = ring;
  s->inbox_room = room;
  s->inbox_head = 0;
  return true;
}

/* Whatever the capacity, behind the first `behind`, or at the end; `sender` as in ring_put_locked. False when memory is out. */
static bool add_locked(wf_shchan *s, wf_parcel *p, size_t behind, uint64_t sender) {
  if (!ring_reserve_locked(s)) return false;
  if (behind >= s->count) {
    ring_put_locked(s, p, sender);
  } else {
    s->head = (s->head - 1) & (s->room - 1);
    s->count++;
    s->taken--; /* those behind it keep their numbers */
    wf_trace(WF_TRACE_PUT, WF_WHY_WAIT, s->taken + (uint32_t)behind, behind, s->id);
    for (size_t i = 0; i < behind; i++) s->ring[(s->head + i) & (s->room - 1)] = s->ring[(s->head + i + 1) & (s->room - 1)];
    s->ring[(s->head + behind) & (s->room - 1)] = *p;
  }
  p->msg = NULL;
  return true;
}

/* 1: a receiver has it, 0: it is kept, -1: it is gone, for want of memory. */
static int add(wf_shchan *s, wf_parcel *p, size_t behind) {
  pthread_mutex_lock(&s->shared.lock);
  wf_swait *w = s->mirror ? NULL : receiver_give_locked(s, p);
  bool kept = w != NULL || add_locked(s, p, behind, 0);
  bool ring = s->mirror && has_bells_locked(s);
  pthread_mutex_unlock(&s->shared.lock);
  if (w != NULL) wf_swait_post(w);
  if (!kept) wf_parcel_free(p); /* memory is out */
  if (ring) ring_bells(s, false);
  return w != NULL ? 1 : kept ? 0 : -1;
}

int wf_shchan_unrecv(wf_shchan *s, wf_parcel *p, size_t behind) { return add(s, p, behind); }
int wf_shchan_force(wf_shchan *s, wf_parcel *p) { return add(s, p, SIZE_MAX); }

bool wf_shchan_spare(wf_shchan *s, wf_parcel *p, size_t leave) {
  pthread_mutex_lock(&s->shared.lock);
  outcome o = {WF_CHANNEL_WOULD_WAIT, NULL, false};
  if (!s->mirror && s->count > leave) o = take_locked(s, p);
  return unlock_and_post(s, o) == WF_CHANNEL_OK;
}

bool wf_shchan_outgoing(wf_shchan *s, wf_parcel *p) {
  pthread_mutex_lock(&s->shared.lock);
  outcome o = take_locked(s, p);
  return unlock_and_post(s, o) == WF_CHANNEL_OK;
}

int wf_shchan_incoming(wf_shchan *s, wf_parcel *p) {
  pthread_mutex_lock(&s->shared.lock);
  wf_swait *w = s->inbox_count > 0 ? NULL : receiver_give_locked(s, p);
  bool room = w == NULL && inbox_reserve_locked(s);
  if (room) {
    wf_trace(WF_TRACE_PUT, WF_WHY_NONE, (s->inbox_taken + (uint32_t)s->inbox_count) | WF_SHCHAN_INBOX, 0, s->id);
    s->inbox[(s->inbox_head + s->inbox_count) & (s->inbox_room - 1)] = *p;
    s->inbox_count++;
    p->msg = NULL;
  }
  pthread_mutex_unlock(&s->shared.lock);
  if (w != NULL) wf_swait_post(w);
  return w != NULL ? 1 : room ? 0 : -1;
}

bool wf_shchan_uninbox(wf_shchan *s, wf_parcel *p) {
  pthread_mutex_lock(&s->shared.lock);
  bool any = s->inbox_count > 0;
  if (any) inbox_take_locked(s, p);
  pthread_mutex_unlock(&s->shared.lock);
  return any;
}

void wf_shchan_shut(wf_shchan *s) { close_for(s, true, false); }
void wf_shchan_drain_out(wf_shchan *s) { close_for(s, false, true); }

/* Sharing ------------------------------------------------------------------------------------- */

/* Nodes of s for the waiters of a private queue, in its order. Raises when a value cannot travel. */
static void copy_waiters(wf_iso *iso, lua_State *L, wf_shchan *s, wf_link *from, bool senders) {
  for (wf_link *l = from->next; l != from; l = l->next) {
    wf_node *n = wf_list_entry(l, wf_node, link);
    wf_task *t = n->task;
    if (t->claim != WF_ARMED) continue;
    wf_swait *w = wf_swait_of(iso, t);
    wf_snode *sn = w == NULL ? NULL : wf_swait_add(w, &s->shared, wf_node_is_case(n) ? (uint16_t)wf_container_of(n, wf_case, node)->index : 1);
    if (sn == NULL) lx_raise_memory(L);
    if (senders) {
      lua_State *from_co = wf_task_lua(t);
      if (from_co == L) luaL_error(L, "a channel cannot cross from a hook or a finaliser while what it has interrupted sends to it");
      lua_pushvalue(from_co, wf_node_value(n));
      lua_xmove(from_co, L, 1);
      wf_parcel_put(L, lua_gettop(L), &sn->parcel, "value");
      lua_pop(L, 1);
    }
    wf_list_append(senders ? &s->senders : &s->receivers, &sn->link);
  }
}

/* All that may fail. Protected. Stack: shared part, handle. */
static int share_prepare(lua_State *L) {
  wf_shchan *s = lua_touserdata(L, 1);
  wf_channel *c = lua_touserdata(L, 2);
  wf_iso *iso = c->object.iso;
  s->closed = c->closed;
  s->id = wf_channel_id(iso, c);
  s->taken = c->taken;
  for (size_t i = 0; i < c->count; i++) {
    wf_parcel p;
    if (!ring_reserve_locked(s)) return lx_raise_memory(L);
    wf_channel_push_kept(L, c, 2, i);
    wf_parcel_put(L, lua_gettop(L), &p, "value");
    s->ring[s->count++] = p; /* it was put in long ago: no event; the ring is new, its head 0 */
    lua_pop(L, 1);
  }
  copy_waiters(iso, L, s, &c->receivers, false);
  copy_waiters(iso, L, s, &c->senders, true);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->shared_handles);
  lua_pushvalue(L, 2);
  lua_rawsetp(L, -2, s);
  return 0;
}

/* Empty a list without looking at whose nodes they are. */
static void list_abandon(wf_link *l) {
  while (!wf_list_empty(l)) wf_list_unlink(l->next);
}

wf_shchan *wf_channel_share(wf_iso *iso, lua_State *L, wf_channel *c, int self) {
  if (c->shared != NULL) return c->shared;
  if (c->shares) {
    lx_error_new(L, "transfer", "a channel that is among its own values cannot cross: let it cross before it is sent");
    lua_error(L);
  }
  self = lua_absindex(L, self);
  luaL_checkstack(L, 8, NULL);
  wf_class_finalised(iso, L, self);
  wf_shchan *s = wf_shchan_new(c->capacity);
  if (s == NULL) lx_raise_memory(L);
  lua_pushcfunction(L, share_prepare);
  lua_pushlightuserdata(L, s);
  lua_pushvalue(L, self);
  c->shares = true;
  int status = lua_pcall(L, 2, 0, 0);
  c->shares = false;
  if (status != LUA_OK) {
    list_abandon(&s->receivers); /* the nodes stay with their waits, which free them */
    list_abandon(&s->senders);
    wf_shared_release(&s->shared);
    lua_error(L);
  }
  wf_swait_leave_private(iso, &c->receivers);
  wf_swait_leave_private(iso, &c->senders);
  wf_channel_forget_kept(L, c, self);
  lua_pushvalue(L, self);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[WF_CLASS_SHARED_CHANNEL]);
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
  c->shared = s;
  return s;
}

void wf_channel_push_shared(wf_iso *iso, lua_State *L, wf_shchan *s) {
  luaL_checkstack(L, 6, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->shared_handles);
  if (lua_rawgetp(L, -1, s) == LUA_TNIL) {
    lua_pop(L, 1);
    wf_channel *c = wf_channel_new(iso, L, s->capacity);
    wf_class_finalised(iso, L, -1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[WF_CLASS_SHARED_CHANNEL]);
    lua_setmetatable(L, -2);
    wf_shared_hold(&s->shared);
    c->shared = s;
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, s);
  }
  lua_remove(L, -2);
}
