/*
** What the files of the worker pool share: the records. workers.c has units and the life of a worker, worker_queue.c
** the queues and stealing, worker_rest.c sleeping and waking.
*/
#ifndef WF_SYS_WORKER_POOL_H
#define WF_SYS_WORKER_POOL_H

#include <pthread.h>

#include "sys/loop.h"
#include "sys/parker.h"
#include "sys/thread.h"
#include "sys/ticker.h"
#include "sys/workers.h"

typedef struct wf_queue {
  wf_unit *head, *tail;
  /* Under the queue's lock; read without it, relaxed, as a hint. */
  _Atomic uint32_t count;
} wf_queue;

enum wf_rest { WF_AWAKE, WF_ASLEEP, WF_SPARE };

struct wf_worker {
  wf_workers *pool;
  wf_thread *thread;
  uint32_t number;
  wf_parker parker;

  pthread_mutex_t lock; /* guards up to the next comment */
  wf_queue queue;       /* others steal from it */
  wf_queue pinned;      /* its own for good */
  /* Readied last by what runs here: runs next, and is stolen only when it has waited. Exchanged by the worker and by thieves,
   * acquire-release: who gets the unit sees what who put it there did to it. Only the worker puts units there. Read, relaxed,
   * as a hint. */
  _Atomic(wf_unit *) next_up;
  wf_wheel wheel;       /* of parked units with a deadline */

  /* When the wheel must be looked at: written under the lock, read by anyone, relaxed. */
  _Atomic uint64_t due;
  /* Written by the worker, read by others: statistics, and signs of life. */
  _Atomic uint64_t slices, stolen, injected, sleeps;
  _Atomic bool blocked;

  /* Under the pool's lock. */
  enum wf_rest rest;
  wf_worker *next_resting;

  /* Set by who wakes it, under the pool's lock, before the wake; then its own. */
  bool searching;

  /* Its own. */
  uint32_t tick;        /* units taken */
  uint32_t blocks;      /* calls of wf_worker_block that are open */
  uint32_t streak;      /* times in a row that next_up went first */
  uint64_t nap_ns;      /* how long it looked on last */
  uint64_t random;
  uint64_t *seen;       /* slices of each other worker when it looked last, plus 1 */
  wf_ticker ticker;
  wf_loop *loop;        /* NULL: no unit has used it so far */
  uint32_t pins;        /* units that are pinned to it */
};

struct wf_workers {
  uint32_t holders;     /* under the lock of all pools */
  /* Units, threads, and one for whoever holds the pool. Relaxed up, acquire-release down; the last one frees. */
  _Atomic uint32_t refs;
  pthread_mutex_t lock; /* guards up to the next comment */
  uint32_t blocked, spare;
  /* Workers that are to be neither blocked nor spare; how many too many there are. Written under the lock, read by all,
   * relaxed. */
  _Atomic uint32_t target;
  _Atomic int32_t surplus;
  wf_worker *sleepers, *spares;
  bool stopping;

  /* Workers: written under the lock, read by all: an entry is there before n says so (release, acquire). */
  wf_worker *all[WF_WORKERS_MAX];
  _Atomic uint32_t n;

  pthread_mutex_t inject_lock; /* guards inject */
  wf_queue inject;

  /* Sequentially consistent read-modify-writes (worker_rest.c has the argument). */
  _Atomic uint32_t asleep;    /* workers in `sleepers` */
  _Atomic uint32_t searching; /* workers that were woken and have not found anything yet */
  _Atomic uint32_t napping;   /* 1: one of the sleepers looks on from time to time */
};

/* The worker that this thread is, or NULL. */
extern __thread wf_worker *wf_worker_here;

/* ---- worker_queue.c ---- */

static inline uint32_t wf_queue_count(wf_queue *q) { return atomic_load_explicit(&q->count, memory_order_relaxed); }

/* The next unit for the worker to run, or NULL: none in sight. */
wf_unit *wf_worker_find(wf_worker *w);
/* Put into the worker's own queue, at the end. */
void wf_worker_append(wf_worker *w, wf_unit *u);
/* Give the others what the worker has in its queue. */
void wf_worker_give_away(wf_worker *w);
/* Ready the units whose time has come, into the worker's queue. */
void wf_worker_expire(wf_worker *w);
/* Take the locks and look. */
bool wf_work_in_sight(wf_workers *p, wf_worker *w);

/* ---- worker_rest.c ---- */

/* There is new work that any worker may take: see that one comes. */
void wf_workers_announce(wf_workers *p);
/* There is new work that the calling worker will run next itself, unless it takes long. */
void wf_workers_hint(wf_workers *p);
/* The worker has found something. */
void wf_worker_found(wf_worker *w);
/* Sleep until there may be work. False: the pool stops. */
bool wf_worker_rest(wf_worker *w);
/* Wake this one, wherever it sleeps. */
void wf_worker_wake(wf_worker *w);
/* More workers than there should be: sleep until this one is needed again. False: the pool stops. */
bool wf_worker_step_aside(wf_worker *w);
static inline bool wf_worker_may_be_surplus(wf_worker *w) {
  return atomic_load_explicit(&w->pool->surplus, memory_order_relaxed) > 0;
}
/* After a change of target, n, blocked or spare. */
void wf_workers_count_locked(wf_workers *p);
/* Fewer unblocked workers than there should be: take a spare one, or start one. 0 or an errno. Under the lock. */
int wf_workers_fill_locked(wf_workers *p);
/* Start a worker (workers.c); under the lock. */
int wf_worker_start_locked(wf_workers *p);

#endif
