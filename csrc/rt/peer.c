/* See peer.h: the socket and its frames. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "rt/peer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "sys/inject.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0
#endif

enum {
  READ_ROOM = 64 * 1024,
  FLUSH_AT = 128 * 1024, /* so much is sent without waiting for the next look around */
  KEEP_ROOM = 256 * 1024,
  FDS_MOST = 4096, /* descriptors of a frame that is not whole yet: more is not meant well */
};

/* Sending ------------------------------------------------------------------------------------------- */

static void lose(wf_peer *p) {
  if (p->lost) return;
  p->lost = true;
  wf_list_unlink(&p->dirty);
  if (p->on_lost != NULL) p->on_lost(p);
}

void wf_peer_break(wf_peer *p, int err) {
  wf_peer_fail(p, err);
  lose(p);
}

/* The other side does not read any more. A worker that has ended in good order has sent its last values and its end before
 * that: they lie in the socket, and are read when the descriptor or the end of the process says so. */
static void deafen(wf_peer *p) {
  if (p->is_child) {
    lose(p); /* without its starter it has nothing to do */
    return;
  }
  p->deaf = true;
  p->out_head = p->out_len = 0;
  wf_list_unlink(&p->dirty);
}

static bool out_reserve(wf_peer *p, size_t n) {
  if (p->lost || p->deaf) return false;
  if (p->out_len + n <= p->out_room) return true;
  if (p->out_head > 0 && p->nfds_out == 0) {
    memmove(p->out, p->out + p->out_head, p->out_len - p->out_head);
    p->out_len -= p->out_head;
    p->out_head = 0;
    if (p->out_len + n <= p->out_room) return true;
  }
  size_t room = p->out_room < 4096 ? 4096 : p->out_room;
  while (room < p->out_len + n) room *= 2;
  char *grown = wf_realloc(p->out, room);
  if (grown == NULL) {
    wf_peer_break(p, ENOMEM);
    return false;
  }
  p->out = grown;
  p->out_room = room;
  return true;
}

void wf_peer_put(wf_peer *p, const void *bytes, size_t n) {
  if (n == 0 || !out_reserve(p, n)) return;
  memcpy(p->out + p->out_len, bytes, n);
  p->out_len += n;
}

void wf_peer_put_u32(wf_peer *p, uint32_t v) { wf_peer_put(p, &v, sizeof v); }
void wf_peer_put_u64(wf_peer *p, uint64_t v) { wf_peer_put(p, &v, sizeof v); }

/* One thing the carrier does at a time: there is one open frame of a peer at most. */
void wf_peer_begin(wf_peer *p, enum wf_peer_op op, uint64_t chan, uint64_t arg) {
  wf_peer_head h = {.op = (uint8_t)op, .chan = chan, .arg = arg};
  if (!out_reserve(p, sizeof h)) return;
  p->frame = p->out_len - p->out_head;
  wf_peer_put(p, &h, sizeof h);
}

void wf_peer_attach(wf_peer *p, int fd, wf_shared *owner) {
  if (p->nfds_out == p->fds_out_room) {
    size_t room = p->fds_out_room == 0 ? 4 : p->fds_out_room * 2;
    wf_peer_fd *grown = wf_realloc(p->fds_out, room * sizeof *grown);
    if (grown == NULL) {
      wf_peer_break(p, ENOMEM);
      return;
    }
    p->fds_out = grown;
    p->fds_out_room = room;
  }
  wf_shared_hold(owner);
  p->fds_out[p->nfds_out++] = (wf_peer_fd){p->out_head + p->frame, fd, owner};
}

void wf_peer_end(wf_peer *p) {
  if (p->lost || p->deaf) return;
  char *head = p->out + p->out_head + p->frame;
  size_t n = p->out_len - p->out_head - p->frame - sizeof(wf_peer_head);
  uint32_t size = (uint32_t)n;
  if (size != n) {
    wf_peer_break(p, EMSGSIZE);
    return;
  }
  memcpy(head, &size, sizeof size);
  if (!wf_link_in_list(&p->dirty)) wf_list_append(&p->iso->peers_dirty, &p->dirty);
  if (p->out_len - p->out_head > FLUSH_AT) wf_peer_flush(p, false);
}

/* The way of frames that this side sends. */
static uint64_t way_out(const wf_peer *p) { return (p->is_child ? p->here : p->there) << 1 | p->is_child; }

void wf_peer_ship(wf_peer *p, enum wf_trace_why why, uint64_t task) {
  wf_trace(WF_TRACE_SHIP, why, p->shipped++, task, way_out(p));
}

void wf_peer_land(wf_peer *p, enum wf_trace_why why, uint64_t task) {
  wf_trace(WF_TRACE_LAND, why, p->landed++, task, way_out(p) ^ 1);
}

void wf_peer_land_again(const wf_peer *p, uint64_t task) {
  wf_trace(WF_TRACE_LAND, WF_WHY_NONE, p->landed - 1, task, way_out(p) ^ 1);
}

void wf_peer_send(wf_peer *p, enum wf_peer_op op, uint64_t chan, uint64_t arg) {
  wf_peer_begin(p, op, chan, arg);
  wf_peer_end(p);
}

/* One system call: up to the next descriptor, or with it. The descriptors of a frame belong to its beginning: they go with its first
 * bytes, one with each (a frame has more bytes than descriptors), the last one with all the rest. */
static ssize_t send_some(wf_peer *p) {
  size_t end = p->out_len;
  char control[CMSG_SPACE(sizeof(int))];
  struct msghdr m = {0};
  bool with_fd = p->nfds_out > 0 && p->fds_out[0].at <= p->out_head;
  size_t next = with_fd ? 1 : 0;
  if (p->nfds_out > next) end = p->fds_out[next].at > p->out_head ? p->fds_out[next].at : p->out_head + 1;
  wf_assert(end > p->out_head && end <= p->out_len);
  struct iovec iov = {p->out + p->out_head, end - p->out_head};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  if (with_fd) {
    memset(control, 0, sizeof control);
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &p->fds_out[0].fd, sizeof(int));
  }
  ssize_t put;
  do put = wf_inject_errno(WF_CALL_SEND) ? -1 : sendmsg(p->watch.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (put < 0 && errno == EINTR);
  if (put <= 0) return put;
  p->out_head += (size_t)put;
  if (with_fd) {
    wf_shared_release(p->fds_out[0].owner);
    p->nfds_out--;
    memmove(p->fds_out, p->fds_out + 1, p->nfds_out * sizeof *p->fds_out);
  }
  return put;
}

void wf_peer_flush(wf_peer *p, bool wait) {
  while (!p->lost && p->out_head < p->out_len) {
    if (send_some(p) >= 0) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      if (errno == EPIPE || errno == ECONNRESET)
        deafen(p);
      else
        wf_peer_break(p, errno); /* the other side waits for what will not come */
      return;
    }
    if (!wait) {
      wf_list_unlink(&p->dirty); /* the poller says when */
      int err = wf_poller_arm(&p->iso->loop->poller, &p->watch, WF_IO_READ | WF_IO_WRITE);
      if (err != 0)
        wf_peer_break(p, err);
      else if (p->on_flushed != NULL)
        p->on_flushed(p, false);
      return;
    }
    struct pollfd fd = {p->watch.fd, POLLOUT | POLLIN, 0};
    if (poll(&fd, 1, -1) > 0 && (fd.revents & POLLIN)) wf_peer_read(p); /* or both could wait for each other */
  }
  wf_list_unlink(&p->dirty);
  wf_assert(p->lost || p->nfds_out == 0);
  p->out_head = p->out_len = 0;
  if (p->out_room > KEEP_ROOM) {
    wf_free(p->out);
    p->out = NULL;
    p->out_room = 0;
  }
  if (p->on_flushed != NULL && !p->lost) p->on_flushed(p, true);
}

void wf_peers_due(wf_iso *iso) {
  enum { EVERY_NS = 50000 };
  uint64_t now = wf_clock_ns();
  if (now - iso->peers_looked < EVERY_NS) return;
  wf_iso_poll(iso);
  iso->peers_looked = now;
}

void wf_peers_flush(wf_iso *iso) {
  wf_link *l, *next;
  wf_list_each(l, next, &iso->peers_dirty) wf_peer_flush(wf_list_entry(l, wf_peer, dirty), false);
}

/* Receiving ------------------------------------------------------------------------------------------ */

bool wf_peer_get(wf_peer_bytes *b, void *to, size_t n) {
  const char *from = wf_peer_get_bytes(b, n);
  if (from != NULL) memcpy(to, from, n);
  return from != NULL;
}

const char *wf_peer_get_bytes(wf_peer_bytes *b, size_t n) {
  if ((size_t)(b->end - b->at) < n) return NULL;
  const char *at = b->at;
  b->at += n;
  return at;
}

int wf_peer_get_fd(wf_peer *p) {
  if (p->nfds_in == 0) return -1;
  int fd = p->fds_in[0];
  if (fd < 0) wf_peer_fail(p, EMFILE);
  p->nfds_in--;
  memmove(p->fds_in, p->fds_in + 1, p->nfds_in * sizeof fd);
  return fd;
}

static void serve(wf_peer *p, const wf_peer_head *h, const char *bytes) {
  wf_peer_bytes b = {bytes, bytes + h->size};
  if (h->op >= WF_PEER_DEMAND)
    wf_peer_on_channel(p, h, &b);
  else if (h->op == WF_PEER_FORGET || h->op == WF_PEER_FORGOTTEN)
    wf_peer_on_forget(p, h);
  else
    p->on_frame(p, h, &b);
}

/* The frames that are there whole. */
static void serve_all(wf_peer *p) {
  size_t at = 0;
  wf_peer_head h;
  while (p->failed == 0 && p->in_len - at >= sizeof h) {
    memcpy(&h, p->in + at, sizeof h);
    if (p->in_len - at - sizeof h < h.size) break;
    serve(p, &h, p->in + at + sizeof h);
    at += sizeof h + h.size;
  }
  if (at == 0) return;
  p->in_len -= at;
  memmove(p->in, p->in + at, p->in_len);
}

static bool in_reserve(wf_peer *p) {
  wf_peer_head h;
  size_t want = p->in_len + READ_ROOM;
  if (p->in_len >= sizeof h) {
    memcpy(&h, p->in, sizeof h);
    if (sizeof h + h.size > want) want = sizeof h + h.size;
  }
  if (want <= p->in_room) return true;
  char *grown = wf_realloc(p->in, want);
  if (grown == NULL) return false;
  p->in = grown;
  p->in_room = want;
  return true;
}

/* -1: one that was lost. */
static void keep_fd(wf_peer *p, int fd) {
  if (p->nfds_in == p->fds_in_room && p->fds_in_room < FDS_MOST) {
    size_t room = p->fds_in_room == 0 ? 4 : p->fds_in_room * 2;
    int *grown = wf_realloc(p->fds_in, room * sizeof *grown);
    if (grown != NULL) {
      p->fds_in = grown;
      p->fds_in_room = room;
    }
  }
  if (p->nfds_in < p->fds_in_room) {
    p->fds_in[p->nfds_in++] = fd;
    return;
  }
  if (fd >= 0) close(fd);
  wf_peer_fail(p, p->fds_in_room < FDS_MOST ? ENOMEM : EBADMSG);
}

static void take_fds(wf_peer *p, struct msghdr *m) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      keep_fd(p, fd);
    }
  }
  if (m->msg_flags & MSG_CTRUNC) keep_fd(p, -1); /* there was no room for one: those that follow keep their places */
}

/* > 0: there may be more; -1: there will be nothing any more. */
static ssize_t read_some(wf_peer *p) {
  char control[CMSG_SPACE(8 * sizeof(int))];
  if (!in_reserve(p)) {
    wf_peer_fail(p, ENOMEM);
    return -1;
  }
  struct iovec iov = {p->in + p->in_len, p->in_room - p->in_len};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t got;
  do got = wf_inject_errno(WF_CALL_RECV) ? -1 : recvmsg(p->watch.fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
  if (got < 0) {
    if (errno != ECONNRESET) wf_peer_fail(p, errno); /* else the other side has closed, and did not read all */
    return -1;
  }
  take_fds(p, &m);
  if (got == 0) return -1;
  p->in_len += (size_t)got;
  bool cut = m.msg_controllen > 0 || (m.msg_flags & MSG_CTRUNC) != 0; /* a descriptor, lost or not, ends a read */
  return (size_t)got < iov.iov_len && !cut ? 0 : got;
}

void wf_peer_read(wf_peer *p) {
  if (p->reading || p->lost) return;
  p->reading = true;
  ssize_t got = 1;
  while (got > 0 && p->failed == 0) {
    got = read_some(p);
    if (got >= 0) serve_all(p);
  }
  p->reading = false;
  if (p->failed != 0 && p->is_child) {
    wf_peer_send(p, WF_PEER_FAIL, 0, (uint64_t)p->failed);
    wf_peer_flush(p, false);
  }
  if (got < 0 || p->failed != 0) lose(p);
}

static void on_ready(wf_watch *w, unsigned events) {
  wf_peer *p = wf_container_of(w, wf_peer, watch);
  wf_port_attended(p->iso->port);
  if (events & WF_IO_READ) wf_peer_read(p);
  wf_port_attended(NULL);
  if (p->iso->pooled) wf_port_wake(p->iso->port); /* it is parked, perhaps with answers to send and an earlier alarm */
  if ((events & WF_IO_WRITE) && !p->lost && p->out_head < p->out_len) wf_peer_flush(p, false);
}

/* Opening and closing ---------------------------------------------------------------------------------- */

static void on_iso_end(wf_iso *iso, wf_handle *h) {
  wf_peer *p = wf_container_of(h, wf_peer, handle);
  p->on_lost = NULL; /* it is this side that ends */
  lose(p);
  if (iso->loop != NULL) wf_poller_del(&iso->loop->poller, &p->watch);
  wf_peer_part_channels(p);
  wf_handle_close(iso, h);
}

wf_peer *wf_peer_new(wf_iso *iso, int fd, bool is_child, int *err) {
  wf_peer *p = wf_calloc(1, sizeof *p);
  *err = p == NULL ? ENOMEM : wf_io_open(iso);
  if (*err == 0) {
    p->iso = iso;
    p->is_child = is_child;
    wf_list_init(&p->taps);
    wf_list_init(&p->memories);
    wf_watch_init(&p->watch, fd, on_ready);
    *err = wf_poller_arm(&iso->loop->poller, &p->watch, WF_IO_READ);
  }
  if (*err != 0) {
    close(fd);
    wf_free(p);
    return NULL;
  }
  wf_handle_open(iso, &p->handle, on_iso_end);
  wf_world_hold(iso);
  iso->npeers++;
  return p;
}

void wf_peer_between(wf_peer *p, pid_t here, pid_t there) {
  p->here = (uint64_t)here;
  p->there = (uint64_t)there;
}

void wf_peer_free(wf_peer *p) {
  wf_iso *iso = p->iso;
  p->lost = true;
  wf_list_unlink(&p->dirty);
  wf_peer_part_channels(p);
  wf_peer_part_buffers(p);
  if (iso->loop != NULL) wf_poller_del(&iso->loop->poller, &p->watch);
  close(p->watch.fd);
  wf_handle_close(iso, &p->handle);
  wf_world_release(iso);
  iso->npeers--;
  while (p->nfds_in > 0)
    if (p->fds_in[--p->nfds_in] >= 0) close(p->fds_in[p->nfds_in]);
  while (p->nfds_out > 0) wf_shared_release(p->fds_out[--p->nfds_out].owner);
  wf_free(p->fds_in);
  wf_free(p->fds_out);
  wf_free(p->in);
  wf_free(p->out);
  wf_free(p);
}
