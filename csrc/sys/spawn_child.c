/* See spawn.h: what runs in the child, from its birth to its program.
 *
 * It may share all memory with a process whose other threads go on running: bare system calls only. libc's setuid would
 * change the identity of the caller's threads, its sigaction is watched by sanitizers, any of its locks may be held.
 * Nothing here is instrumented. */
#define _GNU_SOURCE
#include "sys/spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN_CHILD __attribute__((no_sanitize_address, no_sanitize_thread))

#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#define CALL(name, ...) syscall(SYS_##name, __VA_ARGS__)
#define CALL0(name) syscall(SYS_##name)
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifdef SYS_setresuid32 /* 32-bit systems: the old calls take 16 bits */
#define SYS_setresuid_ SYS_setresuid32
#define SYS_setresgid_ SYS_setresgid32
#define SYS_setgroups_ SYS_setgroups32
#else
#define SYS_setresuid_ SYS_setresuid
#define SYS_setresgid_ SYS_setresgid
#define SYS_setgroups_ SYS_setgroups
#endif
#else
#define CALL(name, ...) name(__VA_ARGS__)
#define CALL0(name) name()
#endif

enum { CLOEXEC_RANGE = 4, SIGNALS = 64 }; /* CLOSE_RANGE_CLOEXEC */

/* Signals -------------------------------------------------------------------------------------- */

/* Default dispositions, with all signals still blocked. */
static IN_CHILD void reset_signals(const wf_spawn_plan *plan) {
#if defined(__linux__)
  /* The kernel's own record, larger than any machine's, all zero: SIG_DFL, no flags, no mask. */
  unsigned long zero[16];
  for (size_t i = 0; i < 16; i++) zero[i] = 0;
  for (int sig = 1; sig <= SIGNALS; sig++) {
    if (sig == SIGKILL || sig == SIGSTOP || (sig == SIGHUP && plan->keep_hup)) continue;
    CALL(rt_sigaction, sig, zero, NULL, _NSIG / 8);
  }
#else
  struct sigaction dfl = {.sa_handler = SIG_DFL};
  for (int sig = 1; sig < NSIG; sig++)
    if (!(sig == SIGHUP && plan->keep_hup)) sigaction(sig, &dfl, NULL);
#endif
}

static IN_CHILD void unblock_signals(void) {
#if defined(__linux__)
  unsigned long none[16];
  for (size_t i = 0; i < 16; i++) none[i] = 0;
  CALL(rt_sigprocmask, SIG_SETMASK, none, NULL, _NSIG / 8);
#else
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
#endif
}

/* Descriptors ---------------------------------------------------------------------------------- */

#if defined(__linux__)

/* Of an entry of /proc/self/fd: a number, or "." and "..", which are -1. */
static IN_CHILD int number_of(const char *s) {
  int n = 0;
  if (*s == '.') return -1;
  for (; *s != '\0'; s++) n = n * 10 + (*s - '0');
  return n;
}

/* By looking, where there is no close_range: false when that cannot be done either. */
static IN_CHILD bool cloexec_by_folder(void) {
  struct entry { /* struct linux_dirent64 */
    uint64_t ino;
    int64_t off;
    unsigned short len;
    unsigned char type;
    char name[];
  };
  _Alignas(8) char buf[4096];
  long fd = CALL(openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (fd < 0) return false;
  for (;;) {
    long n = CALL(getdents64, fd, buf, sizeof buf);
    if (n <= 0) {
      CALL(close, fd);
      return n == 0;
    }
    for (long at = 0; at < n;) {
      const struct entry *e = (const struct entry *)(buf + at);
      int found = number_of(e->name);
      if (found >= 3) CALL(fcntl, found, F_SETFD, FD_CLOEXEC);
      at += e->len;
    }
  }
}

#else

static IN_CHILD bool cloexec_by_folder(void) { return false; }

#endif

/* Everything above the standard streams is closed on exec, whoever opened it. */
static IN_CHILD void cloexec_all(void) {
#if defined(__linux__)
  if (CALL(close_range, 3u, ~0u, CLOEXEC_RANGE) == 0) return;
#endif
  if (cloexec_by_folder()) return;
  struct rlimit r;
  int most = 65536;
#if defined(__linux__)
  if (CALL(prlimit64, 0, RLIMIT_NOFILE, NULL, &r) == 0 && r.rlim_cur < (rlim_t)most) most = (int)r.rlim_cur;
#else
  if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < (rlim_t)most) most = (int)r.rlim_cur;
#endif
  for (int fd = 3; fd < most; fd++) CALL(fcntl, fd, F_SETFD, FD_CLOEXEC);
}

static IN_CHILD int place_fds(wf_spawn_plan *plan) {
  const wf_spawn_opts *o = plan->opts;
  for (size_t i = 0; i < o->nfds; i++)
    if (plan->source[i] < 0) { /* out of the others' way */
      long moved = CALL(fcntl, o->fds[i].parent, F_DUPFD_CLOEXEC, plan->above);
      if (moved < 0) return errno;
      plan->source[i] = (int)moved;
    }
  cloexec_all();
  for (size_t i = 0; i < o->nfds; i++) {
    int from = plan->source[i], to = o->fds[i].child;
    if (from == to) {
      if (CALL(fcntl, to, F_SETFD, 0) < 0 && (to > 2 || errno != EBADF)) return errno; /* one of 0-2 that is closed here stays so */
#if defined(__linux__)
    } else if (CALL(dup3, from, to, 0) < 0) {
#else
    } else if (dup2(from, to) < 0) {
#endif
      return errno;
    }
  }
  for (int fd = 0; fd < 3; fd++) { /* nor does it get one of these that is not listed */
    bool listed = false;
    for (size_t i = 0; i < o->nfds; i++) listed |= o->fds[i].child == fd;
    if (!listed) CALL(close, fd);
  }
  return 0;
}

/* Priorities and limits --------------------------------------------------------------------------- */

static IN_CHILD int set_affinity(const wf_spawn_plan *plan) {
#if defined(__linux__)
  if (plan->cpus == NULL) return 0;
  if (CALL(sched_setaffinity, 0, plan->cpus_size, plan->cpus) < 0) return errno;
  if (CALL(sched_getaffinity, 0, plan->cpus_size, plan->cpus_seen) < 0) return errno;
  const char *want = plan->cpus, *seen = plan->cpus_seen;
  for (size_t i = 0; i < plan->cpus_size; i++)
    if (want[i] != seen[i]) return EINVAL; /* the kernel leaves out what there is not */
#endif
  (void)plan;
  return 0;
}

static IN_CHILD int set_limits(const wf_spawn_opts *o) {
  for (size_t i = 0; i < o->nlimits; i++) {
    const wf_spawn_limit *l = &o->limits[i];
#if defined(__linux__)
    uint64_t r[2] = {l->soft, l->hard}; /* UINT64_MAX is RLIM64_INFINITY */
    if (CALL(prlimit64, 0, l->resource, r, NULL) < 0) return errno;
#else
    struct rlimit r = {l->soft == UINT64_MAX ? RLIM_INFINITY : (rlim_t)l->soft, l->hard == UINT64_MAX ? RLIM_INFINITY : (rlim_t)l->hard};
    if (setrlimit(l->resource, &r) < 0) return errno;
#endif
  }
  return 0;
}

static IN_CHILD int set_policy(const wf_spawn_opts *o) {
#if defined(__linux__)
  struct sched_param param = {.sched_priority = o->priority};
  return CALL(sched_setscheduler, 0, o->policy, &param) < 0 ? errno : 0;
#else
  (void)o;
  return ENOTSUP;
#endif
}

/* Identity ---------------------------------------------------------------------------------------- */

static IN_CHILD int set_groups(const wf_spawn_plan *plan) {
  const wf_spawn_opts *o = plan->opts;
  static const gid_t none[1];
  const gid_t *list = o->ngroups > 0 ? o->groups : none;
#if defined(__linux__)
  if (CALL(setgroups_, o->ngroups, list) == 0) return 0;
#else
  if (setgroups((int)o->ngroups, list) == 0) return 0;
#endif
  return !o->has_groups && errno == EPERM && !plan->root ? 0 : errno;
}

static IN_CHILD int set_gid(uint32_t gid) {
#if defined(__linux__)
  return CALL(setresgid_, gid, gid, gid) < 0 ? errno : 0;
#else
  return setgid(gid) < 0 ? errno : 0;
#endif
}

/* What was given up must not come back. */
static IN_CHILD int set_uid(uint32_t uid) {
#if defined(__linux__)
  if (CALL(setresuid_, uid, uid, uid) < 0) return errno;
  if (uid != 0 && CALL(setresuid_, -1, 0, -1) == 0) return EPERM;
#else
  if (setuid(uid) < 0) return errno;
  if (uid != 0 && seteuid(0) == 0) return EPERM;
#endif
  return 0;
}

/* All of it --------------------------------------------------------------------------------------- */

static IN_CHILD int set_death_signal(const wf_spawn_plan *plan) {
#if defined(__linux__)
  if (CALL(prctl, PR_SET_PDEATHSIG, plan->opts->death_signal, 0, 0, 0) < 0) return errno;
  return CALL0(getppid) == plan->parent ? 0 : ESRCH; /* it has ended already */
#else
  (void)plan; /* there is none: who needs it notices by a closed pipe */
  return 0;
#endif
}

static IN_CHILD int try_files(const wf_spawn_plan *plan) {
  int denied = 0;
  for (const char *file = plan->files;;) {
    CALL(execve, file, plan->opts->argv, plan->envp);
    int e = errno;
    if (e == EACCES)
      denied = e;
    else if (e != ENOENT && e != ENOTDIR && e != ELOOP && e != ENAMETOOLONG && e != ESTALE && e != ENODEV)
      return e;
    bool last = true;
    while (*file != '\0') file++;
    file++;
    if (*file != '\0') last = false;
    if (last) return denied != 0 ? denied : e;
  }
}

static IN_CHILD int fail(wf_spawn_plan *plan, int step, int error) {
  plan->report.step = step;
  plan->report.error = error;
#if !WF_SPAWN_VFORK
  struct wf_spawn_report r = {error, step};
  while (write(plan->pipe[1], &r, sizeof r) < 0 && errno == EINTR) continue;
#endif
  return 127;
}

IN_CHILD int wf_spawn_child(void *arg) {
  wf_spawn_plan *plan = arg;
  const wf_spawn_opts *o = plan->opts;
  int e;
  reset_signals(plan);
  if (o->session && CALL0(setsid) < 0) return fail(plan, WF_SPAWN_SESSION, errno);
  if (o->tty >= 0 && CALL(ioctl, o->tty, TIOCSCTTY, 0) < 0) return fail(plan, WF_SPAWN_TERMINAL, errno);
  if (!o->session && o->group >= 0 && CALL(setpgid, 0, o->group) < 0) return fail(plan, WF_SPAWN_GROUP, errno);
  if (o->umask >= 0) CALL(umask, (mode_t)o->umask);
  if (o->has_nice && CALL(setpriority, PRIO_PROCESS, 0, o->nice) < 0) return fail(plan, WF_SPAWN_NICE, errno);
  if (o->has_policy && (e = set_policy(o)) != 0) return fail(plan, WF_SPAWN_POLICY, e);
  if ((e = set_affinity(plan)) != 0) return fail(plan, WF_SPAWN_AFFINITY, e); /* see thread.c: after the policy */
  if ((e = place_fds(plan)) != 0) return fail(plan, WF_SPAWN_FDS, e);
  if ((e = set_limits(o)) != 0) return fail(plan, WF_SPAWN_LIMITS, e);
  if ((o->has_groups || o->has_gid || o->has_uid) && (e = set_groups(plan)) != 0) return fail(plan, WF_SPAWN_GROUPS, e);
  if (o->has_gid && (e = set_gid(o->gid)) != 0) return fail(plan, WF_SPAWN_GID, e);
  if (o->has_uid && (e = set_uid(o->uid)) != 0) return fail(plan, WF_SPAWN_UID, e);
  if (o->cwd != NULL && CALL(chdir, o->cwd) < 0) return fail(plan, WF_SPAWN_CWD, errno);
#if defined(__linux__)
  if (o->no_new_privs && CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail(plan, WF_SPAWN_PRIVS, errno);
#else
  if (o->no_new_privs) return fail(plan, WF_SPAWN_PRIVS, ENOTSUP);
#endif
  if (o->death_signal != 0 && (e = set_death_signal(plan)) != 0) return fail(plan, WF_SPAWN_DEATH, e);
  unblock_signals();
  return fail(plan, WF_SPAWN_EXEC, try_files(plan));
}

#if !WF_SPAWN_VFORK
int wf_spawn_pipe(int fds[2]) {
  if (pipe(fds) != 0) return -1;
  fcntl(fds[0], F_SETFD, FD_CLOEXEC);
  fcntl(fds[1], F_SETFD, FD_CLOEXEC);
  return 0;
}
#endif
