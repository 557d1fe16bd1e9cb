/* See workers.h. Units, the pool, and the life of a worker. */
#include "sys/workers.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "sys/worker_pool.h"

enum { STOP_MS = 1500, STOP_STUCK_MS = 50 };

__thread wf_worker *wf_worker_here;

/* The pool of the process, and how many workers it is to have: the one mutable thing of weft that belongs to the
   process. Guarded by pools_lock. */
static pthread_mutex_t pools_lock = PTHREAD_MUTEX_INITIALIZER;
static wf_workers *current;
static uint32_t wanted; /* 0: as many as CPUs */

static void worker_free(wf_worker *w) {
  wf_parker_destroy(&w->parker);
  wf_wheel_fini(&w->wheel);
  pthread_mutex_destroy(&w->lock);
  wf_free(w->seen);
  wf_free(w);
}

static void pool_release(wf_workers *p) {
  if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) return;
  uint32_t n = atomic_load_explicit(&p->n, memory_order_relaxed);
  for (uint32_t i = 0; i < n; i++) worker_free(p->all[i]);
  pthread_mutex_destroy(&p->lock);
  pthread_mutex_destroy(&p->inject_lock);
  wf_free(p);
}

/* Units ------------------------------------------------------------------------------------------- */

void wf_unit_init(wf_unit *u, wf_workers *p, enum wf_unit_end (*run)(wf_unit *u)) {
  atomic_init(&u->word, WF_UNIT_IDLE);
  atomic_init(&u->carrier, NULL);
  u->run = run;
  u->pool = p;
  atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

void wf_unit_done(wf_unit *u) { pool_release(u->pool); }

static void timer_stop(wf_unit *u) {
  wf_worker *w = u->clock;
  if (w == NULL) return;
  pthread_mutex_lock(&w->lock);
  wf_wheel_del(&w->wheel, &u->timer);
  if (wf_wheel_count(&w->wheel) == 0) atomic_store_explicit(&w->due, UINT64_MAX, memory_order_relaxed);
  pthread_mutex_unlock(&w->lock);
  u->clock = NULL;
}

bool wf_unit_park(wf_unit *u, uint64_t deadline_ns) {
  wf_worker *w = wf_worker_here;
  if (deadline_ns != UINT64_MAX) {
    u->clock = w;
    pthread_mutex_lock(&w->lock);
    wf_wheel_add(&w->wheel, &u->timer, deadline_ns);
    atomic_store_explicit(&w->due, wf_wheel_next(&w->wheel), memory_order_relaxed);
    pthread_mutex_unlock(&w->lock);
  }
  atomic_store_explicit(&u->carrier, NULL, memory_order_relaxed);
  uint32_t running = WF_UNIT_RUNNING;
  if (atomic_compare_exchange_strong_explicit(&u->word, &running, WF_UNIT_IDLE, memory_order_seq_cst, memory_order_relaxed))
    return true;
  timer_stop(u);
  atomic_store_explicit(&u->carrier, w, memory_order_relaxed);
  return false;
}

void wf_unit_pin(wf_unit *u, bool pinned) {
  if ((u->home != NULL) == pinned) return;
  u->home = pinned ? wf_worker_here : NULL;
  if (pinned)
    wf_worker_here->pins++;
  else
    wf_worker_here->pins--;
}

wf_loop *wf_worker_loop(int *err) {
  wf_worker *w = wf_worker_here;
  *err = 0;
  return w->loop != NULL ? w->loop : (w->loop = wf_loop_new(err));
}

int wf_worker_sleep(wf_parker *p, uint64_t deadline_ns) {
  wf_worker *w = wf_worker_here;
  if (w == NULL || w->loop == NULL) return wf_parker_wait(p, -1, deadline_ns);
  int why = wf_loop_wait(w->loop, p, deadline_ns);
  if (p != &w->parker) wf_loop_unwatch(w->loop); /* a unit's may be gone, and its descriptor be another's, by the next sleep */
  return why;
}

void wf_unit_signal(wf_unit *u, int sig) {
  wf_worker *w = atomic_load_explicit(&u->carrier, memory_order_relaxed);
  if (w != NULL) wf_thread_signal(w->thread, sig);
}

static void unit_run(wf_worker *w, wf_unit *u) {
  atomic_exchange_explicit(&u->word, WF_UNIT_RUNNING, memory_order_seq_cst);
  timer_stop(u);
  atomic_store_explicit(&u->carrier, w, memory_order_relaxed);
  atomic_store_explicit(&w->slices, atomic_load_explicit(&w->slices, memory_order_relaxed) + 1, memory_order_relaxed);
  if (u->run(u) == WF_UNIT_AWAY) return;
  atomic_store_explicit(&u->carrier, NULL, memory_order_relaxed);
  atomic_exchange_explicit(&u->word, WF_UNIT_MARKED, memory_order_seq_cst);
  wf_worker_append(w, u);
}

/* Workers ----------------------------------------------------------------------------------------- */

static void worker_main(void *arg) {
  wf_worker *w = arg;
  wf_worker_here = w;
  pthread_mutex_lock(&w->pool->lock); /* until whoever started it has written w->thread */
  pthread_mutex_unlock(&w->pool->lock);
  wf_ticker_start(&w->ticker, WF_SLICE_NS); /* without it slices end when units park */
  do {
    wf_unit *u;
    while ((u = wf_worker_find(w)) != NULL) {
      wf_worker_found(w);
      unit_run(w, u);
      if (w->loop != NULL && wf_loop_due(w->loop, wf_clock_ns())) wf_loop_poll(w->loop);
      if (wf_worker_may_be_surplus(w) && !wf_worker_step_aside(w)) break;
    }
  } while (wf_worker_rest(w));
  wf_ticker_stop(&w->ticker);
  wf_loop_free(w->loop);
  w->loop = NULL;
  wf_worker_here = NULL;
  pool_release(w->pool); /* may free w */
}

int wf_worker_start_locked(wf_workers *p) {
  uint32_t n = atomic_load_explicit(&p->n, memory_order_relaxed);
  if (n == WF_WORKERS_MAX) return EAGAIN;
  wf_worker *w = wf_calloc(1, sizeof *w);
  if (w == NULL) return ENOMEM;
  w->seen = wf_calloc(WF_WORKERS_MAX + 1, sizeof *w->seen);
  w->pool = p;
  w->number = n + 1;
  w->random = wf_clock_ns() ^ (uint64_t)(uintptr_t)w;
  wf_parker_init(&w->parker);
  pthread_mutex_init(&w->lock, NULL);
  wf_wheel_init(&w->wheel, wf_clock_ns());
  atomic_init(&w->due, UINT64_MAX);
  char name[WF_THREAD_NAME];
  snprintf(name, sizeof name, "weft worker %u", w->number);
  wf_thread_opts o = {.name = name};
  atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed); /* the thread's */
  int err = w->seen == NULL ? ENOMEM : wf_thread_start(&w->thread, &o, worker_main, w, NULL);
  if (err != 0) {
    atomic_fetch_sub_explicit(&p->refs, 1, memory_order_relaxed); /* never the last: whoever starts it has the pool */
    worker_free(w);
    return err;
  }
  p->all[n] = w;
  atomic_store_explicit(&p->n, n + 1, memory_order_release);
  wf_workers_count_locked(p);
  return 0;
}

bool wf_worker_wanted(void) {
  wf_worker *w = wf_worker_here;
  if (w == NULL) return false;
  if (w->pins > 0) return true; /* the loop is to be looked at */
  return wf_queue_count(&w->queue) > 0 || wf_queue_count(&w->pinned) > 0 || wf_queue_count(&w->pool->inject) > 0 ||
         atomic_load_explicit(&w->next_up, memory_order_relaxed) != NULL || atomic_load_explicit(&w->due, memory_order_relaxed) <= wf_clock_ns();
}

uint32_t wf_worker_self(void) { return wf_worker_here == NULL ? 0 : wf_worker_here->number; }

/* The pool ---------------------------------------------------------------------------------------- */

static uint32_t target(void) {
  uint32_t n = wanted != 0 ? wanted : (uint32_t)wf_cpu_count();
  return n < WF_WORKERS_MAX ? n : WF_WORKERS_MAX;
}

wf_workers *wf_workers_hold(void) {
  pthread_mutex_lock(&pools_lock);
  wf_workers *p = current;
  if (p == NULL && (p = wf_calloc(1, sizeof *p)) != NULL) {
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->inject_lock, NULL);
    atomic_init(&p->target, target());
    atomic_init(&p->refs, 1);
    current = p;
  }
  if (p != NULL) p->holders++;
  pthread_mutex_unlock(&pools_lock);
  return p;
}

int wf_workers_begin(wf_workers *p) {
  if (atomic_load_explicit(&p->n, memory_order_acquire) > 0) return 0;
  pthread_mutex_lock(&p->lock);
  int err = wf_workers_fill_locked(p);
  if (atomic_load_explicit(&p->n, memory_order_relaxed) > 0) err = 0; /* fewer than wanted, but some */
  pthread_mutex_unlock(&p->lock);
  return err;
}

/* End all threads. One that is stuck is left behind, and with it the pool: it goes when that one ends after all. */
static void stop(wf_workers *p, uint64_t patience_ms) {
  pthread_mutex_lock(&p->lock);
  p->stopping = true;
  uint32_t n = atomic_load_explicit(&p->n, memory_order_relaxed);
  for (uint32_t i = 0; i < n; i++) wf_parker_wake(&p->all[i]->parker);
  pthread_mutex_unlock(&p->lock);
  uint64_t deadline = wf_clock_ns() + patience_ms * 1000000;
  for (uint32_t i = 0; i < n; i++) {
    if (wf_thread_timedjoin(p->all[i]->thread, deadline) == 0)
      p->all[i]->thread = NULL;
    else
      wf_thread_detach(p->all[i]->thread);
  }
  pool_release(p);
}

void wf_workers_release(wf_workers *p, bool stuck) {
  pthread_mutex_lock(&pools_lock);
  bool last = --p->holders == 0;
  if (last && current == p) current = NULL;
  pthread_mutex_unlock(&pools_lock);
  if (last) stop(p, stuck ? STOP_STUCK_MS : STOP_MS);
}

uint32_t wf_workers_count(void) {
  pthread_mutex_lock(&pools_lock);
  uint32_t n = current != NULL ? atomic_load_explicit(&current->target, memory_order_relaxed) : target();
  pthread_mutex_unlock(&pools_lock);
  return n;
}

bool wf_workers_busy(void) {
  pthread_mutex_lock(&pools_lock);
  wf_workers *p = current;
  int32_t awake = 0;
  if (p != NULL && atomic_load_explicit(&p->n, memory_order_relaxed) > 0)
    awake = (int32_t)atomic_load_explicit(&p->target, memory_order_relaxed) + atomic_load_explicit(&p->surplus, memory_order_relaxed) -
            (int32_t)atomic_load_explicit(&p->asleep, memory_order_relaxed);
  pthread_mutex_unlock(&pools_lock);
  return awake >= wf_cpus_at_first();
}

bool wf_workers_set(uint32_t n) {
  pthread_mutex_lock(&pools_lock);
  wf_workers *p = current;
  bool ok = true;
  if (p != NULL) {
    pthread_mutex_lock(&p->lock);
    bool begun = atomic_load_explicit(&p->n, memory_order_relaxed) > 0;
    ok = !begun || n >= atomic_load_explicit(&p->target, memory_order_relaxed);
    if (ok) atomic_store_explicit(&p->target, n, memory_order_relaxed);
    if (ok && begun) wf_workers_fill_locked(p);
    pthread_mutex_unlock(&p->lock);
  }
  if (ok) wanted = n;
  pthread_mutex_unlock(&pools_lock);
  return ok;
}

bool wf_workers_facts(uint32_t no, wf_worker_facts *f) {
  bool there = false;
  pthread_mutex_lock(&pools_lock);
  wf_workers *p = current;
  if (p != NULL && no >= 1 && no <= atomic_load_explicit(&p->n, memory_order_acquire)) {
    wf_worker *w = p->all[no - 1];
    pthread_mutex_lock(&p->lock);
    *f = (wf_worker_facts){
        .slices = atomic_load_explicit(&w->slices, memory_order_relaxed),
        .stolen = atomic_load_explicit(&w->stolen, memory_order_relaxed),
        .injected = atomic_load_explicit(&w->injected, memory_order_relaxed),
        .sleeps = atomic_load_explicit(&w->sleeps, memory_order_relaxed),
        .tid = wf_thread_tid(w->thread),
        .cpu_ns = wf_thread_cpu_ns(w->thread),
        .asleep = w->rest != WF_AWAKE,
        .blocked = atomic_load_explicit(&w->blocked, memory_order_relaxed),
    };
    pthread_mutex_unlock(&p->lock);
    there = true;
  }
  pthread_mutex_unlock(&pools_lock);
  return there;
}
