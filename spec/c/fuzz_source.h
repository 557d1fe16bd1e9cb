/* A stream whose input is a test's: it gives the bytes of a string in the sizes that a plan says, and now and then an
 * errno or the end. Part of fuzz_lua_test.c. One at a time, one thread.
 *
 *   source.open(bytes, plan, file, unread, parks) -> stream     the string and the plan are the caller's to keep
 *   source.event() -> what the next read of the stream was given: bytes, 0 the end, -errno; nil: there was none
 *   source.ready()  an edge, as the poller tells one: who waits for the stream may read again
 *
 * A step of the plan, one byte, is one read. 0-159: so many bytes and one. 160-199: so many KiB. 200-219: EAGAIN, and the
 * descriptor is of the kind that never waits. 220-235: EAGAIN, until ready(). 236-245: an errno. 246-250: a hang-up is
 * told, and all that fits. 251-253: all that fits. 254, 255: the end. After the plan: all that fits. */
#ifndef FUZZ_SOURCE_H
#define FUZZ_SOURCE_H

#include <errno.h>

#include "lib/l_stream.h"
#include "lib/lib.h"

enum { SOURCE_EVENTS = 4096, SOURCE_FD = 1 << 20 /* of nobody */ };

static struct {
  const char *bytes;
  const uint8_t *plan;
  size_t len, at, nplan, step;
  bool parks;       /* a wait is for ready() */
  bool short_parks; /* so is one after a short read */
  int events[SOURCE_EVENTS];
  int made, told;
  int closed;
  wf_stream *stream;
} source;

static ssize_t source_event(ssize_t event) {
  if (source.made == SOURCE_EVENTS) abort();
  source.events[source.made++] = (int)event;
  return event;
}

static ssize_t source_give(char *to, size_t n, size_t most) {
  size_t left = source.len - source.at;
  if (n > most) n = most;
  if (n > left) n = left;
  memcpy(to, source.bytes + source.at, n);
  source.at += n;
  return source_event((ssize_t)n);
}

static ssize_t source_read(wf_stream *s, char *to, size_t n) {
  static const int errors[] = {EIO, ECONNRESET, ETIMEDOUT, EPIPE, EBADF, ENOMEM, EACCES, EINVAL, ENOTCONN, EISDIR};
  source.parks = source.short_parks;
  if (source.step == source.nplan) return source_give(to, n, n);
  unsigned step = source.plan[source.step++];
  if (step < 160) return source_give(to, n, step + 1);
  if (step < 200) return source_give(to, n, (size_t)(step - 159) << 10);
  if (step < 236) {
    source.parks = step >= 220;
    return source_event(-EAGAIN);
  }
  if (step < 246) return source_event(-errors[step - 236]);
  if (step < 251) wf_stream_ready(s, WF_IO_HUP);
  if (step < 254) return source_give(to, n, n);
  source.at = source.len;
  return source_event(0);
}

static int source_wait(wf_stream *s, unsigned what) {
  (void)s, (void)what;
  return source.parks ? 0 : EPERM;
}

static void source_close(wf_stream *s) { (void)s, source.closed++; }

static const wf_stream_ops source_ops = {source_read, NULL, source_wait, source_close, NULL};

static int source_open(lua_State *L) {
  wf_iso *iso = wf_iso_of(L);
  size_t len, nplan, nunread;
  const char *bytes = luaL_checklstring(L, 1, &len), *plan = luaL_checklstring(L, 2, &nplan);
  const char *unread = luaL_checklstring(L, 4, &nunread);
  int err = wf_io_open(iso);
  if (err != 0) return luaL_error(L, "no loop: %d", err);
  memset(&source, 0, sizeof source);
  source.bytes = bytes;
  source.len = len;
  source.plan = (const uint8_t *)plan;
  source.nplan = nplan;
  source.short_parks = lua_toboolean(L, 5);
  wf_stream *s = wf_stream_push(iso, L, lua_toboolean(L, 3) ? WF_STREAM_FILE : WF_STREAM_PIPE, &source_ops);
  wf_stream_own(s, SOURCE_FD);
  if (!wf_stream_unread(s, unread, nunread)) return luaL_error(L, "not enough memory");
  source.stream = s;
  return 1;
}

static int source_next_event(lua_State *L) {
  if (source.told == source.made) return 0;
  lua_pushinteger(L, source.events[source.told++]);
  return 1;
}

static int source_ready(lua_State *L) {
  (void)L;
  if (source.closed == 0) wf_stream_ready(source.stream, WF_IO_READ);
  return 0;
}

static const luaL_Reg source_functions[] = {
    {"open", source_open}, {"event", source_next_event}, {"ready", source_ready}, {NULL, NULL}};

#endif
