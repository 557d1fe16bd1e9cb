/* See stream.h. */
#include "rt/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "rt/file.h"
#include "rt/server.h"
#include "sys/fd.h"
#include "sys/inject.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* What is behind ----------------------------------------------------------------------------------- */

static ssize_t socket_read(wf_stream *s, char *to, size_t n) {
  ssize_t got;
  do got = wf_inject_errno(WF_CALL_RECV) ? -1 : recv(s->watch.fd, to, n, MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  return got < 0 ? -errno : got;
}

static ssize_t socket_write(wf_stream *s, const struct iovec *iov, int n) {
  ssize_t put;
  struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
  do put = wf_inject_errno(WF_CALL_SEND) ? -1
         : n == 1 ? send(s->watch.fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT)
                  : sendmsg(s->watch.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (put < 0 && errno == EINTR);
  return put < 0 ? -errno : put;
}

static ssize_t pipe_read(wf_stream *s, char *to, size_t n) {
  ssize_t got;
  do got = wf_inject_errno(WF_CALL_RECV) ? -1 : read(s->watch.fd, to, n);
  while (got < 0 && errno == EINTR);
  return got < 0 ? -errno : got;
}

static ssize_t pipe_write(wf_stream *s, const struct iovec *iov, int n) {
  ssize_t put;
  do put = wf_inject_errno(WF_CALL_SEND) ? -1 : n == 1 ? write(s->watch.fd, iov->iov_base, iov->iov_len) : writev(s->watch.fd, iov, n);
  while (put < 0 && errno == EINTR);
  return put < 0 ? -errno : put;
}

static bool poll_now(int fd, short events) {
  struct pollfd p = {fd, events, 0};
  return poll(&p, 1, 0) != 0;
}

/* A descriptor shared with others, whose O_NONBLOCK is theirs: it is asked first, and given no more than it takes
 * at once. */
static ssize_t blocking_read(wf_stream *s, char *to, size_t n) {
  return poll_now(s->watch.fd, POLLIN) ? pipe_read(s, to, n) : -EAGAIN;
}

static ssize_t blocking_write(wf_stream *s, const struct iovec *iov, int n) {
  enum { PIECE = 4096 }; /* PIPE_BUF: when a pipe is writable, that much fits */
  (void)n;
  if (!poll_now(s->watch.fd, POLLOUT)) return -EAGAIN;
  struct iovec one = {iov->iov_base, s->kind == WF_STREAM_FILE || iov->iov_len < PIECE ? iov->iov_len : PIECE};
  return pipe_write(s, &one, 1);
}

static int fd_wait(wf_stream *s, unsigned what) {
  return wf_poller_arm(&s->object.iso->loop->poller, &s->watch, what);
}

static void fd_close(wf_stream *s) {
  if (!s->keep) close(s->watch.fd);
}

const wf_stream_ops wf_socket_ops = {socket_read, socket_write, fd_wait, fd_close, NULL};
const wf_stream_ops wf_pipe_ops = {pipe_read, pipe_write, fd_wait, fd_close, NULL};
const wf_stream_ops wf_blocking_ops = {blocking_read, blocking_write, fd_wait, fd_close, NULL};

/* Opening and closing ------------------------------------------------------------------------------ */

static void on_ready(wf_watch *w, unsigned events) { wf_stream_ready(wf_container_of(w, wf_stream, watch), events); }

static void on_iso_end(wf_iso *iso, wf_handle *h) {
  (void)iso;
  wf_stream_shut(wf_container_of(h, wf_stream, handle), false);
}

wf_stream *wf_stream_push(wf_iso *iso, lua_State *L, enum wf_stream_kind kind, const wf_stream_ops *ops) {
  return wf_stream_push_as(iso, L, WF_CLASS_STREAM, kind, ops);
}

wf_stream *wf_stream_push_as(wf_iso *iso, lua_State *L, enum wf_class c, enum wf_stream_kind kind, const wf_stream_ops *ops) {
  wf_stream *s = wf_class_push(iso, L, c, sizeof *s, 1);
  s->object.seal = WF_SEAL(WF_CLASS_STREAM);
  s->object.iso = iso;
  s->ops = ops;
  s->kind = (uint8_t)kind;
  s->timeout = WF_NEVER;
  s->readable = true;
  s->seq = ++iso->objects;
  wf_list_init(&s->readers);
  wf_list_init(&s->drain);
  wf_list_init(&s->turn);
  wf_watch_init(&s->watch, -1, on_ready);
  wf_handle_note(iso, L, s);
  return s;
}

void wf_stream_own(wf_stream *s, int fd) {
  s->watch.fd = fd;
  wf_handle_open(s->object.iso, &s->handle, on_iso_end);
}

static void drop_input(wf_stream *s) {
  if (s->in == NULL) return;
  if (s->block && s->object.iso->loop != NULL)
    wf_loop_give_block(s->object.iso->loop, s->in);
  else
    wf_free(s->in);
  s->in = NULL;
  s->block = false;
  s->in_room = s->in_head = s->in_tail = s->scanned = 0;
}

void wf_stream_drop_input(wf_stream *s) {
  s->takes++;
  drop_input(s);
}

static void out_free(wf_stream *s) {
  if (s->out == NULL) return;
  if (s->object.iso->loop != NULL)
    wf_loop_give_block(s->object.iso->loop, s->out);
  else
    wf_free(s->out);
  s->out = NULL;
  s->out_len = s->out_sent = 0;
}

int wf_stream_shut(wf_stream *s, bool detach) {
  wf_iso *iso = s->object.iso;
  int fd = s->watch.fd;
  if (fd < 0) return -1;
  if (iso->loop != NULL) wf_poller_del(&iso->loop->poller, &s->watch);
  if (!detach) s->ops->close(s);
  s->watch.fd = -1;
  wf_stream_drop_input(s);
  wf_list_unlink(&s->corked);
  out_free(s);
  wf_handle_close(iso, &s->handle);
  wf_waitq_wake_all(iso, &s->readers, WF_CLOSED);
  wf_waitq_wake_all(iso, &s->drain, WF_CLOSED);
  wf_waitq_wake_all(iso, &s->turn, WF_CLOSED);
  if (s->server != NULL) wf_server_left(s->server);
  s->server = NULL;
  return detach ? fd : -1;
}

void wf_stream_ready(wf_stream *s, unsigned events) {
  wf_iso *iso = s->object.iso;
  if (events & WF_IO_HUP) s->hup = true;
  if (events & WF_IO_READ) {
    s->readable = true;
    wf_io_wake_first(iso, &s->readers, WF_GOT);
  }
  if ((events & WF_IO_WRITE) && !wf_io_wake_first(iso, &s->drain, WF_GOT) && s->out_len > 0 && !s->writing) wf_stream_flush(s);
}

/* Input -------------------------------------------------------------------------------------------- */

static size_t room_for(size_t n) {
  size_t room = 512;
  while (room < n) room *= 2;
  return room;
}

/* Move what is kept to memory of `room` bytes, or a block of the loop if that is its size. */
static bool move_input(wf_stream *s, size_t room) {
  size_t n = wf_stream_kept(s), scanned = s->scanned;
  bool block = room == WF_BLOCK_SIZE;
  char *to = block ? wf_loop_take_block(s->object.iso->loop) : wf_malloc(room);
  if (to == NULL) return false;
  wf_assert(n == 0 || s->in != NULL);
  if (n > 0) memcpy(to, s->in + s->in_head, n);
  drop_input(s);
  s->in = to;
  s->in_room = room;
  s->in_tail = n;
  s->block = block;
  s->scanned = scanned;
  return true;
}

/* Make room at the end of the input. */
static bool make_room(wf_stream *s) {
  enum { LITTLE = 4096 };
  size_t kept = wf_stream_kept(s);
  if (wf_likely(s->in == NULL)) return move_input(s, WF_BLOCK_SIZE);
  if (s->in_room - s->in_tail >= LITTLE) return true;
  if (s->in_room >= WF_BLOCK_SIZE && s->in_room - kept >= s->in_room / 2) {
    memmove(s->in, s->in + s->in_head, kept);
    s->in_head = 0;
    s->in_tail = kept;
    return true;
  }
  if (s->in_room < WF_BLOCK_SIZE) return move_input(s, WF_BLOCK_SIZE);
  return s->in_room <= SIZE_MAX / 4 && move_input(s, s->in_room * 2);
}

ssize_t wf_stream_fill(wf_stream *s, size_t want) {
  if (wf_unlikely(s->eof)) return 0;
  if (!s->readable && !s->hup) return -EAGAIN;
  if (s->out_len > 0 && !s->writing) wf_stream_flush(s); /* the peer may wait for it */
  if (!make_room(s)) return -ENOMEM;
  /* A great many bytes are asked for: get them with few calls. */
  if (want > s->in_room - s->in_head && want > s->in_room && s->in_tail - s->in_head > WF_BLOCK_SIZE / 2 && want < SIZE_MAX / 4)
    move_input(s, room_for(want < s->in_room * 4 ? want : s->in_room * 4));
  size_t room = s->in_room - s->in_tail;
  wf_inject_size(WF_CALL_RECV, &room); /* fewer are asked for: that fewer are there would be the end of an edge */
  ssize_t n = s->ops->read(s, s->in + s->in_tail, room);
  if (wf_likely(n > 0)) {
    s->in_tail += (size_t)n;
    /* A terminal gives a line at a time, and a unix socket stops at a message that has descriptors: there may be more. */
    if ((size_t)n < room && (s->kind == WF_STREAM_TCP || s->kind == WF_STREAM_PIPE)) s->readable = false;
    return n;
  }
  if (n == 0 && s->file == NULL) s->eof = true; /* a file can grow */
  if (n == -EAGAIN || n == -EWOULDBLOCK) {
    s->readable = s->hup = false;
    n = -EAGAIN;
  }
  if (wf_stream_kept(s) == 0) drop_input(s);
  return n;
}

void wf_stream_skip(wf_stream *s, size_t n) {
  s->in_head += n;
  s->scanned = 0;
  s->takes++;
  if (s->in_head == s->in_tail) drop_input(s);
}

void wf_stream_rest(wf_stream *s) {
  size_t kept = wf_stream_kept(s);
  if (kept == 0)
    drop_input(s);
  else if (s->block && kept <= WF_BLOCK_SIZE / 4)
    move_input(s, room_for(kept));
}

bool wf_stream_unread(wf_stream *s, const char *bytes, size_t n) {
  if (n == 0) return true;
  drop_input(s);
  if (!move_input(s, room_for(n))) return false;
  memcpy(s->in, bytes, n);
  s->in_tail = n;
  return true;
}

/* Output ------------------------------------------------------------------------------------------- */

static void out_clear(wf_stream *s) {
  s->out_len = s->out_sent = 0;
  wf_list_unlink(&s->corked);
}

bool wf_stream_cork(wf_stream *s, const char *bytes, size_t n) {
  if (s->file != NULL) return false; /* it collects by itself */
  wf_assert(!s->writing);
  if (s->in_head == s->in_tail || s->out_len + n > WF_CORK_MOST || s->out_sent > 0) return false;
  if (s->out == NULL && (s->out = wf_loop_take_block(s->object.iso->loop)) == NULL) return false;
  memcpy(s->out + s->out_len, bytes, n);
  s->out_len += n;
  if (!wf_link_in_list(&s->corked)) wf_list_append(&s->object.iso->corked, &s->corked);
  return true;
}

ssize_t wf_stream_write(wf_stream *s, const struct iovec *iov, int n) {
  enum { MOST = 17 };
  if (wf_likely(s->out_len == 0)) return s->ops->write(s, iov, n);
  struct iovec all[MOST];
  size_t waiting = s->out_len - s->out_sent;
  all[0] = (struct iovec){s->out + s->out_sent, waiting};
  if (n > MOST - 1) n = MOST - 1;
  for (int i = 0; i < n; i++) all[i + 1] = iov[i];
  ssize_t put = s->ops->write(s, all, n + 1);
  if (put < 0) {
    if (put != -EAGAIN) out_clear(s);
    return put;
  }
  if ((size_t)put < waiting) {
    s->out_sent += (size_t)put;
    return -EAGAIN;
  }
  out_clear(s);
  return put - (ssize_t)waiting;
}

int wf_stream_flush(wf_stream *s) {
  while (s->out_len > 0) {
    ssize_t put = wf_stream_write(s, NULL, 0);
    if (put == -EAGAIN) {
      wf_list_unlink(&s->corked); /* the poller will say when */
      int err = s->ops->wait(s, WF_IO_WRITE);
      if (err == 0) return -EAGAIN;
      put = -err;
    }
    if (put < 0) {
      out_clear(s);
      s->out_error = (int)-put;
      return (int)put;
    }
  }
  out_free(s);
  return 0;
}

void wf_streams_flush(wf_iso *iso) {
  wf_link *l, *next;
  wf_list_each(l, next, &iso->corked) {
    wf_stream *s = wf_list_entry(l, wf_stream, corked);
    if (s->ops->flush != NULL)
      s->ops->flush(s);
    else if (!s->writing)
      wf_stream_flush(s);
  }
}

const char *wf_stream_name(const wf_stream *s, char *text, size_t size) {
  static const char *const kinds[] = {"tcp", "unix socket", "pipe", "terminal", "file"};
  char at[WF_ADDR_TEXT];
  if (s->file != NULL)
    wf_path_end(text, size, wf_file_path(s->file));
  else if (s->peer.sa.sa_family == AF_INET || s->peer.sa.sa_family == AF_INET6)
    snprintf(text, size, "%s %s", kinds[s->kind], wf_addr_text(&s->peer.sa, at, sizeof at));
  else
    snprintf(text, size, "%s %u", kinds[s->kind], s->seq);
  return text;
}
