/*
** The worker pool, with units that are not Lua: that no mark is lost and no unit runs twice at a time, timers, pins,
** blocked workers, growth, failures, and the end with a unit that does not end.
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "sys/loop.h"
#include "sys/workers.h"
#include "thread_gate.h"

#if WF_ASAN || WF_TSAN
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static wf_workers *pool_of(uint32_t n) {
  CHECK(wf_workers_set(n));
  wf_workers *p = wf_workers_hold();
  CHECK(p != NULL && wf_workers_begin(p) == 0);
  return p;
}

static void pool_end(wf_workers *p) {
  wf_workers_release(p, false);
  wait_for_no_tasks();
}

static void poke(wf_unit *u) {
  if (wf_unit_mark(u) == WF_UNIT_IDLE) wf_unit_push(u);
}

static void await(_Atomic uint32_t *word, uint32_t value) {
  while (atomic_load(word) != value) sched_yield();
}

/* ------------------------------------------------------------------------ everything at once */

enum { CELLS = 64 };

/* A unit that pokes others, parks with and without a deadline, pins itself, blocks its worker, as chance has it. */
typedef struct cell {
  wf_unit unit;
  _Atomic uint32_t posted;  /* pokes so far: before the mark */
  _Atomic uint32_t running; /* by how many workers: 0 or 1 */
  _Atomic bool timed;       /* parked with a deadline */
  uint32_t seen;            /* pokes that were there when it ran last; its worker's */
  uint32_t home;            /* the worker it is pinned to */
  uint64_t random;
} cell;

static cell cells[CELLS];
static _Atomic int32_t budget;      /* pokes that are left */
static _Atomic uint32_t open_pokes; /* that nobody has seen yet */

static uint32_t chance(cell *c, uint32_t n) {
  c->random = c->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(c->random >> 33) % n;
}

static void post(cell *c) {
  if (atomic_fetch_sub(&budget, 1) <= 0) return;
  atomic_fetch_add(&open_pokes, 1);
  atomic_fetch_add(&c->posted, 1);
  poke(&c->unit);
}

static enum wf_unit_end cell_run(wf_unit *u) {
  cell *c = wf_container_of(u, cell, unit);
  CHECK(atomic_fetch_add(&c->running, 1) == 0);
  CHECK(c->home == 0 || c->home == wf_worker_self());
  atomic_store(&c->timed, false);
  uint32_t posted = atomic_load(&c->posted);
  uint32_t news = posted - c->seen;
  c->seen = posted;
  uint32_t pokes = news + chance(c, 3) / 2;
  for (uint32_t i = 0; i < pokes; i++) post(&cells[chance(c, CELLS)]);
  if (news > 0) atomic_fetch_sub(&open_pokes, news);
  switch (chance(c, 16)) {
    case 0:
      c->home = c->home == 0 ? wf_worker_self() : 0;
      wf_unit_pin(u, c->home != 0);
      break;
    case 1:
      if (wf_worker_block()) {
        sched_yield();
        if (wf_worker_due() < wf_clock_ns()) wf_worker_serve();
        wf_worker_unblock();
      }
      break;
    case 2: (void)wf_worker_wanted(); break;
    default: break;
  }
  uint32_t how = chance(c, 8);
  if (how == 0) {
    atomic_fetch_sub(&c->running, 1);
    return WF_UNIT_AGAIN;
  }
  uint64_t until = how == 1 ? wf_clock_ns() + chance(c, 200) * 1000 : UINT64_MAX;
  atomic_store(&c->timed, how == 1);
  atomic_fetch_sub(&c->running, 1);
  if (wf_unit_park(u, until)) return WF_UNIT_AWAY;
  CHECK(atomic_fetch_add(&c->running, 1) == 0);
  atomic_fetch_sub(&c->running, 1);
  return WF_UNIT_AGAIN;
}

static void poke_from_outside(void *arg) {
  uint64_t x = (uint64_t)(uintptr_t)arg;
  while (atomic_load(&budget) > 0) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    post(&cells[(x >> 33) % CELLS]);
  }
}

static void storm(uint32_t workers, int32_t pokes) {
  enum { OUTSIDE = 2 };
  wf_workers *p = pool_of(workers);
  memset(cells, 0, sizeof cells);
  atomic_store(&budget, pokes);
  atomic_store(&open_pokes, 0);
  for (uint32_t i = 0; i < CELLS; i++) {
    cells[i].random = i * 7919 + workers;
    wf_unit_init(&cells[i].unit, p, cell_run);
  }
  wf_thread *t[OUTSIDE];
  for (uintptr_t i = 0; i < OUTSIDE; i++)
    CHECK(wf_thread_start(&t[i], NULL, poke_from_outside, (void *)(i + 1), NULL) == 0);
  for (int i = 0; i < OUTSIDE; i++) wf_thread_join(t[i]);
  await(&open_pokes, 0); /* a lost one ends this test by its alarm */
  /* Units with a deadline still come to run; all are parked for good a little later, or AGAIN ends. */
  for (uint32_t i = 0; i < CELLS; i++) {
    while (atomic_load(&cells[i].unit.word) != WF_UNIT_IDLE || atomic_load(&cells[i].timed)) sched_yield();
    CHECK(cells[i].seen == atomic_load(&cells[i].posted));
  }
  uint64_t slices = 0;
  wf_worker_facts f;
  for (uint32_t i = 1; wf_workers_facts(i, &f); i++) slices += f.slices;
  CHECK(slices > 0 && !wf_workers_facts(0, &f));
  wf_workers_release(p, false);
  for (uint32_t i = 0; i < CELLS; i++) wf_unit_done(&cells[i].unit);
  wait_for_no_tasks();
}

static void storms(void) {
  for (uint32_t workers = 1; workers <= 4; workers++) storm(workers, SANITIZED ? 20000 : 100000);
}

/* ------------------------------------------------------------------------ single behaviours */

/* A unit that does one thing, then parks for good. */
typedef struct act {
  wf_unit unit;
  void (*what)(struct act *a);
  _Atomic uint32_t done; /* times it has run */
  uint64_t deadline, woke;
  uint32_t worker;
  gate *gate;
} act;

static enum wf_unit_end act_run(wf_unit *u) {
  act *a = wf_container_of(u, act, unit);
  a->woke = wf_clock_ns();
  a->worker = wf_worker_self();
  if (a->what != NULL) a->what(a);
  uint64_t deadline = a->deadline == 0 ? UINT64_MAX : a->deadline;
  atomic_fetch_add(&a->done, 1);
  return wf_unit_park(u, deadline) ? WF_UNIT_AWAY : WF_UNIT_AGAIN; /* the mark stays until the next slice */
}

static void act_init(act *a, wf_workers *p, void (*what)(act *)) {
  memset(a, 0, sizeof *a);
  a->what = what;
  wf_unit_init(&a->unit, p, act_run);
}

static void first_deadline(act *a) {
  uint32_t n = atomic_load(&a->done);
  CHECK(n == 0 || a->woke >= a->deadline);
  a->deadline = n < 3 ? a->woke + 1000000 * (1 + (uintptr_t)a % 7) : 0;
}

static void keeps_time(void) {
  enum { N = 50 };
  static act acts[N];
  wf_workers *p = pool_of(2);
  for (int i = 0; i < N; i++) {
    act_init(&acts[i], p, first_deadline);
    poke(&acts[i].unit);
  }
  for (int i = 0; i < N; i++) await(&acts[i].done, 4);
  pool_end(p);
  for (int i = 0; i < N; i++) wf_unit_done(&acts[i].unit);
}

static void pin_first(act *a) {
  if (atomic_load(&a->done) == 0) wf_unit_pin(&a->unit, true);
}

static void stays_where_pinned(void) {
  static act a, noise[16];
  wf_workers *p = pool_of(3);
  act_init(&a, p, pin_first);
  for (int i = 0; i < 16; i++) act_init(&noise[i], p, NULL);
  poke(&a.unit);
  await(&a.done, 1);
  uint32_t home = a.worker;
  for (uint32_t n = 1; n < 500; n++) {
    poke(&noise[n % 16].unit);
    poke(&a.unit);
    await(&a.done, n + 1);
    CHECK(a.worker == home);
  }
  pool_end(p);
  wf_unit_done(&a.unit);
  for (int i = 0; i < 16; i++) wf_unit_done(&noise[i].unit);
}

static void block_at_gate(act *a) {
  CHECK(wf_worker_block() && wf_worker_block()); /* they nest */
  stand_at_gate(a->gate);
  wf_worker_unblock();
  wf_worker_unblock();
}

/* One worker: while it is blocked in units, others run what comes, and what it had in its queue. */
static void is_replaced_while_blocked(void) {
  enum { N = 5 };
  static act blocked[N], other;
  static gate g[N];
  wf_workers *p = pool_of(1);
  for (int i = 0; i < N; i++) {
    g[i] = (gate)GATE;
    act_init(&blocked[i], p, block_at_gate);
    blocked[i].gate = &g[i];
    poke(&blocked[i].unit);
  }
  for (int i = 0; i < N; i++) wait_inside(&g[i]);
  act_init(&other, p, NULL);
  poke(&other.unit);
  await(&other.done, 1);
  uint32_t n = 0, n_blocked = 0;
  wf_worker_facts f;
  for (; wf_workers_facts(n + 1, &f); n++) n_blocked += f.blocked;
  CHECK(n == N + 1 && n_blocked == N);
  for (int i = 0; i < N; i++) open_gate(&g[i]);
  for (int i = 0; i < N; i++) await(&blocked[i].done, 1);
  /* The spare ones are used again, before there are new ones. */
  for (int i = 0; i < N; i++) {
    g[i] = (gate)GATE;
    poke(&blocked[i].unit);
  }
  for (int i = 0; i < N; i++) wait_inside(&g[i]);
  CHECK(!wf_workers_facts(N + 2, &f));
  for (int i = 0; i < N; i++) open_gate(&g[i]);
  for (int i = 0; i < N; i++) await(&blocked[i].done, 2);
  pool_end(p);
  for (int i = 0; i < N; i++) wf_unit_done(&blocked[i].unit);
  wf_unit_done(&other.unit);
}

/* ---- a parker that goes, and its descriptor's number to somebody else's ---- */

static int pair[2];
static wf_watch seen;
static _Atomic uint32_t told;

static void on_told(wf_watch *w, unsigned events) {
  (void)w, (void)events;
  atomic_fetch_add(&told, 1);
}

static void sleep_elsewhere(act *a) {
  (void)a;
  int err;
  wf_parker p;
  wf_loop *loop = wf_worker_loop(&err);
  CHECK(loop != NULL && wf_worker_block());
  wf_parker_init(&p);
  CHECK(wf_worker_sleep(&p, wf_clock_ns() + 1000000) == WF_PARK_TIMEOUT);
  wf_worker_unblock();
  int fd = p.rfd;
  CHECK(fd >= 0);
  wf_parker_destroy(&p);
  CHECK(dup2(pair[0], fd) == fd);
  wf_watch_init(&seen, fd, on_told);
  CHECK(wf_poller_arm(&loop->poller, &seen, WF_IO_READ) == 0);
}

static void sleeps_with_a_parker_that_goes(void) {
  static act a;
  wf_worker_facts f;
  wf_workers *p = pool_of(1);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
  act_init(&a, p, sleep_elsewhere);
  poke(&a.unit);
  await(&a.done, 1);
  while (wf_workers_facts(1, &f) && !f.asleep) sched_yield();
  CHECK(write(pair[1], "x", 1) == 1);
  for (int i = 0; i < 2000 && atomic_load(&told) == 0; i++) usleep(1000);
  CHECK(atomic_load(&told) == 1);
  pool_end(p);
  wf_unit_done(&a.unit);
  close(seen.fd);
  close(pair[0]);
  close(pair[1]);
}

static void keep_at_gate(act *a) { stand_at_gate(a->gate); }

/* As many workers as there are processors, all of them running: not once they sleep, nor when they are blocked or spare. */
static void takes_all_processors(void) {
  enum { MOST = 64 };
  static act acts[2][MOST];
  static gate g[MOST];
  uint32_t cpus = (uint32_t)wf_cpus_at_first();
  if (cpus > MOST) return;
  CHECK(!wf_workers_busy());
  wf_workers *p = pool_of(cpus);
  for (int blocks = 0; blocks < 2; blocks++) {
    act *a = acts[blocks];
    for (uint32_t i = 0; i < cpus; i++) {
      g[i] = (gate)GATE;
      act_init(&a[i], p, blocks ? block_at_gate : keep_at_gate);
      a[i].gate = &g[i];
      poke(&a[i].unit);
    }
    for (uint32_t i = 0; i < cpus; i++) wait_inside(&g[i]);
    if (blocks) {
      while (wf_workers_busy()) sched_yield(); /* until those in their place sleep */
    } else {
      CHECK(wf_workers_busy());
    }
    for (uint32_t i = 0; i < cpus; i++) open_gate(&g[i]);
    for (uint32_t i = 0; i < cpus; i++) await(&a[i].done, 1);
    while (wf_workers_busy()) sched_yield();
  }
  pool_end(p);
  CHECK(!wf_workers_busy());
  for (uint32_t i = 0; i < cpus; i++) wf_unit_done(&acts[0][i].unit), wf_unit_done(&acts[1][i].unit);
}

static void grows_only(void) {
  wf_worker_facts f;
  CHECK(wf_workers_set(3) && wf_workers_count() == 3 && wf_workers_set(2) && wf_workers_count() == 2);
  wf_workers *p = wf_workers_hold(), *again = wf_workers_hold();
  CHECK(p == again && wf_workers_set(1)); /* none has started */
  CHECK(wf_workers_begin(p) == 0 && wf_workers_facts(1, &f) && !wf_workers_facts(2, &f));
  CHECK(wf_workers_set(3) && wf_workers_facts(3, &f) && !wf_workers_facts(4, &f));
  CHECK(!wf_workers_set(2) && wf_workers_set(3) && wf_workers_count() == 3);
  wf_workers_release(again, false);
  CHECK(wf_workers_facts(3, &f));
  pool_end(p);
  CHECK(!wf_workers_facts(1, &f));
  CHECK(wf_workers_set(1));
}

/* ------------------------------------------------------------------------ failures */

static _Atomic long allocations_left;

static void *scarce(void *ud, void *block, size_t size) {
  (void)ud;
  if (size == 0) {
    free(block);
    return NULL;
  }
  if (atomic_fetch_sub(&allocations_left, 1) <= 0) return NULL;
  return realloc(block, size);
}

static void block_in_vain(act *a) {
  CHECK(!wf_worker_block());
  CHECK(wf_worker_self() != 0);
  atomic_store(&allocations_left, LONG_MAX);
  CHECK(wf_worker_block());
  wf_worker_unblock();
  (void)a;
}

static void does_without_memory(void) {
  wf_alloc_set(scarce, NULL);
  CHECK(wf_workers_set(1));
  bool done = false;
  for (long n = 0; !done; n++) {
    atomic_store(&allocations_left, n);
    wf_workers *p = wf_workers_hold();
    if (p == NULL) continue;
    done = wf_workers_begin(p) == 0;
    pool_end(p);
    CHECK(n < 100);
  }
  atomic_store(&allocations_left, LONG_MAX);
  wf_workers *p = pool_of(1);
  static act a;
  act_init(&a, p, block_in_vain);
  atomic_store(&allocations_left, 0);
  poke(&a.unit);
  await(&a.done, 1);
  pool_end(p);
  wf_unit_done(&a.unit);
  wf_alloc_set(NULL, NULL);
}

/* No room for a stack: no thread. In a process that has had none, or its stack would be used again. */
static void does_without_threads(void) {
  if (SANITIZED) return; /* they want room of their own */
  tasks_at_first = 1;
  struct rlimit lim, few;
  getrlimit(RLIMIT_AS, &lim);
  wf_workers_set(4);
  wf_workers *p = wf_workers_hold();
  few = lim;
  few.rlim_cur = 1 << 20;
  setrlimit(RLIMIT_AS, &few);
  CHECK(wf_workers_begin(p) == EAGAIN);
  setrlimit(RLIMIT_AS, &lim);
  CHECK(wf_workers_begin(p) == 0);
  static act a;
  act_init(&a, p, NULL);
  poke(&a.unit);
  await(&a.done, 1);
  pool_end(p);
  wf_unit_done(&a.unit);
}

/* ------------------------------------------------------------------------ the end */

static void stand(act *a) { stand_at_gate(a->gate); }

static atomic_long blocks;

static void *counted(void *ud, void *block, size_t size) {
  (void)ud;
  if (size == 0) {
    atomic_fetch_sub(&blocks, 1);
    free(block);
    return NULL;
  }
  if (block == NULL) atomic_fetch_add(&blocks, 1);
  return realloc(block, size);
}

/* The pool that was left behind goes with the last of its workers and units. */
static void ends_with_a_stuck_unit(void) {
  wf_alloc_set(counted, NULL);
  static act a, left;
  static gate g = GATE;
  wf_workers *p = pool_of(2);
  act_init(&a, p, stand);
  a.gate = &g;
  poke(&a.unit);
  wait_inside(&g);
  act_init(&left, p, NULL); /* parked, never run */
  wf_workers_release(p, true);
  poke(&left.unit); /* whom nobody serves any more */
  wf_workers *next = pool_of(2);
  CHECK(next != p);
  static act b;
  act_init(&b, next, NULL);
  poke(&b.unit);
  await(&b.done, 1);
  open_gate(&g);
  await(&a.done, 1);
  wf_workers_release(next, false);
  wf_unit_done(&b.unit);
  wait_for_no_tasks(); /* the stuck one has ended by itself */
  CHECK(atomic_load(&blocks) > 0);
  wf_unit_done(&a.unit);
  wf_unit_done(&left.unit);
  CHECK(atomic_load(&blocks) == 0);
}

/* A worker blocks while the pool stops: no further one may start then. */
static void ends_while_units_block(void) {
  for (int round = 0; round < (SANITIZED ? 20 : 200); round++) {
    static act a;
    static gate g;
    g = (gate)GATE;
    wf_workers *p = pool_of(1);
    act_init(&a, p, block_at_gate);
    a.gate = &g;
    open_gate(&g);
    poke(&a.unit);
    if (round % 2 == 0) wait_inside(&g);
    pool_end(p);
    CHECK(atomic_load(&a.done) <= 1);
    wf_unit_done(&a.unit);
  }
}

int main(void) {
  in_a_child(does_without_threads);
  count_first_tasks();
  alarm(SANITIZED ? 300 : 100);
  static const struct {
    const char *name;
    void (*test)(void);
  } tests[] = {{"keeps time", keeps_time},
               {"stays where pinned", stays_where_pinned},
               {"is replaced while blocked", is_replaced_while_blocked},
               {"sleeps with a parker that goes", sleeps_with_a_parker_that_goes},
               {"takes all processors", takes_all_processors},
               {"grows only", grows_only},
               {"does without memory", does_without_memory},
               {"ends while units block", ends_while_units_block},
               {"storms", storms}};
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    int before = failures;
    tests[i].test();
    if (failures != before) printf("FAILED %s\n", tests[i].name);
  }
  in_a_child(ends_with_a_stuck_unit);
  return failures != 0;
}
