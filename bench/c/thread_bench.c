/*
** thread_bench.c: what a dedicated thread and the parker cost, beside pthreads.
**
** Threads: the median of start + join in microseconds; where both threads have a
** CPU of their own most of it is the waking of a halted one. The subjects take
** turns, a hundred runs each. Parker: nanoseconds of a wake that finds the carrier
** awake, and of a round trip of two carriers that sleep each time, by either way.
*/
#include "bench.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "lx/lean.h"
#include "sys/parker.h"
#include "sys/thread.h"

enum { ROUNDS = 2000, TURN = 100, TRIPS = 20000, AWAKE = 5000000 };

/* ----------------------------------------------------------------- threads */

static void nothing(void *arg) { (void)arg; }

static void *nothing_posix(void *arg) { return arg; }

static void lean_state(void *arg) {
  (void)arg;
  lua_State *L = wf_state_open(NULL);
  if (!L) abort();
  wf_state_close(L);
}

static void *bare_state_posix(void *arg) {
  lua_State *L = luaL_newstate();
  if (!L) abort();
  lua_close(L);
  return arg;
}

static void *all_libraries_posix(void *arg) {
  lua_State *L = luaL_newstate();
  if (!L) abort();
  luaL_openlibs(L);
  lua_close(L);
  return arg;
}

static void wakes_parent(void *arg) { wf_parker_wake(arg); }

static void posix(void *(*f)(void *)) {
  pthread_t t;
  if (pthread_create(&t, NULL, f, NULL) != 0) abort();
  pthread_join(t, NULL);
}

static wf_thread *start(const wf_thread_opts *o, void (*f)(void *), void *arg) {
  wf_thread *t;
  const char *what;
  if (wf_thread_start(&t, o, f, arg, &what) != 0) abort();
  return t;
}

static void run_posix(void) { posix(nothing_posix); }
static void run_posix_bare(void) { posix(bare_state_posix); }
static void run_posix_all(void) { posix(all_libraries_posix); }
static void run_weft(void) { wf_thread_join(start(NULL, nothing, NULL)); }
static void run_weft_lean(void) { wf_thread_join(start(NULL, lean_state, NULL)); }
static void run_weft_named(void) { wf_thread_join(start(&(wf_thread_opts){.name = "bench"}, nothing, NULL)); }
static void run_weft_nice(void) { wf_thread_join(start(&(wf_thread_opts){.has_nice = true, .nice = 1}, nothing, NULL)); }

/* The joiner sleeps in its parker, as an isolate does, and joins what has ended. */
static void run_weft_parked(void) {
  wf_parker p;
  wf_parker_init(&p);
  wf_thread *t = start(NULL, wakes_parent, &p);
  while (wf_parker_wait(&p, -1, WF_PARK_FOREVER) != WF_PARK_WOKEN) {
  }
  wf_thread_join(t);
  wf_parker_destroy(&p);
}

static const struct subject {
  const char *name;
  void (*run)(void);
} subjects[] = {
  {"pthread", run_posix},
  {"pthread + luaL_newstate", run_posix_bare},
  {"pthread + luaL_openlibs", run_posix_all},
  {"wf_thread", run_weft},
  {"wf_thread + lean state", run_weft_lean},
  {"wf_thread, parent parked", run_weft_parked},
  {"wf_thread, named", run_weft_named},
  {"wf_thread, nice", run_weft_nice},
};

enum { SUBJECTS = sizeof subjects / sizeof *subjects };

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void threads(void) {
  static double took[SUBJECTS][ROUNDS];
  for (int i = 0; i < ROUNDS; i += TURN)
    for (int s = 0; s < SUBJECTS; s++)
      for (int k = i; k < i + TURN; k++) {
        double t = now_ns();
        subjects[s].run();
        took[s][k] = now_ns() - t;
      }
  for (int s = 0; s < SUBJECTS; s++) {
    qsort(took[s], ROUNDS, sizeof(double), by_value);
    printf("%-26s p10 %6.1f  p50 %6.1f us\n", subjects[s].name, took[s][ROUNDS / 10] / 1e3, took[s][ROUNDS / 2] / 1e3);
  }
}

/* ------------------------------------------------------------------ parker */

typedef struct court {
  wf_parker side[2];
  int extra;
} court;

static void play(court *c, int me) {
  for (int i = 0; i < TRIPS; i++) {
    if (me == 0) wf_parker_wake(&c->side[1]);
    while (wf_parker_wait(&c->side[me], c->extra, WF_PARK_FOREVER) != WF_PARK_WOKEN) {
    }
    if (me == 1) wf_parker_wake(&c->side[0]);
  }
}

static void play_other(void *arg) { play(arg, 1); }

static void round_trip(const char *name, int extra) {
  court c = {.extra = extra};
  wf_parker_init(&c.side[0]);
  wf_parker_init(&c.side[1]);
  wf_thread *t = start(NULL, play_other, &c);
  double began = now_ns();
  play(&c, 0);
  double took = now_ns() - began;
  wf_thread_join(t);
  wf_parker_destroy(&c.side[0]);
  wf_parker_destroy(&c.side[1]);
  printf("%-26s %8.0f ns\n", name, took / TRIPS);
}

static void parker(void) {
  wf_parker p;
  wf_parker_init(&p);
  double t = now_ns();
  for (int i = 0; i < AWAKE; i++) wf_parker_wake(&p);
  printf("%-26s %8.1f ns\n", "wake, carrier awake", (now_ns() - t) / AWAKE);
  wf_parker_destroy(&p);
  int silent[2];
  if (pipe(silent) != 0) abort();
  round_trip("round trip, futex", -1);
  round_trip("round trip, ppoll", silent[0]);
}

int main(void) {
  threads();
  parker();
  return 0;
}
