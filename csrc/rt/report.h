/* What weft tells about tasks: failures that nobody looked at, deadlocks, what still ran at the end. */
#ifndef WF_RT_REPORT_H
#define WF_RT_REPORT_H

#include "rt/iso.h"

/* A task has failed and nobody waits for it: see to it that the failure is reported when its handle is
 * collected unseen. `handle` and `kept` are stack indices of the handle and of its table of results.
 * [-0, +0, m] */
void wf_report_unseen(wf_iso *iso, lua_State *L, wf_task *t, int handle, int kept);

/* Report the failure of a job: handle (or nil), error value and traceback (or nil) on top of the stack.
 * Calls the script's handler (weft.on_unhandled) or writes to stderr. [-3, +0, m] */
void wf_report_failure(wf_iso *iso, lua_State *L);

/* The isolate idles and there are unseen failures: collect garbage in a task of its own, so that what is
 * due is reported. False when that cannot be. */
bool wf_report_flush(wf_iso *iso, lua_State *L);

/* Push the error that names every waiting task, or a memory error. [-0, +1, -] */
void wf_report_deadlock(wf_iso *iso, lua_State *L);

/* Push "\n  " and a line for each unfinished task of the isolate. False, and nothing is pushed: memory is out.
 * [-0, +(0|1), -] */
bool wf_report_lines(wf_iso *iso, lua_State *L);

/* Raise the deadlock of several isolates, told by these lines, in the innermost inline wait. [-0, +0, -] */
void wf_report_raise(wf_iso *iso, uint32_t tasks, const char *lines);

/* Push what a task that does not run waits for, as a string, and where it stands, "file.lua:12"; nil for what is not
 * known. Returns what it does when that is more than the reason of its wait says, else NULL. [-0, +2, m] */
const char *wf_report_place(lua_State *L, const wf_task *t);

/* Append what a task that does not run waits for, and where, to the string on top. [-1, +1, m] */
void wf_report_wait(wf_iso *iso, lua_State *L, const wf_task *t);

/* Make the class of the finaliser that reports. [-0, +0, m] */
void wf_report_open(wf_iso *iso, lua_State *L);

#endif
