/* See spawn.h: the caller's side. What runs in the child is in spawn_child.c. */
#define _GNU_SOURCE
#include "sys/spawn.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "sys/attr.h"
#include "sys/spawn_child.h"

#if defined(__linux__)
#include <sys/syscall.h>
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#endif

extern char **environ;

void wf_spawn_opts_init(wf_spawn_opts *o) {
  memset(o, 0, sizeof *o);
  o->tty = o->group = o->umask = -1;
}

/* Preparing: everything that allocates or looks things up --------------------------------------- */

static const char *path_of(char *const *envp) {
  for (; envp != NULL && *envp != NULL; envp++)
    if (strncmp(*envp, "PATH=", 5) == 0) return *envp + 5;
  return "/usr/local/bin:/bin:/usr/bin";
}

/* The files that the name may mean, one after the other in one block. An empty entry of PATH is the current folder. */
static int files_make(wf_spawn_plan *plan, const wf_spawn_opts *o) {
  size_t name = strlen(o->file) + 1;
  if (strchr(o->file, '/') != NULL || name == 1) {
    plan->files = wf_malloc(name + 1);
    if (plan->files == NULL) return ENOMEM;
    memcpy(plan->files, o->file, name);
    plan->files[name] = '\0';
    return 0;
  }
  const char *path = path_of(plan->envp);
  size_t folders = 1, len = strlen(path);
  for (const char *c = path; *c != '\0'; c++) folders += *c == ':';
  char *to = plan->files = wf_malloc(len + folders * (name + 2) + 2);
  if (to == NULL) return ENOMEM;
  for (const char *at = path;;) {
    size_t n = strcspn(at, ":");
    memcpy(to, at, n);
    to += n;
    if (n > 0) *to++ = '/';
    memcpy(to, o->file, name);
    to += name;
    if (at[n] == '\0') break;
    at += n + 1;
  }
  *to = '\0'; /* an empty name ends the list */
  return 0;
}

/* Where the descriptors lie before they are put in place: those in the way of others are moved first. */
static int fds_make(wf_spawn_plan *plan, const wf_spawn_opts *o) {
  plan->source = wf_malloc((o->nfds + 1) * sizeof *plan->source);
  if (plan->source == NULL) return ENOMEM;
  plan->above = 3;
  for (size_t i = 0; i < o->nfds; i++)
    if (o->fds[i].child >= plan->above) plan->above = o->fds[i].child + 1;
  for (size_t i = 0; i < o->nfds; i++) {
    bool in_the_way = false;
    for (size_t k = 0; k < o->nfds; k++)
      if (k != i && o->fds[k].child == o->fds[i].parent) in_the_way = true;
    plan->source[i] = in_the_way ? -1 - o->fds[i].parent : o->fds[i].parent;
  }
  return 0;
}

#if defined(__linux__)
static int cpus_make(wf_spawn_plan *plan, const wf_spawn_opts *o) {
  if (o->ncpus == 0) return 0;
  cpu_set_t *set = wf_calloc(WF_CPUS_MAX / CPU_SETSIZE * 2, sizeof *set);
  if (set == NULL) return ENOMEM;
  plan->cpus = set;
  plan->cpus_size = WF_CPUS_MAX / 8;
  plan->cpus_seen = (char *)set + plan->cpus_size;
  for (int i = 0; i < o->ncpus; i++) {
    if (o->cpus[i] < 0 || o->cpus[i] >= WF_CPUS_MAX) return EINVAL;
    CPU_SET_S((size_t)o->cpus[i], plan->cpus_size, set);
  }
  return 0;
}
#else
static int cpus_make(wf_spawn_plan *plan, const wf_spawn_opts *o) {
  (void)plan;
  return o->ncpus == 0 ? 0 : ENOTSUP;
}
#endif

static int plan_make(wf_spawn_plan *plan, const wf_spawn_opts *o, const char **what) {
  struct sigaction hup;
  memset(plan, 0, sizeof *plan);
  plan->opts = o;
  plan->envp = o->envp != NULL ? o->envp : environ;
  plan->keep_hup = sigaction(SIGHUP, NULL, &hup) == 0 && !(hup.sa_flags & SA_SIGINFO) && hup.sa_handler == SIG_IGN;
  plan->parent = getpid();
  plan->root = geteuid() == 0;
  *what = "affinity";
  int e = cpus_make(plan, o);
  if (e != 0) return e;
  *what = "fork";
  e = files_make(plan, o);
  return e != 0 ? e : fds_make(plan, o);
}

static void plan_free(wf_spawn_plan *plan) {
  wf_free(plan->files);
  wf_free(plan->source);
  wf_free(plan->cpus);
}

/* Starting ------------------------------------------------------------------------------------- */

static int pidfd_of(pid_t pid) {
#ifdef SYS_pidfd_open
  return (int)syscall(SYS_pidfd_open, pid, 0); /* closed on exec by itself */
#else
  (void)pid;
  return -1;
#endif
}

#if WF_SPAWN_VFORK

/* The child's stack is a part of this frame, which stays as it is while the child has the memory. */
static __attribute__((noinline)) int start(wf_process *p, wf_spawn_plan *plan) {
  enum { STACK = 16 * 1024 };
  _Alignas(64) char stack[STACK];
  const int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
  p->pidfd = -1;
  int pid = clone(wf_spawn_child, stack + STACK, flags | CLONE_PIDFD, plan, &p->pidfd, NULL, NULL);
  if (pid < 0 && errno == EINVAL) pid = clone(wf_spawn_child, stack + STACK, flags, plan); /* before Linux 5.2 */
  if (pid < 0) return errno;
  p->pid = pid;
  if (p->pidfd < 0) p->pidfd = pidfd_of(pid);
  return 0;
}

static void await_exec(wf_spawn_plan *plan) { (void)plan; } /* it has been there before clone returned */

#else

/* The end of a copy of the process. The thread sanitizer's _exit writes what stdio holds, which is the original's. */
static _Noreturn void leave(int status) {
#ifdef SYS_exit_group
  syscall(SYS_exit_group, status);
#endif
  _exit(status);
}

/* A copy of the process; errors come through a pipe that exec closes. */
static int start(wf_process *p, wf_spawn_plan *plan) {
  p->pidfd = -1;
  if (wf_spawn_pipe(plan->pipe) != 0) return errno;
  pid_t pid = fork();
  int e = errno;
  if (pid == 0) leave(wf_spawn_child(plan));
  close(plan->pipe[1]);
  if (pid < 0) {
    close(plan->pipe[0]);
    return e;
  }
  p->pid = pid;
  p->pidfd = pidfd_of(pid);
  return 0;
}

static void await_exec(wf_spawn_plan *plan) {
  struct wf_spawn_report r = {0, 0};
  ssize_t n;
  do n = read(plan->pipe[0], &r, sizeof r);
  while (n < 0 && errno == EINTR);
  close(plan->pipe[0]);
  if (n == (ssize_t)sizeof r) plan->report = r;
}

#endif

static const char *step_name(const wf_spawn_opts *o, int step) {
  static const char *const names[] = {
    [WF_SPAWN_SESSION] = "session",   [WF_SPAWN_TERMINAL] = "terminal", [WF_SPAWN_GROUP] = "group",
    [WF_SPAWN_UMASK] = "umask",       [WF_SPAWN_AFFINITY] = "affinity", [WF_SPAWN_NICE] = "nice",
    [WF_SPAWN_POLICY] = "policy",     [WF_SPAWN_FDS] = "descriptor",    [WF_SPAWN_LIMITS] = "limits",
    [WF_SPAWN_GROUPS] = "groups",     [WF_SPAWN_GID] = "gid",           [WF_SPAWN_UID] = "uid",
    [WF_SPAWN_PRIVS] = "no_new_privs", [WF_SPAWN_DEATH] = "death signal",
  };
  if (step == WF_SPAWN_CWD) return o->cwd;
  if (step == WF_SPAWN_EXEC) return o->file;
  return names[step];
}

/* Those that were let go: none of them is to stay a zombie. The list is guarded by the lock. */
static pthread_mutex_t disowned_lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t *disowned;
static size_t ndisowned, disowned_room;

static bool is_over(pid_t pid) {
  pid_t got;
  do got = waitpid(pid, NULL, WNOHANG);
  while (got < 0 && errno == EINTR);
  return got != 0;
}

static void reap_disowned(void) {
  pthread_mutex_lock(&disowned_lock);
  for (size_t i = ndisowned; i-- > 0;)
    if (is_over(disowned[i])) disowned[i] = disowned[--ndisowned];
  pthread_mutex_unlock(&disowned_lock);
}

int wf_spawn(wf_process *p, const wf_spawn_opts *o, const char **what) {
  wf_spawn_plan plan;
  sigset_t all, before;
  int cancel, e = plan_make(&plan, o, what);
  reap_disowned();
  *p = (wf_process){0, -1};
  if (e == 0) {
    /* No handler may run in the child while it has this memory. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    e = start(p, &plan);
    pthread_setcancelstate(cancel, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    *what = "fork";
  }
  if (e == 0) {
    await_exec(&plan);
    e = plan.report.error;
    if (e != 0) {
      *what = step_name(o, plan.report.step);
      while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR) continue;
      if (p->pidfd >= 0) close(p->pidfd);
      *p = (wf_process){0, -1};
    }
  }
  plan_free(&plan);
  return e;
}

/* The running child ----------------------------------------------------------------------------- */

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

int wf_process_reap(wf_process *p, wf_process_end *end) {
  struct rusage u;
  int status;
  memset(end, 0, sizeof *end);
  if (p->pid == 0) return ESRCH;
  pid_t got;
  do got = wait4(p->pid, &status, WNOHANG, &u);
  while (got < 0 && errno == EINTR);
  if (got == 0) return EAGAIN;
  end->code = -1;
  if (got == p->pid) {
    end->known = true;
    if (WIFEXITED(status)) end->code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) end->signal = WTERMSIG(status);
#ifdef WCOREDUMP
    end->core = WIFSIGNALED(status) && WCOREDUMP(status);
#endif
    end->user = seconds(u.ru_utime);
    end->system = seconds(u.ru_stime);
#if defined(__APPLE__)
    end->peak = (uint64_t)u.ru_maxrss;
#else
    end->peak = (uint64_t)u.ru_maxrss * 1024;
#endif
    end->minor_faults = u.ru_minflt;
    end->major_faults = u.ru_majflt;
    end->voluntary = u.ru_nvcsw;
    end->involuntary = u.ru_nivcsw;
  }
  if (p->pidfd >= 0) close(p->pidfd);
  *p = (wf_process){0, -1};
  return 0;
}

int wf_process_signal(const wf_process *p, int sig, bool group) {
  if (p->pid == 0) return ESRCH;
  if (group) return kill(-p->pid, sig) == 0 ? 0 : errno;
#ifdef SYS_pidfd_send_signal
  if (p->pidfd >= 0) {
    if (syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, 0) == 0) return 0;
    if (errno != ENOSYS) return errno;
  }
#endif
  return kill(p->pid, sig) == 0 ? 0 : errno; /* its own zombie keeps the number */
}

void wf_process_disown(wf_process *p) {
  if (p->pidfd >= 0) close(p->pidfd);
  pthread_mutex_lock(&disowned_lock);
  if (p->pid != 0 && ndisowned == disowned_room) {
    size_t room = disowned_room == 0 ? 8 : disowned_room * 2;
    pid_t *grown = wf_realloc(disowned, room * sizeof *grown);
    if (grown != NULL) {
      disowned = grown;
      disowned_room = room;
    }
  }
  if (p->pid != 0 && ndisowned < disowned_room) disowned[ndisowned++] = p->pid; /* else it will be a zombie */
  pthread_mutex_unlock(&disowned_lock);
  *p = (wf_process){0, -1};
  reap_disowned();
}
