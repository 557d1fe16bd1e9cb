/* What jobs of every kind have in common: a state, the queue of those who wait for the end, and
 * results. A job is a userdata of class WF_CLASS_TASK (wf_task), WF_CLASS_CHILD (wf_child) or WF_CLASS_REMOTE (wf_remote, a
 * job of another isolate). */
#ifndef WF_RT_JOB_H
#define WF_RT_JOB_H

#include "rt/iso.h"

typedef struct wf_job {
  wf_task *task;          /* one of the three */
  struct wf_child *child;
  struct wf_remote *remote;
} wf_job;

/* The job at idx; false when it is none. [-0, +0, -] */
bool wf_job_test(wf_iso *iso, lua_State *L, int idx, wf_job *j);

/* The same, or raise a type error. [-0, +0, e] */
wf_job wf_job_check(wf_iso *iso, lua_State *L, int idx);

bool wf_job_finished(wf_job j);
enum wf_state wf_job_state(wf_job j);

/* Somebody looks at how the job ended: no report then. */
void wf_job_looked(wf_iso *iso, wf_job j);

/* The queue for nodes of who waits; NULL when memory is out. */
wf_link *wf_job_joiners(wf_iso *iso, wf_job j);

/* Put the armed task, or a case of its select, on the queue. The job has not finished;
 * wf_job_joiners has succeeded before. */
void wf_job_wait(wf_iso *iso, wf_job j, wf_task *t, wf_case *c);

/* Push what a finished job left, whose handle is at idx: the number of results, or -1 with the
 * error on top. [-0, +n, m] */
int wf_job_results(wf_iso *iso, lua_State *L, wf_job j, int idx);

/* Identity in traces. */
uint64_t wf_job_id(const wf_iso *iso, wf_job j);

#endif
