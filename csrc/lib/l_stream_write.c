/* weft.stream: writing, half-close, close.
 *
 * The stack of a write: 1 the stream, 2..n the strings and buffers, n + 1 how many bytes are written, n + 2 the
 * deadline or nil. */
#include <errno.h>
#include <sys/socket.h>

#include "lib/l_buffer.h"
#include "lib/l_stream.h"
#include "rt/sched.h"
#include "sys/fd.h"
#include "sys/inject.h"

enum { SELF = WF_STREAM_SELF, FIRST = 2, PIECES = 16, LINGER_S = 5 };

static int write_k(lua_State *L, int status, lua_KContext ctx);

bool wf_bytes_of(lua_State *L, int idx, const char **p, size_t *n) {
  if (lua_type(L, idx) == LUA_TSTRING) {
    *p = lua_tolstring(L, idx, n);
    return true;
  }
  const wf_buffer *b = wf_object_test(L, idx, WF_CLASS_BUFFER, sizeof *b);
  if (b == NULL || b->v.stride != wf_elem_size(b->v.type)) return false;
  *p = b->v.data;
  *n = b->v.n * b->v.stride;
  return true;
}

void wf_check_bytes_arg(lua_State *L, int arg) {
  const char *p;
  size_t n;
  if (lua_type(L, arg) == LUA_TNUMBER) lua_tostring(L, arg);
  if (wf_likely(wf_bytes_of(L, arg, &p, &n))) return;
  if (lua_isuserdata(L, arg)) luaL_argerror(L, arg, "a string or a buffer without gaps (stride) expected");
  luaL_typeerror(L, arg, "string or buffer");
}

/* In test builds fewer bytes are given to the system than could be. */
static int fewer(struct iovec *iov, int n, bool *more) {
  size_t first = n == 0 ? 0 : iov[0].iov_len, given = first;
  if (n > 0) wf_inject_size(WF_CALL_SEND, &given);
  if (given == first) return n;
  iov[0].iov_len = given;
  *more = true;
  return 1;
}

/* The pieces from byte `sent` on; their number. *more: there are others. */
static int pieces(lua_State *L, int last, size_t sent, struct iovec *iov, bool *more) {
  int n = 0;
  *more = false;
  for (int i = FIRST; i <= last; i++) {
    const char *p = NULL;
    size_t len = 0;
    wf_bytes_of(L, i, &p, &len);
    if (sent >= len) {
      sent -= len;
      continue;
    }
    if (n == PIECES) {
      *more = true;
      break;
    }
    iov[n].iov_base = (void *)(uintptr_t)(p + sent);
    iov[n++].iov_len = len - sent;
    sent = 0;
  }
  return fewer(iov, n, more);
}

/* The next one's turn, which begins now: who comes before it has run waits behind the others. */
static void wake_next_writer(wf_stream *s) {
  if (!s->writing && !wf_list_empty(&s->turn)) s->writing = wf_io_wake_first(s->object.iso, &s->turn, WF_GOT);
}

/* A writer gives up while it waits for room, and so misses what it may have been told meanwhile. */
static void writer_left(wf_stream *s) {
  wake_next_writer(s);
  if (!s->writing && s->out_len > 0 && wf_stream_open(s)) wf_stream_flush(s);
}

/* A wait for the turn is over: it is this one's, or the wait has ended otherwise. */
static void turn_came(wf_stream *s, const wf_task *t) {
  if (t->claim == WF_GOT) s->writing = false;
}

static int write_failed(lua_State *L, wf_stream *s, int err, size_t sent) {
  int n = wf_stream_fail(L, s, err);
  lua_pushinteger(L, (lua_Integer)sent);
  wake_next_writer(s);
  return n + 1;
}

/* Why a write is no use now: an errno, or 0. */
static int refused(wf_stream *s) {
  int err = s->out_error;
  if (!wf_stream_open(s)) return EBADF;
  if (s->shut) return EPIPE;
  s->out_error = 0;
  return err;
}

/* Write what is left. It is this writer's turn. */
static int write_more(lua_State *L, wf_stream *s) {
  int last = lua_gettop(L) - 2;
  size_t sent = (size_t)lua_tointeger(L, last + 1);
  for (bool more = true; more;) {
    struct iovec iov[PIECES];
    int err = refused(s);
    if (err != 0) return write_failed(L, s, err, sent);
    int n = pieces(L, last, sent, iov, &more);
    if (n == 0) break;
    size_t size = 0;
    for (int i = 0; i < n; i++) size += iov[i].iov_len;
    ssize_t put = wf_stream_write(s, iov, n);
    if (put >= 0) sent += (size_t)put;
    if (put >= 0 && (size_t)put == size) continue;
    if (put < 0 && put != -EAGAIN) return write_failed(L, s, (int)-put, sent);
    uint64_t deadline = lua_isnil(L, last + 2) ? WF_NEVER : (uint64_t)lua_tointeger(L, last + 2);
    err = wf_stream_prepare(L, s, WF_IO_WRITE, deadline);
    if (err != 0) return write_failed(L, s, err, sent);
    lua_pushinteger(L, (lua_Integer)sent);
    lua_replace(L, last + 1);
    return wf_stream_wait(L, s, &s->drain, deadline, write_k);
  }
  lua_pushboolean(L, 1);
  wake_next_writer(s);
  return 1;
}

static int write_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_task *t = (wf_task *)ctx;
  wf_stream *s = lua_touserdata(L, SELF);
  int last = lua_gettop(L) - 2;
  s->writing = false;
  if (wf_unlikely(t->claim != WF_GOT)) writer_left(s);
  switch (wf_wait_end(L, t)) {
    case WF_TIMEOUT: return write_failed(L, s, ETIMEDOUT, (size_t)lua_tointeger(L, last + 1));
    case WF_CLOSED: return write_failed(L, s, ECANCELED, (size_t)lua_tointeger(L, last + 1));
    default: return write_more(L, s);
  }
}

/* Another one was in the middle of a write. */
static int turn_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_task *t = (wf_task *)ctx;
  wf_stream *s = lua_touserdata(L, SELF);
  turn_came(s, t);
  switch (wf_wait_end(L, t)) {
    case WF_TIMEOUT: return write_failed(L, s, ETIMEDOUT, 0);
    case WF_CLOSED: return write_failed(L, s, ECANCELED, 0);
    default: return write_more(L, s);
  }
}

/* The general case: several pieces, a wait. */
static int write_slowly(lua_State *L, wf_stream *s, size_t sent) {
  uint64_t deadline = wf_stream_deadline(s);
  luaL_checkstack(L, 8, NULL);
  lua_pushinteger(L, (lua_Integer)sent);
  if (deadline == WF_NEVER)
    lua_pushnil(L);
  else
    lua_pushinteger(L, (lua_Integer)deadline);
  if (!s->writing) return write_more(L, s);
  wf_stream_prepare(L, s, 0, deadline);
  return wf_stream_wait(L, s, &s->turn, deadline, turn_k);
}

/* s:write(...): true when the system has taken all of it. */
static int stream_write(lua_State *L) {
  wf_stream *s = wf_check_stream(L);
  int top = lua_gettop(L);
  size_t len = 0;
  wf_cancel_point(s->object.iso, L);
  if (wf_turn_over(s->object.iso, L)) return wf_turn_give(s->object.iso, L);
  if (wf_likely(top == FIRST && lua_type(L, FIRST) == LUA_TSTRING && wf_stream_open(s) && !s->writing && !s->shut && s->out_error == 0)) {
    const char *p = lua_tolstring(L, FIRST, &len);
    if (wf_stream_cork(s, p, len)) {
      lua_pushboolean(L, 1);
      return 1;
    }
    if (len == 0) return write_slowly(L, s, 0);
    size_t given = len;
    wf_inject_size(WF_CALL_SEND, &given);
    struct iovec iov = {(void *)(uintptr_t)p, given};
    ssize_t put = wf_stream_write(s, &iov, 1);
    if (wf_likely(put == (ssize_t)len)) {
      lua_pushboolean(L, 1);
      return 1;
    }
    if (put < 0 && put != -EAGAIN) return write_failed(L, s, (int)-put, 0);
    return write_slowly(L, s, put > 0 ? (size_t)put : 0);
  }
  for (int i = FIRST; i <= top; i++) wf_check_bytes_arg(L, i);
  if (top > FIRST && wf_stream_open(s) && wf_stream_kept(s) > 0 && !s->writing && !s->shut && s->out_error == 0) {
    size_t total = 0;
    const char *p = NULL;
    for (int i = FIRST; i <= top && total <= WF_CORK_MOST; i++) {
      wf_bytes_of(L, i, &p, &len);
      total += len;
    }
    if (total + s->out_len <= WF_CORK_MOST) {
      int i = FIRST;
      for (; i <= top; i++) {
        wf_bytes_of(L, i, &p, &len);
        if (!wf_stream_cork(s, p, len)) break;
      }
      if (i > top) {
        lua_pushboolean(L, 1);
        return 1;
      }
      wf_assert(i == FIRST); /* if the first is collected so are the others: there is room */
    }
  }
  return write_slowly(L, s, 0);
}

/* Ending ------------------------------------------------------------------------------------------- */

/* Is there output that the system does not take at once? */
static bool must_wait(wf_stream *s) {
  if (!wf_stream_open(s) || s->writing) return false;
  return s->ops->flush != NULL ? s->ops->flush(s) == -EAGAIN : s->out_len > 0 && wf_stream_flush(s) == -EAGAIN;
}

/* unsent: the error when the system does not take what was collected. */
static int close_now(lua_State *L, wf_stream *s, int unsent) {
  int err = s->out_error;
  if (!wf_stream_open(s)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  if (wf_stream_flush(s) == -EAGAIN) err = unsent;
  if (s->out_error != 0) err = s->out_error;
  wf_stream_shut(s, false);
  if (s->standard != 0) wf_fd_to_null(s->standard - 1);
  if (err != 0) return wf_stream_fail(L, s, err);
  lua_pushboolean(L, 1);
  return 1;
}

static int close_k(lua_State *L, int status, lua_KContext ctx);

/* The stack: the stream, and the deadline or nil once it has waited. What was collected is sent first. */
static int close_more(lua_State *L, wf_stream *s) {
  wf_iso *iso = s->object.iso;
  if (wf_likely(!must_wait(s)) || iso->closed || (iso->cur->flags & WF_F_CANCEL)) return close_now(L, s, EAGAIN);
  if (lua_gettop(L) == SELF) {
    uint64_t until = wf_stream_deadline(s);
    if (until == WF_NEVER && s->file == NULL) until = wf_clock_ns() + LINGER_S * 1000000000ull;
    if (until == WF_NEVER)
      lua_pushnil(L);
    else
      lua_pushinteger(L, (lua_Integer)until);
  }
  uint64_t deadline = lua_isnil(L, SELF + 1) ? WF_NEVER : (uint64_t)lua_tointeger(L, SELF + 1);
  wf_stream_prepare(L, s, 0, deadline);
  return wf_stream_wait(L, s, &s->drain, deadline, close_k);
}

static int close_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_task *t = (wf_task *)ctx;
  wf_stream *s = lua_touserdata(L, SELF);
  s->writing = false;
  if (t->claim == WF_CANCEL || t->claim == WF_RAISE) wf_stream_shut(s, false);
  return wf_wait_end(L, t) == WF_GOT ? close_more(L, s) : close_now(L, s, ETIMEDOUT);
}

/* s:close(). */
static int stream_close(lua_State *L) {
  wf_stream *s = wf_check_stream(L);
  lua_settop(L, SELF);
  return close_more(L, s);
}

static int flush_k(lua_State *L, int status, lua_KContext ctx);
static int flush_turn_k(lua_State *L, int status, lua_KContext ctx);

static int flush_now(lua_State *L, wf_stream *s) {
  if (!wf_stream_open(s)) return wf_stream_fail(L, s, EBADF);
  bool others = s->writing;
  if (others || must_wait(s)) {
    uint64_t deadline = wf_stream_deadline(s);
    wf_stream_prepare(L, s, 0, deadline);
    return others ? wf_stream_wait(L, s, &s->turn, deadline, flush_turn_k) : wf_stream_wait(L, s, &s->drain, deadline, flush_k);
  }
  int err = s->out_error;
  s->out_error = 0;
  wake_next_writer(s);
  if (err != 0) return wf_stream_fail(L, s, err);
  lua_pushboolean(L, 1);
  return 1;
}

static int flush_woken(lua_State *L, wf_stream *s, wf_task *t) {
  if (t->claim != WF_GOT) writer_left(s);
  switch (wf_wait_end(L, t)) {
    case WF_TIMEOUT: return wf_stream_fail(L, s, ETIMEDOUT);
    case WF_CLOSED: return wf_stream_fail(L, s, ECANCELED);
    default: return flush_now(L, s);
  }
}

static int flush_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_stream *s = lua_touserdata(L, SELF);
  s->writing = false;
  return flush_woken(L, s, (wf_task *)ctx);
}

/* Another one was in the middle of a write, or waited for the same. */
static int flush_turn_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_stream *s = lua_touserdata(L, SELF);
  turn_came(s, (wf_task *)ctx);
  return flush_woken(L, s, (wf_task *)ctx);
}

/* s:flush(): what was written before is with the system. */
int wf_stream_method_flush(lua_State *L) {
  wf_stream *s = wf_check_stream(L);
  lua_settop(L, SELF);
  wf_cancel_point(s->object.iso, L);
  return flush_now(L, s);
}

static int shutdown_now(lua_State *L, wf_stream *s) {
  int err = refused(s);
  wake_next_writer(s); /* which sees what has become of the stream */
  if (err == EPIPE) err = ENOTCONN;
  if (err != 0) return wf_stream_fail(L, s, err);
  if (s->kind > WF_STREAM_UNIX) return wf_stream_fail(L, s, ENOTSOCK);
  if (shutdown(s->watch.fd, SHUT_WR) != 0) return wf_stream_fail(L, s, errno);
  s->shut = true;
  lua_pushboolean(L, 1);
  return 1;
}

static int shutdown_begin(lua_State *L, wf_stream *s);

static int shutdown_woken(lua_State *L, wf_stream *s, wf_task *t) {
  switch (wf_wait_end(L, t)) {
    case WF_TIMEOUT: return wf_stream_fail(L, s, ETIMEDOUT);
    case WF_CLOSED: return wf_stream_fail(L, s, ECANCELED);
    default: return shutdown_begin(L, s);
  }
}

static int shutdown_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_task *t = (wf_task *)ctx;
  wf_stream *s = lua_touserdata(L, SELF);
  s->writing = false;
  if (t->claim != WF_GOT) writer_left(s);
  return shutdown_woken(L, s, t);
}

static int shutdown_turn_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_stream *s = lua_touserdata(L, SELF);
  turn_came(s, (wf_task *)ctx);
  return shutdown_woken(L, s, (wf_task *)ctx);
}

static int shutdown_begin(lua_State *L, wf_stream *s) {
  uint64_t deadline = wf_stream_deadline(s);
  bool others = wf_stream_open(s) && s->writing; /* after those who write */
  if (!others && !must_wait(s)) return shutdown_now(L, s);
  wf_stream_prepare(L, s, 0, deadline);
  return others ? wf_stream_wait(L, s, &s->turn, deadline, shutdown_turn_k)
                : wf_stream_wait(L, s, &s->drain, deadline, shutdown_k);
}

/* s:shutdown(): the peer sees the end of the stream; reading goes on. */
static int stream_shutdown(lua_State *L) {
  wf_stream *s = wf_check_stream(L);
  lua_settop(L, SELF);
  wf_cancel_point(s->object.iso, L);
  return shutdown_begin(L, s);
}

const luaL_Reg wf_stream_write_methods[] = {
    {"write", stream_write}, {"close", stream_close}, {"shutdown", stream_shutdown}, {NULL, NULL}};
