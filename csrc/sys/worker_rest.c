/*
** Sleeping and waking of workers. See worker_pool.h.
**
** No wake is lost. Who has made work visible (under a queue's lock) reads `asleep`, then `searching`; when nobody
** sleeps, or somebody who was woken is still looking, it does nothing. A worker that is to sleep puts itself among the
** sleepers (asleep + 1), ends its search (searching - 1), and only then looks at all queues once more. All of these are
** sequentially consistent read-modify-writes, so of the two, work made visible and the last look, one comes second:
**   - the pusher read asleep == 0 before the worker's increment: the worker's look comes after the push;
**   - it read searching > 0 before the searcher's decrement: the searcher's look comes after the push;
**   - else it wakes a sleeper, if one is left when it has the lock.
** One that was woken and has found something hands the search on (wf_worker_found), so that workers come one by one
** as long as there is work for them.
**
** What a worker has readied last it runs next itself. If that takes long, one of the sleepers should take it: while
** others work, one sleeper (napping) looks on, at growing intervals, and takes a unit that was next up and did not move
** between two looks. When it has seen nothing for a while it sleeps for good; wf_workers_hint wakes it again.
*/
#include "sys/worker_pool.h"

#include "base/clock.h"

enum { NAP_FIRST_NS = 50 * 1000, NAP_LAST_NS = 6400 * 1000 };

static bool unlink_from(wf_worker **list, wf_worker *w) {
  for (wf_worker **p = list; *p != NULL; p = &(*p)->next_resting) {
    if (*p != w) continue;
    *p = w->next_resting;
    w->rest = WF_AWAKE;
    return true;
  }
  return false;
}

static bool leave_sleepers_locked(wf_workers *p, wf_worker *w) {
  if (!unlink_from(&p->sleepers, w)) return false;
  atomic_fetch_sub_explicit(&p->asleep, 1, memory_order_seq_cst);
  return true;
}

static void wake_one(wf_workers *p) {
  pthread_mutex_lock(&p->lock);
  wf_worker *w = p->sleepers;
  if (w != NULL) {
    leave_sleepers_locked(p, w);
    w->searching = true;
    atomic_fetch_add_explicit(&p->searching, 1, memory_order_seq_cst);
  }
  pthread_mutex_unlock(&p->lock);
  if (w != NULL) wf_parker_wake(&w->parker);
}

void wf_workers_announce(wf_workers *p) {
  if (atomic_fetch_add_explicit(&p->asleep, 0, memory_order_seq_cst) == 0) return;
  if (atomic_fetch_add_explicit(&p->searching, 0, memory_order_seq_cst) > 0) return;
  wake_one(p);
}

void wf_workers_hint(wf_workers *p) {
  if (atomic_load_explicit(&p->asleep, memory_order_relaxed) == 0) return;
  if (atomic_load_explicit(&p->napping, memory_order_relaxed) > 0) return;
  if (atomic_load_explicit(&p->searching, memory_order_relaxed) > 0) return;
  wake_one(p);
}

static void search_end(wf_worker *w) {
  if (!w->searching) return;
  w->searching = false;
  atomic_fetch_sub_explicit(&w->pool->searching, 1, memory_order_seq_cst);
}

void wf_worker_found(wf_worker *w) {
  w->nap_ns = NAP_FIRST_NS;
  if (!w->searching) return;
  search_end(w);
  if (wf_queue_count(&w->pool->inject) > 0 || wf_queue_count(&w->queue) > 0) wf_workers_announce(w->pool);
}

void wf_worker_wake(wf_worker *w) {
  pthread_mutex_lock(&w->pool->lock);
  leave_sleepers_locked(w->pool, w);
  pthread_mutex_unlock(&w->pool->lock);
  wf_parker_wake(&w->parker);
}

/* Until when to sleep: its own timers; and its next look, if it is the one that looks on. */
static uint64_t until(wf_worker *w, bool *naps) {
  wf_workers *p = w->pool;
  uint64_t due = atomic_load_explicit(&w->due, memory_order_relaxed);
  uint32_t none = 0, n = atomic_load_explicit(&p->n, memory_order_relaxed);
  *naps = false;
  if (w->nap_ns > NAP_LAST_NS || atomic_load_explicit(&p->asleep, memory_order_relaxed) >= n) return due;
  if (!atomic_compare_exchange_strong_explicit(&p->napping, &none, 1, memory_order_relaxed, memory_order_relaxed)) return due;
  *naps = true;
  uint64_t look = wf_clock_ns() + w->nap_ns;
  w->nap_ns *= 2;
  return look < due ? look : due;
}

/* Nobody has anything open on its loop: no descriptors for nothing. The parker sleeps in a futex again. */
static void drop_loop(wf_worker *w) {
  wf_loop_free(w->loop);
  w->loop = NULL;
  wf_parker_destroy(&w->parker); /* closes its descriptor; it goes on as before */
}

bool wf_worker_rest(wf_worker *w) {
  wf_workers *p = w->pool;
  if (w->loop != NULL && w->pins == 0) drop_loop(w);
  pthread_mutex_lock(&p->lock);
  bool stopping = p->stopping, searched = w->searching;
  w->searching = false; /* once it is among the sleepers, who wakes it writes this */
  if (!stopping) {
    w->rest = WF_ASLEEP;
    w->next_resting = p->sleepers;
    p->sleepers = w;
    atomic_fetch_add_explicit(&p->asleep, 1, memory_order_seq_cst);
  }
  pthread_mutex_unlock(&p->lock);
  if (searched) atomic_fetch_sub_explicit(&p->searching, 1, memory_order_seq_cst);
  if (stopping) return false;
  if (!wf_work_in_sight(p, w)) {
    bool naps;
    uint64_t deadline = until(w, &naps);
    atomic_fetch_add_explicit(&w->sleeps, 1, memory_order_relaxed);
    int how = wf_worker_sleep(&w->parker, deadline);
    if (naps) atomic_store_explicit(&p->napping, 0, memory_order_relaxed);
    if (how == WF_PARK_WOKEN) w->nap_ns = NAP_FIRST_NS;
  }
  pthread_mutex_lock(&p->lock);
  leave_sleepers_locked(p, w);
  pthread_mutex_unlock(&p->lock);
  return true;
}

/* Blocked and spare workers ----------------------------------------------------------------------- */

void wf_workers_count_locked(wf_workers *p) {
  uint32_t active = atomic_load_explicit(&p->n, memory_order_relaxed) - p->blocked - p->spare;
  int32_t surplus = (int32_t)active - (int32_t)atomic_load_explicit(&p->target, memory_order_relaxed);
  atomic_store_explicit(&p->surplus, surplus, memory_order_relaxed);
}

static int32_t surplus_locked(wf_workers *p) { return atomic_load_explicit(&p->surplus, memory_order_relaxed); }

int wf_workers_fill_locked(wf_workers *p) {
  wf_workers_count_locked(p);
  while (surplus_locked(p) < 0 && !p->stopping) {
    wf_worker *w = p->spares;
    if (w != NULL) {
      unlink_from(&p->spares, w);
      p->spare--;
      wf_workers_count_locked(p);
      wf_parker_wake(&w->parker);
      continue;
    }
    int err = wf_worker_start_locked(p);
    if (err != 0) return err;
  }
  return 0;
}

/* Put it among the spare ones, if there are too many still. */
static bool become_spare(wf_worker *w, bool *stopping) {
  wf_workers *p = w->pool;
  pthread_mutex_lock(&p->lock);
  *stopping = p->stopping;
  bool spare = !p->stopping && surplus_locked(p) > 0 && wf_queue_count(&w->pinned) == 0 && w->pins == 0;
  if (spare) {
    w->rest = WF_SPARE;
    w->next_resting = p->spares;
    p->spares = w;
    p->spare++;
    wf_workers_count_locked(p);
  }
  pthread_mutex_unlock(&p->lock);
  return spare;
}

/* Is it still among them? Not when it has been called back, nor when there is work that only it may do. */
static bool is_spare(wf_worker *w, bool *stopping) {
  wf_workers *p = w->pool;
  pthread_mutex_lock(&p->lock);
  if (w->rest == WF_SPARE && wf_queue_count(&w->pinned) > 0) {
    unlink_from(&p->spares, w);
    p->spare--;
    wf_workers_count_locked(p);
  }
  bool spare = w->rest == WF_SPARE;
  *stopping = p->stopping;
  pthread_mutex_unlock(&p->lock);
  return spare;
}

bool wf_worker_step_aside(wf_worker *w) {
  bool stopping;
  if (!become_spare(w, &stopping)) return !stopping;
  search_end(w);
  do {
    wf_worker_give_away(w);
    wf_worker_sleep(&w->parker, atomic_load_explicit(&w->due, memory_order_relaxed));
    wf_worker_expire(w);
  } while (is_spare(w, &stopping) && !stopping);
  return !stopping;
}

bool wf_worker_block(void) {
  wf_worker *w = wf_worker_here;
  if (w == NULL || w->blocks > 0) {
    if (w != NULL) w->blocks++;
    return true;
  }
  wf_workers *p = w->pool;
  atomic_store_explicit(&w->blocked, true, memory_order_relaxed);
  wf_worker_give_away(w);
  pthread_mutex_lock(&p->lock);
  p->blocked++;
  wf_workers_fill_locked(p); /* without memory or threads: what is there must do */
  bool others = p->stopping || atomic_load_explicit(&p->n, memory_order_relaxed) > p->blocked + p->spare;
  if (!others) p->blocked--;
  wf_workers_count_locked(p);
  pthread_mutex_unlock(&p->lock);
  if (others)
    w->blocks = 1;
  else
    atomic_store_explicit(&w->blocked, false, memory_order_relaxed);
  return others;
}

void wf_worker_unblock(void) {
  wf_worker *w = wf_worker_here;
  if (w == NULL || --w->blocks > 0) return;
  pthread_mutex_lock(&w->pool->lock);
  w->pool->blocked--;
  wf_workers_count_locked(w->pool);
  pthread_mutex_unlock(&w->pool->lock);
  atomic_store_explicit(&w->blocked, false, memory_order_relaxed);
}

uint64_t wf_worker_due(void) {
  wf_worker *w = wf_worker_here;
  return w == NULL ? UINT64_MAX : atomic_load_explicit(&w->due, memory_order_relaxed);
}

void wf_worker_serve(void) {
  wf_worker *w = wf_worker_here;
  if (w == NULL) return;
  wf_worker_expire(w);
  wf_worker_give_away(w);
}
