/*
** The queues of the workers: what runs next, stealing. See worker_pool.h.
**
** Queues are lists under their worker's lock. A lock that nobody contends costs less than what a slice costs, and a
** thief takes half of a queue at once.
*/
#include "sys/worker_pool.h"

#include "base/clock.h"

enum {
  INJECT_EVERY = 61, /* units taken between two looks at the common queue first, as Go does */
  STREAK_MAX = 3,    /* times in a row that next_up goes before the queue */
  TAKE_MAX = 64      /* units taken from the common queue at once */
};

static void queue_put_locked(wf_queue *q, wf_unit *u) {
  u->next = NULL;
  if (q->tail != NULL)
    q->tail->next = u;
  else
    q->head = u;
  q->tail = u;
  atomic_fetch_add_explicit(&q->count, 1, memory_order_relaxed);
}

static wf_unit *queue_take_locked(wf_queue *q) {
  wf_unit *u = q->head;
  if (u == NULL) return NULL;
  if ((q->head = u->next) == NULL) q->tail = NULL;
  atomic_fetch_sub_explicit(&q->count, 1, memory_order_relaxed);
  return u;
}

/* Up to n units from the head of one queue, as a list; *taken says how many. */
static wf_unit *queue_split_locked(wf_queue *q, uint32_t n, uint32_t *taken) {
  wf_unit *first = q->head, *last = NULL;
  uint32_t i = 0;
  for (wf_unit *u = first; u != NULL && i < n; u = u->next, i++) last = u;
  *taken = i;
  if (last == NULL) return NULL;
  if ((q->head = last->next) == NULL) q->tail = NULL;
  last->next = NULL;
  atomic_fetch_sub_explicit(&q->count, i, memory_order_relaxed);
  return first;
}

static void queue_put_all_locked(wf_queue *q, wf_unit *list) {
  while (list != NULL) {
    wf_unit *u = list;
    list = u->next;
    queue_put_locked(q, u);
  }
}

static wf_unit *next_up(wf_worker *w) { return atomic_load_explicit(&w->next_up, memory_order_relaxed); }

static wf_unit *next_up_swap(wf_worker *w, wf_unit *u) { return atomic_exchange_explicit(&w->next_up, u, memory_order_acq_rel); }

void wf_worker_append(wf_worker *w, wf_unit *u) {
  pthread_mutex_lock(&w->lock);
  queue_put_locked(u->home == w ? &w->pinned : &w->queue, u);
  pthread_mutex_unlock(&w->lock);
}

static void inject(wf_workers *p, wf_unit *list) {
  pthread_mutex_lock(&p->inject_lock);
  queue_put_all_locked(&p->inject, list);
  pthread_mutex_unlock(&p->inject_lock);
  wf_workers_announce(p);
}

void wf_unit_push(wf_unit *u) {
  wf_worker *w = wf_worker_here;
  if (u->home != NULL) {
    wf_worker_append(u->home, u);
    if (u->home != w) wf_worker_wake(u->home);
  } else if (w == NULL || w->pool != u->pool || atomic_load_explicit(&w->blocked, memory_order_relaxed)) {
    u->next = NULL;
    inject(u->pool, u);
  } else {
    wf_unit *before = next_up_swap(w, u);
    if (before != NULL) {
      wf_worker_append(w, before);
      wf_workers_announce(w->pool);
    } else {
      wf_workers_hint(w->pool);
    }
  }
}

void wf_worker_give_away(wf_worker *w) {
  uint32_t n;
  pthread_mutex_lock(&w->lock);
  wf_unit *next = next_up_swap(w, NULL);
  if (next != NULL) queue_put_locked(&w->queue, next);
  wf_unit *list = queue_split_locked(&w->queue, UINT32_MAX, &n);
  pthread_mutex_unlock(&w->lock);
  if (list != NULL) inject(w->pool, list);
}

/* Timers ------------------------------------------------------------------------------------------ */

static void expire_locked(wf_worker *w, uint64_t now) {
  wf_timer *t;
  while ((t = wf_wheel_pop(&w->wheel, now)) != NULL) {
    wf_unit *u = wf_container_of(t, wf_unit, timer);
    if (wf_unit_mark(u) == WF_UNIT_IDLE) queue_put_locked(u->home == w ? &w->pinned : &w->queue, u);
  }
  atomic_store_explicit(&w->due, wf_wheel_next(&w->wheel), memory_order_relaxed);
}

void wf_worker_expire(wf_worker *w) {
  uint64_t due = atomic_load_explicit(&w->due, memory_order_relaxed);
  if (due == UINT64_MAX) return;
  uint64_t now = wf_clock_ns();
  if (now < due) return;
  pthread_mutex_lock(&w->lock);
  expire_locked(w, now);
  pthread_mutex_unlock(&w->lock);
}

/* Finding ----------------------------------------------------------------------------------------- */

/* What was readied last, unless it went first too often while others waited. */
static wf_unit *next_up_take(wf_worker *w, bool others) {
  if (next_up(w) == NULL || (w->streak >= STREAK_MAX && others)) return NULL;
  wf_unit *u = next_up_swap(w, NULL);
  if (u != NULL) w->streak++; /* else a thief has it */
  return u;
}

/* The counts are read as hints: what another thread puts here in this moment is seen the next time, and before the worker
 * sleeps it takes the lock and looks. */
static wf_unit *own_take(wf_worker *w) {
  wf_unit *u;
  if (wf_queue_count(&w->pinned) == 0 && (u = next_up_take(w, wf_queue_count(&w->queue) > 0)) != NULL) return u;
  u = NULL;
  pthread_mutex_lock(&w->lock);
  if (w->pinned.head != NULL && (w->tick & 1)) u = queue_take_locked(&w->pinned);
  if (u == NULL) u = next_up_take(w, w->queue.head != NULL);
  if (u == NULL) {
    w->streak = 0;
    u = queue_take_locked(&w->queue);
    if (u == NULL) u = queue_take_locked(&w->pinned);
  }
  pthread_mutex_unlock(&w->lock);
  return u;
}

/* One to run now, its share of the others into its own queue. */
static wf_unit *keep_rest(wf_worker *w, wf_unit *list, uint32_t n) {
  if (n > 1) {
    pthread_mutex_lock(&w->lock);
    queue_put_all_locked(&w->queue, list->next);
    pthread_mutex_unlock(&w->lock);
  }
  return list;
}

static wf_unit *inject_take(wf_worker *w) {
  wf_workers *p = w->pool;
  uint32_t n;
  if (wf_queue_count(&p->inject) == 0) return NULL;
  pthread_mutex_lock(&p->inject_lock);
  uint32_t share = wf_queue_count(&p->inject) / atomic_load_explicit(&p->target, memory_order_relaxed) + 1;
  wf_unit *list = queue_split_locked(&p->inject, share < TAKE_MAX ? share : TAKE_MAX, &n);
  pthread_mutex_unlock(&p->inject_lock);
  if (list == NULL) return NULL;
  atomic_fetch_add_explicit(&w->injected, n, memory_order_relaxed);
  return keep_rest(w, list, n);
}

/* Half of what another worker has; or what it would run next, when it has run the same slice since the last look. */
static wf_unit *steal_from(wf_worker *w, wf_worker *other) {
  uint32_t n = 0;
  uint64_t slices = atomic_load_explicit(&other->slices, memory_order_relaxed);
  wf_worker_expire(other);
  pthread_mutex_lock(&other->lock);
  uint32_t count = wf_queue_count(&other->queue);
  wf_unit *list = queue_split_locked(&other->queue, count - count / 2, &n);
  if (list == NULL && next_up(other) != NULL && w->seen[other->number] == slices + 1 &&
      (list = next_up_swap(other, NULL)) != NULL) {
    list->next = NULL;
    n = 1;
  }
  pthread_mutex_unlock(&other->lock);
  w->seen[other->number] = slices + 1;
  if (list == NULL) return NULL;
  atomic_fetch_add_explicit(&w->stolen, n, memory_order_relaxed);
  return keep_rest(w, list, n);
}

static wf_unit *steal(wf_worker *w) {
  wf_workers *p = w->pool;
  uint32_t n = atomic_load_explicit(&p->n, memory_order_acquire);
  w->random = w->random * 6364136223846793005u + 1442695040888963407u;
  uint32_t start = (uint32_t)((w->random >> 33) % n);
  for (uint32_t i = 0; i < n; i++) {
    wf_worker *other = p->all[(start + i) % n];
    wf_unit *u = other == w ? NULL : steal_from(w, other);
    if (u != NULL) return u;
  }
  return NULL;
}

wf_unit *wf_worker_find(wf_worker *w) {
  wf_unit *u = NULL;
  if (++w->tick % INJECT_EVERY == 0) u = inject_take(w);
  wf_worker_expire(w);
  if (u == NULL) u = own_take(w);
  if (u == NULL) u = inject_take(w);
  if (u == NULL) u = steal(w);
  return u;
}

static bool has_work(wf_worker *o, const wf_worker *w) {
  pthread_mutex_lock(&o->lock);
  bool has = o->queue.head != NULL || (o == w && (next_up(o) != NULL || o->pinned.head != NULL));
  pthread_mutex_unlock(&o->lock);
  return has;
}

bool wf_work_in_sight(wf_workers *p, wf_worker *w) {
  pthread_mutex_lock(&p->inject_lock);
  bool has = p->inject.head != NULL;
  pthread_mutex_unlock(&p->inject_lock);
  uint32_t n = atomic_load_explicit(&p->n, memory_order_acquire);
  for (uint32_t i = 0; i < n && !has; i++) has = has_work(p->all[i], w);
  return has;
}
