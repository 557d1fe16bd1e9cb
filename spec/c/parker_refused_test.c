/* parker_refused_test.c: the parker when its system calls fail, are interrupted or come back for nothing (sys/parker.c): no
 * wake-up is lost, no deadline is early, and a sleeper that cannot sleep in one way sleeps in another. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSED_OWN(X) \
  X(read, MINUS_ONE, EAGAIN) X(write, MINUS_ONE, EINTR) X(poll, MINUS_ONE, EINTR) X(ppoll, MINUS_ONE, ENOMEM)
#include "base/clock.h"
#include "check.h"
#include "refusal.h"
#include "sys/parker.h"

#if REFUSALS

#define MS UINT64_C(1000000)
#define FAR (wf_clock_ns() + (UINT64_C(1) << 31) * 1000000000u) /* 68 years */

static int pipe_end[2]; /* silent */

static bool never(void *ud) { return (void)ud, false; }
static bool always(void *ud) { return (void)ud, true; }

/* The ways of sleeping: in a futex, in ppoll, in ppoll beside a pipe, in ppoll with the signals let in. */
enum { FUTEX, POLL, BESIDE, MASKED, WAYS };

static int sleep_in(int way, wf_parker *p, uint64_t deadline) {
  p->interrupted = way == MASKED || way == POLL ? never : NULL;
  return wf_parker_wait(p, way == BESIDE ? pipe_end[0] : -1, deadline);
}

static void *wake(void *arg) {
  usleep(3000); /* most likely it sleeps; it need not */
  wf_parker_wake(arg);
  return NULL;
}

static void is_woken(int way, wf_parker *p, uint64_t deadline) {
  pthread_t t;
  CHECK(pthread_create(&t, NULL, wake, p) == 0);
  CHECK(sleep_in(way, p, deadline) == WF_PARK_WOKEN);
  pthread_join(t, NULL);
}

static void ends_on_time(int way, wf_parker *p) {
  uint64_t at = wf_clock_ns() + 3 * MS;
  CHECK(sleep_in(way, p, at) == WF_PARK_TIMEOUT);
  CHECK(wf_clock_ns() >= at);
}

static void returns_for_nothing(void) {
  for (int way = 0; way < WAYS; way++) {
    wf_parker p;
    wf_parker_init(&p);
    for (int again = 0; again < 2; again++) {
      if (way == FUTEX) refuse_as(REFUSED_syscall, REFUSED_ANY, 1, 3, ETIMEDOUT);
      else refuse_by_answer(REFUSED_ppoll, REFUSED_ANY, 1, 3, 0);
      if (again == 0) ends_on_time(way, &p);
      else is_woken(way, &p, WF_PARK_FOREVER);
    }
    refuse(-1, 0);
    is_woken(way, &p, FAR); /* a time that the kernel may not know */
    wf_parker_destroy(&p);
  }
}

/* A write that comes late, when its wake-up has been taken: not a wake-up again. */
static void a_late_write(void) {
  for (int way = POLL; way < WAYS; way++) {
    wf_parker p;
    wf_parker_init(&p);
    CHECK(wf_parker_fd(&p) >= 0);
    uint64_t one = 1;
    p.owed = 1;
    CHECK(write(p.wfd, &one, sizeof one) == sizeof one);
    ends_on_time(way, &p);
    CHECK(p.owed == 0);
    is_woken(way, &p, WF_PARK_FOREVER);
    wf_parker_destroy(&p);
  }
}

static void cannot_look(void) {
  for (int way = POLL; way < WAYS; way++) {
    wf_parker p;
    wf_parker_init(&p);
    refuse_as(REFUSED_ppoll, REFUSED_ANY, 1, 1, ENOMEM); /* with the descriptor */
    ends_on_time(way, &p);
    refuse_as(REFUSED_ppoll, REFUSED_ANY, 1, 2, ENOMEM); /* nor without: only a moment passes */
    ends_on_time(way, &p);
    refuse_as(REFUSED_ppoll, REFUSED_ANY, 1, 1, EINTR);
    CHECK(sleep_in(way, &p, FAR) == WF_PARK_EINTR);
    refuse_as(REFUSED_ppoll, REFUSED_ANY, 1, 1, ENOMEM);
    is_woken(way, &p, WF_PARK_FOREVER);
    wf_parker_destroy(&p);
  }
}

/* Without a descriptor of its own. */
static void without_a_descriptor(void) {
  for (int way = POLL; way < WAYS; way++) {
    wf_parker p;
    wf_parker_init(&p);
    refuse_as(REFUSED_eventfd, REFUSED_ANY, 1, 1000, EMFILE);
    ends_on_time(way, &p);
    is_woken(way, &p, WF_PARK_FOREVER);
    CHECK(p.rfd == -1);
    refuse_as(REFUSED_ppoll, REFUSED_ANY, 1, 1, EINTR);
    refuse_also(REFUSED_eventfd, REFUSED_ANY, 1, 1000, EMFILE);
    CHECK(sleep_in(way, &p, FAR) == WF_PARK_EINTR);
    refuse_by_answer(REFUSED_ppoll, REFUSED_ANY, 1, 2, 0); /* the slices end early */
    refuse_also(REFUSED_eventfd, REFUSED_ANY, 1, 1000, EMFILE);
    ends_on_time(way, &p);
    if (way == BESIDE) {
      int two[2];
      CHECK(pipe(two) == 0 && write(two[1], "x", 1) == 1);
      CHECK(wf_parker_wait(&p, two[0], WF_PARK_FOREVER) == WF_PARK_FD);
      close(two[0]);
      close(two[1]);
    }
    p.interrupted = always;
    CHECK(wf_parker_wait(&p, -1, FAR) == WF_PARK_EINTR);
    refuse(-1, 0);
    ends_on_time(way, &p); /* and with one again */
    CHECK(p.rfd >= 0);
    wf_parker_destroy(&p);
  }
}

/* The waker's write is begun again; a read in vain owes nothing. */
static void interrupted_writes_and_reads_in_vain(void) {
  wf_parker p;
  wf_parker_init(&p);
  p.interrupted = never;
  CHECK(wf_parker_fd(&p) >= 0 && wf_parker_doze(&p));
  refuse_as(REFUSED_write, p.wfd, 1, 3, EINTR);
  wf_parker_wake(&p);
  CHECK(refused_calls[REFUSED_write] == 4);
  CHECK(wf_parker_rouse(&p) && p.owed == 1);
  refuse_as(REFUSED_read, p.rfd, 1, 1, EAGAIN);
  ends_on_time(POLL, &p);
  CHECK(refused_calls[REFUSED_read] == 2 && p.owed == 0);
  wf_parker_destroy(&p);
}

/* Who goes waits for the writes that it is owed, but not for those of who is not there any more. */
static void goes_when_nothing_is_owed(void) {
  for (int way = 0; way < 3; way++) {
    bool comes = way == 1;
    wf_parker p;
    wf_parker_init(&p);
    int fd = wf_parker_fd(&p);
    uint64_t one = 1;
    p.owed = 1;
    if (comes) {
      CHECK(write(p.wfd, &one, sizeof one) == sizeof one);
      refuse_as(REFUSED_poll, REFUSED_ANY, 1, 2, EINTR);
    } else if (way == 0) {
      refuse_by_answer(REFUSED_poll, REFUSED_ANY, 1, 1, 0);
    } else {
      refuse_as(REFUSED_poll, REFUSED_ANY, 1, 1, ENOMEM);
    }
    wf_parker_destroy(&p);
    CHECK((fcntl(fd, F_GETFD) == -1) == comes);
    if (!comes) close(fd);
  }
}

static void spins(void) {
  wf_parker p;
  wf_parker_init(&p);
  CHECK(!wf_parker_spin(&p, 2 * MS));
  wf_parker_wake(&p);
  CHECK(wf_parker_spin(&p, 2 * MS));
  wf_parker_destroy(&p);
}

int main(void) {
  alarm(60);
  if (pipe(pipe_end) != 0) return 2;
  returns_for_nothing();
  a_late_write();
  cannot_look();
  without_a_descriptor();
  interrupted_writes_and_reads_in_vain();
  goes_when_nothing_is_owed();
  spins();
  return failures != 0;
}

#else
int main(void) {
  printf("no calls can be refused here\n");
  return 0;
}
#endif
