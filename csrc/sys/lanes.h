/*
** Lanes: threads for calls that block. A pool of its own, so that a call which sleeps in the kernel, or in a foreign
** library, for a second or for ever holds up neither the workers nor libuv's threads.
**
** A job runs on one lane from its beginning to its end. Lanes come on demand, up to a limit; when all are busy, jobs wait
** in one queue, first come, first served. A lane that has had nothing to do for a while ends. The lane that has rested for
** the shortest time is taken first, so those that are too many do rest.
**
** A job that is submitted from a lane is given a further one, limit or not, when none is idle: whoever submits is about to
** wait for it, and the queue might be waiting for him.
**
** The pool knows nothing of Lua. Any thread that holds it may call; it is memory of reference counts, held by its
** users and by each lane, so a lane that is stuck in a call for ever can be left behind.
*/
#ifndef WF_SYS_LANES_H
#define WF_SYS_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

typedef struct wf_lanes wf_lanes;

/* The owner's memory from submit until `run` is called, or withdraw has said true; `run` may free it. Zeroed at first. */
typedef struct wf_lane_job {
  wf_link link; /* in the queue; guarded by the pool */
  void (*run)(struct wf_lane_job *j);
} wf_lane_job;

typedef struct wf_lanes_facts {
  uint32_t limit;   /* lanes at most */
  uint64_t idle_ns; /* how long one rests before it ends */
  uint32_t threads, busy, queued;
} wf_lanes_facts;

/* `name` is what their threads are called, a constant string. NULL: out of memory. */
wf_lanes *wf_lanes_new(const char *name, uint32_t limit);
void wf_lanes_hold(wf_lanes *p);
void wf_lanes_release(wf_lanes *p);

/* 0; EAGAIN or ENOMEM when there is no lane and the system gives none; ECANCELED after wf_lanes_close. */
int wf_lanes_submit(wf_lanes *p, wf_lane_job *j);

/* True: the job was in the queue, and will never run. */
bool wf_lanes_withdraw(wf_lanes *p, const wf_lane_job *j);

/* Send a signal to the thread that runs the job, if one does. */
void wf_lanes_signal(wf_lanes *p, const wf_lane_job *j, int sig);

/* New numbers, 0: as it is; a higher limit serves the queue at once, a lower one when lanes become free. */
void wf_lanes_set(wf_lanes *p, uint32_t limit, uint64_t idle_ns);
void wf_lanes_get(wf_lanes *p, wf_lanes_facts *f);

/* No job begins any more: those in the queue never run (their owners have withdrawn them, or do not mind). Idle lanes are
   ended and joined; for the busy ones it waits that long, then leaves them behind. Once. */
void wf_lanes_close(wf_lanes *p, uint64_t patience_ms);

#endif
