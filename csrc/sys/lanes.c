/*
** See lanes.h. Everything is guarded by the pool's one lock: a job is worth a system call at least, so the lock is never
** what it waits for.
**
** A lane is on one of three ways: it runs a job (`job`), it has been given one and wakes up (`next`), or it rests (it is
** in `idle` then). Whoever gives it a job takes it out of `idle` first, so a lane that finds itself there when its time is
** over may end.
*/
#include "sys/lanes.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "sys/attr.h"
#include "sys/parker.h"
#include "sys/thread.h"

enum { IDLE_MS = 5000, IDLE_JOIN_MS = 1000 };

typedef struct lane {
  wf_lanes *pool;       /* held */
  wf_link link;         /* in all; guarded by the pool's lock as what follows */
  wf_link idle;         /* in idle, the one that rests for the shortest time first */
  wf_thread *thread;
  wf_lane_job *next;    /* what it is to run when it wakes up */
  const wf_lane_job *job; /* what it runs; only compared, for it may be freed */
  bool left;            /* nobody joins it */
  bool gone;            /* it is about to end, and is joined */
  wf_parker parker;     /* the lane sleeps there */
} lane;

struct wf_lanes {
  /* Users and lanes: relaxed increments by those who hold it, acquire-release decrements, the last one frees. */
  _Atomic uint32_t refs;
  const char *name;
  pthread_mutex_t lock; /* guards all below */
  wf_link all, idle, queue;
  uint32_t n, limit, queued;
  uint64_t idle_ns;
  bool closed;
};

/* The lane that this thread is: written by the thread, read by itself. */
static __thread lane *here;

wf_lanes *wf_lanes_new(const char *name, uint32_t limit) {
  wf_lanes *p = wf_calloc(1, sizeof *p);
  if (p == NULL) return NULL;
  atomic_init(&p->refs, 1);
  pthread_mutex_init(&p->lock, NULL);
  wf_list_init(&p->all);
  wf_list_init(&p->idle);
  wf_list_init(&p->queue);
  p->name = name;
  p->limit = limit;
  p->idle_ns = IDLE_MS * UINT64_C(1000000);
  return p;
}

void wf_lanes_hold(wf_lanes *p) { atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed); }

void wf_lanes_release(wf_lanes *p) {
  if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) return;
  pthread_mutex_destroy(&p->lock);
  wf_free(p);
}

/* Lanes ------------------------------------------------------------------------------------------- */

static wf_lane_job *pop_locked(wf_lanes *p) {
  if (wf_list_empty(&p->queue)) return NULL;
  wf_lane_job *j = wf_list_entry(p->queue.next, wf_lane_job, link);
  wf_list_unlink(&j->link);
  p->queued--;
  return j;
}

/* What it is to do now; NULL: nothing. */
static wf_lane_job *take_locked(lane *l) {
  wf_lanes *p = l->pool;
  wf_lane_job *j = l->next;
  l->next = NULL;
  if (j == NULL && !p->closed && p->n <= p->limit) j = pop_locked(p);
  l->job = j;
  return j;
}

/* Rest until there is something to do. False: its time is over, or it is one too many. */
static bool rest_locked(lane *l) {
  wf_lanes *p = l->pool;
  uint64_t deadline = wf_clock_ns() + p->idle_ns;
  if (p->closed || p->n > p->limit) return false;
  l->idle.prev = &p->idle;
  l->idle.next = p->idle.next;
  p->idle.next->prev = &l->idle;
  p->idle.next = &l->idle;
  while (wf_link_in_list(&l->idle) && !p->closed && p->n <= p->limit && wf_clock_ns() < deadline) {
    pthread_mutex_unlock(&p->lock);
    wf_parker_wait(&l->parker, -1, deadline);
    pthread_mutex_lock(&p->lock);
  }
  bool called = !wf_link_in_list(&l->idle);
  wf_list_unlink(&l->idle);
  return called;
}

/* It is none of the pool's any more. */
static void leave_locked(lane *l) {
  l->gone = l->pool->closed && !l->left; /* whoever closes the pool has it in his list */
  if (l->left || l->gone) return;
  wf_list_unlink(&l->link);
  l->pool->n--;
  wf_thread_detach(l->thread);
  l->left = true;
}

static void lane_free(lane *l) {
  wf_parker_destroy(&l->parker);
  wf_lanes_release(l->pool);
  wf_free(l);
}

static void lane_main(void *arg) {
  lane *l = arg;
  wf_lanes *p = l->pool;
  here = l;
  wf_attr_as_process(); /* whoever started it may be pinned, or of another priority */
  pthread_mutex_lock(&p->lock); /* until whoever started it has written l->thread */
  do {
    for (wf_lane_job *j; (j = take_locked(l)) != NULL;) {
      pthread_mutex_unlock(&p->lock);
      j->run(j);
      pthread_mutex_lock(&p->lock);
      l->job = NULL;
    }
  } while (rest_locked(l));
  leave_locked(l);
  bool mine = l->left;
  pthread_mutex_unlock(&p->lock);
  here = NULL;
  if (mine) lane_free(l); /* else whoever joins it */
}

static int start_locked(wf_lanes *p, wf_lane_job *j) {
  lane *l = wf_calloc(1, sizeof *l);
  if (l == NULL) return ENOMEM;
  l->pool = p;
  l->next = j;
  wf_parker_init(&l->parker);
  wf_thread_opts o = {.name = p->name};
  int err = wf_thread_start(&l->thread, &o, lane_main, l, NULL);
  if (err != 0) {
    wf_parker_destroy(&l->parker);
    wf_free(l);
    return err;
  }
  wf_lanes_hold(p);
  wf_list_append(&p->all, &l->link);
  p->n++;
  return 0;
}

/* Give the job to a lane that rests. */
static bool give_idle_locked(wf_lanes *p, wf_lane_job *j) {
  if (wf_list_empty(&p->idle)) return false;
  lane *l = wf_list_entry(p->idle.next, lane, idle);
  wf_list_unlink(&l->idle);
  l->next = j;
  wf_parker_wake(&l->parker); /* under the lock: without it the lane could be gone */
  return true;
}

/* Jobs --------------------------------------------------------------------------------------------- */

int wf_lanes_submit(wf_lanes *p, wf_lane_job *j) {
  int err = 0;
  pthread_mutex_lock(&p->lock);
  if (p->closed) {
    err = ECANCELED;
  } else if (!give_idle_locked(p, j)) {
    bool more = p->n < p->limit || (here != NULL && here->pool == p);
    if (more) err = start_locked(p, j);
    if (!more || (err != 0 && p->n > 0)) { /* those that are there must do */
      wf_list_append(&p->queue, &j->link);
      p->queued++;
      err = 0;
    }
  }
  pthread_mutex_unlock(&p->lock);
  return err;
}

bool wf_lanes_withdraw(wf_lanes *p, const wf_lane_job *j) {
  bool found = false;
  pthread_mutex_lock(&p->lock);
  for (wf_link *l = p->queue.next; l != &p->queue; l = l->next) {
    if (wf_list_entry(l, wf_lane_job, link) != j) continue;
    found = true;
    p->queued--;
    wf_list_unlink(l);
    break;
  }
  pthread_mutex_unlock(&p->lock);
  return found;
}

void wf_lanes_signal(wf_lanes *p, const wf_lane_job *j, int sig) {
  pthread_mutex_lock(&p->lock);
  for (wf_link *k = p->all.next; k != &p->all; k = k->next) {
    lane *l = wf_list_entry(k, lane, link);
    if (l->job == j) wf_thread_signal(l->thread, sig);
  }
  pthread_mutex_unlock(&p->lock);
}

void wf_lanes_set(wf_lanes *p, uint32_t limit, uint64_t idle_ns) {
  pthread_mutex_lock(&p->lock);
  if (limit != 0) p->limit = limit;
  if (idle_ns != 0) p->idle_ns = idle_ns;
  for (wf_link *k = p->idle.next; k != &p->idle; k = k->next) /* to look at the new numbers */
    wf_parker_wake(&wf_list_entry(k, lane, idle)->parker);
  while (!p->closed && p->n < p->limit && !wf_list_empty(&p->queue)) {
    wf_lane_job *j = pop_locked(p);
    if (start_locked(p, j) == 0) continue;
    j->link.prev = &p->queue; /* back to the front */
    j->link.next = p->queue.next;
    p->queue.next->prev = &j->link;
    p->queue.next = &j->link;
    p->queued++;
    break;
  }
  pthread_mutex_unlock(&p->lock);
}

void wf_lanes_get(wf_lanes *p, wf_lanes_facts *f) {
  pthread_mutex_lock(&p->lock);
  *f = (wf_lanes_facts){.limit = p->limit, .idle_ns = p->idle_ns, .threads = p->n, .busy = p->n, .queued = p->queued};
  for (const wf_link *k = p->idle.next; k != &p->idle; k = k->next) f->busy--;
  pthread_mutex_unlock(&p->lock);
}

/* The end ------------------------------------------------------------------------------------------ */

void wf_lanes_close(wf_lanes *p, uint64_t patience_ms) {
  wf_link lanes;
  wf_list_init(&lanes);
  uint64_t now = wf_clock_ns();
  pthread_mutex_lock(&p->lock);
  p->closed = true;
  while (!wf_list_empty(&p->queue)) pop_locked(p);
  while (!wf_list_empty(&p->all)) {
    lane *l = wf_list_entry(p->all.next, lane, link);
    wf_list_unlink(&l->link);
    wf_list_append(&lanes, &l->link);
    wf_parker_wake(&l->parker);
  }
  pthread_mutex_unlock(&p->lock);
  while (!wf_list_empty(&lanes)) {
    lane *l = wf_list_entry(lanes.next, lane, link);
    pthread_mutex_lock(&p->lock);
    bool busy = l->job != NULL || l->next != NULL;
    pthread_mutex_unlock(&p->lock);
    wf_thread *t = l->thread;
    bool ended = wf_thread_timedjoin(t, now + (busy ? patience_ms : IDLE_JOIN_MS) * 1000000) == 0;
    wf_list_unlink(&l->link);
    pthread_mutex_lock(&p->lock);
    bool gone = l->gone;
    l->left = !gone; /* then it frees itself, later */
    pthread_mutex_unlock(&p->lock);
    if (!gone) {
      wf_thread_detach(t);
      continue;
    }
    if (!ended) wf_thread_join(t);
    lane_free(l);
  }
}
