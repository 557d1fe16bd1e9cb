/* Tasks: starting, ending, cancelling. Runs on the isolate's carrier. */
#ifndef WF_RT_TASK_H
#define WF_RT_TASK_H

#include "rt/iso.h"
#include "rt/where.h"

/* Start a task with the function and the nargs arguments that are on top of the stack; pushes the job
 * handle. The caller has checked the function. Raises when memory is out or
 * the isolate is closing; then nothing was started. `name` is the stack index of a string, below the
 * function, or 0. [-0, +1, m] */
wf_task *wf_task_start(wf_iso *iso, lua_State *L, int nargs, int name);

enum { WF_TASK_BASE = 2, WF_TASK_EXTRA = 4 };

/* The base of every task's coroutine: called with message handler, isolate, handle, function (WF_TASK_EXTRA in all),
 * arguments. When the task has ended and the next one is fresh, that one runs at once in the same call. */
int wf_task_main(lua_State *L);

/* The scheduler: give a fresh task its coroutine and put wf_task_main's call on it. The number of
 * arguments for lua_resume, or -1: memory is out and the task has failed. */
int wf_task_begin(wf_iso *iso, wf_task *t);

/* The running task has ended in co, which has this slot: begin the next one there, if it is fresh and nothing else is to be
 * done first: that one. Its handle, function and arguments are above WF_TASK_BASE values then. NULL: all is as it was. */
wf_task *wf_task_begin_here(wf_iso *iso, lua_State *co, uint32_t slot);

/* The scheduler: a task that has yielded by a coroutine.yield of before weft has its turn again. 0, or -1 when a
 * coroutine.resume of before weft is running it now. */
int wf_task_return(wf_task *t);

/* Memory ran out for the task: it ends without a value. */
void wf_task_failed(wf_iso *iso, wf_task *t);

/* The scheduler: lua_resume has come back and the task did not park. */
void wf_task_left(wf_iso *iso, wf_task *t, lua_State *co, int status);

/* Send their tokens to the channels of the watchers' list on top: {channel, token, ...}. [-1, +0, m] */
void wf_watchers_tell(wf_iso *iso, lua_State *L);

/* True when every task but `self` and those that wait for the same has finished, and every child; those in the
 * background do not count. */
bool wf_iso_all_done(wf_iso *iso, const wf_task *self);

/* The same of all, for the end of the isolate. */
bool wf_iso_all_ended(wf_iso *iso, const wf_task *self);

/* From now on weft.wait does not wait for the task, and nobody is told of its end. */
void wf_task_background(wf_iso *iso, wf_task *t);

/* A task or a child has ended: wake those in weft.wait() if it was the last. */
void wf_iso_tell_all_done(wf_iso *iso);

/* Push the results of a finished task, whose handle is at idx: returns their number for DONE. For
 * the others push the error value and return -1. [-0, +n, m] */
int wf_task_results(lua_State *L, wf_task *t, int idx);

/* The number that a script sees: in a run of weft.explore tasks are counted from 1. */
uint32_t wf_task_number(const wf_iso *iso, const wf_task *t);

/* Push the task's name, or "task 7". [-0, +1, m] */
void wf_task_push_name(wf_iso *iso, lua_State *L, const wf_task *t);

/* Push the handle of a task that has not finished; nil for the main chunk. [-0, +1, -] */
void wf_task_push_handle(lua_State *L, const wf_task *t);

/* Where it was started, as wf_where_text. */
static inline const char *wf_task_started(const wf_iso *iso, const wf_task *t, char *buf, size_t size) {
  return wf_where_text(iso, t->source, t->line, buf, size);
}

#endif
