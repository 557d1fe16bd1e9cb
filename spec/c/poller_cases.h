/* What both pollers promise (poller.h), for poller_test.c and poller_poll_test.c. */
#ifndef WF_SPEC_POLLER_CASES_H
#define WF_SPEC_POLLER_CASES_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "sys/poller.h"

typedef struct told {
  wf_watch watch;
  unsigned events, times;
} told;

static void on_told(wf_watch *w, unsigned events) {
  told *t = (told *)(void *)w;
  t->events |= events;
  t->times++;
}

static void told_init(told *t, int fd) {
  *t = (told){0};
  wf_watch_init(&t->watch, fd, on_told);
}

/* Look until nothing is told any more. */
static void settle(wf_poller *p) {
  while (wf_poller_wait(p, 0, NULL) > 0) {
  }
}

static void both_directions(void) {
  wf_poller p;
  int s[2];
  char c;
  told a;
  CHECK(wf_poller_open(&p) == 0);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) == 0);
  told_init(&a, s[0]);
  CHECK(wf_poller_arm(&p, &a.watch, WF_IO_READ) == 0);
  CHECK(p.count == 1);
  CHECK(wf_poller_wait(&p, 0, NULL) == 0);
  CHECK(write(s[1], "x", 1) == 1);
  CHECK(wf_poller_wait(&p, WF_NEVER, NULL) == 1);
  CHECK(a.events == WF_IO_READ && a.times == 1);
  CHECK(wf_poller_wait(&p, 0, NULL) == 0); /* told once, although it was not read */
  CHECK(read(s[0], &c, 1) == 1 && read(s[0], &c, 1) < 0 && errno == EAGAIN);
  CHECK(wf_poller_arm(&p, &a.watch, WF_IO_READ) == 0);
  CHECK(write(s[1], "y", 1) == 1);
  CHECK(wf_poller_wait(&p, WF_NEVER, NULL) == 1 && a.times == 2);
  a.events = 0;
  CHECK(wf_poller_arm(&p, &a.watch, WF_IO_WRITE) == 0); /* ready already: told nevertheless */
  CHECK(wf_poller_wait(&p, WF_NEVER, NULL) == 1 && (a.events & WF_IO_WRITE));
  settle(&p);
  a.events = 0;
  CHECK(read(s[0], &c, 1) == 1);
  CHECK(wf_poller_arm(&p, &a.watch, WF_IO_READ) == 0);
  close(s[1]);
  CHECK(wf_poller_wait(&p, WF_NEVER, NULL) == 1);
  CHECK((a.events & (WF_IO_READ | WF_IO_HUP)) == (WF_IO_READ | WF_IO_HUP));
  wf_poller_del(&p, &a.watch);
  wf_poller_del(&p, &a.watch);
  CHECK(p.count == 0);
  close(s[0]);
  wf_poller_close(&p);
}

static void many_and_levels(void) {
  enum { N = 300 };
  static told all[N];
  static int fds[N][2];
  wf_poller p;
  int n = 0;
  CHECK(wf_poller_open(&p) == 0);
  for (int i = 0; i < N; i++) {
    CHECK(pipe(fds[i]) == 0);
    told_init(&all[i], fds[i][0]);
    CHECK(wf_poller_arm(&p, &all[i].watch, i == 0 ? WF_IO_READ | WF_IO_LEVEL : WF_IO_READ) == 0);
    CHECK(write(fds[i][1], "x", 1) == 1);
  }
  for (int k; n < N && (k = wf_poller_wait(&p, WF_NEVER, NULL)) > 0;) n += k;
  for (int i = 1; i < N; i++) CHECK(all[i].times == 1);
  unsigned before = all[0].times;
  CHECK(wf_poller_wait(&p, WF_NEVER, NULL) == 1 && all[0].times == before + 1); /* a level is told again */
  for (int i = 0; i < N; i += 2) wf_poller_del(&p, &all[i].watch);
  CHECK(p.count == N / 2);
  for (int i = 1; i < N; i += 2) wf_poller_del(&p, &all[i].watch);
  for (int i = 0; i < N; i++) {
    close(fds[i][0]);
    close(fds[i][1]);
  }
  wf_poller_close(&p);
}

static void times_and_errors(void) {
  wf_poller p;
  told a;
  CHECK(wf_poller_open(&p) == 0);
  uint64_t t = wf_clock_ns();
  CHECK(wf_poller_wait(&p, 300000, NULL) == 0);
  CHECK(wf_clock_ns() - t >= 300000);
#if WF_POLLER_EPOLL
  int fd = open("/dev/null", O_RDWR);
  told_init(&a, fd);
  CHECK(wf_poller_arm(&p, &a.watch, WF_IO_READ) == EPERM);
  close(fd);
  told_init(&a, 9999);
  CHECK(wf_poller_arm(&p, &a.watch, WF_IO_READ) == EBADF);
  CHECK(wf_poller_fd(&p) >= 3);
#else
  (void)a;
  CHECK(wf_poller_fd(&p) == -1);
#endif
  CHECK(p.count == 0);
  wf_poller_close(&p);
}

static void on_signal(int sig) { (void)sig; }

static void *interrupt(void *arg) {
  struct timespec ts = {0, 2000000};
  nanosleep(&ts, NULL);
  pthread_kill(*(pthread_t *)arg, SIGUSR1);
  return NULL;
}

/* Blocked but for the wait: a signal ends it, from before or from during it. */
static void signals(void) {
  wf_poller p;
  sigset_t block, before;
  pthread_t self = pthread_self(), other;
  struct sigaction sa = {.sa_handler = on_signal};
  CHECK(wf_poller_open(&p) == 0);
  sigaction(SIGUSR1, &sa, NULL);
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &block, &before);
  pthread_kill(self, SIGUSR1);
  CHECK(wf_poller_wait(&p, WF_NEVER, &before) == -EINTR);
  CHECK(pthread_create(&other, NULL, interrupt, &self) == 0);
  CHECK(wf_poller_wait(&p, WF_NEVER, &before) == -EINTR);
  pthread_join(other, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  wf_poller_close(&p);
}

static int poller_cases(void) {
  both_directions();
  many_and_levels();
  times_and_errors();
  signals();
  return failures != 0;
}

#endif
