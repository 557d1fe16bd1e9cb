/* See fwatch.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sys/fwatch.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "sys/fd.h"
#include "sys/inject.h"

const char *const wf_fchange_names[] = {"created", "removed", "changed", "attributes", "moved_from", "moved_to", "written", NULL};

#if defined(__linux__)
#include <sys/inotify.h>

/* In the order of the names. */
static const uint32_t masks[] = {IN_CREATE, IN_DELETE, IN_MODIFY, IN_ATTRIB, IN_MOVED_FROM, IN_MOVED_TO, IN_CLOSE_WRITE};

int wf_fwatch_open(const char *path, uint32_t wanted) {
  uint32_t mask = IN_DELETE_SELF | IN_MOVE_SELF;
  for (size_t i = 0; i < sizeof masks / sizeof *masks; i++)
    if (wanted == 0 || (wanted >> i & 1)) mask |= masks[i];
  int fd = wf_fd_above_stdio(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (fd < 0) return -1;
  if (inotify_add_watch(fd, path, mask) >= 0) return fd;
  int err = errno;
  close(fd);
  errno = err;
  return -1;
}

int64_t wf_fwatch_read(int fd, void *buf, size_t size) {
  for (;;) {
    int err = wf_inject(WF_CALL_READ, NULL);
    ssize_t n = err != 0 ? -1 : read(fd, buf, size);
    if (n >= 0) return n;
    if (err == 0) err = errno;
    if (err == EAGAIN) return 0;
    if (err != EINTR) return -err;
  }
}

bool wf_fwatch_next(const void *buf, size_t size, size_t *at, wf_fchange *c) {
  struct inotify_event e;
  if (size - *at < sizeof e) return false;
  const char *p = (const char *)buf + *at;
  memcpy(&e, p, sizeof e);
  *at += sizeof e + e.len;
  memset(c, 0, sizeof *c);
  c->name = e.len > 0 ? p + sizeof e : NULL;
  c->folder = (e.mask & IN_ISDIR) != 0;
  if (e.mask & (IN_MOVED_FROM | IN_MOVED_TO)) c->cookie = e.cookie;
  if (e.mask & IN_Q_OVERFLOW) c->what = "overflow";
  if (e.mask & (IN_DELETE_SELF | IN_UNMOUNT)) c->what = "gone";
  if (e.mask & IN_MOVE_SELF) c->what = "moved";
  if (e.mask & IN_IGNORED) c->last = true;
  for (size_t i = 0; i < sizeof masks / sizeof *masks && c->what == NULL; i++)
    if (e.mask & masks[i]) c->what = wf_fchange_names[i];
  return true;
}

#else

int wf_fwatch_open(const char *path, uint32_t wanted) {
  (void)path, (void)wanted;
  errno = ENOTSUP;
  return -1;
}

int64_t wf_fwatch_read(int fd, void *buf, size_t size) {
  (void)fd, (void)buf, (void)size;
  return -ENOTSUP;
}

bool wf_fwatch_next(const void *buf, size_t size, size_t *at, wf_fchange *c) {
  (void)buf, (void)size, (void)at, (void)c;
  return false;
}

#endif
