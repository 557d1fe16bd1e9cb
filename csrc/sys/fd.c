/* See fd.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sys/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

int wf_fd_above_stdio(int fd) {
  if (fd > 2 || fd < 0) return fd;
  int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  int e = errno;
  close(fd);
  errno = e;
  return moved;
}

void wf_fd_take_stdio(int taken[3]) {
  for (int i = 0; i < 3; i++) {
    taken[i] = -1;
    if (fcntl(i, F_GETFD) >= 0) continue;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd > 2) close(fd);
    if (fd >= 0 && fd <= 2) taken[i] = fd;
  }
}

void wf_fd_give_stdio(const int taken[3]) {
  for (int i = 0; i < 3; i++)
    if (taken[i] >= 0) close(taken[i]);
}

int wf_fd_nonblock(int fd, bool on) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return errno;
  int want = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  return want == flags || fcntl(fd, F_SETFL, want) == 0 ? 0 : errno;
}

int wf_fd_cloexec(int fd) {
  int flags = fcntl(fd, F_GETFD);
  if (flags < 0) return errno;
  return flags & FD_CLOEXEC || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) == 0 ? 0 : errno;
}

void wf_fd_to_null(int fd) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || null == fd) return;
  dup2(null, fd);
  close(null);
}

void wf_sigpipe_ignore(void) {
  struct sigaction sa;
  if (sigaction(SIGPIPE, NULL, &sa) != 0 || (sa.sa_flags & SA_SIGINFO) || sa.sa_handler != SIG_DFL) return;
  sa.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &sa, NULL);
}
