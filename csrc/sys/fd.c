/* See fd.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sys/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/* Standard numbers that are free but for us; any thread, under the lock. While somebody has them taken, a number that one
 * of ours had for a moment goes straight to /dev/null: it looked used to who took the others. */
static struct {
  pthread_mutex_t lock;
  int users;
  bool taken[3];
} stdio = {.lock = PTHREAD_MUTEX_INITIALIZER};

int wf_fd_above_stdio(int fd) {
  if (fd > 2 || fd < 0) return fd;
  int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  int e = errno;
  pthread_mutex_lock(&stdio.lock);
  int null = stdio.users > 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
  if (null >= 0) {
    stdio.taken[fd] = dup2(null, fd) == fd && wf_fd_cloexec(fd) == 0;
    close(null);
  } else {
    close(fd);
  }
  pthread_mutex_unlock(&stdio.lock);
  errno = e;
  return moved;
}

void wf_fd_take_stdio(void) {
  pthread_mutex_lock(&stdio.lock);
  stdio.users++;
  for (int i = 0; i < 3; i++) {
    if (fcntl(i, F_GETFD) >= 0) continue;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd > 2) close(fd);
    if (fd >= 0 && fd <= 2) stdio.taken[fd] = true;
  }
  pthread_mutex_unlock(&stdio.lock);
}

void wf_fd_give_stdio(void) {
  pthread_mutex_lock(&stdio.lock);
  bool last = --stdio.users == 0;
  for (int i = 0; last && i < 3; i++) {
    if (stdio.taken[i]) close(i);
    stdio.taken[i] = false;
  }
  pthread_mutex_unlock(&stdio.lock);
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
