/* Jobs whose handles have crossed to other isolates.
 *
 * Two records. The shared one (wf_shjob) belongs to whoever holds it, the isolate of the job among them as long as the job
 * runs: who the job is, how it has ended, and whom to tell. The remote (wf_remote) is the userdata of the handle in
 * another isolate; like that of a child it is anchored in the table `anchors` until the end has come to it, by mail, and
 * nothing in it is shared. So everything that waits for a job waits in its own isolate.
 *
 * A cancellation goes the other way, by mail to the isolate of the job, which does it when it looks at its inbox.
 */
#ifndef WF_RT_SHJOB_H
#define WF_RT_SHJOB_H

#include "rt/child.h"
#include "rt/swait.h"

typedef struct wf_shjob wf_shjob;

typedef struct wf_remote {
  wf_shjob *job;       /* held; NULL once the handle has been finalised */
  struct wf_jobmail *sub; /* the mail that will bring the end; NULL: it has come */
  wf_link joiners;     /* nodes of tasks that wait for the end */
  uint8_t state;       /* enum wf_state: WF_RUNNING until the end has come */
  bool unpacked;       /* the results are in the user value */
  bool watched;        /* as in wf_child */
} wf_remote;

/* The shared record of the job whose handle, of whatever class, is at idx; a reference for the caller. [-0, +0, e] */
wf_shjob *wf_shjob_of(wf_iso *iso, lua_State *L, int idx);
void wf_shjob_hold(wf_shjob *j);
void wf_shjob_release(wf_shjob *j);

/* Push the handle for it that this isolate has, its own job's or a remote. [-0, +1, e] */
void wf_shjob_push(wf_iso *iso, lua_State *L, wf_shjob *j);

/* The isolate of the job: the task has ended, and its handle at idx has what it left (0: nothing is left); the child has;
 * all that have not will not be heard of. [-0, +0, -] */
void wf_shjob_task_ended(wf_iso *iso, lua_State *L, wf_task *t, int idx);
void wf_shjob_child_ended(wf_iso *iso, wf_child *c);
void wf_shjobs_close(wf_iso *iso);

/* From a remote handle, as their namesakes of children. */
int wf_remote_results(wf_iso *iso, lua_State *L, wf_remote *r, int idx);
bool wf_remote_cancel(wf_iso *iso, lua_State *L, wf_remote *r, int reason);
void wf_remote_watch(wf_iso *iso, wf_remote *r);
void wf_remote_traceback(lua_State *L, const wf_remote *r);
uint64_t wf_remote_id(const wf_remote *r);
const char *wf_remote_name(const wf_remote *r);
const char *wf_remote_kind(const wf_remote *r);
const char *wf_remote_started(const wf_remote *r);
void wf_remote_gc(wf_iso *iso, wf_remote *r);

#endif
