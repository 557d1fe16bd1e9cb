/* What the C tests of sys/spawn.c share. Include once. */
#ifndef SPAWN_UTIL_H
#define SPAWN_UTIL_H

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>

#include "check.h"
#include "sys/spawn.h"

static inline int open_fds(void) {
  DIR *d = opendir("/proc/self/fd");
  int n = 0;
  for (const struct dirent *e; (e = readdir(d)) != NULL;) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

static inline bool no_children(void) { return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD; }

static inline void await(wf_process *p, wf_process_end *end) {
  int e;
  if (p->pidfd >= 0) {
    struct pollfd fd = {p->pidfd, POLLIN, 0};
    poll(&fd, 1, 30000);
  }
  while ((e = wf_process_reap(p, end)) == EAGAIN) usleep(500);
  CHECK(e == 0 && end->known);
}

static inline wf_spawn_opts fresh(void) {
  wf_spawn_opts o;
  wf_spawn_opts_init(&o);
  return o;
}

/* It is an error of that step, and nothing is left. */
static inline void fails_as(const wf_spawn_opts *opts, int error, const char *culprit) {
  char *argv[] = {"x", NULL};
  wf_spawn_fd list[] = {{0, 0}, {1, 1}, {2, 2}};
  wf_process p;
  const char *what = NULL;
  wf_spawn_opts own = *opts, *o = &own;
  if (o->argv == NULL) o->argv = argv;
  if (o->file == NULL) o->file = "/bin/true";
  o->fds = list;
  o->nfds = 3;
  int before = open_fds(), e = wf_spawn(&p, o, &what);
  if (e != error || what == NULL || strcmp(what, culprit) != 0) {
    printf("%s: error %d %s, not %d %s\n", o->file, e, what, error, culprit);
    failures++;
  }
  CHECK(p.pid == 0 && p.pidfd == -1);
  CHECK(open_fds() == before && no_children());
}

/* Let one system call fail, if its argument number `arg` has the bits (all calls: 0). */
static inline bool forbid(int call, int error, int arg, unsigned bits) {
  struct sock_filter f[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(offsetof(struct seccomp_data, args) + (unsigned)arg * 8)),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog prog = {sizeof f / sizeof *f, f};
  if (bits == 0) f[3] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JA, 0, 0, 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == 0;
}

#endif
