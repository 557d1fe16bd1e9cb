/* See poller.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* epoll_pwait2, ppoll */
#endif
#include "sys/poller.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/base.h"
#include "sys/fd.h"
#include "sys/fork.h"

#if WF_POLLER_EPOLL
#include <sys/epoll.h>
#include <sys/syscall.h>
#else
#include <poll.h>
#endif

enum { BATCH = 256 };

static inline void tell(wf_watch *w, unsigned events) {
  if (!(w->armed & WF_IO_LEVEL)) w->armed &= (uint8_t)~events;
  w->on_ready(w, events);
}

#if WF_POLLER_EPOLL

int wf_poller_open(wf_poller *p) {
  *p = (wf_poller){.fd = wf_fd_above_stdio(epoll_create1(EPOLL_CLOEXEC)), .forks = wf_fork_number()};
  return p->fd < 0 ? errno : 0;
}

void wf_poller_close(wf_poller *p) {
  if (p->fd >= 0) close(p->fd);
  p->fd = -1;
}

int wf_poller_fd(const wf_poller *p) { return p->fd; }

/* EPOLLOUT only while somebody waits for it: a unix socket tells it each time that its peer has read. */
static int list(wf_poller *p, wf_watch *w, int op, unsigned what) {
  struct epoll_event e = {.data.ptr = w};
  if (what & WF_IO_LEVEL) {
    e.events = (what & WF_IO_READ ? EPOLLIN : 0u) | (what & WF_IO_WRITE ? EPOLLOUT : 0u);
  } else {
    e.events = EPOLLIN | EPOLLRDHUP | EPOLLET | (what & WF_IO_WRITE ? EPOLLOUT : 0u);
    what |= WF_IO_READ;
  }
  if (p->forks != wf_fork_number()) return ECANCELED; /* the parent has it too: what changes here would change there */
  if (epoll_ctl(p->fd, op, w->fd, &e) != 0) return errno;
  w->listed = (uint8_t)what;
  return 0;
}

int wf_poller_arm(wf_poller *p, wf_watch *w, unsigned what) {
  unsigned missing = what & ~(unsigned)w->listed;
  if (wf_unlikely(missing != 0)) {
    bool isnew = w->listed == 0;
    int err = list(p, w, isnew ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, what | w->listed);
    if (err != 0) return err;
    p->count += isnew;
  }
  w->armed |= (uint8_t)what;
  return 0;
}

void wf_poller_del(wf_poller *p, wf_watch *w) {
  if (w->listed == 0) return;
  struct epoll_event e = {0};
  if (p->forks == wf_fork_number()) epoll_ctl(p->fd, EPOLL_CTL_DEL, w->fd, &e);
  w->listed = w->armed = 0;
  p->count--;
}

static int wait_ms(const wf_poller *p, struct epoll_event *events, uint64_t ns, const sigset_t *mask) {
  uint64_t ms = ns / 1000000u + (ns % 1000000u != 0);
  return epoll_pwait(p->fd, events, BATCH, ns == WF_NEVER ? -1 : (int)(ms < INT_MAX ? ms : INT_MAX), mask);
}

static int wait_events(wf_poller *p, struct epoll_event *events, uint64_t ns, const sigset_t *mask) {
  if (ns == 0 || ns == WF_NEVER || p->no_pwait2) return wait_ms(p, events, ns, mask);
#ifdef SYS_epoll_pwait2
  struct {
    int64_t sec, nsec;
  } at = {(int64_t)(ns / 1000000000u), (int64_t)(ns % 1000000000u)};
  long n = syscall(SYS_epoll_pwait2, p->fd, events, BATCH, &at, mask, (size_t)_NSIG / 8);
  if (n >= 0 || errno != ENOSYS) return (int)n;
#endif
  p->no_pwait2 = true;
  return wait_ms(p, events, ns, mask);
}

int wf_poller_wait(wf_poller *p, uint64_t ns, const sigset_t *mask) {
  struct epoll_event events[BATCH];
  int n = wait_events(p, events, ns, mask);
  if (n < 0) return -errno;
  for (int i = 0; i < n; i++) {
    wf_watch *w = events[i].data.ptr;
    unsigned e = events[i].events, what = 0;
    if (e & (EPOLLERR | EPOLLHUP)) what = WF_IO_READ | WF_IO_WRITE | WF_IO_HUP;
    if (e & EPOLLIN) what |= WF_IO_READ;
    if (e & EPOLLOUT) what |= WF_IO_WRITE;
    if (e & EPOLLRDHUP) what |= WF_IO_READ | WF_IO_HUP;
    if ((what & WF_IO_WRITE) && !(w->armed & WF_IO_WRITE) && w->listed == (WF_IO_READ | WF_IO_WRITE))
      list(p, w, EPOLL_CTL_MOD, WF_IO_READ);
    tell(w, what);
  }
  return n;
}

#else

int wf_poller_open(wf_poller *p) {
  *p = (wf_poller){0};
  return 0;
}

void wf_poller_close(wf_poller *p) {
  wf_free(p->watches);
  wf_free(p->fds);
  *p = (wf_poller){0};
}

int wf_poller_fd(const wf_poller *p) {
  (void)p;
  return -1;
}

static bool grow(wf_poller *p) {
  uint32_t room = p->room == 0 ? 16 : p->room * 2;
  wf_watch **watches = wf_realloc(p->watches, room * sizeof(wf_watch *));
  if (watches != NULL) p->watches = watches;
  struct pollfd *fds = watches == NULL ? NULL : wf_realloc(p->fds, room * sizeof *fds);
  if (fds == NULL) return false;
  p->fds = fds;
  p->room = room;
  return true;
}

int wf_poller_arm(wf_poller *p, wf_watch *w, unsigned what) {
  if (w->listed == 0) {
    if (p->count == p->room && !grow(p)) return ENOMEM;
    w->index = p->count;
    p->watches[p->count++] = w;
    w->listed = 1;
  }
  w->armed |= (uint8_t)what;
  return 0;
}

void wf_poller_del(wf_poller *p, wf_watch *w) {
  if (w->listed == 0) return;
  wf_watch *last = p->watches[--p->count];
  p->watches[w->index] = last;
  last->index = w->index;
  w->listed = w->armed = 0;
}

/* Watches that are not armed are left out: their hang-up would be told again and again. */
int wf_poller_wait(wf_poller *p, uint64_t ns, const sigset_t *mask) {
  for (uint32_t i = 0; i < p->count; i++) {
    const wf_watch *w = p->watches[i];
    p->fds[i].fd = w->armed & (WF_IO_READ | WF_IO_WRITE) ? w->fd : -1;
    p->fds[i].events = (short)((w->armed & WF_IO_READ ? POLLIN : 0) | (w->armed & WF_IO_WRITE ? POLLOUT : 0));
    p->fds[i].revents = 0;
  }
#if defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
  struct timespec ts = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
  int n = ppoll(p->fds, p->count, ns == WF_NEVER ? NULL : &ts, mask);
#else
  uint64_t ms = ns / 1000000u + (ns % 1000000u != 0);
  sigset_t held;
  if (mask != NULL) pthread_sigmask(SIG_SETMASK, mask, &held);
  int n = poll(p->fds, p->count, ns == WF_NEVER ? -1 : (int)(ms < INT_MAX ? ms : INT_MAX));
  int err = errno;
  if (mask != NULL) pthread_sigmask(SIG_SETMASK, &held, NULL);
  errno = err;
#endif
  if (n < 0) return -errno;
  uint32_t count = p->count;
  for (uint32_t i = 0; i < count; i++) {
    int e = p->fds[i].revents;
    unsigned what = 0;
    if (e == 0) continue;
    if (e & (POLLERR | POLLHUP | POLLNVAL)) what = WF_IO_READ | WF_IO_WRITE | WF_IO_HUP;
    if (e & POLLIN) what |= WF_IO_READ;
    if (e & POLLOUT) what |= WF_IO_WRITE;
    tell(p->watches[i], what);
  }
  return n;
}

#endif
