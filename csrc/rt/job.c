/* See job.h. */
#include "rt/job.h"

#include "rt/child.h"
#include "rt/sched.h"
#include "rt/shjob.h"
#include "rt/task.h"

bool wf_job_test(wf_iso *iso, lua_State *L, int idx, wf_job *j) {
  j->task = wf_iso_test(iso, L, idx, WF_CLASS_TASK);
  j->child = j->task != NULL ? NULL : wf_iso_test(iso, L, idx, WF_CLASS_CHILD);
  if (wf_unlikely(j->child != NULL && j->child->run == NULL)) j->child = NULL; /* brought back by a finaliser */
  j->remote = j->task != NULL || j->child != NULL ? NULL : wf_iso_test(iso, L, idx, WF_CLASS_REMOTE);
  if (wf_unlikely(j->remote != NULL && j->remote->job == NULL)) j->remote = NULL;
  return j->task != NULL || j->child != NULL || j->remote != NULL;
}

wf_job wf_job_check(wf_iso *iso, lua_State *L, int idx) {
  wf_job j;
  if (wf_unlikely(!wf_job_test(iso, L, idx, &j))) {
    if (wf_iso_test(iso, L, idx, WF_CLASS_CHILD) != NULL || wf_iso_test(iso, L, idx, WF_CLASS_REMOTE) != NULL) luaL_argerror(L, idx, "the job has been collected");
    wf_iso_check(iso, L, idx, WF_CLASS_TASK);
  }
  return j;
}

enum wf_state wf_job_state(wf_job j) {
  if (j.remote != NULL) return (enum wf_state)j.remote->state;
  return j.task != NULL ? (enum wf_state)j.task->state : wf_child_state(j.child);
}

bool wf_job_finished(wf_job j) { return wf_job_state(j) >= WF_DONE; }

void wf_job_looked(wf_iso *iso, wf_job j) {
  if (j.task != NULL)
    j.task->flags |= WF_F_LOOKED;
  else if (j.child != NULL)
    wf_child_looked(j.child);
  (void)iso;
}

wf_link *wf_job_joiners(wf_iso *iso, wf_job j) {
  if (j.child != NULL) return wf_child_joiners(j.child);
  if (j.remote != NULL) return &j.remote->joiners;
  wf_ext *x = wf_task_ext(iso, j.task);
  return x == NULL ? NULL : &x->joiners;
}

void wf_job_wait(wf_iso *iso, wf_job j, wf_task *t, wf_case *c) {
  wf_link *queue = wf_job_joiners(iso, j);
  wf_job_looked(iso, j);
  if (c != NULL)
    wf_list_append(queue, &c->node.link);
  else
    wf_wait_queue(t, queue);
  if (j.task == NULL && !(t->flags & WF_F_OUTSIDE)) {
    t->flags |= WF_F_OUTSIDE;
    iso->outside++;
  }
}

int wf_job_results(wf_iso *iso, lua_State *L, wf_job j, int idx) {
  if (j.remote != NULL) return wf_remote_results(iso, L, j.remote, idx);
  return j.task != NULL ? wf_task_results(L, j.task, idx) : wf_child_results(iso, L, j.child, idx);
}

uint64_t wf_job_id(const wf_iso *iso, wf_job j) {
  if (j.remote != NULL) return wf_remote_id(j.remote);
  return j.task != NULL ? wf_task_id(iso, j.task) : wf_child_id(j.child);
}
