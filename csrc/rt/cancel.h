/* Cancellation. Runs on the isolate's carrier.
 *
 * Level-triggered: once a cancellation of a task, or of a scope that the task is in, has been asked
 * for, every blocking call of the task raises it, until the task or the scope has ended. A raise is
 * "due" while something was asked and the task is not shielded; the flag WF_F_CANCEL says so, and
 * blocking calls look at that flag alone.
 *
 * A shield covers what was asked from outside it: weft.shield, and the `<close>` handlers that run while an
 * error leaves a scope or the task. A scope that was entered inside a shield can be cancelled as ever. A
 * shield gives way 5 seconds after it has held something back first.
 */
#ifndef WF_RT_CANCEL_H
#define WF_RT_CANCEL_H

#include "rt/iso.h"

/* Ask a task to end: the reason is the value at `reason` (0: none). False when it had ended. [-0, +0, m] */
bool wf_task_cancel(wf_iso *iso, lua_State *L, wf_task *t, int reason);

/* Work out whether a cancellation of the task is due now, and wake it when it waits. */
void wf_cancel_update(wf_iso *iso, wf_task *t);

/* Push the error that a cancelled task raises. `reason` may be 0. [-0, +1, m] */
void wf_cancel_error(lua_State *L, int reason);

/* Push the one of a task that was asked to end. [-0, +1, m] */
void wf_cancel_push(wf_iso *iso, lua_State *L, const wf_task *t);

/* For code that never lets the alarms run: end the shield if its time is over, or `now`. */
void wf_cancel_look(wf_iso *iso, wf_task *t, bool now);

/* As wf_task_cancel, when there is no memory for more: the error is made when it is raised. [-0, +0, -] */
void wf_task_cancel_bare(wf_iso *iso, wf_task *t);

/* Message handler of protected calls whose `<close>` handlers run shielded: keeps the traceback in
 * `tracebacks` for the running task, and raises the shield of the scope or the task that the error leaves.
 * Afterwards comes wf_scope_leave or wf_unwind_end. */
int wf_unwind_handler(lua_State *L);
void wf_unwind_end(wf_iso *iso, wf_task *t);

/* Push a new scope. [-0, +1, m] */
wf_scope *wf_scope_push(wf_iso *iso, lua_State *L);

/* Enter the scope at `idx` of the stack, where the caller keeps it, and leave it. Between entering it and the
 * protected call that leaves it nothing may raise. [-0, +0, m] */
void wf_scope_enter(wf_iso *iso, lua_State *L, int idx);
void wf_scope_leave(wf_iso *iso, lua_State *L, wf_scope *s);

/* A generator yields to its consumer, and goes on (as part of whichever task runs now). The callers look
 * first whether there is something to do. */
void wf_scopes_loosen(wf_iso *iso, wf_task *t, const lua_State *co);
void wf_scopes_tie(wf_iso *iso, wf_task *t, const lua_State *co);

/* The task, or the coroutine, is over: its scopes are of no concern any more. */
void wf_scopes_forget(wf_iso *iso, wf_task *t);
void wf_scopes_drop(wf_iso *iso, const lua_State *co);

/* Cancel what runs in the scope with the error on top of the stack; the first error stays.
 * [-1, +0, m] */
void wf_scope_cancel(wf_iso *iso, lua_State *L, wf_scope *s);

/* The error on top of the stack is what the scope will raise, should its time be over. [-1, +0, m] */
void wf_scope_set_error(wf_iso *iso, lua_State *L, wf_scope *s);

/* End the scope, which has been entered, at `when`. */
void wf_scope_until(wf_iso *iso, wf_scope *s, uint64_t when);

/* Push the error that the scope was cancelled with, or nil. [-0, +1, -] */
void wf_scope_error(wf_iso *iso, lua_State *L, const wf_scope *s);

#endif
