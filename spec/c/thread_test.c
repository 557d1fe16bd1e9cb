/*
** The life of dedicated threads: start, join, detach, their signals.
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "thread_gate.h"

static void set_seven(void *arg) { *(int *)arg = 7; }

static void starts_and_joins(void) {
  int n = 0;
  wf_thread *t;
  CHECK(wf_thread_start(&t, NULL, set_seven, &n, NULL) == 0);
  wf_thread_join(t);
  CHECK(n == 7);
  enum { MANY = 100 };
  int all[MANY] = {0};
  wf_thread *ts[MANY];
  for (int i = 0; i < MANY; i++) CHECK(wf_thread_start(&ts[i], NULL, set_seven, &all[i], NULL) == 0);
  for (int i = MANY; i-- > 0;) wf_thread_join(ts[i]);
  for (int i = 0; i < MANY; i++) CHECK(all[i] == 7);
  wait_for_no_tasks();
}

static void blocks_signals(void) {
  sigset_t urg, before, after;
  sigemptyset(&urg);
  sigaddset(&urg, SIGURG);
  pthread_sigmask(SIG_BLOCK, &urg, NULL);
  pthread_sigmask(SIG_SETMASK, NULL, &before);
  gate g = GATE;
  wf_thread *t = started(NULL, &g);
  static const int open[] = {SIGURG, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGKILL, SIGSTOP};
  for (int sig = 1; sig <= SIGRTMAX; sig++) {
    bool expected = true;
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) expected = expected && sig != open[i];
    if (sig < 32 || sig >= SIGRTMIN) CHECK(sigismember(&g.mask, sig) == expected); /* between them the C library's own */
  }
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  for (int s = 1; s < 32; s++) CHECK(sigismember(&before, s) == sigismember(&after, s));
  pthread_sigmask(SIG_UNBLOCK, &urg, NULL);
  open_gate(&g);
  wf_thread_join(t);
}

static void joins_in_time(void) {
  gate g = GATE;
  wf_thread *t = started(NULL, &g);
  CHECK(wf_thread_timedjoin(t, 0) == ETIMEDOUT);
  uint64_t at = wf_clock_ns() + 3000000;
  CHECK(wf_thread_timedjoin(t, at) == ETIMEDOUT && wf_clock_ns() >= at);
  CHECK(!wf_thread_ended(t));
  open_gate(&g);
  CHECK(wf_thread_timedjoin(t, WF_NEVER) == 0);
  gate h = GATE;
  t = started(NULL, &h);
  open_gate(&h);
  CHECK(wf_thread_timedjoin(t, wf_clock_ns() + UINT64_C(3600000000000)) == 0);
  int n;
  CHECK(wf_thread_start(&t, NULL, set_seven, &n, NULL) == 0);
  while (!wf_thread_ended(t)) sched_yield();
  CHECK(wf_thread_timedjoin(t, 0) == 0);
}

static void detach_itself(void *arg) {
  _Atomic(wf_thread *) *self = arg;
  while (!*self) sched_yield();
  wf_thread_detach(*self);
}

static void detaches(void) {
  gate g = GATE;
  wf_thread_detach(started(NULL, &g));
  open_gate(&g);
  wait_for_no_tasks();
  int n;
  wf_thread *t;
  CHECK(wf_thread_start(&t, NULL, set_seven, &n, NULL) == 0);
  while (!wf_thread_ended(t)) sched_yield();
  wf_thread_detach(t);
  wait_for_no_tasks();
  _Atomic(wf_thread *) self = NULL;
  CHECK(wf_thread_start(&t, NULL, detach_itself, &self, NULL) == 0);
  self = t;
  wait_for_no_tasks();
}

static _Atomic int64_t handled_on;
static _Atomic int handled;
static void on_signal(int sig) {
  (void)sig;
  handled_on = (int64_t)wf_thread_self_tid();
  handled++;
}

static void spin_until_handled(void *arg) {
  int before = *(int *)arg;
  while (handled == before) sched_yield();
}

static void is_signalled(void) {
  struct sigaction sa = {.sa_handler = on_signal};
  sigaction(SIGURG, &sa, NULL);
  sigaction(SIGUSR1, &sa, NULL);
  int before = handled;
  wf_thread *t;
  CHECK(wf_thread_start(&t, NULL, spin_until_handled, &before, NULL) == 0);
  CHECK(wf_thread_signal(t, SIGURG) == 0);
  while (!wf_thread_ended(t)) sched_yield();
  CHECK(handled_on == wf_thread_tid(t));
  CHECK(wf_thread_signal(t, SIGURG) == ESRCH);
  wf_thread_join(t);
  /* Signals that race with the end hit this thread or nobody. */
  for (int i = 0; i < 1000; i++) {
    CHECK(wf_thread_start(&t, NULL, do_nothing, NULL, NULL) == 0);
    while (wf_thread_signal(t, SIGURG) == 0) sched_yield();
    wf_thread_join(t);
  }
  /* The process's signals stay with the host's thread. */
  gate g = GATE;
  t = started(NULL, &g);
  for (int i = 0; i < 200; i++) {
    before = handled;
    kill(getpid(), SIGUSR1);
    while (handled == before) sched_yield();
    CHECK(handled_on == (int64_t)wf_thread_self_tid());
  }
  open_gate(&g);
  wf_thread_join(t);
}

int main(void) {
  count_first_tasks();
  starts_and_joins();
  blocks_signals();
  joins_in_time();
  detaches();
  is_signalled();
  wait_for_no_tasks();
  if (failures == 0) printf("ok\n");
  return failures != 0;
}
