/*
** Dedicated OS threads: see thread.h for the contract.
**
** The record has two users, the owner and the thread. `lock` guards `stage`,
** `detached`, `error` and `what`; the thread takes it twice at most (when it
** reports on its options, and when fn has returned) and its owner when it
** signals, waits with a deadline or detaches. The record is freed by the owner
** after pthread_join, or, once detached, by whoever comes second.
**
** Options that belong to a running thread (nice, policy, affinity) are set by
** the thread itself, so that start can say which of them failed: pthread_attr
** has no word for nice, knows three of the five policies, and mixes up the
** errors of all it does know.
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sys/thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "sys/attr.h"
#include "sys/identity.h"
#include "sys/signame.h"

#if defined(__linux__)
#include <sys/syscall.h>
#endif

/* Saves the starter two system calls. */
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 32)
#define HAVE_ATTR_SIGMASK 1
#endif
#endif
#if !defined(HAVE_ATTR_SIGMASK)
#define HAVE_ATTR_SIGMASK 0
#endif

enum { REST_MAX = 4 };

enum stage { STARTING, RUNNING, FAILED, ENDED };

struct wf_thread {
  pthread_mutex_t lock;
  pthread_cond_t changed; /* stage has */
  pthread_t id;
  void (*fn)(void *);
  void *arg;
  const wf_thread_opts *opts; /* the starter's, while it waits in start; else NULL */
  const char *what;
  int error;
  enum stage stage;
  bool detached;
  bool own_identity; /* the starter's, so this one's too (identity.h) */
  wf_thread *next; /* in a wf_thread_rest, its owner's */
  char name[WF_THREAD_NAME];
  /* Written once by the thread before fn, read by anyone: publishes itself only. */
  _Atomic int64_t tid;
};

/* ---------------------------------------------------- the system's own words */

int64_t wf_thread_self_tid(void) {
#if defined(__linux__)
  return (int64_t)syscall(SYS_gettid);
#else
  return 0;
#endif
}

/* Copies at most 15 bytes, without half a UTF-8 character at the end. */
static void name_cut(char out[WF_THREAD_NAME], const char *name) {
  size_t n = strlen(name);
  if (n >= WF_THREAD_NAME) {
    n = WF_THREAD_NAME - 1;
    while (n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80) n--;
    if (n == 0) n = WF_THREAD_NAME - 1; /* not UTF-8 at all */
  }
  memcpy(out, name, n);
  out[n] = '\0';
}

int wf_thread_set_name(const char *name) {
  char cut[WF_THREAD_NAME];
  name_cut(cut, name);
#if defined(__APPLE__)
  return pthread_setname_np(cut);
#elif defined(__linux__) || defined(__FreeBSD__)
  return pthread_setname_np(pthread_self(), cut);
#else
  return 0;
#endif
}

void wf_thread_get_name(char name[WF_THREAD_NAME]) {
  name[0] = '\0';
#if defined(__APPLE__) || defined(__linux__)
  if (pthread_getname_np(pthread_self(), name, WF_THREAD_NAME) != 0) name[0] = '\0';
#endif
}

static const struct policy {
  const char *name;
  int policy;
} policies[] = {
  {"other", SCHED_OTHER}, {"fifo", SCHED_FIFO}, {"rr", SCHED_RR},
#if defined(SCHED_BATCH)
  {"batch", SCHED_BATCH},
#endif
#if defined(SCHED_IDLE)
  {"idle", SCHED_IDLE},
#endif
};

int wf_policy_parse(const char *name) {
  for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
    if (strcmp(policies[i].name, name) == 0) return policies[i].policy;
  return -1;
}

const char *wf_policy_name(int policy) {
  for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
    if (policies[i].policy == policy) return policies[i].name;
  return "?";
}

#if defined(__linux__)

int wf_cpu_count(void) {
  cpu_set_t bits[WF_CPUS_MAX / CPU_SETSIZE];
  CPU_ZERO_S(sizeof bits, bits);
  if (sched_getaffinity(0, sizeof bits, bits) != 0) return 1;
  int n = CPU_COUNT_S(sizeof bits, bits);
  return n > 0 ? n : 1;
}

#else

int wf_cpu_count(void) {
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n > 0 ? (int)n : 1;
}

#endif

int wf_cpus_at_first(void) {
  static _Atomic int known; /* whoever asks first writes it; relaxed: a number alone */
  int n = atomic_load_explicit(&known, memory_order_relaxed);
  if (n == 0) atomic_store_explicit(&known, n = wf_cpu_count(), memory_order_relaxed);
  return n;
}

/* ------------------------------------------------------------ the new thread */

static bool needs_handshake(const wf_thread_opts *o) {
  return o->has_nice || o->has_policy || o->has_priority || o->cpus || o->setup;
}

/* On the new thread; the first failure ends it. setup comes last: it may give up
   the very rights that the others need. */
static int apply(const wf_thread_opts *o, const char **what) {
  int e;
  *what = "nice";
  if (o->has_nice && (e = wf_set_nice(0, o->nice)) != 0) return e;
  if ((o->has_policy || o->has_priority) &&
      (e = wf_set_policy(0, o->has_policy, o->policy, o->has_priority, o->priority, what)) != 0)
    return e;
  /* After the policy: on a CPU that a real-time thread has, one of the ordinary policy would not come to set it. */
  *what = "affinity";
  if (o->cpus && (e = wf_set_affinity(0, o->cpus, o->ncpus)) != 0) return e;
  *what = "setup";
  return o->setup ? o->setup(o->setup_arg, what) : 0;
}

static void record_free(wf_thread *t) {
  pthread_cond_destroy(&t->changed);
  pthread_mutex_destroy(&t->lock);
  wf_free(t);
}

static void set_stage_locked(wf_thread *t, enum stage s) {
  t->stage = s;
  pthread_cond_broadcast(&t->changed);
}

static void *thread_main(void *arg) {
  wf_thread *t = arg;
  atomic_store_explicit(&t->tid, wf_thread_self_tid(), memory_order_relaxed);
  wf_identity_inherit(t->own_identity);
  if (t->name[0]) wf_thread_set_name(t->name);
  if (t->opts) {
    const char *what = NULL;
    int e = apply(t->opts, &what);
    pthread_mutex_lock(&t->lock);
    t->error = e;
    t->what = what;
    set_stage_locked(t, e ? FAILED : RUNNING);
    pthread_mutex_unlock(&t->lock);
    if (e) return NULL; /* start joins and frees */
  }
  t->fn(t->arg);
  pthread_mutex_lock(&t->lock);
  set_stage_locked(t, ENDED);
  bool mine = t->detached;
  pthread_mutex_unlock(&t->lock);
  if (mine) record_free(t);
  return NULL;
}

/* --------------------------------------------------------------- the starter */

/* Waits on the monotonic clock, where that can be had. */
static int cond_init(pthread_cond_t *c) {
#if defined(__APPLE__)
  return pthread_cond_init(c, NULL);
#else
  pthread_condattr_t a;
  int e = pthread_condattr_init(&a);
  if (e) return e;
  e = pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
  if (!e) e = pthread_cond_init(c, &a);
  pthread_condattr_destroy(&a);
  return e;
#endif
}

static int cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, uint64_t deadline_ns) {
  uint64_t ns = deadline_ns;
#if defined(__APPLE__)
  uint64_t now = wf_clock_ns();
  ns = deadline_ns > now ? deadline_ns - now : 0;
#endif
  uint64_t far = UINT64_C(1) << 30;
  uint64_t sec = ns / 1000000000u;
  struct timespec ts = {(time_t)(sec < far ? sec : far), (long)(ns % 1000000000u)};
#if defined(__APPLE__)
  return pthread_cond_timedwait_relative_np(c, m, &ts);
#else
  return pthread_cond_timedwait(c, m, &ts);
#endif
}

static wf_thread *record_new(const wf_thread_opts *o, void (*fn)(void *), void *arg) {
  wf_thread *t = wf_calloc(1, sizeof *t);
  if (!t) return NULL;
  if (pthread_mutex_init(&t->lock, NULL) != 0) {
    wf_free(t);
    return NULL;
  }
  if (cond_init(&t->changed) != 0) {
    pthread_mutex_destroy(&t->lock);
    wf_free(t);
    return NULL;
  }
  t->fn = fn;
  t->arg = arg;
  t->own_identity = wf_identity_own();
  if (o->name) name_cut(t->name, o->name);
  if (needs_handshake(o)) t->opts = o;
  return t;
}

/* Everything blocked that can be, or what was asked. */
static void thread_mask(const wf_thread_opts *o, sigset_t *mask) {
  if (o->has_sigmask) {
    wf_sigset(mask, o->sigmask);
    return;
  }
  sigfillset(mask);
  for (int sig = 1; sig <= WF_SIGNALS; sig++)
    if (!wf_signal_blockable(sig)) sigdelset(mask, sig);
}

static int stack_size(size_t wanted, size_t *size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if (wanted < WF_THREAD_STACK) wanted = WF_THREAD_STACK;
  if (wanted > SIZE_MAX - page) return EINVAL;
  *size = (wanted + page - 1) / page * page;
  return 0;
}

/* pthread_create says EAGAIN for a thread too many as well as for a stack that
   memory or the address space have no room for. */
static const char *blame(const wf_thread_opts *o, size_t size) {
  if (o->stack <= WF_THREAD_STACK) return "thread";
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return "stack";
  munmap(p, size);
  return "thread";
}

static int create(wf_thread *t, const wf_thread_opts *o, const char **what) {
  pthread_attr_t attr;
  size_t size;
  *what = "stack";
  int e = stack_size(o->stack, &size);
  if (e) return e;
  if ((e = pthread_attr_init(&attr)) != 0) return e;
  if ((e = pthread_attr_setstacksize(&attr, size)) == 0) {
    sigset_t mask, before;
    thread_mask(o, &mask);
#if HAVE_ATTR_SIGMASK
    (void)before;
    e = pthread_attr_setsigmask_np(&attr, &mask);
    if (!e) e = pthread_create(&t->id, &attr, thread_main, t);
#else
    pthread_sigmask(SIG_SETMASK, &mask, &before);
    e = pthread_create(&t->id, &attr, thread_main, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
#endif
    if (e) *what = blame(o, size);
  }
  pthread_attr_destroy(&attr);
  return e;
}

/* Waits for the new thread's report on its options. */
static int await_report(wf_thread *t, const char **what) {
  pthread_mutex_lock(&t->lock);
  while (t->stage == STARTING) pthread_cond_wait(&t->changed, &t->lock);
  int e = t->error;
  *what = t->what;
  pthread_mutex_unlock(&t->lock);
  if (e) pthread_join(t->id, NULL);
  return e;
}

int wf_thread_start(wf_thread **out, const wf_thread_opts *o, void (*fn)(void *), void *arg, const char **what) {
  static const wf_thread_opts defaults;
  const char *culprit = "thread";
  if (!o) o = &defaults;
  wf_thread *t = record_new(o, fn, arg);
  int e = t ? create(t, o, &culprit) : ENOMEM;
  if (!e && needs_handshake(o)) e = await_report(t, &culprit);
  if (e) {
    if (t) record_free(t);
    if (what) *what = culprit;
    return e;
  }
  *out = t;
  return 0;
}

/* ----------------------------------------------------------------- the owner */

void wf_thread_join(wf_thread *t) {
  int e = pthread_join(t->id, NULL);
  wf_assert(e == 0);
  (void)e;
  record_free(t);
}

/* Frees the record if the thread has ended; false if that would have to be waited for. */
static bool joined_at_once(wf_thread *t) {
#if defined(__linux__)
  if (pthread_tryjoin_np(t->id, NULL) != 0) return false;
  record_free(t);
#else
  wf_thread_join(t);
#endif
  return true;
}

void wf_thread_retire(wf_thread_rest *rest, wf_thread *t) {
  wf_thread **end = &rest->first;
  unsigned left = 1;
  while (*end != NULL) {
    wf_thread *old = *end, *next = old->next;
    if (joined_at_once(old)) {
      *end = next;
    } else {
      end = &old->next;
      left++;
    }
  }
  t->next = NULL;
  *end = t;
  if (left <= REST_MAX) return;
  wf_thread *oldest = rest->first;
  rest->first = oldest->next;
  wf_thread_join(oldest);
}

void wf_thread_rest_join(wf_thread_rest *rest) {
  while (rest->first != NULL) {
    wf_thread *t = rest->first;
    rest->first = t->next;
    wf_thread_join(t);
  }
}

int wf_thread_timedjoin(wf_thread *t, uint64_t deadline_ns) {
  pthread_mutex_lock(&t->lock);
  while (t->stage != ENDED && (deadline_ns == WF_NEVER || wf_clock_ns() < deadline_ns)) {
    if (deadline_ns == WF_NEVER) pthread_cond_wait(&t->changed, &t->lock);
    else cond_wait_until(&t->changed, &t->lock, deadline_ns);
  }
  bool ended = t->stage == ENDED;
  pthread_mutex_unlock(&t->lock);
  if (!ended) return ETIMEDOUT;
  wf_thread_join(t);
  return 0;
}

void wf_thread_detach(wf_thread *t) {
  pthread_mutex_lock(&t->lock);
  bool ended = t->stage == ENDED;
  t->detached = true;
  pthread_detach(t->id);
  pthread_mutex_unlock(&t->lock);
  if (ended) record_free(t);
}

bool wf_thread_ended(wf_thread *t) {
  pthread_mutex_lock(&t->lock);
  bool ended = t->stage == ENDED;
  pthread_mutex_unlock(&t->lock);
  return ended;
}

int64_t wf_thread_tid(wf_thread *t) {
  return atomic_load_explicit(&t->tid, memory_order_relaxed);
}

int64_t wf_thread_await_tid(wf_thread *t) {
#if defined(__linux__)
  while (wf_thread_tid(t) == 0) sched_yield();
#endif
  return wf_thread_tid(t);
}

uint64_t wf_thread_self_cpu_ns(void) {
  struct timespec ts;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) != 0) return 0;
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t wf_thread_cpu_ns(wf_thread *t) {
  clockid_t clock;
  struct timespec ts = {0, 0};
  pthread_mutex_lock(&t->lock);
  if (t->stage == ENDED || pthread_getcpuclockid(t->id, &clock) != 0 || clock_gettime(clock, &ts) != 0) ts = (struct timespec){0, 0};
  pthread_mutex_unlock(&t->lock);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int wf_thread_signal(wf_thread *t, int sig) {
  pthread_mutex_lock(&t->lock);
  int e = t->stage == ENDED ? ESRCH : pthread_kill(t->id, sig);
  pthread_mutex_unlock(&t->lock);
  return e;
}
