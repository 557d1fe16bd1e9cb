/* See inject.h. */
#include "sys/inject.h"

#ifdef WF_DEBUG
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Under the lock, as is `total`. */
static struct order {
  long skip, times, count;
  int err;
  size_t most;
} orders[WF_CALL_KINDS];
static long total;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Has there been an order at all? Set by who orders, read by all, relaxed: tests order before they start what is to fail. */
static _Atomic bool used;

void wf_inject_order(enum wf_inject_call call, long skip, long times, int err, size_t most) {
  pthread_mutex_lock(&lock);
  orders[call] = (struct order){skip, times, 0, err, most};
  pthread_mutex_unlock(&lock);
  atomic_store_explicit(&used, true, memory_order_relaxed);
}

long wf_inject_count(enum wf_inject_call call) {
  pthread_mutex_lock(&lock);
  long n = orders[call].count;
  pthread_mutex_unlock(&lock);
  return n;
}

long wf_inject_total(void) {
  pthread_mutex_lock(&lock);
  long n = total;
  pthread_mutex_unlock(&lock);
  return n;
}

/* Is it one of those that are to go wrong? */
static bool hit_locked(struct order *o) {
  o->count++;
  if (o->times <= 0 || o->skip-- > 0) return false;
  o->times--;
  total++;
  return true;
}

int wf_inject(enum wf_inject_call call, size_t *n) {
  if (!atomic_load_explicit(&used, memory_order_relaxed)) return 0;
  pthread_mutex_lock(&lock);
  struct order *o = &orders[call];
  int err = 0;
  bool in_halves = n == NULL && (call == WF_CALL_RECV || call == WF_CALL_SEND); /* sizes are asked for by wf_inject_size */
  if ((o->err != 0 || !in_halves) && hit_locked(o)) {
    err = o->err;
    if (err == 0 && n != NULL && *n > o->most) *n = o->most;
  }
  pthread_mutex_unlock(&lock);
  return err;
}

void wf_inject_size(enum wf_inject_call call, size_t *n) {
  if (!atomic_load_explicit(&used, memory_order_relaxed)) return;
  pthread_mutex_lock(&lock);
  struct order *o = &orders[call];
  if (o->err == 0 && hit_locked(o) && *n > o->most) *n = o->most;
  pthread_mutex_unlock(&lock);
}

#else
typedef int wf_inject_is_for_test_builds; /* a file has to have something */
#endif
