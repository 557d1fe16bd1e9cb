/*
** Workers: the threads of a pool that runs units, many on few (DESIGN.md D5).
**
** A unit is anything that runs in slices: for weft an isolate. This file knows
** nothing of Lua. There is one pool in a process, shared by all who hold it; it
** starts its threads as work comes and ends them when the last holder lets go.
**
** A unit is run by one worker at a time. Whoever makes something visible that a
** parked unit must look at calls wf_unit_mark and, if that says so, wf_unit_push;
** marks are sticky, so none is lost, and any number of them is one.
*/
#ifndef WF_SYS_WORKERS_H
#define WF_SYS_WORKERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/wheel.h"
#include "sys/parker.h"

enum { WF_WORKERS_MAX = 512, WF_SLICE_NS = 10 * 1000 * 1000 };

typedef struct wf_workers wf_workers;
typedef struct wf_worker wf_worker;
typedef struct wf_unit wf_unit;

/* What a slice ended with. After WF_UNIT_AWAY the worker does not touch the unit any more. */
enum wf_unit_end {
  WF_UNIT_AGAIN, /* there is more to do: its turn comes again */
  WF_UNIT_AWAY   /* it is parked (wf_unit_park), or gone */
};

enum { WF_UNIT_IDLE = 0, WF_UNIT_MARKED = 1, WF_UNIT_RUNNING = 2 };

struct wf_unit {
  /*
  ** WF_UNIT_IDLE: parked. WF_UNIT_MARKED: in a queue. WF_UNIT_RUNNING: a worker
  ** has it, and if it was marked meanwhile the bit WF_UNIT_MARKED is set too.
  ** Everyone who marks: a read-modify-write, sequentially consistent, after what
  ** is to be seen was made visible. The worker: an exchange before the slice, a
  ** compare-and-swap after it. So either the marker finds it idle and puts it
  ** into a queue, or the worker's exchange sees what the marker wrote, or its
  ** compare-and-swap fails.
  */
  _Atomic uint32_t word;
  enum wf_unit_end (*run)(wf_unit *u);
  wf_workers *pool;   /* set once */
  wf_unit *next;      /* in a queue; under the queue's lock */
  wf_worker *home;    /* the only one that may run it, NULL: any; written by its worker */
  /* Who runs it: written by that worker; read by anyone, to send a signal. Only a hint: relaxed. */
  _Atomic(wf_worker *) carrier;
  wf_worker *clock;   /* whose wheel the timer is in; written by its worker */
  wf_timer timer;     /* under that worker's lock */
};

/* One more holder; NULL when memory is out. The last wf_workers_release stops the threads. It waits for them; not for
** long if the holder knows that a unit does not end (`stuck`). Units that are left are never run again. */
wf_workers *wf_workers_hold(void);
void wf_workers_release(wf_workers *p, bool stuck);

/* How many workers there are to be; and have that many from now on (before the first use, or more than there are).
** False: fewer than run already. */
uint32_t wf_workers_count(void);

/* Are so many workers awake that they take all processors? Any thread; by the time of the answer it may be otherwise. */
bool wf_workers_busy(void);
bool wf_workers_set(uint32_t n);

/* See that there is a worker; 0 or an errno. Before the first push. */
int wf_workers_begin(wf_workers *p);

/* A zeroed unit becomes one of the pool, not in a queue. The pool's memory lasts until the last unit is done. */
void wf_unit_init(wf_unit *u, wf_workers *p, enum wf_unit_end (*run)(wf_unit *u));
/* It is in no queue and nobody knows it any more. Any thread. */
void wf_unit_done(wf_unit *u);

/* Any thread. What the word was before: WF_UNIT_IDLE means that the caller must push it now. */
static inline uint32_t wf_unit_mark(wf_unit *u) { return atomic_fetch_or_explicit(&u->word, WF_UNIT_MARKED, memory_order_seq_cst); }
void wf_unit_push(wf_unit *u);

/* The worker, in u->run: nothing is left to do until it is marked, or until deadline_ns (UINT64_MAX: never). False:
** it has been marked meanwhile, and still runs. True: it is not ours any more. */
bool wf_unit_park(wf_unit *u, uint64_t deadline_ns);

/* From now on only this worker runs it, or again any. */
void wf_unit_pin(wf_unit *u, bool pinned);

/* Send a signal to the worker that runs the unit, if one does. It may come too late: then another unit gets it. */
void wf_unit_signal(wf_unit *u, int sig);

/* Is there something else for this worker? For a unit that wonders whether to end its slice. Also in signal handlers. */
bool wf_worker_wanted(void);

/* The worker, inside a slice: it is about to sleep where it cannot leave the slice, or to compute for long, and is there
** again. Others take over its work; a further worker is started if there are fewer than there should be. False: there is
** no other worker left, and none can be had; then it is not blocked. They nest. No-ops elsewhere. */
bool wf_worker_block(void);
void wf_worker_unblock(void);
/* While it is blocked: when to call wf_worker_serve, which readies the units whose time has come. */
uint64_t wf_worker_due(void);
void wf_worker_serve(void);

/* The event loop of the worker that calls, made at its first use. NULL, and *err is an errno. A unit that has something
** open on it is pinned (wf_unit_pin). */
struct wf_loop *wf_worker_loop(int *err);
/* Sleep with this parker, and serve the loop, if the worker has one. As wf_parker_wait. */
int wf_worker_sleep(wf_parker *p, uint64_t deadline_ns);

/* The number of the worker that calls, from 1; 0: none. */
uint32_t wf_worker_self(void);

/* What a worker has done so far; from 1. False: there is none of that number. */
typedef struct wf_worker_facts {
  uint64_t slices;   /* of units that it ran */
  uint64_t stolen;   /* units that it took from others */
  uint64_t injected; /* units that it took from the common queue */
  uint64_t sleeps;
  int64_t tid;
  uint64_t cpu_ns;   /* that its thread has used */
  bool asleep, blocked;
} wf_worker_facts;
bool wf_workers_facts(uint32_t no, wf_worker_facts *f);

#endif
