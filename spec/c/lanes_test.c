/* lanes_test.c: the threads for what blocks (sys/lanes.h): order, limit, withdrawal, nesting, the end. */
#include "sys/lanes.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "check.h"

/* A job that tells its number and waits to be let go. */
typedef struct work {
  wf_lane_job job;
  int number;
  atomic_int *open;    /* let go when it is > 0, or NULL */
  atomic_bool begun, ended;
  wf_lanes *nest;      /* submit another to that pool, and wait for it */
} work;

static atomic_int order[64];
static atomic_int taken;

static void nap(void) { usleep(200); }

static void run(wf_lane_job *j) {
  work *w = wf_container_of(j, work, job);
  atomic_store(&order[atomic_fetch_add(&taken, 1) % 64], w->number);
  atomic_store(&w->begun, true);
  if (w->nest != NULL) {
    work inner = {.job.run = run, .number = 100 + w->number};
    CHECK(wf_lanes_submit(w->nest, &inner.job) == 0);
    while (!atomic_load(&inner.ended)) nap();
  }
  while (w->open != NULL && atomic_load(w->open) == 0) nap();
  atomic_store(&w->ended, true);
}

static void until(atomic_bool *b) {
  while (!atomic_load(b)) nap();
}

static wf_lanes_facts facts(wf_lanes *p) {
  wf_lanes_facts f;
  wf_lanes_get(p, &f);
  return f;
}

static void start(void) { atomic_store(&taken, 0); }

static void runs_in_order(void) {
  wf_lanes *p = wf_lanes_new("lanes test", 1);
  atomic_int open = 0;
  work w[5] = {{.job.run = run, .open = &open}};
  start();
  for (int i = 0; i < 5; i++) {
    w[i].job.run = run;
    w[i].number = i;
    CHECK(wf_lanes_submit(p, &w[i].job) == 0);
  }
  until(&w[0].begun);
  CHECK(facts(p).threads == 1 && facts(p).busy == 1 && facts(p).queued == 4);
  CHECK(!wf_lanes_withdraw(p, &w[0].job));
  CHECK(wf_lanes_withdraw(p, &w[2].job));
  CHECK(!wf_lanes_withdraw(p, &w[2].job) && facts(p).queued == 3);
  atomic_store(&open, 1);
  until(&w[4].ended);
  CHECK(order[0] == 0 && order[1] == 1 && order[2] == 3 && order[3] == 4 && taken == 4);
  wf_lanes_close(p, 10000);
  CHECK(wf_lanes_submit(p, &w[0].job) == ECANCELED);
  wf_lanes_release(p);
}

static void grows_and_shrinks(void) {
  wf_lanes *p = wf_lanes_new("lanes test", 3);
  atomic_int open = 0;
  work w[8];
  memset(w, 0, sizeof w);
  start();
  for (int i = 0; i < 8; i++) {
    w[i] = (work){.job.run = run, .number = i, .open = &open};
    CHECK(wf_lanes_submit(p, &w[i].job) == 0);
  }
  for (int i = 0; i < 3; i++) until(&w[i].begun);
  CHECK(facts(p).threads == 3 && facts(p).queued == 5);
  wf_lanes_set(p, 5, 0);
  for (int i = 3; i < 5; i++) until(&w[i].begun);
  CHECK(facts(p).threads == 5 && facts(p).queued == 3 && facts(p).limit == 5);
  wf_lanes_set(p, 1, 1000);
  atomic_store(&open, 1);
  for (int i = 0; i < 8; i++) until(&w[i].ended);
  while (facts(p).threads > 0) nap(); /* 1 us of rest */
  work again = {.job.run = run};
  CHECK(wf_lanes_submit(p, &again.job) == 0);
  until(&again.ended);
  wf_lanes_close(p, 10000);
  wf_lanes_release(p);
}

/* A job of a lane never waits for the queue that may wait for the lane. */
static void nests(void) {
  wf_lanes *p = wf_lanes_new("lanes test", 1);
  work w[3];
  start();
  for (int i = 0; i < 3; i++) {
    w[i] = (work){.job.run = run, .number = i, .nest = p};
    CHECK(wf_lanes_submit(p, &w[i].job) == 0);
  }
  for (int i = 0; i < 3; i++) until(&w[i].ended);
  CHECK(taken == 6);
  wf_lanes_close(p, 10000);
  wf_lanes_release(p);
}

static atomic_int signals;
static void on_usr1(int sig) {
  (void)sig;
  atomic_fetch_add(&signals, 1);
}

/* Lanes block the host's signals; SIGURG comes through. */
static void signals_one(void) {
  wf_lanes *p = wf_lanes_new("lanes test", 2);
  atomic_int open = 0;
  signal(SIGURG, on_usr1);
  work a = {.job.run = run, .open = &open}, b = {.job.run = run, .open = &open}, idle = {.job.run = run};
  CHECK(wf_lanes_submit(p, &a.job) == 0 && wf_lanes_submit(p, &b.job) == 0);
  until(&a.begun);
  wf_lanes_signal(p, &a.job, SIGURG);
  while (atomic_load(&signals) < 1) nap();
  wf_lanes_signal(p, &idle.job, SIGURG);
  CHECK(atomic_load(&signals) == 1);
  atomic_store(&open, 1);
  until(&b.ended);
  wf_lanes_close(p, 10000);
  wf_lanes_release(p);
  signal(SIGURG, SIG_DFL);
}

/* One that is stuck is left behind; when it ends after all it frees what is left. */
static void leaves_the_stuck(void) {
  wf_lanes *p = wf_lanes_new("lanes test", 1);
  static atomic_int open;
  static work stuck, queued;
  atomic_store(&open, 0);
  stuck = (work){.job.run = run, .open = &open};
  queued = (work){.job.run = run};
  CHECK(wf_lanes_submit(p, &stuck.job) == 0 && wf_lanes_submit(p, &queued.job) == 0);
  until(&stuck.begun);
  wf_lanes_close(p, 1);
  wf_lanes_release(p);
  atomic_store(&open, 1);
  until(&stuck.ended);
  CHECK(!atomic_load(&queued.begun));
}

static int failing_from, calls;
static void *failing(void *ud, void *block, size_t size) {
  (void)ud;
  if (size == 0) {
    free(block);
    return NULL;
  }
  if (block == NULL && ++calls >= failing_from) return NULL;
  return realloc(block, size);
}

/* Without memory: an error when there is no lane, else the queue. */
static void survives_no_memory(void) {
  wf_alloc_set(failing, NULL);
  work w = {.job.run = run};
  for (failing_from = 1; failing_from < 5; failing_from++) {
    calls = 0;
    wf_lanes *p = wf_lanes_new("lanes test", 2);
    CHECK((p == NULL) == (failing_from == 1));
    if (p == NULL) continue;
    int err = wf_lanes_submit(p, &w.job);
    CHECK(err == 0 || err == ENOMEM);
    if (err == 0) until(&w.ended);
    atomic_store(&w.ended, false);
    wf_lanes_close(p, 10000);
    wf_lanes_release(p);
  }
  wf_lanes *p = NULL;
  failing_from = 1 << 30;
  p = wf_lanes_new("lanes test", 2);
  atomic_int open = 0;
  work a = {.job.run = run, .open = &open}, b = {.job.run = run};
  CHECK(wf_lanes_submit(p, &a.job) == 0);
  until(&a.begun);
  failing_from = 0;
  CHECK(wf_lanes_submit(p, &b.job) == 0 && facts(p).queued == 1);
  failing_from = 1 << 30;
  atomic_store(&open, 1);
  until(&b.ended);
  wf_lanes_close(p, 10000);
  wf_lanes_release(p);
  wf_alloc_set(NULL, NULL);
}

/* A lane has no more rights in another pool than anybody: its job waits there. */
static void submits_to_another_pool(void) {
  wf_lanes *a = wf_lanes_new("lanes test", 1), *b = wf_lanes_new("lanes test", 1);
  atomic_int open = 0;
  work busy = {.job.run = run, .open = &open}, w = {.job.run = run, .nest = b};
  CHECK(wf_lanes_submit(b, &busy.job) == 0 && wf_lanes_submit(a, &w.job) == 0);
  while (facts(b).queued == 0) nap();
  CHECK(facts(b).threads == 1 && !atomic_load(&w.ended));
  atomic_store(&open, 1);
  until(&w.ended);
  wf_lanes_close(a, 10000);
  wf_lanes_close(b, 10000);
  wf_lanes_release(a);
  wf_lanes_release(b);
}

static wf_lanes *shared;
enum { EACH = 300 };

static void *submit_many(void *arg) {
  work *w = arg;
  for (int i = 0; i < EACH; i++) CHECK(wf_lanes_submit(shared, &w[i].job) == 0);
  return NULL;
}

static void many_threads(void) {
  enum { THREADS = 4 };
  shared = wf_lanes_new("lanes test", 3);
  static work w[THREADS][EACH];
  pthread_t t[THREADS];
  for (int i = 0; i < THREADS; i++)
    for (int k = 0; k < EACH; k++) w[i][k] = (work){.job.run = run};
  wf_lanes_set(shared, 0, 50 * 1000); /* rest so little that lanes end all the time */
  for (int i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, submit_many, w[i]);
  for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
  for (int i = 0; i < THREADS; i++)
    for (int k = 0; k < EACH; k++) until(&w[i][k].ended);
  CHECK(facts(shared).queued == 0);
  wf_lanes_close(shared, 10000);
  wf_lanes_release(shared);
}

int main(void) {
  survives_no_memory(); /* first: nobody else may allocate then */
  runs_in_order();
  grows_and_shrinks();
  nests();
  submits_to_another_pool();
  signals_one();
  leaves_the_stuck();
  many_threads();
  return failures != 0;
}
