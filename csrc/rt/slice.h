/* Isolates of the worker pool: what a worker does with one.
 *
 * The isolate's port is a unit of the pool. Its function runs as a coroutine, as tasks do, so that the worker can leave
 * the isolate whenever nothing in it is ready, or when its slice is over and others wait. What waits where it cannot yield
 * (an inline wait, sched.c) keeps the worker; another one takes over the rest of the work meanwhile.
 *
 * Everything here runs on whichever worker has the unit; the unit's word hands the isolate from one to the next.
 */
#ifndef WF_RT_SLICE_H
#define WF_RT_SLICE_H

#include "rt/run.h"

/* Make the run's port, a unit of the family's pool, and see that there are workers. 0 or an errno. */
int wf_slice_prepare(wf_iso *starter, wf_run *r);

/* Hand the run to the pool; takes over one hold. */
void wf_slice_start(wf_run *r);

/* The isolate's carrier: its slice is over, but it cannot leave its worker. Others take over that one's work until it can. */
void wf_slice_lend(wf_iso *iso);

/* Interrupt whatever it runs (press.h). */
void wf_slice_interrupt(wf_run *r);

#endif
