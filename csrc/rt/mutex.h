/* Mutexes. See sync.h for what all locks share. Runs on the isolate's carrier.
 *
 * Invariants: somebody waits only while the mutex has a holder; the watch is on that holder, for the first
 * waiter, unless the first waiter has just left and has not run yet: it moves the watch then.
 */
#ifndef WF_RT_MUTEX_H
#define WF_RT_MUTEX_H

#include "rt/shsync.h"
#include "rt/sync.h"

#define WF_MUTEX "mutex"

typedef struct wf_mutex {
  wf_sync s;
  wf_holder holder;  /* WF_HOLDER_SHARED: see the shared part */
  wf_case watch;
} wf_mutex;

static inline bool wf_mutex_is_mine(const wf_iso *iso, const wf_mutex *m) {
  if (wf_unlikely(m->s.shared != NULL)) return wf_lock_mine(iso, &m->s) != NULL;
  return m->holder == wf_holder_of(iso->cur);
}

/* Lock it for the running task if it is free. One that has crossed may raise. [-0, +0, e] */
static inline bool wf_mutex_take(wf_iso *iso, lua_State *L, wf_mutex *m) {
  if (m->holder != 0) return wf_unlikely(m->s.shared != NULL) && wf_lock_take(iso, L, &m->s, WF_MUTEX, WF_SHWANT_WRITE);
  m->holder = wf_holder_of(iso->cur);
  return true;
}

/* Would a task wait for it in vain, because who holds it has ended? */
bool wf_mutex_is_lost(wf_iso *iso, const wf_mutex *m);

/* Raise when waiting for it would be in vain: the running task holds it, or one that has ended. [-0, +0, e] */
void wf_mutex_refuse(wf_iso *iso, lua_State *L, const wf_mutex *m);

/* Wait for it; wf_mutex_take has failed and wf_mutex_refuse let us pass. [-0, +0, e] */
int wf_mutex_wait(wf_iso *iso, lua_State *L, wf_mutex *m, uint64_t deadline, lua_KFunction k);

/* In the continuation, before all else: true when the task holds it now; else it has left the queue. Does
 * not end the wait. */
bool wf_mutex_waited(wf_iso *iso, wf_mutex *m, const wf_task *t);

/* The rest of a continuation that stays within the rules: true when the task holds it, false when its time
 * is over; raises everything else. [-0, +0, e] */
bool wf_mutex_wait_end(wf_iso *iso, lua_State *L, wf_mutex *m, wf_task *t);

/* Take it from its holder and give it to the first waiter. */
void wf_mutex_release(wf_iso *iso, wf_mutex *m);

/* Raise because a task that has ended holds it. [-0, +0, e] */
int wf_mutex_abandoned(wf_iso *iso, lua_State *L, const wf_mutex *m);

#endif
