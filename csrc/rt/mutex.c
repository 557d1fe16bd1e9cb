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
  m->holder = 0;
  if (wf_unlikely(!wf_list_empty(&m->s.waiters))) mutex_pass(iso, m);
}

int wf_mutex_abandoned(wf_iso *iso, lua_State *L, const wf_mutex *m) {
  return wf_sync_abandoned(iso, L, &m->s, WF_MUTEX, m->holder, "unlock");
}

void wf_mutex_refuse(wf_iso *iso, lua_State *L, const wf_mutex *m) {
  if (wf_mutex_is_mine(iso, m))
    luaL_error(L, "cannot lock mutex %d: this task holds it already (locks are not recursive)", (int)m->s.seq);
  if (wf_holder_task(iso, m->holder) == NULL) wf_mutex_abandoned(iso, L, m);
}

int wf_mutex_wait(wf_iso *iso, lua_State *L, wf_mutex *m, uint64_t deadline, lua_KFunction k) {
  wf_sync_prepare(iso, L, &m->s, WF_MUTEX, deadline);
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
  mutex_pass(iso, m);
  return false;
}

bool wf_mutex_wait_end(wf_iso *iso, lua_State *L, wf_mutex *m, wf_task *t) {
  bool mine = wf_mutex_waited(iso, m, t);
  int how = wf_wait_end(L, t);
  if (wf_likely(mine)) return true;
  if (how == WF_TIMEOUT) return false;
  return wf_mutex_abandoned(iso, L, m);
}
