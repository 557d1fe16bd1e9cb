/* thread_refused_test.c: threads, their attributes and identities, and lanes when the system says no: errors come back as they are,
 * with the name of what failed, and nothing is left. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define REFUSED_OWN(X)                                                                                             \
  X(clock_gettime, MINUS_ONE, EINVAL) X(prctl, MINUS_ONE, EINVAL) X(pthread_cond_init, ERRNO, ENOMEM)              \
  X(pthread_condattr_init, ERRNO, ENOMEM) X(pthread_condattr_setclock, ERRNO, EINVAL) X(pthread_mutex_init, ERRNO, \
                                                                                        ENOMEM)
#include "base/alloc.h"
#include "base/base.h"
#include "check.h"
#include "heap.h"
#include "refusal.h"
#include "sys/attr.h"
#include "sys/identity.h"
#include "sys/lanes.h"
#include "sys/thread.h"

#if REFUSALS

#define ONCE(name, error) refuse_as(REFUSED_##name, REFUSED_ANY, 1, 1, error)

static heap memory;

/* ---- threads ---- */

static void set(void *arg) { atomic_store((atomic_bool *)arg, true); }

static void no_thread(int error) {
  wf_thread *t = NULL;
  atomic_bool ran = false;
  const char *what = NULL;
  long before = memory.blocks;
  CHECK(wf_thread_start(&t, NULL, set, &ran, &what) == error && what != NULL && strcmp(what, "thread") == 0);
  CHECK(!ran && memory.blocks == before);
}

static void threads_that_cannot_be(void) {
  wf_alloc_set(heap_plain, &memory);
  heap_order(&memory, 1, 0);
  no_thread(ENOMEM);
  heap_heal(&memory);
  ONCE(pthread_mutex_init, ENOMEM);
  no_thread(ENOMEM);
  ONCE(pthread_condattr_init, ENOMEM);
  no_thread(ENOMEM);
  ONCE(pthread_condattr_setclock, EINVAL);
  no_thread(ENOMEM);
  ONCE(pthread_cond_init, EAGAIN);
  no_thread(ENOMEM);
  ONCE(pthread_create, EAGAIN);
  no_thread(EAGAIN);
  refuse(-1, 0);
}

static void wait_for(void *arg) {
  while (!atomic_load((atomic_bool *)arg)) usleep(100);
}

static void what_threads_are_called_and_use(void) {
  wf_thread *t;
  atomic_bool over = false;
  char name[32];
  wf_thread_opts o = {.name = "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90"}; /* no text in UTF-8 */
  CHECK(wf_thread_start(&t, &o, wait_for, &over, NULL) == 0);
  int64_t tid = wf_thread_await_tid(t);
  snprintf(name, sizeof name, "/proc/self/task/%lld/comm", (long long)tid);
  CHECK(tid > 0 && wf_thread_tid(t) == tid);
  ONCE(pthread_getcpuclockid, ESRCH);
  CHECK(wf_thread_cpu_ns(t) == 0);
  ONCE(clock_gettime, EINVAL);
  CHECK(wf_thread_cpu_ns(t) == 0);
  refuse_as(REFUSED_clock_gettime, CLOCK_THREAD_CPUTIME_ID, 1, 1, EINVAL);
  CHECK(wf_thread_self_cpu_ns() == 0 && wf_thread_self_cpu_ns() > 0);
  atomic_store(&over, true);
  while (!wf_thread_ended(t)) usleep(100);
  CHECK(wf_thread_cpu_ns(t) == 0 && wf_thread_signal(t, 0) == ESRCH);
  wf_thread_join(t);
}

static void attributes(void) {
  static const int first = 0;
  int cpus[2] = {0, 1000};
  const char *what;
  CHECK(wf_set_affinity(0, cpus, 2) == EINVAL); /* one that is not there is not left out */
  cpus[1] = -1;
  CHECK(wf_set_affinity(0, cpus, 2) == EINVAL);
  cpus[1] = WF_CPUS_MAX;
  CHECK(wf_set_affinity(0, cpus, 2) == EINVAL && wf_set_affinity(0, cpus, 0) == EINVAL);
  ONCE(sched_setaffinity, EPERM);
  CHECK(wf_set_affinity(0, &first, 1) == EPERM);
  ONCE(sched_getaffinity, ESRCH);
  CHECK(wf_set_affinity(0, &first, 1) == ESRCH);
  ONCE(setpriority, EACCES);
  CHECK(wf_set_nice(0, 0) == EACCES && wf_set_nice(0, 20) == EINVAL && wf_set_nice(0, -21) == EINVAL);
  ONCE(prctl, EINVAL);
  CHECK(wf_set_no_new_privs() == EINVAL && wf_set_no_new_privs() == 0);
  ONCE(sched_getaffinity, EINVAL);
  CHECK(wf_cpu_count() == 1); /* as far as is known */
  ONCE(sched_getscheduler, ESRCH);
  CHECK(wf_set_policy(0, false, 0, false, 0, &what) == ESRCH && strcmp(what, "policy") == 0);
  CHECK(wf_set_policy(0, true, 12345, false, 0, &what) == EINVAL && strcmp(what, "policy") == 0);
  CHECK(wf_set_policy(0, true, SCHED_OTHER, true, 5, &what) == EINVAL && strcmp(what, "priority") == 0);
  CHECK(wf_set_policy(0, true, SCHED_FIFO, true, 100, &what) == EINVAL && strcmp(what, "priority") == 0);
  ONCE(sched_setscheduler, EPERM);
  CHECK(wf_set_policy(0, true, SCHED_OTHER, false, 0, &what) == EPERM);
  refuse(-1, 0);
  CHECK(wf_set_policy(0, false, 0, false, 0, &what) == 0);
}

/* A thread that becomes as the process's first one is: as far as that can be seen. */
static void *other_thread(void *arg) {
  const char *what;
  (void)arg;
  CHECK(wf_set_policy(0, true, SCHED_BATCH, false, 0, &what) == 0);
  ONCE(sched_getparam, EINVAL);
  wf_attr_as_process();
  CHECK(sched_getscheduler(0) == SCHED_BATCH);
  ONCE(sched_getscheduler, EINVAL);
  wf_attr_as_process();
  CHECK(sched_getscheduler(0) == SCHED_BATCH);
  ONCE(sched_getaffinity, EINVAL);
  wf_attr_as_process();
  CHECK(sched_getscheduler(0) == SCHED_OTHER);
  CHECK(wf_set_nice(0, 5) == 0);
  wf_attr_as_process();
  if (geteuid() == 0) CHECK(getpriority(PRIO_PROCESS, 0) == getpriority(PRIO_PROCESS, (id_t)getpid()));
  return NULL;
}

static void as_the_process(void) {
  pthread_t t;
  CHECK(pthread_create(&t, NULL, other_thread, NULL) == 0);
  pthread_join(t, NULL);
}

/* On a thread of its own: it is what is changed. */
static void *take_identities(void *arg) {
  (void)arg;
  static const gid_t groups[] = {12};
  wf_identity id = {.has_uid = true, .has_gid = true, .uid = 12345, .gid = 54321, .groups = groups, .ngroups = 1};
  static const struct {
    long call;
    const char *what;
  } steps[] = {{SYS_setgroups, "groups"}, {SYS_setresgid, "gid"}, {SYS_setresuid, "uid"}};
  const char *what = NULL;
  for (int i = 0; i < 3; i++) {
    refuse_as(REFUSED_syscall, steps[i].call, 1, 1, EPERM);
    if (geteuid() == 0) CHECK(wf_identity_take(&id, &what) == EPERM && strcmp(what, steps[i].what) == 0);
  }
  if (geteuid() != 0) return NULL;
  CHECK(wf_identity_own());
  refuse_by_answer(REFUSED_syscall, SYS_setresuid, 1, 2, 0); /* it is said to be done, and back again */
  CHECK(wf_identity_take(&id, &what) == EPERM && strcmp(what, "uid") == 0);
  id.has_uid = false;
  id.gid = 0; /* the group alone, which stays root's */
  refuse(-1, 0);
  CHECK(wf_identity_take(&id, &what) == 0);
  id.has_uid = true;
  id.gid = 54321;
  refuse_by_answer(REFUSED_syscall, SYS_setresgid, 1, 2, 0);
  CHECK(wf_identity_take(&id, &what) == EPERM && strcmp(what, "gid") == 0);
  return NULL;
}

static void identities(void) {
  pthread_t t;
  uid_t before = geteuid();
  CHECK(pthread_create(&t, NULL, take_identities, NULL) == 0);
  pthread_join(t, NULL);
  CHECK(geteuid() == before && !wf_identity_own());
}

/* ---- lanes ---- */

typedef struct work {
  wf_lane_job job;
  atomic_bool *open, begun, ended;
} work;

static void run_work(wf_lane_job *j) {
  work *w = wf_container_of(j, work, job);
  atomic_store(&w->begun, true);
  while (!atomic_load(w->open)) usleep(100);
  atomic_store(&w->ended, true);
}

/* More lanes are wanted and there are none to be had: what waits keeps its place. */
static void lanes_that_cannot_be(void) {
  atomic_bool open = false, second = false;
  work w[3] = {{.job.run = run_work, .open = &open}, {.job.run = run_work, .open = &second}, {.job.run = run_work, .open = &second}};
  wf_lanes *p = wf_lanes_new("refused", 1);
  CHECK(p != NULL);
  ONCE(pthread_create, EAGAIN);
  CHECK(wf_lanes_submit(p, &w[0].job) == EAGAIN);
  CHECK(wf_lanes_submit(p, &w[0].job) == 0 && wf_lanes_submit(p, &w[1].job) == 0 && wf_lanes_submit(p, &w[2].job) == 0);
  while (!atomic_load(&w[0].begun)) usleep(100);
  CHECK(!wf_lanes_withdraw(p, &w[0].job)); /* it runs */
  ONCE(pthread_create, EAGAIN);
  wf_lanes_set(p, 3, 0);
  wf_lanes_facts f;
  wf_lanes_get(p, &f);
  CHECK(f.threads == 1 && f.queued == 2);
  atomic_store(&open, true); /* then the one lane takes them in their order */
  while (!atomic_load(&w[1].begun)) usleep(100);
  CHECK(!atomic_load(&w[2].begun));
  wf_lanes_set(p, 3, 0);
  while (!atomic_load(&w[2].begun)) usleep(100);
  atomic_store(&second, true);
  while (!atomic_load(&w[1].ended) || !atomic_load(&w[2].ended)) usleep(100);
  wf_lanes_close(p, 60000);
  CHECK(wf_lanes_submit(p, &w[0].job) == ECANCELED);
  wf_lanes_set(p, 5, 0);
  wf_lanes_release(p);
}

int main(void) {
  alarm(60);
  in_a_child(threads_that_cannot_be);
  in_a_child(what_threads_are_called_and_use);
  in_a_child(attributes);
  in_a_child(as_the_process);
  in_a_child(identities);
  in_a_child(lanes_that_cannot_be);
  return failures != 0;
}

#else
int main(void) {
  printf("no calls can be refused here\n");
  return 0;
}
#endif
