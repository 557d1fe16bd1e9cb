/* Waits that other isolates can end.
 *
 * A task that waits for something shared has, beside its own claim, a record (wf_swait) that other threads
 * may reach. `claim` decides between all who want to end the wait: a thread that serves it, and its own
 * isolate (another case of the select, a time-out, a cancellation). Who changes it from WF_OPEN has won.
 *
 * The record has a node (wf_snode) in the queue of each shared object that the task waits for. Queues are
 * guarded by their objects' locks. A winner of another thread takes its node out of the queue it is
 * working on, notes what it delivers, and posts the record's mail; all else, the other nodes too, is
 * done by the task's own isolate: on delivery of the mail, or when it wins the claim itself. A record is
 * freed by its isolate only, after the claim was won and every node is out of its queue: then no thread
 * can find it.
 */
#ifndef WF_RT_SWAIT_H
#define WF_RT_SWAIT_H

#include <pthread.h>

#include "lx/pack.h"
#include "rt/iso.h"
#include "rt/port.h"

typedef struct wf_swait wf_swait;
typedef struct wf_shared wf_shared;

/* A value on its way between isolates: in the cell, or in the message when it does not fit one. `msg` is NULL
 * when nothing is to be freed. An object that lives outside Lua (a buffer, a channel) goes by its handle, in the
 * cell, with a mark for a message (swait.c). */
typedef struct wf_parcel {
  wf_cell cell;
  wf_msg *msg;
} wf_parcel;

/* Encode the value at idx. Raises when it cannot travel. [-0, +0, e] */
void wf_parcel_put(lua_State *L, int idx, wf_parcel *p, const char *what);
/* The same for a peer process as well (peer.h), when `peers`. [-0, +0, e] */
void wf_parcel_put_for(lua_State *L, int idx, wf_parcel *p, const char *what, bool peers);
/* The handle in it and its operations, or NULL; and a parcel of a handle. */
void *wf_parcel_handle(const wf_parcel *p, const wf_transfer **ops);
void wf_parcel_set_handle(wf_parcel *p, const wf_transfer *ops, void *handle);
/* Push the value and free what the parcel holds. [-0, +1, e] */
void wf_parcel_push(lua_State *L, wf_parcel *p);
void wf_parcel_free(wf_parcel *p);

typedef struct wf_snode wf_snode;

/* The head of every shared object: reference count, lock. Malloc'ed. */
struct wf_shared {
  /* Holders: relaxed increments by holders, acquire-release decrements; the last one frees. The upper half counts those
   * of them that are nodes of waits: in one word, so that both are seen at one moment. */
  _Atomic uint64_t refs;
  pthread_mutex_t lock;
  void (*free)(wf_shared *s);
  /* NULL, or what is to be done when a node leaves its wait: `won` says whether another thread has handed over what the
   * node waited for; `t` is the task that has it then, NULL: it does not exist any more. On the isolate's carrier (iso),
   * or, when that has closed (NULL), on any thread. */
  void (*settle)(wf_shared *s, wf_snode *n, wf_iso *iso, wf_task *t, bool won);
  /* NULL, or one of those who wait, under the lock (NULL: nobody): its isolate is to look when the object gets lonely. */
  wf_snode *(*waiter)(wf_shared *s);
};

#define WF_SHARED_NODE ((uint64_t)1 << 32)

/* Does nobody hold it but those who wait for it and one handle? Who asks is such a waiter: then only its own isolate can
 * reach the object, and nothing that others do will end the wait. */
static inline bool wf_shared_lonely(wf_shared *s) {
  uint64_t r = atomic_load_explicit(&s->refs, memory_order_acquire);
  return (uint32_t)r - (uint32_t)(r >> 32) <= 1;
}

void wf_shared_init(wf_shared *s, void (*release)(wf_shared *s));
static inline void wf_shared_hold(wf_shared *s) { atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed); }
void wf_shared_release(wf_shared *s);

struct wf_snode {
  wf_link link;      /* in the owner's queue; under its lock */
  wf_shared *owner;  /* held */
  wf_swait *wait;
  struct wf_snode *next; /* of the same wait; its isolate's alone */
  uint16_t index;    /* the case of a select, 1 otherwise */
  bool committed;    /* a sender whose value has been accepted: it is sent even when the channel is closed */
  bool out;          /* a winner of another thread has taken it out of the queue: written under the lock, before the mail */
  const void *at;    /* which part of the owner it waits for, where that has parts; the owner's */
  wf_parcel parcel;  /* what a sender offers; under the owner's lock */
};

enum { WF_OPEN, WF_TAKEN_HERE, WF_TAKEN_THERE };

struct wf_swait {
  wf_mail mail; /* zeroed anew with all that follows, up to `first`, for each wait */
  /* WF_OPEN until taken. Compare-and-swap by everyone, acquire-release: the winner of another thread sees
   * the record as its isolate made it, and what it writes here goes with the mail. */
  _Atomic uint32_t claim;
  wf_port *port;     /* of the waiter's isolate; held */
  wf_iso *iso;       /* that isolate: its own to use */
  wf_task *task;
  uint64_t id;       /* the task's, for traces: set before other threads see the record */
  wf_snode *nodes;
  /* Written by the winner before it posts the mail. */
  uint16_t won;
  uint8_t how;       /* WF_GOT or WF_CLOSED */
  bool has_value;
  wf_parcel parcel;
  wf_swait *next_post; /* the winner's: whom it posts to next */
  wf_snode first;      /* most waits have one node */
};

/* The isolate closes: free the record that it kept for its next wait. */
void wf_swait_forget(wf_iso *iso);

/* The record of the armed or about to be armed task; NULL: memory is out. */
wf_swait *wf_swait_of(wf_iso *iso, wf_task *t);

/* A node for the shared object, not yet in a queue; NULL: memory is out. The record owns it. */
wf_snode *wf_swait_add(wf_swait *w, wf_shared *owner, uint16_t index);

/* The isolate: win the claim. False: another thread has won, its mail is on the way. */
bool wf_swait_take_here(wf_swait *w);

/* Has nobody won it yet? */
static inline bool wf_swait_open(wf_swait *w) { return atomic_load_explicit(&w->claim, memory_order_relaxed) == WF_OPEN; }

/* Of an isolate in which nothing is ready: can nothing outside end any of the waits that count in iso->outside, because
 * what they wait for is out of others' reach? */
bool wf_iso_stuck(wf_iso *iso);

/* The task waits now for these objects: note whether one of them is out of others' reach. */
void wf_swait_look(wf_iso *iso, const wf_task *t);

/* The isolate: the wait is over; take its nodes out of their queues and free all. */
void wf_swait_end(wf_task *t);

/* The isolate: it need not wait after all, and no node has been put into a queue. */
void wf_swait_undo(wf_task *t);

/* The same as wf_swait_end for a wait that a stranger ended: when another thread has won it, its mail finds no task. */
void wf_swait_abandon(wf_task *t);

/* Any thread, under the lock of the queue's object: the first node whose wait is won by this call, out of
 * the queue now; NULL: nobody waits. The caller fills in the record and posts it. */
wf_snode *wf_snode_take_locked(wf_link *queue);

/* Any thread, under the same lock: win this node's wait, on the carrier of its own isolate (which then calls
 * wf_wake) or on another thread (which then fills in the record and posts it). False: it is won already. */
bool wf_snode_claim_locked(wf_snode *n, bool here);

/* Does anybody in the queue seem to wait? Takes nothing. */
bool wf_snode_waiting_locked(wf_link *queue);

/* A private queue is not used any more: its waiters, which have a shared record by now, wait in the shared one. */
void wf_swait_leave_private(wf_iso *iso, wf_link *queue);

/* After the lock was released: send the record home. */
static inline void wf_swait_post(wf_swait *w) {
  wf_port *p = w->port;
  wf_trace(WF_TRACE_POST, WF_WHY_NONE, 0, w->id, 0);
  wf_port_hold(p); /* the record, and with it its hold, may be gone as soon as the mail is out */
  wf_port_post(p, &w->mail);
  wf_port_release(p);
}

#endif
