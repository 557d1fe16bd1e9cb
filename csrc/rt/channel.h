/* Channels private to one isolate: a bounded queue of Lua values with waiting senders and
 * receivers. Runs on the isolate's carrier; no lock.
 *
 * A channel is a userdata without finaliser. User value 1 is the block of cells (a userdata),
 * user value 2 the table of values that do not fit a cell. A cell whose tag is CELL_REF stands for
 * the table's entry of the same index.
 *
 * Invariants: receivers wait only while no value is kept and no sender waits; senders wait only
 * while count == capacity; nobody waits once closed. Waiters are served first come, first served;
 * a value is handed from sender to receiver without a detour through the cells.
 *
 * Making room allocates, and a finaliser may use the channel meanwhile: after it, all is looked at anew.
 */
#ifndef WF_RT_CHANNEL_H
#define WF_RT_CHANNEL_H

#include "rt/iso.h"
#include "rt/sched.h"

/* wf_kept.tag */
enum { KEPT_NIL, KEPT_FALSE, KEPT_TRUE, KEPT_INTEGER, KEPT_FLOAT, KEPT_POINTER, KEPT_REF };

typedef struct wf_kept {
  union {
    lua_Integer i;
    lua_Number n;
    void *p;
  } v;
  int tag;
} wf_kept;

typedef struct wf_shchan wf_shchan;

typedef struct wf_channel {
  wf_object object;
  wf_link receivers, senders; /* wf_nodes */
  wf_kept *cells;
  size_t room;     /* cells, a power of two or 0 */
  size_t head;     /* index of the oldest */
  size_t count;
  size_t reserved; /* cells set aside for what will be offered */
  size_t capacity;
  uint32_t seq;    /* number in its isolate, for names in reports */
  uint32_t taken;  /* values taken from the cells while a trace ran: its number for the oldest one kept */
  bool closed;
  bool refs;       /* user value 2 is a table */
  bool waits;      /* shared: the last who received here had to wait */
  bool shares;     /* it is being shared: what is in it is made ready to cross */
  uint8_t use;     /* enum wf_channel_use: what the Lua half of weft made it for */
  wf_shchan *shared; /* once it has crossed: all else but the head is unused then (shchan.h) */
} wf_channel;

/* What a report says of who waits for it; the script does not know these channels. */
#define WF_CHANNEL_USES(X) \
  X(SCRIPT, NULL)          \
  X(ALL, "weft.all")       \
  X(RACE, "weft.race")     \
  X(COMPLETED, "weft.completed") \
  X(SCOPE, "weft.scope for the end of its jobs") \
  X(POOL, "a weft.pool")
enum wf_channel_use {
#define X(id, text) WF_CHANNEL_USE_##id,
  WF_CHANNEL_USES(X)
#undef X
};

/* Results of the operations that do not wait. CROSSED, of sending to a private channel alone: a finaliser has let it cross
 * meanwhile, nothing was done. */
enum wf_channel_now { WF_CHANNEL_OK, WF_CHANNEL_WOULD_WAIT, WF_CHANNEL_CLOSED, WF_CHANNEL_CROSSED };

/* Push a new channel. [-0, +1, m] */
wf_channel *wf_channel_new(wf_iso *iso, lua_State *L, size_t capacity);

/* Hand the value on top of the stack to a receiver that waits in the simplest way: no questions are left then, since nobody
 * waits on a channel that is closed or shared. [-(0|1), +0, -] */
static inline bool wf_channel_hand_over(wf_iso *iso, lua_State *L, wf_channel *c) {
  if (wf_list_empty(&c->receivers)) return false;
  wf_task *t = wf_list_entry(c->receivers.next, wf_node, link)->task;
  lua_State *to = t->co;
  if (wf_unlikely(!wf_wait_is_plain(t) || to == L)) return false;
  lua_xmove(L, to, 1);
  lua_pushboolean(to, 1);
  t->got = 2;
  wf_wake_plain(iso, t);
  return true;
}

/* Keep the integer at index `value`, when it is one and there is a cell. (That no receiver waits is known.) [-0, +0, -] */
static inline bool wf_channel_keep_integer(lua_State *L, wf_channel *c, int value) {
  if (c->count >= c->capacity || c->count + c->reserved >= c->room || c->closed) return false;
  const wf_raw_value *v = wf_raw_arg(L, value);
  if (v != NULL ? v->tag != WF_RAW_INTEGER : !lua_isinteger(L, value)) return false;
  wf_kept *k = &c->cells[(c->head + c->count) & (c->room - 1)];
  k->tag = KEPT_INTEGER;
  k->v.i = v != NULL ? v->v.i : lua_tointeger(L, value);
  c->count++;
  return true;
}

/* Take the oldest value, when there is one and it is an integer. [-0, +(0|1), -] */
static inline bool wf_channel_unkeep_integer(lua_State *L, wf_channel *c) {
  if (c->count == 0 || c->cells[c->head].tag != KEPT_INTEGER) return false;
  lua_pushinteger(L, c->cells[c->head].v.i);
  c->head = (c->head + 1) & (c->room - 1);
  c->count--;
  return true;
}

/* Must who receives wait? */
static inline bool wf_channel_is_bare(const wf_channel *c) {
  return c->count == 0 && wf_list_empty(&c->senders) && !c->closed && c->shared == NULL;
}

/* Try to send the value at index `value`; the channel is at `self`. [-0, +0, m] */
enum wf_channel_now wf_channel_send_now(wf_iso *iso, lua_State *L, wf_channel *c, int self, int value);

/* Before waiting to send: make room for what the receiver that takes the value must keep, so that it
 * cannot fail then. wf_channel_send_now has done it when it says WF_CHANNEL_WOULD_WAIT. False when there
 * was room: then nothing was allocated. [-0, +0, m] */
bool wf_channel_send_prepare(lua_State *L, wf_channel *c, int self, int value);

/* Would the operation go ahead, or say WF_CHANNEL_CLOSED? [-0, +0, -] */
bool wf_channel_can_send(lua_State *L, wf_channel *c);
bool wf_channel_can_recv(lua_State *L, wf_channel *c);

/* How many values could be received now, without the senders coming again. */
size_t wf_channel_ready(const wf_channel *c);

/* Try to receive: pushes the value when WF_CHANNEL_OK. [-0, +(0|1), m] */
enum wf_channel_now wf_channel_recv_now(wf_iso *iso, lua_State *L, wf_channel *c, int self);

/* Close: receivers get nil, false; senders get an error. Harmless when closed already. */
void wf_channel_close(wf_iso *iso, wf_channel *c);

/* Set room aside for a value that will be offered, of the type of the one at `value`. [-0, +0, m] */
void wf_channel_reserve(lua_State *L, wf_channel *c, int self, int value);

/* Send the value on top of the stack to the channel at `self`, in the room set aside. [-0, +0, -]; when the
 * channel has crossed [-0, +0, e] */
void wf_channel_offer(wf_iso *iso, lua_State *L, int self);

/* Push the i-th kept value, from 0, and leave it there. [-0, +1, -] */
void wf_channel_push_kept(lua_State *L, wf_channel *c, int self, size_t i);

/* Forget what is kept: it lives on in the shared part. [-0, +0, -] */
void wf_channel_forget_kept(lua_State *L, wf_channel *c, int self);

/* Identity in traces. */
static inline uint64_t wf_channel_id(const wf_iso *iso, const wf_channel *c) { return WF_OBJECT_ID(iso, c->seq); }

#endif
