/* Child processes: start a program, signal it, learn how it ended.
 *
 * Any thread may start one, also while others do. What goes wrong in the child before its program runs comes back to
 * the caller as an errno and the name of what failed; then no process is left. On Linux the child shares the
 * caller's memory until then (CLONE_VM | CLONE_VFORK): no copy of page tables, whatever the caller's size. So what
 * runs in it makes bare system calls and touches nothing but its own stack and one record.
 *
 * The child gets the descriptors that are listed and no others, default dispositions for all signals (but an ignored
 * SIGHUP stays ignored, as nohup wants it), and no blocked signals.
 *
 * A wf_process is its owner's: the process is a zombie after its end until wf_process_reap has told how it ended, so
 * its number cannot become another's before.
 */
#ifndef WF_SYS_SPAWN_H
#define WF_SYS_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct wf_spawn_fd {
  int child;  /* the number there */
  int parent; /* what it is here */
} wf_spawn_fd;

typedef struct wf_spawn_limit {
  int resource; /* RLIMIT_* */
  uint64_t soft, hard;
} wf_spawn_limit;

/* Begin with wf_spawn_opts_init. Nothing is kept after the call. The order is that of the steps in the child. */
typedef struct wf_spawn_opts {
  const char *file;   /* with a slash a path, relative to cwd; else a name for PATH of the child's environment */
  char *const *argv;  /* ends with NULL */
  char *const *envp;  /* the same; NULL: this process's */
  bool session;       /* a session of its own, so a group of its own too */
  int tty;            /* a terminal, open here, that becomes the session's; -1: none */
  int group;          /* process group: -1 as here, 0 one of its own, else that one */
  int umask;          /* -1: as here */
  const int *cpus;    /* affinity, ncpus 0: as here */
  int ncpus;
  bool has_nice;
  int nice;
  bool has_policy;    /* with priority */
  int policy, priority;
  const wf_spawn_fd *fds;
  size_t nfds;
  const wf_spawn_limit *limits;
  size_t nlimits;
  bool has_groups, has_gid, has_uid;
  const gid_t *groups; /* supplementary; when not given and uid or gid is: none, if the caller may change them */
  size_t ngroups;
  uint32_t gid, uid;  /* real, effective and saved; that they cannot be regained is tried */
  const char *cwd;    /* NULL: as here; entered with the new identity */
  bool no_new_privs;
  int death_signal;   /* to be sent when the thread that started it ends; 0: none */
} wf_spawn_opts;

void wf_spawn_opts_init(wf_spawn_opts *o);

typedef struct wf_process {
  pid_t pid;  /* 0: reaped */
  int pidfd;  /* readable once it has ended; -1 where there is no such thing */
} wf_process;

/* 0, or an errno with *what naming the step: "fork" "session" "terminal" "group" "umask" "affinity" "nice" "policy"
 * "descriptor" "limits" "groups" "gid" "uid" "no_new_privs" "death signal", or o->cwd or o->file themselves. */
int wf_spawn(wf_process *p, const wf_spawn_opts *o, const char **what);

typedef struct wf_process_end {
  bool known;          /* false: somebody else has reaped it, or SIGCHLD is ignored */
  int code;            /* of exit; -1 when a signal ended it */
  int signal;          /* 0 when it exited */
  bool core;
  double user, system; /* seconds, with its own children that it waited for */
  uint64_t peak;       /* bytes of its largest working set */
  int64_t minor_faults, major_faults, voluntary, involuntary;
} wf_process_end;

/* 0 and how it ended; EAGAIN while it runs. After 0 the process is gone and the pidfd closed. */
int wf_process_reap(wf_process *p, wf_process_end *end);

/* Nobody wants to know how it ends: it is reaped some time after that, when a program is started or another one is let go. From any
 * thread; *p is as after the end. */
void wf_process_disown(wf_process *p);

/* Send a signal: 0 or an errno, ESRCH when it was reaped. `group`: to its process group, which must be its own. */
int wf_process_signal(const wf_process *p, int sig, bool group);

#endif
