/*
** Dedicated threads: every attribute is read back from the kernel, every option
** that cannot be honoured fails start by name and leaves nothing behind.
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "sys/thread.h"

static int failures;

#define CHECK(cond)                                       \
  do {                                                    \
    if (!(cond)) {                                        \
      printf("%s:%d: %s\n", __FILE__, __LINE__, #cond);   \
      failures++;                                         \
    }                                                     \
  } while (0)

static int tasks(void) {
  DIR *d = opendir("/proc/self/task");
  int n = 0;
  if (!d) return -1;
  for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

static int tasks_at_first; /* a sanitizer may have its own */

/* Threads leave /proc a moment after they were joined or have ended. */
static void wait_for_no_tasks(void) {
  while (tasks() != tasks_at_first) sched_yield();
}

/* A file of /proc/self/task/TID, in a static buffer. */
static const char *task_file(int64_t tid, const char *name) {
  static char text[8192];
  char path[80];
  snprintf(path, sizeof path, "/proc/self/task/%" PRId64 "/%s", tid, name);
  text[0] = '\0';
  FILE *f = fopen(path, "r");
  if (!f) return text;
  text[fread(text, 1, sizeof text - 1, f)] = '\0';
  fclose(f);
  return text;
}

/* ------------------------------------------------------- a thread that waits */

typedef struct gate {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool inside, open;
  int ran;
  sigset_t mask; /* the signals that the thread inside has blocked */
} gate;

#define GATE {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}

static void stand_at_gate(void *arg) {
  gate *g = arg;
  pthread_mutex_lock(&g->lock);
  g->inside = true;
  g->ran++;
  pthread_sigmask(SIG_SETMASK, NULL, &g->mask);
  pthread_cond_broadcast(&g->changed);
  while (!g->open) pthread_cond_wait(&g->changed, &g->lock);
  pthread_mutex_unlock(&g->lock);
}

static void wait_inside(gate *g) {
  pthread_mutex_lock(&g->lock);
  while (!g->inside) pthread_cond_wait(&g->changed, &g->lock);
  pthread_mutex_unlock(&g->lock);
}

static void open_gate(gate *g) {
  pthread_mutex_lock(&g->lock);
  g->open = true;
  pthread_cond_broadcast(&g->changed);
  pthread_mutex_unlock(&g->lock);
}

static wf_thread *started(const wf_thread_opts *o, gate *g) {
  wf_thread *t = NULL;
  const char *what = "?";
  int e = wf_thread_start(&t, o, stand_at_gate, g, &what);
  if (e) {
    printf("start: %s: %s\n", what, strerror(e));
    exit(1);
  }
  wait_inside(g);
  return t;
}

/* error 0: whichever. */
static void fails_with(const wf_thread_opts *o, int error, const char *what) {
  gate g = GATE;
  wf_thread *t = NULL;
  const char *said = "?";
  int e = wf_thread_start(&t, o, stand_at_gate, &g, &said);
  if (e == 0) {
    open_gate(&g);
    wf_thread_join(t);
  }
  if (e == 0 || (error != 0 && e != error) || strcmp(said, what) != 0 || g.ran != 0 || t != NULL) {
    printf("expected %s: %s, got %s: %s (ran %d)\n", what, strerror(error), said, strerror(e), g.ran);
    failures++;
  }
  wait_for_no_tasks();
}

static void in_a_child(void (*body)(void)) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    failures = 0;
    tasks_at_first = tasks();
    body();
    fflush(stdout);
    _exit(failures != 0);
  }
  int status = 1;
  waitpid(pid, &status, 0);
  CHECK(status == 0);
}

/* ------------------------------------------------------------------- the tests */

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

static void named(const char *name, const char *seen) {
  gate g = GATE;
  wf_thread *t = started(&(wf_thread_opts){.name = name}, &g);
  char comm[64];
  snprintf(comm, sizeof comm, "%s\n", seen);
  CHECK(strcmp(task_file(wf_thread_tid(t), "comm"), comm) == 0);
  open_gate(&g);
  wf_thread_join(t);
}

static void use_stack(void *arg) {
  pthread_attr_t a;
  void *low;
  size_t size;
  if (pthread_getattr_np(pthread_self(), &a) == 0) {
    pthread_attr_getstack(&a, &low, &size);
    *(size_t *)arg = size;
    pthread_attr_destroy(&a);
  }
  volatile char deep[(size_t)900 << 10];
  for (size_t i = 0; i < sizeof deep; i += 512) deep[i] = 1;
}

static void gets_its_stack(void) {
  size_t size[3] = {0};
  const size_t asked[3] = {0, 4096, ((size_t)8 << 20) + 1};
  for (int i = 0; i < 3; i++) {
    wf_thread *t;
    CHECK(wf_thread_start(&t, &(wf_thread_opts){.stack = asked[i]}, use_stack, &size[i], NULL) == 0);
    wf_thread_join(t);
  }
  CHECK(size[0] >= WF_THREAD_STACK && size[1] >= WF_THREAD_STACK && size[2] > (size_t)8 << 20);
}

/* Field n of /proc/.../stat, counted after the name, which may hold anything. */
static long stat_field(int64_t tid, int n) {
  const char *at = strrchr(task_file(tid, "stat"), ')');
  for (int i = 2; at && i < n; i++) at = strchr(at + 1, ' ');
  return at ? strtol(at, NULL, 10) : -999;
}

static void reads_back(const wf_thread_opts *o, long nice_, long policy, long rt_priority) {
  gate g = GATE;
  wf_thread *t = started(o, &g);
  int64_t tid = wf_thread_tid(t);
  CHECK(stat_field(tid, 19) == nice_);
  CHECK(stat_field(tid, 41) == policy);
  CHECK(stat_field(tid, 40) == rt_priority);
  CHECK(getpriority(PRIO_PROCESS, 0) == 0); /* this thread's own is as it was */
  open_gate(&g);
  wf_thread_join(t);
}

static bool may_use_fifo(void) {
  struct sched_param none = {0}, least = {1};
  if (sched_setscheduler(0, SCHED_FIFO, &least) != 0) return false;
  sched_setscheduler(0, SCHED_OTHER, &none);
  return true;
}

static void schedules(void) {
  reads_back(&(wf_thread_opts){.has_nice = true, .nice = 7}, 7, SCHED_OTHER, 0);
  reads_back(&(wf_thread_opts){.has_nice = true, .nice = 3, .has_policy = true, .policy = SCHED_BATCH}, 3, SCHED_BATCH, 0);
  reads_back(&(wf_thread_opts){.has_policy = true, .policy = SCHED_IDLE}, 0, SCHED_IDLE, 0);
  reads_back(&(wf_thread_opts){.has_policy = true, .policy = SCHED_OTHER, .has_priority = true}, 0, SCHED_OTHER, 0);
  wf_thread_opts fifo = {.has_policy = true, .policy = SCHED_FIFO, .has_priority = true, .priority = 5};
  wf_thread_opts rr = {.has_policy = true, .policy = SCHED_RR};
  if (may_use_fifo()) {
    reads_back(&fifo, 0, SCHED_FIFO, 5);
    reads_back(&rr, 0, SCHED_RR, 1);
  } else {
    fails_with(&fifo, EPERM, "policy");
    fails_with(&rr, EPERM, "policy");
  }
  fails_with(&(wf_thread_opts){.has_nice = true, .nice = 20}, EINVAL, "nice");
  fails_with(&(wf_thread_opts){.has_nice = true, .nice = -21}, EINVAL, "nice");
  fails_with(&(wf_thread_opts){.has_policy = true, .policy = 77}, EINVAL, "policy");
  fails_with(&(wf_thread_opts){.has_policy = true, .policy = SCHED_FIFO, .has_priority = true, .priority = 100}, EINVAL, "priority");
  fails_with(&(wf_thread_opts){.has_policy = true, .policy = SCHED_FIFO, .has_priority = true}, EINVAL, "priority");
  fails_with(&(wf_thread_opts){.has_priority = true, .priority = 1}, EINVAL, "priority");
}

static void without_rights(void) {
  if (geteuid() == 0 && setuid(65534) != 0) return;
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_NICE, &none);
  setrlimit(RLIMIT_RTPRIO, &none);
  fails_with(&(wf_thread_opts){.has_nice = true, .nice = -1}, EACCES, "nice");
  fails_with(&(wf_thread_opts){.has_policy = true, .policy = SCHED_RR}, EPERM, "policy");
}

static void without_threads(void) {
  if (geteuid() == 0 && setuid(65534) != 0) return;
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_NPROC, &none);
  fails_with(NULL, EAGAIN, "thread");
  fails_with(&(wf_thread_opts){.stack = (size_t)16 << 20, .has_nice = true, .nice = 1}, EAGAIN, "thread");
}

static void keeps_to_its_cpus(void) {
  cpu_set_t mine;
  CHECK(sched_getaffinity(0, sizeof mine, &mine) == 0);
  CHECK(wf_cpu_count() == CPU_COUNT(&mine));
  for (int c = 0; c < CPU_SETSIZE; c++) {
    if (!CPU_ISSET((size_t)c, &mine)) continue;
    gate g = GATE;
    wf_thread *t = started(&(wf_thread_opts){.cpus = &c, .ncpus = 1}, &g);
    cpu_set_t got;
    CHECK(sched_getaffinity((pid_t)wf_thread_tid(t), sizeof got, &got) == 0);
    CHECK(CPU_COUNT(&got) == 1 && CPU_ISSET((size_t)c, &got));
    open_gate(&g);
    wf_thread_join(t);
  }
  fails_with(&(wf_thread_opts){.cpus = (int[]){-1}, .ncpus = 1}, EINVAL, "affinity");
  fails_with(&(wf_thread_opts){.cpus = (int[]){1 << 30}, .ncpus = 1}, EINVAL, "affinity");
  fails_with(&(wf_thread_opts){.cpus = (int[]){8000}, .ncpus = 1}, EINVAL, "affinity");
  fails_with(&(wf_thread_opts){.cpus = (int[]){0}, .ncpus = 0}, EINVAL, "affinity");
  int first = 0;
  while (!CPU_ISSET((size_t)first, &mine)) first++;
  fails_with(&(wf_thread_opts){.cpus = (int[]){first, 8000}, .ncpus = 2}, EINVAL, "affinity");
}

static int setup_ok(void *arg, const char **what) {
  (void)what;
  *(int64_t *)arg = wf_thread_self_tid();
  return 0;
}

static int setup_refuses(void *arg, const char **what) {
  (void)arg;
  *what = "uid";
  return EPERM;
}

static void runs_setup(void) {
  int64_t tid = 0;
  gate g = GATE;
  wf_thread *t = started(&(wf_thread_opts){.setup = setup_ok, .setup_arg = &tid}, &g);
  CHECK(tid != 0 && tid == wf_thread_tid(t) && tid != wf_thread_self_tid());
  open_gate(&g);
  wf_thread_join(t);
  fails_with(&(wf_thread_opts){.setup = setup_refuses}, EPERM, "uid");
}

static void *no_memory(void *ud, void *block, size_t size) {
  (void)ud;
  if (size == 0) free(block);
  return NULL;
}

static void fails_cleanly(void) {
  fails_with(&(wf_thread_opts){.stack = SIZE_MAX}, EINVAL, "stack");
  fails_with(&(wf_thread_opts){.stack = (size_t)1 << 46}, 0, "stack");
  wf_alloc_set(no_memory, NULL);
  fails_with(NULL, ENOMEM, "thread");
  wf_alloc_set(NULL, NULL);
  in_a_child(without_rights);
  in_a_child(without_threads);
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

static void ends_at_once(void *arg) { (void)arg; }

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
    CHECK(wf_thread_start(&t, NULL, ends_at_once, NULL, NULL) == 0);
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

static void knows_policies(void) {
  static const char *const names[] = {"other", "batch", "idle", "fifo", "rr"};
  for (size_t i = 0; i < 5; i++) {
    int p = wf_policy_parse(names[i]);
    CHECK(p >= 0 && strcmp(wf_policy_name(p), names[i]) == 0);
  }
  CHECK(wf_policy_parse("") == -1 && wf_policy_parse("FIFO") == -1 && wf_policy_parse("fif") == -1);
  CHECK(strcmp(wf_policy_name(99), "?") == 0);
}

int main(void) {
  wf_thread *warm;
  int n;
  if (wf_thread_start(&warm, NULL, set_seven, &n, NULL) != 0) return 1;
  wf_thread_join(warm); /* TSan starts its own thread with the first */
  while ((tasks_at_first = tasks()) > 2) sched_yield();
  starts_and_joins();
  blocks_signals();
  named("crunch", "crunch");
  named("exactly15bytes!", "exactly15bytes!");
  named("sixteen bytes!!!", "sixteen bytes!!");
  named("fourteenbytes.\xC3\xA9", "fourteenbytes."); /* not half an e acute */
  named("thirteenbytes\xC3\xA9", "thirteenbytes\xC3\xA9");
  gets_its_stack();
  schedules();
  keeps_to_its_cpus();
  runs_setup();
  fails_cleanly();
  joins_in_time();
  detaches();
  is_signalled();
  knows_policies();
  wait_for_no_tasks();
  if (failures == 0) printf("ok\n");
  return failures != 0;
}
