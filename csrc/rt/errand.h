/* Errands: C code that blocks, done by a lane (sys/lanes.h) while a task waits. Nothing of an errand can be interrupted; a
 * task that is cancelled goes its way, and the errand, if it has begun, comes to its end with nobody looking.
 *
 * The record is malloc'ed memory that embeds all that the work reads and writes. Two hold it: the task's side, a box on
 * the task's stack with a finaliser, and the errand on its way, from the submission until its mail to the isolate's
 * port has been delivered or dropped. The last of them frees it. `work` runs on the lane and touches nothing but its record.
 *
 *   my_errand *e = wf_errand_push(iso, L, sizeof *e, work, my_free);    box on top of the stack
 *   ... fill it ...
 *   int err = wf_errand_start(iso, L, box);                            0 or an errno
 *   return wf_errand_wait(iso, L, box, deadline, id, my_k);
 *
 * and my_k begins with `int how = wf_errand_end(L, t, box)`: WF_GOT when it is done, WF_TIMEOUT; or it raises the
 * cancellation. Then it reads the results and calls wf_errand_drop, or leaves that to the collector.
 */
#ifndef WF_RT_ERRAND_H
#define WF_RT_ERRAND_H

#include "rt/family.h"
#include "rt/sched.h"

typedef struct wf_errand {
  /* Two holders, acquire-release decrements, the last one frees. */
  _Atomic uint32_t refs;
  wf_lane_job job;
  wf_mail mail;
  wf_lanes *lanes;                    /* held, from the submission on */
  wf_port *port;                      /* held while it is on its way; the lane's once it runs */
  wf_task *task;                      /* who waits, NULL: nobody; the carrier's */
  void (*work)(struct wf_errand *e);  /* on a lane */
  void (*free)(struct wf_errand *e);  /* what the record holds besides its own memory, or NULL; any thread */
} wf_errand;

/* Push the box of a new errand: zeroed memory of `size` bytes that begins with a wf_errand. [-0, +1, m] */
void *wf_errand_push(wf_iso *iso, lua_State *L, size_t size, void (*work)(wf_errand *), void (*free_more)(wf_errand *));

/* The record in the box at idx, NULL once dropped. */
void *wf_errand_of(lua_State *L, int idx);

/* Give it to the lanes; 0 or an errno. */
int wf_errand_start(wf_iso *iso, lua_State *L, int box, enum wf_lanes_for what);

/* Wait for it. [-0, +0, e] */
int wf_errand_wait(wf_iso *iso, lua_State *L, int box, uint64_t deadline, uint64_t resource, lua_KFunction k);

/* The continuation's first call. [-0, +0, e] */
int wf_errand_end(lua_State *L, wf_task *t, int box);

/* The task needs the record no more. [-0, +0, -] */
void wf_errand_drop(lua_State *L, int box);

void wf_errand_classes(wf_iso *iso, lua_State *L); /* [-0, +0, m] */

#endif
