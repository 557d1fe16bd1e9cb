/* Inside spawn: what the caller prepares and the child follows. */
#ifndef WF_SYS_SPAWN_CHILD_H
#define WF_SYS_SPAWN_CHILD_H

#include "base/base.h"
#include "sys/spawn.h"

/* The thread sanitizer takes a clone for a fork, and its shared memory for the child's. */
#if defined(__linux__) && !defined(WF_SPAWN_FORK) && !WF_TSAN
#define WF_SPAWN_VFORK 1
#else
#define WF_SPAWN_VFORK 0
#endif

enum {
  WF_SPAWN_SIGNALS, WF_SPAWN_SESSION, WF_SPAWN_TERMINAL, WF_SPAWN_GROUP, WF_SPAWN_UMASK, WF_SPAWN_AFFINITY, WF_SPAWN_NICE,
  WF_SPAWN_POLICY, WF_SPAWN_FDS, WF_SPAWN_LIMITS, WF_SPAWN_GROUPS, WF_SPAWN_GID, WF_SPAWN_UID, WF_SPAWN_CWD, WF_SPAWN_PRIVS,
  WF_SPAWN_DEATH, WF_SPAWN_EXEC,
};

typedef struct wf_spawn_plan {
  const wf_spawn_opts *opts;
  char *const *envp;
  char *files;        /* paths to try, each ended by a zero, an empty one after the last */
  int *source;        /* for each of opts->fds where it is now; -1 - n: it is n, and in another's way */
  int above;          /* the first number that is above all targets */
  void *cpus;         /* what sched_setaffinity takes, and room to read it back */
  void *cpus_seen;
  size_t cpus_size;
  bool keep_hup;      /* SIGHUP is ignored */
  bool root;
  pid_t parent;
  int pipe[2];        /* where errors go when the memory is not shared */
  /* Written by the child; the caller waits meanwhile. */
  volatile struct wf_spawn_report {
    int error, step;
  } report;
} wf_spawn_plan;

/* Runs in the child; returns only when something has failed, what the process is to exit with. */
int wf_spawn_child(void *plan);

#if !WF_SPAWN_VFORK
int wf_spawn_pipe(int fds[2]); /* both closed on exec */
#endif

#endif
