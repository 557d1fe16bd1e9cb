/*
** The options of dedicated threads: each is read back from the kernel; one that
** cannot be honoured fails start by name and leaves nothing behind.
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "thread_gate.h"

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
  tasks_at_first = tasks();
  if (geteuid() == 0 && setuid(65534) != 0) return;
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_NICE, &none);
  setrlimit(RLIMIT_RTPRIO, &none);
  fails_with(&(wf_thread_opts){.has_nice = true, .nice = -1}, EACCES, "nice");
  fails_with(&(wf_thread_opts){.has_policy = true, .policy = SCHED_RR}, EPERM, "policy");
}

static void without_threads(void) {
  tasks_at_first = tasks();
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
  fails_with(&(wf_thread_opts){.stack = SIZE_MAX == UINT32_MAX ? (size_t)3 << 30 : (size_t)(UINT64_C(1) << 46)}, 0, "stack");
  wf_alloc_set(no_memory, NULL);
  fails_with(NULL, ENOMEM, "thread");
  wf_alloc_set(NULL, NULL);
  in_a_child(without_rights);
  in_a_child(without_threads);
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
  count_first_tasks();
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
  knows_policies();
  wait_for_no_tasks();
  if (failures == 0) printf("ok\n");
  return failures != 0;
}
