/*
** The parker against the kernel: each way out of the wait, then storms in which
** one lost wake hangs the test (the watchdog names the storm).
**
**   parker_test [N]   N wakes in each storm instead of the default
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "sys/parker.h"

static const char *volatile phase = "start"; /* for the watchdog */

#define MS UINT64_C(1000000)

static void on_alarm(int sig) {
  (void)sig;
  static const char said[] = "hang in: ";
  if (write(1, said, sizeof said - 1) < 0 || write(1, (const char *)phase, strlen((const char *)phase)) < 0) _exit(2);
  _exit(1);
}

static void start(const char *name) {
  phase = name;
  alarm(300);
}

static uint64_t random_next(uint64_t *s) {
  *s = *s * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return *s >> 33;
}

/* A moment of random length, to meet the other thread everywhere. */
static void dawdle(uint64_t *rng) {
  for (uint64_t spin = random_next(rng) % 40000; spin > 0; spin--) __asm__ volatile("");
}

static int pipe_end[2];

static pthread_t thread(void *(*f)(void *), void *arg) {
  pthread_t t;
  if (pthread_create(&t, NULL, f, arg) != 0) exit(2);
  return t;
}

/* The two ways of sleeping: in a futex (-1), in ppoll beside a silent pipe. */
static int extra_of(int way) { return way == 0 ? -1 : pipe_end[0]; }

static void plain_ways(int way) {
  wf_parker p;
  wf_parker_init(&p);
  int extra = extra_of(way);
  CHECK(wf_parker_wait(&p, extra, 0) == WF_PARK_TIMEOUT);
  uint64_t at = wf_clock_ns() + 2 * MS;
  CHECK(wf_parker_wait(&p, extra, at) == WF_PARK_TIMEOUT);
  CHECK(wf_clock_ns() >= at);
  wf_parker_wake(&p);
  wf_parker_wake(&p);
  CHECK(wf_parker_wait(&p, extra, WF_PARK_FOREVER) == WF_PARK_WOKEN);
  CHECK(!wf_parker_take(&p));
  CHECK(wf_parker_wait(&p, extra, wf_clock_ns() + MS) == WF_PARK_TIMEOUT);
  wf_parker_wake(&p);
  CHECK(wf_parker_take(&p) && !wf_parker_take(&p));
  wf_parker_wake(&p);
  CHECK(wf_parker_spin(&p, 0) && !wf_parker_spin(&p, 1000));
  /* A notification wins, even over a deadline that has passed. */
  wf_parker_wake(&p);
  CHECK(wf_parker_wait(&p, extra, 0) == WF_PARK_WOKEN);
  wf_parker_destroy(&p);
}

static void beside_a_descriptor(void) {
  start("extra descriptor");
  wf_parker p;
  wf_parker_init(&p);
  int two[2];
  CHECK(pipe(two) == 0 && write(two[1], "x", 1) == 1);
  CHECK(wf_parker_wait(&p, two[0], WF_PARK_FOREVER) == WF_PARK_FD);
  CHECK(wf_parker_wait(&p, two[0], 0) == WF_PARK_FD);
  wf_parker_wake(&p);
  CHECK(wf_parker_wait(&p, two[0], WF_PARK_FOREVER) == WF_PARK_WOKEN);
  char c;
  CHECK(read(two[0], &c, 1) == 1);
  CHECK(wf_parker_wait(&p, two[0], wf_clock_ns() + MS) == WF_PARK_TIMEOUT);
  close(two[1]);
  CHECK(wf_parker_wait(&p, two[0], WF_PARK_FOREVER) == WF_PARK_FD);
  close(two[0]);
  CHECK(wf_parker_wait(&p, two[0], WF_PARK_FOREVER) == WF_PARK_FD); /* not open: told, not slept on */
  CHECK(p.rfd > 2 && (fcntl(p.rfd, F_GETFD) & FD_CLOEXEC));
  int fd = p.rfd;
  wf_parker_destroy(&p);
  CHECK(fcntl(fd, F_GETFD) == -1);
}

/* ---------------------------------------------------------------- signals */

static volatile sig_atomic_t signals;
static void on_usr1(int sig) {
  (void)sig;
  signals++;
}

typedef struct sender {
  pthread_t to;
  _Atomic int done;
} sender;

static void *send_until_done(void *arg) {
  sender *s = arg;
  while (!s->done) {
    pthread_kill(s->to, SIGUSR1);
    sched_yield();
  }
  return NULL;
}

static void a_signal_shows(int way, bool restart) {
  struct sigaction sa = {.sa_handler = on_usr1, .sa_flags = restart ? SA_RESTART : 0};
  sigaction(SIGUSR1, &sa, NULL);
  wf_parker p;
  wf_parker_init(&p);
  sender s = {.to = pthread_self()};
  pthread_t t = thread(send_until_done, &s);
  CHECK(wf_parker_wait(&p, extra_of(way), WF_PARK_FOREVER) == WF_PARK_EINTR);
  CHECK(wf_parker_wait(&p, extra_of(way), wf_clock_ns() + 3600000 * MS) == WF_PARK_EINTR);
  s.done = 1;
  pthread_join(t, NULL);
  wf_parker_destroy(&p);
}

typedef struct shooter {
  pthread_t to;
  _Atomic int round, rounds;
} shooter;

/* One signal a round, at any moment of the other's way into its sleep. */
static void *shoot_once_a_round(void *arg) {
  shooter *s = arg;
  uint64_t rng = 7;
  for (int i = 1; i <= s->rounds; i++) {
    while (s->round < i) sched_yield();
    dawdle(&rng);
    pthread_kill(s->to, SIGUSR1);
  }
  return NULL;
}

/* Takes its time between its look and the sleep: the gap, opened wide. */
static bool signal_seen(void *ud) {
  static uint64_t rng = 9;
  bool seen = signals != *(int *)ud;
  dawdle(&rng);
  return seen;
}

static void no_signal_falls_in_the_gap(int rounds) {
  start("one signal a round");
  wf_parker p;
  wf_parker_init(&p);
  int known = signals;
  p.interrupted = signal_seen;
  p.ud = &known;
  shooter s = {.to = pthread_self(), .rounds = rounds};
  pthread_t t = thread(shoot_once_a_round, &s);
  for (int i = 1; i <= rounds; i++) {
    known = signals;
    s.round = i;
    while (signals == known) CHECK(wf_parker_wait(&p, -1, WF_PARK_FOREVER) == WF_PARK_EINTR);
  }
  pthread_join(t, NULL);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  CHECK(!sigismember(&mask, SIGUSR1)); /* the mask is the caller's again */
  wf_parker_destroy(&p);
}

/* ----------------------------------------------------------------- storms */

typedef struct court {
  wf_parker side[2];
  _Atomic int ball; /* whose turn */
  int hits, extra[2];
  bool timed;
} court;

static void play(court *c, int me, uint64_t rng) {
  for (int i = 0; i < c->hits; i++) {
    while (atomic_load_explicit(&c->ball, memory_order_acquire) != me) {
      uint64_t deadline = WF_PARK_FOREVER;
      if (c->timed && (random_next(&rng) & 1)) deadline = wf_clock_ns() + random_next(&rng) % 30000;
      int r = wf_parker_wait(&c->side[me], c->extra[me], deadline);
      CHECK(r == WF_PARK_WOKEN || (r == WF_PARK_TIMEOUT && deadline != WF_PARK_FOREVER));
    }
    atomic_store_explicit(&c->ball, !me, memory_order_release);
    wf_parker_wake(&c->side[!me]);
  }
}

static void *play_other(void *arg) {
  play(arg, 1, 11);
  return NULL;
}

static void ping_pong(int hits, int way0, int way1, bool timed) {
  court c = {.hits = hits, .extra = {extra_of(way0), extra_of(way1)}, .timed = timed};
  for (int i = 0; i < 2; i++) wf_parker_init(&c.side[i]);
  pthread_t t = thread(play_other, &c);
  play(&c, 0, 5);
  pthread_join(t, NULL);
  for (int i = 0; i < 2; i++) wf_parker_destroy(&c.side[i]);
}

enum { CROWD = 4 };

typedef struct crowd {
  wf_parker p;
  _Atomic uint64_t made[CROWD];
  _Atomic int next;
  uint64_t each;
} crowd;

static void *make_and_wake(void *arg) {
  crowd *c = arg;
  int me = c->next++;
  uint64_t rng = (uint64_t)me;
  for (uint64_t i = 1; i <= c->each; i++) {
    atomic_store_explicit(&c->made[me], i, memory_order_release);
    wf_parker_wake(&c->p);
    if (random_next(&rng) % 8 == 0) sched_yield();
  }
  return NULL;
}

static void many_wakers(uint64_t each, int way) {
  crowd c = {.each = each};
  wf_parker_init(&c.p);
  pthread_t t[CROWD];
  for (int i = 0; i < CROWD; i++) t[i] = thread(make_and_wake, &c);
  for (;;) {
    uint64_t sum = 0;
    for (int i = 0; i < CROWD; i++) sum += atomic_load_explicit(&c.made[i], memory_order_acquire);
    if (sum == CROWD * each) break;
    CHECK(wf_parker_wait(&c.p, extra_of(way), WF_PARK_FOREVER) == WF_PARK_WOKEN);
  }
  for (int i = 0; i < CROWD; i++) pthread_join(t[i], NULL);
  wf_parker_destroy(&c.p);
}

typedef struct prey {
  _Atomic(wf_parker *) p;
  _Atomic int rounds;
} prey;

static void *wake_the_doomed(void *arg) {
  prey *x = arg;
  for (int i = 0; i < x->rounds; i++) {
    wf_parker *p;
    while (!(p = atomic_exchange(&x->p, NULL))) sched_yield();
    wf_parker_wake(p);
  }
  return NULL;
}

/*
** The sleeper leaves by a time-out just as the waker is on its way to the
** descriptor, destroys the parker, and the next pipe gets the same number:
** nothing may arrive in it.
*/
static void destroyed_under_the_waker(int rounds) {
  start("destroy under a waker");
  prey x = {.rounds = rounds};
  pthread_t t = thread(wake_the_doomed, &x);
  uint64_t rng = 3;
  for (int i = 0; i < rounds; i++) {
    wf_parker *p = malloc(sizeof *p);
    if (!p) exit(2);
    wf_parker_init(p);
    atomic_store(&x.p, p);
    while (wf_parker_wait(p, pipe_end[0], wf_clock_ns() + random_next(&rng) % 40000) != WF_PARK_WOKEN) {
    }
    wf_parker_destroy(p);
    free(p);
    int two[2];
    if (pipe(two) != 0) exit(2);
    struct pollfd fd = {two[0], POLLIN, 0};
    CHECK(poll(&fd, 1, 0) == 0);
    close(two[0]);
    close(two[1]);
  }
  pthread_join(t, NULL);
}

/* ------------------------------------------------------- without descriptors */

static void *wake_soon(void *arg) {
  sched_yield();
  wf_parker_wake(arg);
  return NULL;
}

static int count_fds(void) {
  int n = 0;
  for (int i = 0; i < 256; i++) n += fcntl(i, F_GETFD) != -1;
  return n;
}

static void child_without_descriptors(void) {
  struct rlimit before, none;
  getrlimit(RLIMIT_NOFILE, &before);
  none = (struct rlimit){0, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  wf_parker p;
  wf_parker_init(&p);
  p.interrupted = signal_seen;
  int known = signals;
  p.ud = &known;
  pthread_t t = thread(wake_soon, &p);
  CHECK(wf_parker_wait(&p, -1, WF_PARK_FOREVER) == WF_PARK_WOKEN);
  pthread_join(t, NULL);
  CHECK(p.rfd == -1 || dup(1) >= 0); /* (valgrind does not keep to the limit) */
  uint64_t at = wf_clock_ns() + 7 * MS;
  CHECK(wf_parker_wait(&p, -1, at) == WF_PARK_TIMEOUT && wf_clock_ns() >= at);
  at = wf_clock_ns() + 7 * MS; /* poll refuses even one descriptor now */
  CHECK(wf_parker_wait(&p, pipe_end[0], at) == WF_PARK_TIMEOUT && wf_clock_ns() >= at);
  signals++;
  CHECK(wf_parker_wait(&p, -1, WF_PARK_FOREVER) == WF_PARK_EINTR);
  wf_parker_destroy(&p);
  setrlimit(RLIMIT_NOFILE, &before); /* for the counts of `make coverage` */
}

static void child_without_stdio(void) {
  int out = dup(1);
  for (int i = 0; i < 3; i++) close(i);
  wf_parker p;
  wf_parker_init(&p);
  for (uint64_t ns = MS; p.rfd < 0; ns *= 2) /* long enough to really sleep */
    CHECK(wf_parker_wait(&p, pipe_end[0], wf_clock_ns() + ns) == WF_PARK_TIMEOUT);
  CHECK(p.rfd > 2 && p.wfd > 2);
  CHECK(fcntl(0, F_GETFD) == -1 && fcntl(1, F_GETFD) == -1 && fcntl(2, F_GETFD) == -1);
  wf_parker_destroy(&p);
  dup2(out, 1);
}

int main(int argc, char **argv) {
  int n = argc > 1 ? atoi(argv[1]) : 40000;
  signal(SIGALRM, on_alarm);
  if (pipe(pipe_end) != 0) return 2;
  start("no descriptors left");
  in_a_child(child_without_descriptors);
  start("standard streams closed");
  in_a_child(child_without_stdio);
  int fds = count_fds();
  for (int way = 0; way < 2; way++) {
    start(way ? "poll" : "futex");
    plain_ways(way);
    start(way ? "signal, poll" : "signal, futex");
    a_signal_shows(way, false);
    a_signal_shows(way, true);
    start(way ? "many wakers, poll" : "many wakers, futex");
    many_wakers((uint64_t)n, way);
  }
  beside_a_descriptor();
  no_signal_falls_in_the_gap(n / 8);
  start("ping-pong, futex");
  ping_pong(n, 0, 0, false);
  start("ping-pong, poll");
  ping_pong(n, 1, 1, false);
  start("ping-pong, futex with poll, timed");
  ping_pong(n, 0, 1, true);
  start("ping-pong, poll, timed");
  ping_pong(n, 1, 1, true);
  destroyed_under_the_waker(n / 4);
  CHECK(count_fds() == fds);
  if (failures == 0) printf("ok\n");
  return failures != 0;
}
