/* spawn_refused_test.c: programs are started while the kernel says no, at each step (sys/spawn.c, sys/spawn_child.c): the error
 * comes back with the name of what failed, and no process, no memory and no descriptor is left; what an old kernel lacks is done
 * in another way.
 *
 * The child shares the memory of who starts it until its program runs, so what is ordered here holds there. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define REFUSED_OWN(X) X(waitpid, MINUS_ONE, EINTR)
#include "base/alloc.h"
#include "folder.h"
#include "heap.h"
#include "refusal.h"
#include "spawn_util.h"

#if REFUSALS

/* The at-th of these bare calls fails. */
static void no_call(long number, long at, int error) { refuse_as(REFUSED_syscall, number, at, 1, error); }

static int signal_of_end; /* 0, or what wait4 says of the end */
static int interruptions; /* of the next calls of it */

pid_t wait4(pid_t pid, int *status, int options, struct rusage *u) {
  if (interruptions > 0) {
    interruptions--;
    errno = EINTR;
    return -1;
  }
  pid_t got = (pid_t)syscall(SYS_wait4, pid, status, options, u);
  if (got > 0 && signal_of_end != 0) *status = signal_of_end;
  return got;
}

static wf_spawn_fd standard[] = {{0, 0}, {1, 1}, {2, 2}};

static wf_spawn_opts program(const char *file, char *const *argv) {
  wf_spawn_opts o = fresh();
  o.file = file;
  o.argv = argv;
  o.fds = standard;
  o.nfds = 3;
  return o;
}

/* It runs, and says what it is to say. */
static void ends_with(const wf_spawn_opts *o, int code, int line) {
  wf_process p;
  wf_process_end end = {.code = -2};
  const char *what = "nothing";
  int before = open_fds(), e = wf_spawn(&p, o, &what);
  refuse(-1, 0);
  if (e == 0) await(&p, &end);
  if (e != 0 || end.code != code) {
    printf("line %d: error %d %s, code %d\n", line, e, what, end.code);
    failures++;
  }
  CHECK(open_fds() == before && no_children());
}
#define ENDS_WITH(o, code) ends_with(o, code, __LINE__)

static char *const true_argv[] = {"true", NULL};
static char *const three_argv[] = {"sh", "-c", "exit 3", NULL};

/* ---- steps ---- */

static void steps_that_fail(void) {
  static const gid_t group = 12;
  static const int cpu = 0;
  static const wf_spawn_limit limit = {RLIMIT_CORE, 0, 0};
  wf_spawn_opts o = fresh();
  o.session = true;
  no_call(SYS_setsid, 1, EPERM);
  fails_as(&o, EPERM, "session");
  o = fresh();
  o.has_nice = true;
  no_call(SYS_setpriority, 1, EACCES);
  fails_as(&o, EACCES, "nice");
  o = fresh();
  o.cpus = &cpu;
  o.ncpus = 1;
  no_call(SYS_sched_getaffinity, 1, ESRCH);
  fails_as(&o, ESRCH, "affinity");
  no_call(SYS_sched_setaffinity, 1, EPERM);
  fails_as(&o, EPERM, "affinity");
  int cpus[] = {0, 1000};
  o.cpus = cpus;
  o.ncpus = 2;
  fails_as(&o, EINVAL, "affinity"); /* there is no such, and it is not left out */
  cpus[1] = -1;
  fails_as(&o, EINVAL, "affinity");
  cpus[1] = 1 << 30;
  fails_as(&o, EINVAL, "affinity");
  o = fresh();
  o.limits = &limit;
  o.nlimits = 1;
  no_call(SYS_prlimit64, 1, EPERM);
  fails_as(&o, EPERM, "limits");
  o = fresh();
  o.has_groups = true;
  o.groups = &group;
  o.ngroups = 1;
  no_call(SYS_setgroups, 1, EPERM);
  fails_as(&o, EPERM, "groups");
  o = fresh();
  o.has_gid = true;
  o.gid = getgid();
  no_call(SYS_setresgid, 1, EAGAIN);
  if (geteuid() == 0) fails_as(&o, EAGAIN, "gid");
  o = fresh();
  o.no_new_privs = true;
  no_call(SYS_prctl, 1, EINVAL);
  fails_as(&o, EINVAL, "no_new_privs");
  o = fresh();
  o.death_signal = SIGKILL;
  no_call(SYS_prctl, 1, EINVAL);
  fails_as(&o, EINVAL, "death signal");
  refuse_by_answer(REFUSED_syscall, SYS_getppid, 1, 1, 1); /* who asked for it has ended before it could be told */
  fails_as(&o, ESRCH, "death signal");
  refuse(-1, 0);
  o = program("true", true_argv);
  o.death_signal = SIGKILL;
  ENDS_WITH(&o, 0);
}

/* Who is not root any more must not be able to be again. */
static void an_identity_that_could_come_back(void) {
  wf_spawn_opts o = fresh();
  if (geteuid() != 0) return;
  o.has_uid = true;
  o.uid = 12345;
  refuse_by_answer(REFUSED_syscall, SYS_setresuid, 2, 1, 0);
  fails_as(&o, EPERM, "uid");
  no_call(SYS_setgroups, 1, EPERM); /* root must be able to give up its groups */
  fails_as(&o, EPERM, "groups");
  refuse(-1, 0);
  o = program("true", true_argv);
  o.has_uid = true; /* it stays root, which may come back */
  ENDS_WITH(&o, 0);
}

/* Who is not root has no groups to give up. */
static void an_identity_of_its_own(void) {
  uid_t before = geteuid();
  if (before == 0 && setresuid(12345, 12345, 0) != 0) return;
  wf_spawn_opts o = program("true", true_argv);
  o.has_uid = true;
  o.uid = getuid();
  no_call(SYS_setgroups, 1, EPERM);
  ENDS_WITH(&o, 0);
  no_call(SYS_setgroups, 1, EINVAL);
  fails_as(&o, EINVAL, "groups");
  refuse(-1, 0);
  CHECK(setresuid(before, before, before) == 0);
}

static void the_end_of_a_failure_is_waited_for(void) {
  wf_spawn_opts o = fresh();
  o.file = "/no/such";
  refuse_as(REFUSED_waitpid, REFUSED_ANY, 1, 3, EINTR);
  fails_as(&o, ENOENT, "/no/such");
  refuse_as(REFUSED_clone, REFUSED_ANY, 1, 1, EINVAL);
  refuse_also(REFUSED_syscall, SYS_pidfd_open, 1, 1, ENOSYS);
  fails_as(&o, ENOENT, "/no/such");
  refuse_as(REFUSED_clone, REFUSED_ANY, 1, 1, EAGAIN);
  fails_as(&o, EAGAIN, "fork");
  signal(SIGCHLD, SIG_IGN); /* then it is gone by itself */
  fails_as(&o, ENOENT, "/no/such");
}

/* ---- descriptors ---- */

static void descriptors_without_close_range(void) {
  char *const argv[] = {"sh", "-c", "for i in 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/$$/fd/$i ] && exit $i; done; exit 0", NULL};
  int a = open("/dev/zero", O_RDONLY); /* inherited unless told */
  wf_spawn_opts o = program("/bin/sh", argv);
  if (!forbid(436 /* close_range */, ENOSYS, 0, 0)) return;
  ENDS_WITH(&o, 0);
  /* Nor a folder that lists them: all numbers that there may be. */
  struct rlimit before, r;
  CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
  for (int way = 0; way < 3; way++) {
    r = before;
    if (way == 1) r.rlim_cur = 64;
    if (way == 2) r = (struct rlimit){70000, before.rlim_max > 70000 ? before.rlim_max : 70000};
    if (setrlimit(RLIMIT_NOFILE, &r) != 0) continue;
    no_call(way == 0 ? SYS_openat : SYS_getdents64, 1, ENOENT);
    ENDS_WITH(&o, 0);
  }
  CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
  if (!forbid(SYS_getdents64, ENOSYS, 0, 0)) return;
  no_call(SYS_prlimit64, 1, EPERM); /* nor a limit */
  ENDS_WITH(&o, 0);
  close(a);
}

static void descriptors_that_are_none(void) {
  static char *const argv[] = {"true", NULL};
  wf_process p;
  const char *what;
  int a = open("/dev/zero", O_RDONLY | O_CLOEXEC), closed = a + 20;
  static wf_spawn_fd list[3];
  wf_spawn_opts o = fresh();
  o.file = "/bin/true";
  o.argv = argv;
  o.fds = list;
  list[0] = (wf_spawn_fd){closed, closed}; /* where it is */
  o.nfds = 1;
  CHECK(wf_spawn(&p, &o, &what) == EBADF && strcmp(what, "descriptor") == 0);
  list[0] = (wf_spawn_fd){a, closed}; /* two that change places */
  list[1] = (wf_spawn_fd){closed, a};
  o.nfds = 2;
  CHECK(wf_spawn(&p, &o, &what) == EBADF && strcmp(what, "descriptor") == 0);
  list[0] = (wf_spawn_fd){0, 0};
  o.nfds = 1;
  no_call(SYS_fcntl, 1, EIO); /* one of the standard streams that is closed would be EBADF */
  CHECK(wf_spawn(&p, &o, &what) == EIO && strcmp(what, "descriptor") == 0);
  refuse(-1, 0);
  close(a);
  CHECK(no_children());
}

/* What is not listed is not open in the child, the standard streams too. */
static void no_standard_streams(void) {
  char *const argv[] = {"sh", "-c", "[ -e /proc/$$/fd/1 ] || exit 7", NULL};
  wf_spawn_opts o = program("/bin/sh", argv);
  wf_spawn_fd none = {0, 0};
  o.fds = &none;
  o.nfds = 1;
  ENDS_WITH(&o, 7);
}

/* ---- looking for the program ---- */

static void goes_on_along_the_path(void) {
  static const int elsewhere[] = {ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, ESTALE, ENODEV, EACCES}, final[] = {ENOEXEC, ENOMEM, EIO, EPERM};
  char *const env[] = {"PATH=/bin:/usr/bin:/bin", NULL};
  wf_spawn_opts o = program("sh", three_argv);
  o.envp = env;
  for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
    no_call(SYS_execve, 1, elsewhere[i]);
    ENDS_WITH(&o, 3);
    refuse_as(REFUSED_syscall, SYS_execve, 1, 3, elsewhere[i]);
    fails_as(&o, elsewhere[i], "sh");
  }
  for (size_t i = 0; i < sizeof final / sizeof *final; i++) {
    no_call(SYS_execve, 1, final[i]);
    fails_as(&o, final[i], "sh");
  }
  char *const other[] = {"PATH=/etc/passwd:/bin", NULL};
  o.envp = other;
  ENDS_WITH(&o, 3);
}

static void without_a_path(void) {
  char *const none[] = {NULL};
  wf_spawn_opts o = program("sh", three_argv);
  o.envp = none;
  ENDS_WITH(&o, 3);
  clearenv(); /* environ may be NULL then */
  o.envp = NULL;
  ENDS_WITH(&o, 3);
}

/* An empty entry is the current folder. */
static void in_the_current_folder(void) {
  char folder[200], *const env[] = {"PATH=/no/such::", NULL}, *const argv[] = {"here", NULL};
  CHECK(temporary_folder(folder, sizeof folder) && chdir(folder) == 0);
  int fd = open("here", O_CREAT | O_WRONLY, 0700);
  CHECK(write(fd, "#!/bin/sh\nexit 6\n", 17) == 17);
  close(fd);
  wf_spawn_opts o = program("here", argv);
  o.envp = env;
  ENDS_WITH(&o, 6);
  unlink("here");
  CHECK(chdir("/") == 0 && rmdir(folder) == 0);
}

/* ---- memory ---- */

static heap memory;

static void without_memory(void) {
  static const int cpu = 0;
  for (int path = 0; path < 2; path++) {
    wf_spawn_opts o = fresh();
    o.file = path ? "true" : "/bin/true";
    o.cpus = &cpu;
    o.ncpus = 1;
    wf_alloc_set(heap_plain, &memory);
    for (long n = 1; n <= 3; n++) {
      heap_order(&memory, n, 0);
      fails_as(&o, ENOMEM, n == 1 ? "affinity" : "fork");
      CHECK(memory.blocks == 0);
    }
    heap_heal(&memory);
    wf_alloc_set(NULL, NULL);
  }
}

/* ---- the running child ---- */

static void signals_to_it(void) {
  char *const argv[] = {"sleep", "60", NULL};
  wf_process p;
  wf_process_end end;
  const char *what;
  wf_spawn_opts o = program("sleep", argv);
  o.group = 0;
  CHECK(wf_spawn(&p, &o, &what) == 0);
  refuse_as(REFUSED_kill, REFUSED_ANY, 1, 1, EPERM);
  CHECK(wf_process_signal(&p, 0, true) == EPERM);
  no_call(SYS_pidfd_send_signal, 1, EPERM);
  CHECK(wf_process_signal(&p, 0, false) == (p.pidfd >= 0 ? EPERM : 0));
  no_call(SYS_pidfd_send_signal, 1, ENOSYS);
  CHECK(wf_process_signal(&p, 0, false) == 0); /* by its number */
  no_call(SYS_pidfd_send_signal, 1, ENOSYS);
  refuse_also(REFUSED_kill, REFUSED_ANY, 1, 1, EPERM);
  CHECK(wf_process_signal(&p, 0, false) == EPERM);
  refuse(-1, 0);
  CHECK(wf_process_reap(&p, &end) == EAGAIN);
  CHECK(wf_process_signal(&p, SIGTERM, true) == 0);
  interruptions = 3;
  signal_of_end = SIGQUIT | 0x80; /* as when its memory was kept */
  await(&p, &end);
  CHECK(interruptions == 0 && end.code == -1 && end.signal == SIGQUIT && end.core);
  signal_of_end = 0;
  CHECK(wf_spawn(&p, &o, &what) == 0 && wf_process_signal(&p, SIGTERM, true) == 0);
  await(&p, &end);
  CHECK(end.signal == SIGTERM && !end.core);
}

static void on_hup(int sig, siginfo_t *info, void *ud) { (void)sig, (void)info, (void)ud; }

/* A handler of the other kind is no SIG_IGN, whatever its address. */
static void a_handler_for_hang_ups(void) {
  char *const argv[] = {"sh", "-c", "kill -HUP $$; exit 1", NULL};
  struct sigaction sa = {.sa_sigaction = on_hup, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGHUP, &sa, NULL) == 0);
  wf_spawn_opts o = program("/bin/sh", argv);
  ENDS_WITH(&o, -1); /* the signal ended it */
}

int main(void) {
  in_a_child(steps_that_fail);
  in_a_child(an_identity_that_could_come_back);
  in_a_child(an_identity_of_its_own);
  in_a_child(the_end_of_a_failure_is_waited_for);
  in_a_child(descriptors_without_close_range);
  in_a_child(descriptors_that_are_none);
  in_a_child(no_standard_streams);
  in_a_child(goes_on_along_the_path);
  in_a_child(without_a_path);
  in_a_child(in_the_current_folder);
  in_a_child(without_memory);
  in_a_child(signals_to_it);
  in_a_child(a_handler_for_hang_ups);
  CHECK(no_children());
  return failures != 0;
}

#else
int main(void) {
  printf("no calls can be refused here\n");
  return 0;
}
#endif
