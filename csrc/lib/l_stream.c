/* weft.stream: reading, closing; l_stream_write.c has the output, l_net_names.c what only sockets have.
 *
 * The stack of a read: 1 the stream, 2 how much (nil, a number or "l", "L", "a"), 3 the longest line or nil,
 * 4 the deadline when there is one. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "lib/l_stream.h"
#include "lx/error.h"
#include "lx/msg.h"
#include "rt/file.h"
#include "rt/sched.h"

enum { SELF = WF_STREAM_SELF, WHAT = 2, LIMIT = 3, DEADLINE = 4 };

int wf_stream_fail(lua_State *L, const wf_stream *s, int err) {
  char room[WF_ADDR_TEXT + 16];
  const char *name = wf_stream_name(s, room, sizeof room);
  return err == EBADF && !wf_stream_open(s) ? lx_fail_closed(L, name) : lx_fail_errno(L, err, name);
}

uint64_t wf_check_span(lua_State *L, int arg) {
  if (lua_isnoneornil(L, arg)) return WF_NEVER;
  lua_Number s = luaL_checknumber(L, arg);
  if (!(s >= 0)) luaL_argerror(L, arg, lua_pushfstring(L, "seconds >= 0 expected, got %f", s));
  return s >= 4.6e9 ? WF_NEVER : (uint64_t)ceil(s * 1e9);
}

/* Waiting ------------------------------------------------------------------------------------------ */

int wf_stream_prepare(lua_State *L, wf_stream *s, unsigned what, uint64_t deadline) {
  wf_iso *iso = s->object.iso;
  if (deadline != WF_NEVER && wf_task_ext(iso, iso->cur) == NULL) luaL_error(L, "not enough memory");
  if (wf_unlikely(wf_trace_on() != 0)) {
    char name[WF_ADDR_TEXT + 16];
    wf_io_label(wf_stream_id(s), &s->labelled, "%s", wf_stream_name(s, name, sizeof name));
  }
  return what == 0 ? 0 : s->ops->wait(s, what);
}

int wf_stream_wait(lua_State *L, wf_stream *s, wf_link *queue, uint64_t deadline, lua_KFunction k) {
  wf_iso *iso = s->object.iso;
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_IO);
  if (queue == &s->drain) s->writing = true;
  wf_wait_queue(t, queue);
  wf_wait_world(iso, t);
  wf_wait_until(iso, t, deadline);
  return wf_wait_park(iso, L, t, wf_stream_id(s), k);
}

/* Reading ------------------------------------------------------------------------------------------ */

static int read_k(lua_State *L, int status, lua_KContext ctx);

/* Push the next n bytes of what is kept, without the last `cut` of them. The string is made before they go; -1: a finaliser of the
 * script has read, or closed, meanwhile: nothing is pushed, look again. */
static int push_kept(lua_State *L, wf_stream *s, size_t n, size_t cut) {
  uint32_t takes = s->takes;
  lua_pushlstring(L, s->in + s->in_head, n - cut);
  if (wf_unlikely(s->takes != takes)) {
    lua_pop(L, 1);
    return -1;
  }
  wf_stream_skip(s, n);
  return 1;
}

/* The longest line, or longest all, that is asked for. */
static size_t longest(lua_State *L) { return lua_isnil(L, LIMIT) ? SIZE_MAX : (size_t)lua_tointeger(L, LIMIT); }

/* Push a line if a whole one is kept; 0: there is none. */
static int take_line(lua_State *L, wf_stream *s, bool cut) {
  size_t kept = wf_stream_kept(s);
  if (kept == s->scanned) return 0;
  const char *from = s->in + s->in_head;
  const char *end = memchr(from + s->scanned, '\n', kept - s->scanned);
  if (end == NULL) {
    s->scanned = kept;
    return 0;
  }
  if ((size_t)(end - from) > longest(L)) return wf_stream_fail(L, s, EMSGSIZE);
  return push_kept(L, s, (size_t)(end - from) + 1, cut);
}

/* Push what was asked for if it is kept; 0: it is not; -1: look again. */
static int take(lua_State *L, wf_stream *s) {
  size_t kept = wf_stream_kept(s);
  switch (lua_type(L, WHAT)) {
    case LUA_TNIL: return kept > 0 ? push_kept(L, s, kept, 0) : 0;
    case LUA_TNUMBER: {
      lua_Integer n = lua_tointeger(L, WHAT);
      if ((size_t)n > kept) return 0;
      if (n > 0) return push_kept(L, s, (size_t)n, 0);
      lua_pushliteral(L, "");
      return 1;
    }
    default: {
      char how = *lua_tostring(L, WHAT);
      return how == 'a' ? 0 : take_line(L, s, how == 'l');
    }
  }
}

/* The input has ended: what is left, or nil. */
static int take_rest(lua_State *L, wf_stream *s) {
  size_t kept = wf_stream_kept(s);
  if (kept > 0) return push_kept(L, s, kept, 0);
  if (lua_type(L, WHAT) == LUA_TSTRING && *lua_tostring(L, WHAT) == 'a')
    lua_pushliteral(L, "");
  else
    lua_pushnil(L);
  return 1;
}

static size_t wanted(lua_State *L) {
  return lua_type(L, WHAT) == LUA_TNUMBER ? (size_t)lua_tointeger(L, WHAT) : lua_type(L, WHAT) == LUA_TSTRING ? SIZE_MAX : 0;
}

/* The next one's turn: there may be more. */
static void wake_next_reader(wf_stream *s) {
  if (wf_list_empty(&s->readers)) return;
  bool may = s->readable || s->hup || s->eof || wf_stream_kept(s) > 0 || !wf_stream_open(s);
  /* Else it waits on. The watch was told, and with poll(2) is armed no longer; that it cannot be is for who reads to see. */
  if (may || (s->file == NULL && s->ops->wait(s, WF_IO_READ) != 0)) wf_io_wake_first(s->object.iso, &s->readers, WF_GOT);
}

static bool too_long(lua_State *L, const wf_stream *s) {
  return wf_stream_kept(s) > longest(L) && lua_type(L, WHAT) == LUA_TSTRING;
}

/* No bytes are asked for, and there is no need to look whether it has ended: a body without length must not wait for what comes
 * after it. A file can be looked at, and says nil at its end, as in io. */
static bool asks_nothing(lua_State *L, const wf_stream *s) {
  return lua_type(L, WHAT) == LUA_TNUMBER && lua_tointeger(L, WHAT) == 0 && s->kind != WF_STREAM_FILE && !s->eof;
}

/* Read until there is an answer, or wait. */
static int read_more(lua_State *L, wf_stream *s) {
  int n;
  for (;;) {
    if (wf_unlikely(!wf_stream_open(s))) return wf_stream_fail(L, s, EBADF);
    if (wf_stream_kept(s) > 0 || asks_nothing(L, s)) {
      n = take(L, s);
      if (n == 0 && wf_unlikely(too_long(L, s))) n = wf_stream_fail(L, s, EMSGSIZE);
      if (n > 0) break;
      if (wf_unlikely(n < 0)) continue;
    }
    ssize_t got = wf_stream_fill(s, wanted(L));
    if (got > 0) continue;
    if (got == 0) {
      n = take_rest(L, s);
      if (wf_unlikely(n < 0)) continue;
      break;
    }
    if (got != -EAGAIN) {
      n = wf_stream_fail(L, s, (int)-got);
      break;
    }
    uint64_t deadline = lua_isnoneornil(L, DEADLINE) ? WF_NEVER : (uint64_t)lua_tointeger(L, DEADLINE);
    int err = wf_stream_prepare(L, s, WF_IO_READ, deadline);
    if (err == EPERM) { /* such a descriptor never waits */
      s->readable = true;
      continue;
    }
    if (err != 0) {
      n = wf_stream_fail(L, s, err);
      break;
    }
    wf_stream_rest(s);
    return wf_stream_wait(L, s, &s->readers, deadline, read_k);
  }
  wake_next_reader(s);
  return n;
}

static int read_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_task *t = (wf_task *)ctx;
  wf_stream *s = lua_touserdata(L, SELF);
  if (wf_unlikely(t->claim != WF_GOT)) wake_next_reader(s);
  switch (wf_wait_end(L, t)) {
    case WF_TIMEOUT: return wf_stream_fail(L, s, ETIMEDOUT);
    case WF_CLOSED: return wf_stream_fail(L, s, ECANCELED);
    default: return wf_stream_open(s) ? read_more(L, s) : wf_stream_fail(L, s, ECANCELED);
  }
}

/* What is kept already answers the read: push it. 0: it does not, or something is unusual. */
static int read_kept(lua_State *L, wf_stream *s, int what) {
  size_t len;
  wf_iso *iso = s->object.iso;
  if (wf_stream_kept(s) == 0 || !wf_list_empty(&s->readers) || (iso->cur->flags & WF_F_CANCEL)) return 0;
  if (wf_unlikely(++iso->at_once > WF_AT_ONCE_MOST)) return 0; /* its turn is over */
  if (lua_type(L, what) == LUA_TSTRING) {
    const char *how = lua_tolstring(L, what, &len);
    if (len != 1 || (*how != 'l' && *how != 'L')) return 0;
    size_t kept = wf_stream_kept(s);
    const char *from = s->in + s->in_head;
    const char *end = memchr(from + s->scanned, '\n', kept - s->scanned);
    if (end != NULL) return push_kept(L, s, (size_t)(end - from) + 1, *how == 'l');
    s->scanned = kept;
    return 0;
  }
  int ok;
  lua_Integer n = lua_tointegerx(L, what, &ok);
  return ok && n > 0 && (size_t)n <= wf_stream_kept(s) ? push_kept(L, s, (size_t)n, 0) : 0;
}

/* Check how much is to be read. */
static void check_what(lua_State *L, int arg) {
  if (lua_isnoneornil(L, arg)) return;
  if (lua_type(L, arg) == LUA_TNUMBER) {
    lua_Integer n = luaL_checkinteger(L, arg);
    luaL_argcheck(L, n >= 0, arg, "a number of bytes >= 0 expected");
    return;
  }
  size_t len;
  const char *how = luaL_checklstring(L, arg, &len);
  if (len != 1 || strchr("lLa", *how) == NULL)
    luaL_argerror(L, arg, lua_pushfstring(L, "a number, \"l\", \"L\" or \"a\" expected, got \"%s\"", how));
}

/* Read with the arguments in place. */
static int read_begin(lua_State *L, wf_stream *s) {
  wf_cancel_point(s->object.iso, L);
  if (wf_turn_over(s->object.iso, L)) return wf_turn_give(s->object.iso, L);
  if (wf_unlikely(s->timeout != WF_NEVER)) lua_pushinteger(L, (lua_Integer)wf_stream_deadline(s));
  if (wf_likely(wf_list_empty(&s->readers))) return read_more(L, s);
  uint64_t deadline = s->timeout == WF_NEVER ? WF_NEVER : (uint64_t)lua_tointeger(L, DEADLINE);
  wf_stream_prepare(L, s, 0, deadline);
  return wf_stream_wait(L, s, &s->readers, deadline, read_k);
}

/* s:read([n | "l" | "L" | "a" [, longest]]). */
static int stream_read(lua_State *L) {
  wf_stream *s = wf_check_stream(L);
  int now = lua_gettop(L) == WHAT ? read_kept(L, s, WHAT) : 0;
  if (wf_likely(now > 0)) return now;
  if (lua_gettop(L) > SELF) {
    check_what(L, WHAT);
    if (!lua_isnoneornil(L, LIMIT)) luaL_argcheck(L, luaL_checkinteger(L, LIMIT) >= 0, LIMIT, "a number of bytes >= 0 expected");
  }
  lua_settop(L, LIMIT);
  return read_begin(L, s);
}

/* The iterator of s:lines(). Upvalues: isolate, stream, what, longest. */
static int next_line(lua_State *L) {
  int now = lua_isnil(L, lua_upvalueindex(4)) ? read_kept(L, lua_touserdata(L, lua_upvalueindex(2)), lua_upvalueindex(3)) : 0;
  if (wf_likely(now > 0)) return now;
  lua_settop(L, 0);
  for (int i = 2; i <= 4; i++) lua_pushvalue(L, lua_upvalueindex(i));
  return read_begin(L, lua_touserdata(L, SELF));
}

/* s:lines(["l" | "L" | n [, longest]]). */
static int stream_lines(lua_State *L) {
  wf_stream *s = wf_check_stream(L);
  if (lua_isnoneornil(L, WHAT)) {
    lua_settop(L, SELF);
    lua_pushliteral(L, "l");
  }
  check_what(L, WHAT);
  lua_settop(L, LIMIT);
  if (!lua_isnil(L, LIMIT)) luaL_argcheck(L, luaL_checkinteger(L, LIMIT) >= 0, LIMIT, "a number of bytes >= 0 expected");
  lua_pushlightuserdata(L, s->object.iso);
  lua_insert(L, SELF);
  lua_pushcclosure(L, next_line, 4);
  return 1;
}

/* The rest ----------------------------------------------------------------------------------------- */

/* s:timeout([seconds]): of each read and write from now on; nil: none. */
static int stream_timeout(lua_State *L) {
  wf_stream *s = wf_check_stream(L);
  s->timeout = wf_check_span(L, 2);
  lua_settop(L, SELF);
  return 1;
}

/* s:buffered(): how many bytes a read could give without asking the system. */
static int stream_buffered(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)wf_stream_kept(wf_check_stream(L)));
  return 1;
}

static int stream_fileno(lua_State *L) {
  const wf_stream *s = wf_check_stream(L);
  if (!wf_stream_open(s)) return wf_stream_fail(L, s, EBADF);
  lua_pushinteger(L, s->watch.fd);
  return 1;
}

static int stream_is_closed(lua_State *L) {
  lua_pushboolean(L, !wf_stream_open(wf_check_stream(L)));
  return 1;
}

int wf_stream_method_tostring(lua_State *L) {
  const wf_stream *s = wf_check_stream(L);
  char name[WF_ADDR_TEXT + 16];
  lua_pushfstring(L, "weft.%s %d (%s%s)", s->is_file ? "file" : "stream", (int)s->seq, wf_stream_name(s, name, sizeof name), wf_stream_open(s) ? "" : ", closed");
  return 1;
}

int wf_stream_method_gc(lua_State *L) {
  wf_stream *s = wf_object_test(L, SELF, WF_CLASS_STREAM, sizeof *s);
  if (s == NULL) return 0;
  if (wf_stream_open(s)) wf_handle_closing(s->object.iso, L, s);
  if (wf_stream_open(s)) {
    wf_stream_flush(s);
    wf_stream_shut(s, false);
  }
  if (s->file != NULL) wf_file_forget(s->file);
  s->file = NULL;
  return 0;
}

/* Streams do not cross by themselves: say how they do. */
static void *stream_take(lua_State *L, int idx) {
  const wf_stream *s = lua_touserdata(L, idx);
  static const char *const kinds[] = {"tcp stream", "unix stream", "pipe", "terminal", "file"};
  if (s->is_file)
    lua_pushliteral(L, "an open file cannot cross isolates (send its path, and open it there)");
  else
    lua_pushfstring(L, "a %s cannot cross isolates (send stream:detach(), and weft.net.attach it there)", kinds[s->kind]);
  return NULL;
}

static void nothing_to_give(lua_State *L, void *handle) { (void)L, (void)handle; }
static void nothing_to_drop(void *handle) { (void)handle; }

const wf_transfer wf_stream_transfer = {"weft.stream", stream_take, nothing_to_give, nothing_to_drop, 0, NULL, NULL, NULL};

/* Add methods of another file to the metatable on top. */
static void add_methods(wf_iso *iso, lua_State *L, const luaL_Reg *methods) {
  lua_getfield(L, -1, "__index");
  lua_pushlightuserdata(L, iso);
  luaL_setfuncs(L, methods, 1);
  lua_pop(L, 1);
}

const luaL_Reg wf_stream_read_methods[] = {
    {"read", stream_read},         {"lines", stream_lines},   {"timeout", stream_timeout},
    {"buffered", stream_buffered}, {"fileno", stream_fileno}, {"is_closed", stream_is_closed},
    {NULL, NULL}};

void wf_lib_stream(wf_iso *iso, lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", wf_stream_method_gc}, {"__tostring", wf_stream_method_tostring}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_STREAM, "weft.stream", wf_stream_read_methods, meta);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[WF_CLASS_STREAM]);
  add_methods(iso, L, wf_stream_write_methods);
  add_methods(iso, L, wf_stream_socket_methods);
  lua_getfield(L, -1, "__index");
  lua_getfield(L, -1, "close");
  lua_setfield(L, -3, "__close");
  lua_pop(L, 1);
  lua_pushlightuserdata(L, (void *)(uintptr_t)&wf_stream_transfer);
  lua_setfield(L, -2, "__weft_transfer");
  lua_pop(L, 1);
}
