/* The end of an isolate: what still runs is cancelled and joined (DESIGN.md D10). */
#ifndef WF_RT_SHUTDOWN_H
#define WF_RT_SHUTDOWN_H

#include "rt/iso.h"
#include "sys/fork.h"

/* Cancel every task but the running one and every child, wait for them up to a deadline, say on stderr
 * what ran (unless `quiet`) and what is stuck. Nothing can be started from then on. Never raises.
 * Does nothing the second time. [-0, +0, -] */
void wf_iso_shutdown(wf_iso *iso, lua_State *L);
void wf_iso_shutdown_quietly(wf_iso *iso, lua_State *L);

/* In the finaliser of what a task waits with, which its stack keeps: if one waits, the state closes. All must end before more of
 * what they use is finalised. [-0, +0, -] */
static inline void wf_iso_closes_if(bool waited, wf_iso *iso, lua_State *L) {
  if (waited && !iso->closed && !iso->closing) wf_iso_shutdown(iso, L);
}

/* The same as the last act of a function that may park: an isolate of the worker pool leaves its worker while it waits.
 * The calling C function returns what this returns. [-0, +0, -] */
int wf_iso_shutdown_parked(wf_iso *iso, lua_State *L, bool quiet);

/* Raise the error of whoever would start or wait for something in a forked process. [-0, +0, e] */
int wf_fork_raise(lua_State *L);

/* For finalisers of objects that tasks use (at index 1), and that the weak table `handles` (a registry reference) has
 * under `key`: an object that is still there says that the state is closing, where everything is finalised, also what is
 * still in use. Then the shutdown begins here, before the first of them is gone. [-0, +0, m] */
void wf_iso_maybe_closing(wf_iso *iso, lua_State *L, int handles, const void *key);

#endif
