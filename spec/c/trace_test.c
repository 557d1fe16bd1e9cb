/*
 * trace_test.c: the trace's rings: what is recorded, what is lost, and snapshots of running writers.
 *
 * The concurrent part is made for ThreadSanitizer and for tears: every record's words are derived from
 * one counter, so that a mixed record shows, and a snapshot must hold an unbroken row of them.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "rt/trace.h"

static int failures;

#define CHECK(cond, ...)                                \
  do {                                                  \
    if (!(cond)) {                                      \
      printf("%s:%d: %s: ", __FILE__, __LINE__, #cond); \
      printf(__VA_ARGS__);                              \
      printf("\n");                                     \
      failures++;                                       \
    }                                                   \
  } while (0)

static wf_trace_shot stopped(void) {
  wf_trace_shot shot;
  int error = wf_trace_stop(&shot);
  CHECK(error == 0, "%d", error);
  return shot;
}

static const char *text_of(const wf_trace_shot *shot, enum wf_trace_ev ev, uint64_t id) {
  for (size_t i = 0; i < shot->ntexts; i++)
    if (shot->texts[i].ev == ev && shot->texts[i].id == id) return shot->texts[i].text;
  return "(none)";
}

static void test_misuse(void) {
  wf_trace_shot shot;
  CHECK(wf_trace_on() == 0, "on at birth");
  CHECK(wf_trace_stop(&shot) == EINVAL && shot.events == NULL, "stop without start");
  CHECK(wf_trace_snapshot(&shot) == EINVAL && shot.events == NULL, "snapshot without start");
  CHECK(wf_trace_start(SIZE_MAX) == EINVAL && wf_trace_on() == 0, "endless capacity");
  CHECK(wf_trace_start(0) == 0, "start");
  uint32_t number = wf_trace_on();
  CHECK(number != 0, "off after start");
  CHECK(wf_trace_start(0) == EBUSY && wf_trace_on() == number, "nested start");
  CHECK(wf_trace_stop(NULL) == 0 && wf_trace_on() == 0, "stop");
  CHECK(wf_trace_start(0) == 0 && wf_trace_on() != number, "the next trace has a number of its own");
  CHECK(wf_trace_stop(NULL) == 0, "stop");
}

static void test_events(void) {
  wf_trace(WF_TRACE_RUN, WF_WHY_NONE, 1, 99, 0); /* off: not recorded */
  CHECK(wf_trace_start(0) == 0, "start");
  wf_trace(WF_TRACE_LIVE, WF_WHY_MAIN, 1, 1, 0);
  wf_trace(WF_TRACE_RUN, WF_WHY_NONE, 1, 1, 0);
  wf_trace(WF_TRACE_NEW, WF_WHY_TASK, 0xFFFFFFFFu, UINT64_MAX, 1);
  wf_trace_name(1, UINT64_MAX, "worker");
  wf_trace_label(0x1000, "channel jobs");
  wf_trace_mark("here");
  wf_trace(WF_TRACE_STOP, WF_WHY_RECV, 1, 1, 0x1000);
  wf_trace_shot early;
  CHECK(wf_trace_snapshot(&early) == 0, "snapshot");
  wf_trace(WF_TRACE_READY, WF_WHY_NONE, 1, 1, UINT64_MAX);
  wf_trace_shot shot = stopped();

  static const wf_trace_event expected[] = {
      {.ev = WF_TRACE_LIVE, .why = WF_WHY_MAIN, .iso = 1, .task = 1},
      {.ev = WF_TRACE_RUN, .iso = 1, .task = 1},
      {.ev = WF_TRACE_NEW, .why = WF_WHY_TASK, .iso = 0xFFFFFFFFu, .task = UINT64_MAX, .arg = 1},
      {.ev = WF_TRACE_MARK, .arg = 2},
      {.ev = WF_TRACE_STOP, .why = WF_WHY_RECV, .iso = 1, .task = 1, .arg = 0x1000},
      {.ev = WF_TRACE_READY, .iso = 1, .task = 1, .arg = UINT64_MAX},
  };
  size_t n = sizeof expected / sizeof *expected;
  CHECK(early.nevents == n - 1, "%zu events before the snapshot", early.nevents);
  CHECK(shot.nevents == n, "%zu events", shot.nevents);
  uint64_t latest = 0;
  for (size_t i = 0; i < n && i < shot.nevents; i++) {
    const wf_trace_event *e = &shot.events[i], *x = &expected[i];
    CHECK(e->ev == x->ev && e->why == x->why && e->iso == x->iso && e->task == x->task && e->arg == x->arg,
          "event %zu is ev %d why %d", i, e->ev, e->why);
    CHECK(e->time >= latest && e->time <= shot.wall_ns, "event %zu out of time", i);
    latest = e->time;
  }
  CHECK(strcmp(text_of(&shot, WF_TRACE_NAME, UINT64_MAX), "worker") == 0, "name");
  CHECK(strcmp(text_of(&shot, WF_TRACE_LABEL, 0x1000), "channel jobs") == 0, "label");
  CHECK(shot.ntexts == 3 && strcmp(shot.texts[2].text, "here") == 0, "mark");
  CHECK(shot.nthreads == 1 && shot.lost == 0 && shot.threads[0].tid != 0, "threads");
  CHECK(shot.start_ns != 0 && early.start_ns == shot.start_ns && early.wall_ns <= shot.wall_ns, "wall");
  CHECK(early.cpu_ns <= shot.cpu_ns, "cpu");
  wf_trace_shot_free(&early);
  wf_trace_shot_free(&shot);
  CHECK(shot.events == NULL && shot.nevents == 0, "freed");
  wf_trace_shot_free(&shot); /* harmless */
}

/* An event at the time of the one before; the first of a trace has a time of its own. */
static void test_then(void) {
  wf_trace_then(WF_TRACE_RUN, WF_WHY_NONE, 1, 1, 0); /* off */
  for (int i = 0; i < 2; i++) {
    CHECK(wf_trace_start(0) == 0, "start");
    wf_trace_then(WF_TRACE_RUN, WF_WHY_NONE, 1, 1, 0);
    wf_trace(WF_TRACE_STOP, WF_WHY_RECV, 1, 1, 7);
    wf_trace_then(WF_TRACE_RUN, WF_WHY_NONE, 1, 2, 0);
    wf_trace(WF_TRACE_STOP, WF_WHY_RECV, 1, 2, 7);
    wf_trace_shot shot = stopped();
    const wf_trace_event *e = shot.events;
    CHECK(shot.nevents == 4, "%zu events", shot.nevents);
    CHECK(e[1].time == e[2].time && e[2].task == 2, "not the same time");
    CHECK(e[0].time > 0 && e[0].time <= e[1].time && e[2].time <= e[3].time && e[3].time <= shot.wall_ns, "out of time");
    wf_trace_shot_free(&shot);
  }
}

static void test_texts(void) {
  CHECK(wf_trace_start(0) == 0, "start");
  wf_trace_name(1, 1, "exactly twenty-three by");
  wf_trace_name(1, 2, "longer than the twenty-three bytes");
  wf_trace_name(1, 3, "eleven byte\xc3\xa9, and then \xc3\xa9""e seven"); /* neither é fits */
  wf_trace_name(1, 4, "");
  wf_trace_name(1, 5, "first");
  wf_trace_name(1, 5, "second");
  wf_trace_shot shot = stopped();
  CHECK(strcmp(text_of(&shot, WF_TRACE_NAME, 1), "exactly twenty-three by") == 0, "whole");
  CHECK(strcmp(text_of(&shot, WF_TRACE_NAME, 2), "longer than \u2026ee bytes") == 0, "shortened");
  CHECK(strcmp(text_of(&shot, WF_TRACE_NAME, 3), "eleven byte\u2026e seven") == 0, "cut between characters");
  CHECK(strcmp(text_of(&shot, WF_TRACE_NAME, 4), "") == 0, "empty");
  CHECK(shot.ntexts == 6 && strcmp(shot.texts[5].text, "second") == 0, "renamed: the last counts");
  wf_trace_shot_free(&shot);
}

static void test_overflow(void) {
  CHECK(wf_trace_start(64) == 0, "start");
  wf_trace(WF_TRACE_NEW, WF_WHY_TASK, 1, 7, 0);
  wf_trace_name(1, 7, "survivor");
  for (uint64_t i = 0; i < 1000; i++) wf_trace(WF_TRACE_STOP, WF_WHY_YIELD, 1, 7, i);
  wf_trace_shot shot = stopped();
  CHECK(shot.nevents == 64 && shot.events[0].ev == WF_TRACE_NEW, "%zu events", shot.nevents);
  CHECK(shot.lost == 1000 - 63 && shot.threads[0].lost == shot.lost, "%llu lost", (unsigned long long)shot.lost);
  for (size_t i = 1; i < shot.nevents; i++)
    CHECK(shot.events[i].arg == 1000 - 64 + i, "the newest are kept: %zu", i);
  CHECK(strcmp(text_of(&shot, WF_TRACE_NAME, 7), "survivor") == 0, "a flood of moves drops no name");
  wf_trace_shot_free(&shot);
}

/* An allocator that fails at its n-th call, for ever after or only once, and counts its blocks. Used
 * while no other thread runs. */
static struct {
  int calls, fail_at;
  bool once, failed;
  int blocks;
} scarce;

static void *scarce_alloc(void *ud, void *block, size_t size) {
  (void)ud;
  if (size == 0) {
    scarce.blocks -= block != NULL;
    free(block);
    return NULL;
  }
  scarce.calls++;
  if (scarce.once ? scarce.calls == scarce.fail_at : scarce.calls >= scarce.fail_at) {
    scarce.failed = true;
    return NULL;
  }
  scarce.blocks += block == NULL;
  return realloc(block, size);
}

/* Records while memory is short: nothing breaks, nothing is kept, what is missing is counted. */
static void record_scarcely(void) {
  enum { MOVES = 10, NAMES = 100 };
  CHECK(wf_trace_start(128) == 0, "start");
  for (uint64_t i = 0; i < MOVES; i++) wf_trace(WF_TRACE_RUN, WF_WHY_NONE, 1, i, 0);
  for (uint64_t i = 0; i < NAMES; i++) wf_trace_name(1, i, "somebody");
  wf_trace_shot early, shot;
  if (wf_trace_snapshot(&early) == 0) wf_trace_shot_free(&early);
  int error = wf_trace_stop(&shot);
  CHECK(wf_trace_on() == 0, "still on");
  if (error == 0)
    CHECK(shot.nevents + shot.ntexts + shot.lost == MOVES + NAMES, "%zu %zu", shot.nevents, shot.ntexts);
  else
    CHECK(error == ENOMEM && shot.events == NULL && shot.texts == NULL && shot.threads == NULL, "%d", error);
  wf_trace_shot_free(&shot);
  CHECK(scarce.blocks == 0, "%d blocks left at failure %d", scarce.blocks, scarce.fail_at);
}

static void test_no_memory(void) {
  wf_alloc_set(scarce_alloc, NULL);
  for (int once = 0; once < 2; once++) {
    int n = 0;
    do {
      scarce.calls = 0;
      scarce.fail_at = ++n;
      scarce.once = once;
      scarce.failed = false;
      record_scarcely();
    } while (scarce.failed);
    CHECK(n > 10, "only %d allocations seen", n);
  }
  wf_alloc_set(NULL, NULL);
}

/* ---- Threads ---- */

static void *record_three(void *name) {
  wf_trace_thread_name(name);
  for (uint64_t i = 0; i < 3; i++) wf_trace(WF_TRACE_STOP, WF_WHY_YIELD, 2, 5, i);
  wf_trace_name(2, 5, name);
  return NULL;
}

static void run(void *(*f)(void *), void *arg) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, f, arg) != 0) {
    printf("no thread\n");
    exit(1);
  }
  pthread_join(thread, NULL);
}

static void test_ended_threads(void) {
  static char first[] = "first", second[] = "second";
  CHECK(wf_trace_start(0) == 0, "start");
  wf_trace(WF_TRACE_RUN, WF_WHY_NONE, 1, 1, 0);
  run(record_three, first);
  run(record_three, second);
  wf_trace_shot shot = stopped();
  CHECK(shot.nevents == 7 && shot.nthreads == 3, "%zu events of %zu threads", shot.nevents, shot.nthreads);
  if (shot.nthreads == 3) {
    CHECK(!shot.threads[0].ended && shot.threads[1].ended && shot.threads[2].ended, "ended");
    CHECK(strcmp(shot.threads[1].name, "first") == 0 && strcmp(shot.threads[2].name, "second") == 0, "names");
    CHECK(shot.threads[0].tid != shot.threads[1].tid, "identities");
  }
  for (size_t i = 1; i < shot.nevents; i++)
    CHECK(shot.events[i].thread == (i - 1) / 3 + 1 && shot.events[i].arg == (i - 1) % 3, "order: %zu", i);
  wf_trace_shot_free(&shot);
  CHECK(wf_trace_start(0) == 0, "start");
  shot = stopped();
  CHECK(shot.nevents == 0 && shot.nthreads == 0, "nothing of the trace before");
  wf_trace_shot_free(&shot);
}

/* A thread that lives through several traces, with rings of different sizes, and ends outside one. */
static struct {
  pthread_barrier_t step;
  int steps;
} relay = {.steps = 4};

static void *record_each_step(void *p) {
  (void)p;
  for (int i = 0; i < relay.steps; i++) {
    pthread_barrier_wait(&relay.step);
    wf_trace(WF_TRACE_RUN, WF_WHY_NONE, 3, (uint64_t)i, 0);
    pthread_barrier_wait(&relay.step);
  }
  return NULL;
}

static void test_long_lived_thread(void) {
  static const size_t capacity[] = {64, 64, 4096, 16};
  pthread_barrier_init(&relay.step, NULL, 2);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, record_each_step, NULL) == 0, "no thread");
  for (int i = 0; i < relay.steps; i++) {
    CHECK(wf_trace_start(capacity[i]) == 0, "start");
    pthread_barrier_wait(&relay.step);
    pthread_barrier_wait(&relay.step);
    wf_trace_shot shot = stopped();
    CHECK(shot.nevents == 1 && shot.events[0].task == (uint64_t)i, "trace %d: %zu events", i, shot.nevents);
    wf_trace_shot_free(&shot);
  }
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&relay.step);
}

/* ---- Writers and snapshots at once ---- */

enum { WRITERS = 3, SNAPSHOTS = 60, SMALL = 512 };

/* Set by the reader, read by the writers; relaxed, for it only ends a loop. */
static _Atomic(int) writers_stop;
/* How many writers have begun; relaxed, the reader only waits for it to be complete. */
static _Atomic(int) writers_on;

static uint64_t mixed(uint64_t k) { return k * UINT64_C(0x9e3779b97f4a7c15); }

static void *write_on(void *p) {
  uint32_t me = (uint32_t)(uintptr_t)p;
  for (uint64_t k = 1; !atomic_load_explicit(&writers_stop, memory_order_relaxed); k++) {
    wf_trace(k % 8 == 0 ? WF_TRACE_NEW : WF_TRACE_STOP, WF_WHY_YIELD, me, k, mixed(k));
    if (k % 16 == 0) wf_trace_name(me, k, "0123456789abcdefghijklm");
    if (k == 1) atomic_fetch_add_explicit(&writers_on, 1, memory_order_relaxed);
    if (k % 64 == 0) sched_yield(); /* with fewer cores than writers, let the reader cut in */
  }
  return NULL;
}

static void check_shot(const wf_trace_shot *shot, uint64_t *furthest) {
  uint64_t latest[WRITERS + 1][2] = {{0}}, time = 0;
  size_t torn = 0, gaps = 0, backwards = 0, texts = 0;
  for (size_t i = 0; i < shot->nevents; i++) {
    const wf_trace_event *e = &shot->events[i];
    bool fact = e->ev == WF_TRACE_NEW;
    if (e->iso < 1 || e->iso > WRITERS || e->arg != mixed(e->task) || fact != (e->task % 8 == 0)) {
      torn++;
      continue;
    }
    uint64_t *before = &latest[e->iso][fact];
    /* moves are every number but each eighth, facts each eighth */
    uint64_t follows = fact ? *before + 8 : *before + 1 + ((*before + 1) % 8 == 0);
    if (*before != 0 && e->task != follows) gaps++;
    *before = e->task;
    if (e->time < time) backwards++;
    time = e->time;
  }
  for (size_t i = 0; i < shot->ntexts; i++)
    if (strcmp(shot->texts[i].text, "0123456789abcdefghijklm") != 0 || shot->texts[i].id % 16 != 0) texts++;
  CHECK(torn == 0 && gaps == 0 && backwards == 0 && texts == 0,
        "%zu torn, %zu gaps, %zu backwards, %zu texts of %zu events", torn, gaps, backwards, texts, shot->nevents);
  for (int w = 1; w <= WRITERS; w++) {
    uint64_t last = latest[w][0] > latest[w][1] ? latest[w][0] : latest[w][1];
    if (last == 0) continue; /* the writer lapped the reader in both lanes: all lost, and told so */
    CHECK(last >= furthest[w], "writer %d: a later snapshot ends earlier", w);
    furthest[w] = last;
  }
}

static void test_concurrent(size_t capacity) {
  uint64_t furthest[WRITERS + 1] = {0};
  pthread_t threads[WRITERS];
  atomic_store(&writers_stop, 0);
  atomic_store(&writers_on, 0);
  CHECK(wf_trace_start(capacity) == 0, "start");
  for (size_t i = 0; i < WRITERS; i++)
    CHECK(pthread_create(&threads[i], NULL, write_on, (void *)(uintptr_t)(i + 1)) == 0, "no thread");
  while (atomic_load_explicit(&writers_on, memory_order_relaxed) < WRITERS) sched_yield();
  for (int i = 0; i < SNAPSHOTS; i++) {
    wf_trace_shot shot;
    CHECK(wf_trace_snapshot(&shot) == 0, "snapshot");
    check_shot(&shot, furthest);
    wf_trace_shot_free(&shot);
    sched_yield();
  }
  wf_trace_shot shot = stopped(); /* while the writers go on */
  check_shot(&shot, furthest);
  CHECK(shot.nevents > 0, "nothing recorded");
  wf_trace_shot_free(&shot);
  /* Start and stop over and over, so that writers renew their rings in the middle of their work. */
  for (int i = 0; i < 20; i++) {
    CHECK(wf_trace_start(i % 2 ? SMALL : 64) == 0, "start");
    sched_yield();
    shot = stopped();
    uint64_t none[WRITERS + 1] = {0};
    check_shot(&shot, none);
    wf_trace_shot_free(&shot);
  }
  atomic_store(&writers_stop, 1);
  for (size_t i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
}

int main(void) {
  test_misuse();
  test_events();
  test_then();
  test_texts();
  test_overflow();
  test_no_memory();
  test_ended_threads();
  test_long_lived_thread();
  test_concurrent(SMALL);
  test_concurrent(16 * 1024);
  return failures != 0;
}
