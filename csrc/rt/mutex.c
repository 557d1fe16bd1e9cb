/* See mutex.h. */
#include "rt/mutex.h"

#include "rt/sched.h"

/* Serve who can be served, tell those who wait in vain, and set the watch. */
static void mutex_pass(wf_iso *iso, wf_mutex *m) {
  wf_node *n;
  while ((n = wf_waitq_first(&m->s.waiters)) != NULL) {
    wf_task *holder = m->holder == 0 ? NULL : wf_holder_task(iso, m->holder);
    if (holder != NULL) {
      wf_watch_set(iso, &m->watch, holder, n->task);
      return;
    }
    if (m->holder == 0) {
      m->holder = wf_holder_of(n->task);
      wf_node_wake(iso, n, WF_GOT);
    } else {
      wf_node_wake(iso, n, WF_CLOSED);
    }
  }
  wf_watch_stop(&m->watch);
}

void wf_mutex_release(wf_iso *iso, wf_mutex *m) {
  if (wf_unlikely(m->s.shared != NULL)) {
    wf_lock_release(iso, &m->s, wf_holder_of(iso->cur));
    return;
  }
  m->holder = 0;
  if (wf_unlikely(!wf_list_empty(&m->s.waiters))) mutex_pass(iso, m);
}

int wf_mutex_abandoned(wf_iso *iso, lua_State *L, const wf_mutex *m) {
  if (wf_unlikely(m->s.shared != NULL)) return wf_lock_abandoned(iso, L, &m->s, WF_MUTEX);
  return wf_sync_abandoned(iso, L, &m->s, WF_MUTEX, m->holder, "unlock");
}

bool wf_mutex_is_lost(wf_iso *iso, const wf_mutex *m) {
  if (wf_unlikely(m->s.shared != NULL)) return false; /* wf_mutex_take has looked */
  return wf_holder_task(iso, m->holder) == NULL;
}

void wf_mutex_refuse(wf_iso *iso, lua_State *L, const wf_mutex *m) {
  if (wf_unlikely(m->s.shared != NULL)) return; /* wf_mutex_take has raised what there was to raise */
  if (wf_mutex_is_mine(iso, m))
    luaL_error(L, "cannot lock mutex %s: this task holds it already (locks are not recursive; a guard frees it in a variable "
               "with <close>)", WF_SYNC_NUMBER(&m->s));
  if (wf_holder_task(iso, m->holder) == NULL) wf_mutex_abandoned(iso, L, m);
}

int wf_mutex_wait(wf_iso *iso, lua_State *L, wf_mutex *m, uint64_t deadline, lua_KFunction k) {
  wf_sync_prepare(iso, L, &m->s, WF_MUTEX, deadline);
  if (wf_unlikely(m->s.shared != NULL)) return wf_shlock_wait(iso, L, &m->s, WF_SHWANT_WRITE, WF_WHY_LOCK, deadline, k);
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_LOCK);
  wf_task *holder = wf_holder_task(iso, m->holder);
  wf_assert(holder != NULL);
  t->won = 0;
  if (wf_waitq_first(&m->s.waiters) == NULL) wf_watch_set(iso, &m->watch, holder, t);
  wf_wait_queue(t, &m->s.waiters);
  wf_wait_until(iso, t, deadline);
  return wf_wait_park(iso, L, t, wf_sync_id(&m->s), k);
}

bool wf_mutex_waited(wf_iso *iso, wf_mutex *m, const wf_task *t) {
  if (wf_likely(t->claim == WF_GOT && t->won != WF_WON_ENDED)) return true;
  if (wf_likely(m->s.shared == NULL)) mutex_pass(iso, m);
  return false;
}

bool wf_mutex_wait_end(wf_iso *iso, lua_State *L, wf_mutex *m, wf_task *t) {
  bool mine = wf_mutex_waited(iso, m, t);
  int how = wf_wait_end(L, t);
  if (wf_likely(mine)) return true;
  if (how == WF_TIMEOUT) return false;
  return wf_mutex_abandoned(iso, L, m);
}
