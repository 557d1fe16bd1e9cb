/* Locks that have crossed to another isolate: what two or more isolates share of one lock, of every kind.
 *
 * A lock begins private to its isolate (sync.h). When it first crosses it gets this shared part, for good: its state and
 * a queue of waiters (swait.h) under one lock. The private userdata stays and leads here.
 *
 * Waiters are served first come, first served: who releases makes the first waiter a holder and then wakes it. A waiter
 * that was handed the lock has it, even when its mail is still on the way.
 *
 * What can be held is held by records (wf_hold), one for each task and lock. A record is in the lock's list, and in the
 * list of its isolate, whose carrier makes and frees it: when the task ends, or the isolate, with the lock held, it is
 * lost. Those who wait for it in vain are told, and so is whoever tries later; unlock by any task frees it.
 *
 * Invariants under the lock: the first waiter cannot be served; nobody waits for what is lost.
 */
#ifndef WF_RT_SHLOCK_H
#define WF_RT_SHLOCK_H

#include "rt/swait.h"
#include "rt/sync.h"

/* What a task wants of a lock. */
enum wf_shwant {
  WF_SHWANT_READ = 1, /* to hold it, */
  WF_SHWANT_WRITE,    /* alone */
  WF_SHWANT_PASS /* a unit of a semaphore; that an event is set, that a waitgroup is down to nothing; to be signalled */
};

/* A task, for others to name. */
typedef struct wf_owner {
  uint32_t iso, seq;  /* seq 0: nobody */
  uint8_t kind;       /* enum wf_owner_kind */
  bool is_main;
} wf_owner;

enum wf_owner_kind { WF_OWNER_HOST, WF_OWNER_THREAD, WF_OWNER_ISOLATE };

typedef struct wf_shlock {
  wf_shared shared;
  enum wf_class class; /* of the handles; it and the id are set once, the rest is guarded by shared.lock */
  uint64_t id;         /* that of the lock in the isolate that shared it */
  wf_link waiters;     /* wf_snodes */
  wf_link holds;
  uint32_t readers, writers; /* of these */
  uint32_t lost_readers;     /* holders that have ended without giving it back */
  bool lost_writer;
  wf_owner lost;             /* the last of them */
  lua_Integer count;   /* units that are free; 1: the event is set; what is left of a waitgroup; the parties of a barrier;
                        * how far a once is */
  wf_msg *function, *value;  /* of a once: what it calls, what came of that */
} wf_shlock;

typedef struct wf_hold {
  wf_link in_lock, in_iso;
  wf_shlock *lock; /* held */
  wf_task *task;   /* its isolate's alone */
  wf_owner owner;
  uint8_t want;
} wf_hold;

enum wf_shlock_now { WF_SHLOCK_OK, WF_SHLOCK_BUSY, WF_SHLOCK_LOST };

wf_shlock *wf_shlock_new(enum wf_class c, uint64_t id); /* NULL: out of memory */

/* Take what is wanted for the running task, if that can be at once. [-0, +0, e] for want of memory */
enum wf_shlock_now wf_shlock_take(wf_iso *iso, lua_State *L, wf_shlock *s, enum wf_shwant want);

/* Wait for it until `deadline`; it may have become free meanwhile: then `k` is called at once. Before it
 * wf_sync_prepare. [-0, +0, e] */
int wf_shlock_wait(wf_iso *iso, lua_State *L, wf_sync *sync, enum wf_shwant want, enum wf_trace_why why, uint64_t deadline,
                   lua_KFunction k);

/* The same in two steps, for those who do something in between: arm and queue the running task, for good: nothing is free
 * for it. Then, with nothing in between that raises, park it. [-0, +0, e] */
wf_task *wf_shlock_queue(wf_iso *iso, lua_State *L, wf_shlock *s, enum wf_trace_why why, uint64_t deadline);

/* What the running task, or the one of this number, holds of it, or NULL. */
wf_hold *wf_hold_find(const wf_iso *iso, const wf_shlock *s, uint32_t seq);

/* Give it back, and serve those who wait. The record is gone then. */
void wf_hold_release(wf_hold *h);

/* Of what was lost: one writer, or one reader. False: nothing was. */
bool wf_shlock_release_lost(wf_shlock *s, enum wf_shwant want);

/* Units come, the event is set or cleared (count 1 or 0): add k to the count, and serve. False, and nothing is done: it
 * would be below zero or beyond the greatest integer. */
bool wf_shlock_add(wf_shlock *s, lua_Integer k);
void wf_shlock_set(wf_shlock *s, lua_Integer count);
lua_Integer wf_shlock_count(wf_shlock *s);

/* A once has come to an end: the message is the shared part's from now on. */
void wf_shlock_settle_once(wf_shlock *s, lua_Integer state, wf_msg *value);

/* Wake the first n of those who wait for a signal. */
void wf_shlock_signal(wf_shlock *s, uint32_t n);

/* A task has come to the barrier: true when it is the last, and the others are woken. Else it is in the queue now, armed:
 * *t is to park. [-0, +0, e] */
bool wf_shlock_arrive(wf_iso *iso, lua_State *L, wf_shlock *s, wf_task **t);

/* The running task, or the task of the isolate `iso`, as an owner. */
wf_owner wf_owner_of(const wf_iso *iso, const wf_task *t);

/* Push "task 7", "task 7 of isolate 4", "thread 3", "the main chunk" as seen from the isolate. [-0, +1, m] */
void wf_owner_push(const wf_iso *iso, lua_State *L, wf_owner o);

/* Who holds it, for messages: any of the holders, the lost ones too, and how many there are. */
wf_owner wf_shlock_holder(wf_shlock *s, uint32_t *holders, bool *writes, bool *lost);
uint32_t wf_shlock_waiting(wf_shlock *s);

/* The task has ended, or with NULL all of the isolate have: what they hold is lost. */
void wf_holds_end(wf_iso *iso, const wf_task *t);

/* Becoming shared has failed: whom it holds and who waits go their own ways; released. */
void wf_shlock_discard(wf_shlock *s);

/* A private lock's part in becoming shared: the task, which lives, holds it. False: out of memory. */
bool wf_shlock_adopt(wf_iso *iso, wf_shlock *s, wf_task *t, enum wf_shwant want);
/* The task of the private waiter waits for it. [-0, +0, -]; false: out of memory */
bool wf_shlock_move(wf_iso *iso, wf_shlock *s, wf_task *t, enum wf_shwant want);

#endif
