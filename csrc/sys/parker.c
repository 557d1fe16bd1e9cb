/*
** The parker: see parker.h for what it promises. Here is how.
**
** The park word is the one thing that carrier and wakers share.
**
**   RUNNING        the carrier is awake and has taken every notification
**   NOTIFIED       somebody woke it since then
**   SLEEPING       it sleeps in futex_wait on the word: wake it there
**   fd << 2 | 3    it sleeps in ppoll: write one to this descriptor
**
** Only the carrier writes RUNNING (exchange) and the sleeping values (compare
** and swap from RUNNING); only wakers write NOTIFIED (exchange). All are
** sequentially consistent read-modify-writes, so they have one total order:
**
**  - A waker's exchange before the carrier's swap: the swap finds NOTIFIED,
**    fails, and the carrier does not sleep.
**  - After it: the exchange returns the sleeping value, and this waker, alone,
**    makes the system call, with all that it needs in the returned value.
**  - The work that a waker made visible before its exchange is visible to the
**    carrier after the exchange with which it takes the notification.
**
** An exchange even where the word already says NOTIFIED: a plain load may be
** served before the waker's own earlier stores are visible, and the carrier
** would take the old notification, see no work and sleep (spec/c/
** parker_model_test.c finds that one). A futex_wait returns at once if the word
** is no longer SLEEPING, and a written descriptor stays readable until read, so
** a system call that comes before the sleep is not lost either.
**
** A late writer. The carrier may leave ppoll for another reason (time-out,
** signal, extra_fd) while a waker is between its exchange and its write. It then
** still finds NOTIFIED and reports it, but the write arrives later and makes the
** next ppoll return for nothing: that is read away and the sleep goes on. `owed`
** counts the writes promised and not read; destroy waits for those, so nobody
** writes to a descriptor that was closed and given to someone else.
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* ppoll */
#endif
#include "sys/parker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "base/clock.h"
#include "sys/fd.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#endif

#if defined(__linux__) && defined(SYS_futex)
#define HAVE_FUTEX 1
#else
#define HAVE_FUTEX 0
#endif

#if defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
#define HAVE_PPOLL 1
#else
#define HAVE_PPOLL 0
#endif

enum { RUNNING, NOTIFIED, SLEEPING, IN_POLL };

#define BLIND_NS ((uint64_t)5000000)     /* between looks without a descriptor */
#define FAR_SECONDS ((uint64_t)1 << 30)  /* 34 years: longer than any uptime */

static uint32_t exchange_seqcst(wf_parker *p, uint32_t to) {
  return atomic_exchange_explicit(&p->word, to, memory_order_seq_cst);
}

static bool notified(wf_parker *p) {
  return atomic_load_explicit(&p->word, memory_order_acquire) == NOTIFIED;
}

/* RUNNING to `mark`; false if a notification was there (and is now taken). */
static bool fall_asleep(wf_parker *p, uint32_t mark) {
  uint32_t was = RUNNING;
  if (atomic_compare_exchange_strong_explicit(&p->word, &was, mark, memory_order_seq_cst,
                                              memory_order_seq_cst))
    return true;
  wf_assert(was == NOTIFIED);
  exchange_seqcst(p, RUNNING);
  return false;
}

/* ------------------------------------------------------------- the futex */

#if HAVE_FUTEX

/* What SYS_futex takes: two longs, whatever time_t is. */
typedef struct kernel_time {
  long sec;
  long nsec;
} kernel_time;

/*
** Always with a time-out: the kernel restarts a wait without one after a signal
** whose handler was installed with SA_RESTART, and nobody would see the signal.
*/
static int futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t deadline_ns) {
  uint64_t sec = deadline_ns / 1000000000u;
  kernel_time at = {(long)(sec < FAR_SECONDS ? sec : FAR_SECONDS), (long)(deadline_ns % 1000000000u)};
  long r = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value, &at, NULL,
                   FUTEX_BITSET_MATCH_ANY);
  return r == 0 ? 0 : errno;
}

static void futex_wake(_Atomic uint32_t *word) {
  syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}

static int sleep_in_futex(wf_parker *p, uint64_t deadline_ns) {
  if (!fall_asleep(p, SLEEPING)) return WF_PARK_WOKEN;
  int why = WF_PARK_WOKEN;
  while (!notified(p)) {
    int e = futex_wait(&p->word, SLEEPING, deadline_ns);
    if (e == ETIMEDOUT && wf_clock_ns() >= deadline_ns) why = WF_PARK_TIMEOUT;
    if (e == EINTR) why = WF_PARK_EINTR;
    if (why != WF_PARK_WOKEN) break;
  }
  return exchange_seqcst(p, RUNNING) == NOTIFIED ? WF_PARK_WOKEN : why;
}

#else

static void futex_wake(_Atomic uint32_t *word) { (void)word; }

#endif

/* --------------------------------------------------------- the descriptor */

#if defined(__linux__)

static bool descriptor_open(wf_parker *p) {
  p->rfd = p->wfd = wf_fd_above_stdio(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  return p->rfd >= 0;
}

#else

static bool descriptor_open(wf_parker *p) {
  int two[2];
  if (pipe(two) != 0) return false;
  for (int i = 0; i < 2; i++) {
    two[i] = wf_fd_above_stdio(two[i]);
    if (two[i] < 0) {
      if (i == 0) close(two[1]);
      else close(two[0]);
      return false;
    }
    fcntl(two[i], F_SETFD, FD_CLOEXEC);
    fcntl(two[i], F_SETFL, fcntl(two[i], F_GETFL) | O_NONBLOCK);
  }
  p->rfd = two[0];
  p->wfd = two[1];
  return true;
}

#endif

static bool descriptor_ready(wf_parker *p) {
  return p->rfd >= 0 || descriptor_open(p);
}

/* A waker's promise. Nothing here may touch the parker: it may be gone. */
static void descriptor_write(int fd) {
#if defined(__linux__)
  uint64_t one = 1;
#else
  char one = 1;
#endif
  while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

/* Reads what has been written and strikes it off what is owed, which goes below
   zero while the carrier has not yet taken the notification it belongs to. */
static void descriptor_drain(wf_parker *p) {
#if defined(__linux__)
  uint64_t count;
  if (read(p->rfd, &count, sizeof count) == (ssize_t)sizeof count) p->owed -= (int64_t)count;
#else
  char some[64];
  ssize_t n = read(p->rfd, some, sizeof some);
  if (n > 0) p->owed -= n;
#endif
}

/* poll until the deadline, with the signal mask `mask` (NULL: as it is). */
static int poll_until(struct pollfd *fds, nfds_t n, uint64_t deadline_ns, const sigset_t *mask) {
  uint64_t left = 0;
  if (deadline_ns != WF_PARK_FOREVER) {
    uint64_t now = wf_clock_ns();
    left = deadline_ns > now ? deadline_ns - now : 0;
  }
#if HAVE_PPOLL
  uint64_t sec = left / 1000000000u;
  struct timespec ts = {(time_t)(sec < FAR_SECONDS ? sec : FAR_SECONDS), (long)(left % 1000000000u)};
  return ppoll(fds, n, deadline_ns == WF_PARK_FOREVER ? NULL : &ts, mask);
#else
  /* Without ppoll a signal between the two calls is seen at the next wake-up. */
  sigset_t held;
  if (mask) pthread_sigmask(SIG_SETMASK, mask, &held);
  uint64_t ms = left / 1000000u + (left % 1000000u != 0);
  int r = poll(fds, n, deadline_ns == WF_PARK_FOREVER ? -1 : (int)(ms < INT_MAX ? ms : INT_MAX));
  int e = errno;
  if (mask) pthread_sigmask(SIG_SETMASK, &held, NULL);
  errno = e;
  return r;
#endif
}

/*
** Asleep with the word marked. -1 when poll itself fails (no memory, a limit of
** descriptors lowered under the parker's feet): the caller goes on blindly.
*/
static int poll_marked(wf_parker *p, int extra_fd, uint64_t deadline_ns, const sigset_t *mask) {
  struct pollfd fds[2] = {{p->rfd, POLLIN, 0}, {extra_fd, POLLIN, 0}};
  for (;;) {
    int n = poll_until(fds, extra_fd >= 0 ? 2 : 1, deadline_ns, mask);
    int e = errno;
    /* Drain before the look at the word: a write read away here belongs to an
       exchange that has happened, so the look cannot miss it. */
    if (n > 0 && fds[0].revents != 0) descriptor_drain(p);
    if (notified(p)) return WF_PARK_WOKEN;
    if (n > 0 && extra_fd >= 0 && fds[1].revents != 0) return WF_PARK_FD;
    if (n < 0) return e == EINTR ? WF_PARK_EINTR : -1;
    if (n == 0 && deadline_ns != WF_PARK_FOREVER && wf_clock_ns() >= deadline_ns) return WF_PARK_TIMEOUT;
  }
}

static int sleep_in_poll(wf_parker *p, int extra_fd, uint64_t deadline_ns, const sigset_t *mask) {
  if (!fall_asleep(p, (uint32_t)p->wfd << 2 | IN_POLL)) return WF_PARK_WOKEN;
  int why = poll_marked(p, extra_fd, deadline_ns, mask);
  if (exchange_seqcst(p, RUNNING) != NOTIFIED) return why;
  p->owed++; /* the one waker that saw the mark writes, or has written */
  return WF_PARK_WOKEN;
}

/* Without a descriptor: sleeps in slices, the word at RUNNING, so that wakers
   make no system call and the carrier finds the notification by itself. */
static int sleep_blindly(wf_parker *p, int extra_fd, uint64_t deadline_ns, const sigset_t *mask) {
  struct pollfd fd = {extra_fd, POLLIN, 0};
  nfds_t fds = extra_fd >= 0 ? 1 : 0;
  for (;;) {
    uint64_t now = wf_clock_ns();
    bool last = deadline_ns <= now + BLIND_NS;
    int n = poll_until(&fd, fds, last ? deadline_ns : now + BLIND_NS, mask);
    int e = errno;
    if (n < 0 && e != EINTR) { /* it cannot look now: only sleep this slice */
      n = poll_until(NULL, 0, last ? deadline_ns : now + BLIND_NS, mask);
      e = errno;
    }
    if (wf_parker_take(p)) return WF_PARK_WOKEN;
    if (n > 0) return WF_PARK_FD;
    if (n < 0 && e == EINTR) return WF_PARK_EINTR;
    if (last && wf_clock_ns() >= deadline_ns) return WF_PARK_TIMEOUT;
  }
}

/* ------------------------------------------------------------ the interface */

void wf_parker_init(wf_parker *p) {
  *p = (wf_parker){.rfd = -1, .wfd = -1};
}

void wf_parker_destroy(wf_parker *p) {
  wf_assert(atomic_load_explicit(&p->word, memory_order_relaxed) <= NOTIFIED);
  if (p->rfd < 0) return;
  while (p->owed > 0) {
    struct pollfd fd = {p->rfd, POLLIN, 0};
    int n = poll(&fd, 1, 1000);
    if (n < 0 && errno == EINTR) continue;
    /* A second for two instructions: the writer is not there (a fork took this
       process away from it). A descriptor left open harms less than a write to
       a stranger. */
    if (n <= 0) return;
    descriptor_drain(p);
  }
#if !defined(__linux__)
  close(p->wfd); /* there it is the other end */
#endif
  close(p->rfd);
  p->rfd = p->wfd = -1;
}

bool wf_parker_take(wf_parker *p) {
  if (!notified(p)) return false;
  exchange_seqcst(p, RUNNING);
  return true;
}

void wf_parker_wake(wf_parker *p) {
  uint32_t was = exchange_seqcst(p, NOTIFIED);
  if (wf_likely(was <= NOTIFIED)) return;
  int saved = errno;
  if (was == SLEEPING) futex_wake(&p->word); /* the address alone: not read here */
  else descriptor_write((int)(was >> 2));
  errno = saved;
}

int wf_parker_wait(wf_parker *p, int extra_fd, uint64_t deadline_ns) {
  if (wf_parker_take(p)) return WF_PARK_WOKEN;
  bool past = deadline_ns != WF_PARK_FOREVER && deadline_ns <= wf_clock_ns();
  if (past && extra_fd < 0) return WF_PARK_TIMEOUT;
#if HAVE_FUTEX
  if (extra_fd < 0 && !p->interrupted) return sleep_in_futex(p, deadline_ns);
#endif
  sigset_t all, before;
  const sigset_t *mask = NULL;
  if (p->interrupted) {
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    mask = &before;
  }
  int why;
  if (p->interrupted && p->interrupted(p->ud)) {
    why = WF_PARK_EINTR;
  } else {
    why = !past && descriptor_ready(p) ? sleep_in_poll(p, extra_fd, deadline_ns, mask) : -1;
    if (why < 0) why = sleep_blindly(p, extra_fd, deadline_ns, mask);
  }
  if (mask) pthread_sigmask(SIG_SETMASK, mask, NULL);
  return why;
}

int wf_parker_fd(wf_parker *p) { return descriptor_ready(p) ? p->rfd : -1; }

bool wf_parker_doze(wf_parker *p) { return fall_asleep(p, (uint32_t)p->wfd << 2 | IN_POLL); }

bool wf_parker_rouse(wf_parker *p) {
  if (exchange_seqcst(p, RUNNING) != NOTIFIED) return false;
  p->owed++; /* as in sleep_in_poll */
  return true;
}

void wf_parker_drain(wf_parker *p) { descriptor_drain(p); }

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

bool wf_parker_spin(wf_parker *p, uint64_t ns) {
  uint64_t end = wf_clock_ns() + ns;
  do {
    for (int i = 0; i < 16; i++) {
      if (wf_parker_take(p)) return true;
      relax();
    }
  } while (wf_clock_ns() < end);
  return false;
}
