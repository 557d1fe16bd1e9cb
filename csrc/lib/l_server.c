/* weft.server: listening sockets, accepting, a task for each connection.
 *
 * The stack of an accept: 1 the server, 2 the handler or nil, 3 the deadline or nil, 4 the stream for the next
 * connection (made before it is accepted, so that nothing can fail in between). With a handler the function is a
 * task's, and goes on until the server is closed. */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lib/l_net.h"
#include "lib/l_stream.h"
#include "lx/error.h"
#include "lx/opts.h"
#include "rt/sched.h"
#include "rt/server.h"
#include "rt/task.h"

enum { SELF = 1, HANDLER = 2, DEADLINE = 3, STREAM = 4, OPTIONS = 3, BACKLOG = 1024, BATCH = 64, PAUSE_MS = 100 };

static wf_server *check_server(lua_State *L) {
  wf_server *v = wf_object_test(L, SELF, WF_CLASS_SERVER, sizeof *v);
  if (wf_unlikely(v == NULL)) luaL_typeerror(L, SELF, "weft.server");
  return v;
}

static const char *server_name(const wf_server *v, char *text, size_t size) {
  wf_addr a;
  socklen_t len = sizeof a;
  text[0] = '\0';
  if (wf_server_open(v) && getsockname(v->watch.fd, &a.sa, &len) == 0) wf_addr_text(&a.sa, text, size);
  if (text[0] == '\0' && v->path != NULL) snprintf(text, size, "%s", v->path);
  return text;
}

static int server_fail(lua_State *L, const wf_server *v, int err) {
  char at[128], name[160];
  server_name(v, at, sizeof at);
  snprintf(name, sizeof name, "listen%s%s", at[0] != '\0' ? " " : "", at);
  return err == EBADF && !wf_server_open(v) ? lx_fail_closed(L, name) : lx_fail_errno(L, err, name);
}

/* A connection's task ------------------------------------------------------------------------------ */

static int handled_k(lua_State *L, int status, lua_KContext ctx) {
  (void)L, (void)status, (void)ctx;
  return 0; /* which closes the stream, a to-be-closed slot */
}

/* The task: stream, handler. */
static int handle(lua_State *L) {
  lua_toclose(L, 1);
  lua_pushvalue(L, 1);
  lua_callk(L, 1, 0, 0, handled_k);
  return handled_k(L, LUA_OK, 0);
}

/* A task of the server was started where the server was made. */
static void started_at(wf_task *t, const wf_server *v) {
  t->line = v->line & 0xFFFFF;
  t->source = v->source & 0xFFF;
}

/* Start it; protected. Stack: server, handler, stream. */
static int start_handler(lua_State *L) {
  const wf_server *v = lua_touserdata(L, 1);
  wf_iso *iso = v->object.iso;
  lua_pushlightuserdata(L, iso);
  lua_pushcclosure(L, handle, 1);
  lua_pushvalue(L, 3);
  lua_pushvalue(L, 2);
  wf_task *t = wf_task_start(iso, L, 2, 0);
  started_at(t, v);
  t->more |= WF_M_SERVES;
  return 0;
}

/* The stream at the top is connected: give it to the handler. False when there is no memory for a task. */
static bool give(lua_State *L, wf_stream *s) {
  lua_pushcfunction(L, start_handler);
  lua_pushvalue(L, SELF);
  lua_pushvalue(L, HANDLER);
  lua_pushvalue(L, STREAM);
  if (lua_pcall(L, 3, 0, 0) == LUA_OK) return true;
  lua_pop(L, 1);
  wf_stream_shut(s, false);
  return false;
}

/* Accepting ---------------------------------------------------------------------------------------- */

static int accept_k(lua_State *L, int status, lua_KContext ctx);
static int accept_turn_k(lua_State *L, int status, lua_KContext ctx);

static int accept_failed(lua_State *L, wf_server *v, int err) {
  if (!lua_isnil(L, HANDLER)) return 0; /* the server was closed: its task is over */
  return server_fail(L, v, err);
}

static int accept_wait(lua_State *L, wf_server *v, uint64_t until) {
  wf_iso *iso = v->object.iso;
  if (until != WF_NEVER && wf_task_ext(iso, iso->cur) == NULL) luaL_error(L, "not enough memory");
  if (wf_unlikely(wf_trace_on() != 0)) {
    char name[128];
    wf_io_label(wf_server_id(v), &v->labelled, "listen %s", server_name(v, name, sizeof name));
  }
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_IO);
  wf_wait_queue(t, &v->accepters);
  wf_wait_world(iso, t);
  wf_wait_until(iso, t, until);
  return wf_wait_park(iso, L, t, wf_server_id(v), accept_k);
}

/* No descriptors, or no memory, for another connection: leave it in the backlog for a while. */
static bool is_shortage(int err) { return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM; }

/* There may be more connections, which the poller does not tell of again: the next accepter looks. */
static void pass_on(wf_server *v) {
  if (wf_server_open(v) && v->readable) wf_io_wake_first(v->object.iso, &v->accepters, WF_GOT);
}

static int accept_more(lua_State *L, wf_server *v) {
  wf_iso *iso = v->object.iso;
  uint64_t deadline = lua_isnil(L, DEADLINE) ? WF_NEVER : (uint64_t)lua_tointeger(L, DEADLINE);
  uint64_t pause = wf_clock_ns() + PAUSE_MS * 1000000ull;
  for (int n = 0;;) {
    if (!wf_server_open(v)) return accept_failed(L, v, EBADF);
    if (v->live >= v->max) return accept_wait(L, v, deadline);
    if (!v->readable) {
      int err = wf_poller_arm(&iso->loop->poller, &v->watch, WF_IO_READ);
      if (err != 0 && lua_isnil(L, HANDLER)) return server_fail(L, v, err);
      return accept_wait(L, v, err != 0 ? pause : deadline);
    }
    if (lua_gettop(L) < STREAM) {
      wf_stream *next = wf_stream_push(iso, L, v->path != NULL ? WF_STREAM_UNIX : WF_STREAM_TCP, &wf_socket_ops);
      lua_pushvalue(L, SELF);
      lua_setiuservalue(L, -2, 1);
      next->timeout = v->timeout;
    }
    wf_addr peer;
    int fd = wf_server_accept(v, &peer);
    if (fd == -EAGAIN && !v->readable) continue;
    if (fd == -EAGAIN) return wf_yield(iso, L, accept_turn_k);
    /* With a handler there is nobody to tell of what one connection, or the network, has had: it tries again. */
    if (fd < 0 && (is_shortage(-fd) || !lua_isnil(L, HANDLER))) return accept_wait(L, v, pause < deadline ? pause : deadline);
    if (fd < 0) {
      pass_on(v);
      return server_fail(L, v, -fd);
    }
    wf_stream *s = lua_touserdata(L, STREAM);
    if (peer.sa.sa_family == AF_UNIX || peer.sa.sa_family == 0)
      s->kind = WF_STREAM_UNIX;
    else
      memcpy(&s->peer, &peer, sizeof s->peer);
    wf_stream_own(s, fd);
    s->server = v;
    v->live++;
    v->accepted++;
    if (lua_isnil(L, HANDLER)) {
      pass_on(v);
      return 1;
    }
    bool given = give(L, s);
    lua_settop(L, DEADLINE);
    if (!given) return accept_wait(L, v, pause);
    if (++n == BATCH) return wf_yield(iso, L, accept_turn_k);
  }
}

static int accept_turn_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_wait_end(L, (wf_task *)ctx);
  return accept_more(L, lua_touserdata(L, SELF));
}

static int accept_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_task *t = (wf_task *)ctx;
  wf_server *v = lua_touserdata(L, SELF);
  if (t->claim != WF_GOT) pass_on(v);
  switch (wf_wait_end(L, t)) {
    case WF_TIMEOUT:
      if (lua_isnil(L, DEADLINE) || wf_clock_ns() < (uint64_t)lua_tointeger(L, DEADLINE)) return accept_more(L, v);
      return server_fail(L, v, ETIMEDOUT);
    case WF_CLOSED: return accept_failed(L, v, ECANCELED);
    default: return accept_more(L, v);
  }
}

/* v:accept([timeout]): the next connection. */
static int server_accept(lua_State *L) {
  wf_server *v = check_server(L);
  lua_settop(L, 2);
  uint64_t span = wf_check_span(L, 2);
  wf_cancel_point(v->object.iso, L);
  if (wf_turn_over(v->object.iso, L)) return wf_turn_give(v->object.iso, L);
  lua_pushnil(L);
  lua_replace(L, HANDLER);
  if (span == WF_NEVER)
    lua_pushnil(L);
  else
    lua_pushinteger(L, (lua_Integer)wf_clock_ns() + (lua_Integer)span);
  return accept_more(L, v);
}

/* The task of a server with a handler. Stack: server, handler. */
static int serve(lua_State *L) {
  wf_server *v = lua_touserdata(L, SELF);
  lua_settop(L, DEADLINE);
  return accept_more(L, v);
}

/* Methods ------------------------------------------------------------------------------------------ */

static int server_close(lua_State *L) {
  wf_server_shut(check_server(L));
  lua_pushboolean(L, 1);
  return 1;
}

static int server_sockname(lua_State *L) {
  const wf_server *v = check_server(L);
  wf_addr a;
  socklen_t len = sizeof a;
  if (!wf_server_open(v)) return server_fail(L, v, EBADF);
  if (getsockname(v->watch.fd, &a.sa, &len) != 0) return server_fail(L, v, errno);
  return wf_addr_push(L, &a, len);
}

/* v:connections(): open now, accepted so far. */
static int server_connections(lua_State *L) {
  const wf_server *v = check_server(L);
  lua_pushinteger(L, v->live);
  lua_pushinteger(L, (lua_Integer)v->accepted);
  return 2;
}

/* v:detach(): the listening descriptor, the caller's from now on. */
static int server_detach(lua_State *L) {
  wf_server *v = check_server(L);
  if (!wf_server_open(v)) return server_fail(L, v, EBADF);
  int fd = dup(v->watch.fd);
  if (fd < 0) return server_fail(L, v, errno);
  wf_free(v->path); /* it goes on listening there */
  v->path = NULL;
  wf_server_shut(v);
  lua_pushinteger(L, fd);
  return 1;
}

static int server_fileno(lua_State *L) {
  const wf_server *v = check_server(L);
  if (!wf_server_open(v)) return server_fail(L, v, EBADF);
  lua_pushinteger(L, v->watch.fd);
  return 1;
}

static int server_tostring(lua_State *L) {
  const wf_server *v = check_server(L);
  char name[128];
  if (wf_server_open(v))
    lua_pushfstring(L, "weft.server %d (%s, %d open)", (int)v->seq, server_name(v, name, sizeof name), (int)v->live);
  else
    lua_pushfstring(L, "weft.server %d (closed)", (int)v->seq);
  return 1;
}

static int server_gc(lua_State *L) {
  wf_server *v = wf_object_test(L, SELF, WF_CLASS_SERVER, sizeof *v);
  if (v == NULL || !wf_server_open(v)) return 0;
  wf_handle_closing(v->object.iso, L, v);
  wf_server_shut(v);
  return 0;
}

/* Listening ---------------------------------------------------------------------------------------- */

typedef struct listen_opts {
  int backlog;
  bool reuseport, nodelay;
  lua_Integer max, mode;
  uint64_t timeout;
} listen_opts;

/* The table at OPTIONS, or nil. [-0, +0, e] */
static void listen_options(lua_State *L, listen_opts *o, bool is_path) {
  static const char *const of_address[] = {"backlog", "max", "timeout", "reuseport", "nodelay", NULL};
  static const char *const of_path[] = {"backlog", "max", "timeout", "mode", NULL};
  *o = (listen_opts){.backlog = BACKLOG, .nodelay = true, .max = UINT32_MAX, .mode = -1, .timeout = WF_NEVER};
  if (lua_isnoneornil(L, OPTIONS)) return;
  luaL_checktype(L, OPTIONS, LUA_TTABLE);
  lx_opts_check(L, OPTIONS, is_path ? of_path : of_address);
  o->backlog = (int)lx_opt_integer(L, OPTIONS, "backlog", BACKLOG, 1, INT32_MAX);
  o->max = lx_opt_integer(L, OPTIONS, "max", UINT32_MAX, 1, UINT32_MAX);
  o->mode = lx_opt_integer(L, OPTIONS, "mode", -1, 0, 0777);
  lua_getfield(L, OPTIONS, "reuseport");
  o->reuseport = lua_toboolean(L, -1);
  if (lua_getfield(L, OPTIONS, "nodelay") != LUA_TNIL) o->nodelay = lua_toboolean(L, -1);
  if (lua_getfield(L, OPTIONS, "timeout") != LUA_TNIL) {
    if (lua_type(L, -1) != LUA_TNUMBER || !(lua_tonumber(L, -1) >= 0)) luaL_argerror(L, OPTIONS, "option 'timeout': seconds >= 0 expected");
    o->timeout = wf_check_span(L, lua_gettop(L));
  }
  lua_pop(L, 3);
}

/* Open the socket; 0 or an errno. `what` is what failed. */
static int open_socket(wf_server *v, const wf_addr *a, socklen_t len, const listen_opts *o) {
  int fd = wf_socket(a->sa.sa_family, SOCK_STREAM);
  if (fd < 0) return -fd;
  wf_server_own(v, fd);
  int err = 0;
  if (a->sa.sa_family != AF_UNIX) {
    err = wf_socket_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (err == 0 && a->sa.sa_family == AF_INET6) /* "::" takes IPv4 too, wherever the system's default is otherwise */
      err = wf_socket_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (err == 0 && o->nodelay) err = wf_socket_flag(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* connections inherit it */
  }
  if (err == 0 && o->reuseport) {
#ifdef SO_REUSEPORT
    err = wf_socket_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
#else
    err = ENOTSUP;
#endif
  }
  if (err == 0 && bind(fd, &a->sa, len) != 0) err = errno;
  if (err == 0 && listen(fd, o->backlog) != 0) err = errno;
  return err;
}

/* Nobody listens at the path of a unix socket any more: it was left behind. */
static bool is_stale(const wf_addr *a, socklen_t len) {
  struct stat st;
  if (a->un.sun_path[0] == '\0' || lstat(a->un.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode)) return false;
  int fd = wf_socket(AF_UNIX, SOCK_STREAM);
  if (fd < 0) return false;
  bool stale = connect(fd, &a->sa, len) != 0 && errno == ECONNREFUSED;
  close(fd);
  return stale;
}

/* The server on top listens: start its task if there is a handler (at 4). Leaves the server on top. [-0, +0, m] */
static void start_server(wf_iso *iso, lua_State *L, wf_server *v) {
  int at = lua_gettop(L);
  char where[128];
  if (lua_isnil(L, 4)) return;
  lua_pushfstring(L, "listen %s", server_name(v, where, sizeof where));
  lua_pushlightuserdata(L, iso);
  lua_pushcclosure(L, serve, 1);
  lua_pushvalue(L, at);
  lua_pushvalue(L, 4);
  wf_task note = {0};
  wf_where_note(iso, L, &note);
  v->line = note.line;
  v->source = note.source;
  wf_task *t = wf_task_start(iso, L, 2, at + 1);
  started_at(t, v);
  t->flags |= WF_F_DETACHED;
  lua_settop(L, at);
}

/* core.tcp_listen(host, port, options, handler): false when the host is not numeric. */
static int tcp_listen(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_addr a;
  listen_opts o;
  const char *host = luaL_checkstring(L, 1);
  unsigned port = wf_check_port(L, 2, 0);
  lua_settop(L, 4);
  listen_options(L, &o, false);
  if (!lua_isnil(L, 4)) lx_check_callable(L, 4);
  if (wf_addr_parse(&a, host, port) != 0) {
    lua_pushboolean(L, 0);
    return 1;
  }
  int err = wf_io_open(iso);
  char at[WF_ADDR_TEXT + 8] = "listen ";
  wf_addr_text(&a.sa, at + 7, sizeof at - 7);
  if (err != 0) return lx_fail_errno(L, err, at);
  wf_server *v = wf_server_push(iso, L);
  v->max = (uint32_t)o.max;
  v->timeout = o.timeout;
  err = open_socket(v, &a, wf_addr_len(&a.sa), &o);
  if (err != 0) {
    wf_server_shut(v);
    return lx_fail_errno(L, err, at);
  }
  start_server(iso, L, v);
  return 1;
}

/* core.unix_listen(path, nil, options, handler). */
static int unix_listen(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_addr a;
  listen_opts o;
  struct stat st;
  socklen_t len = wf_check_path(L, 1, &a);
  int err = errno;
  lua_settop(L, 4);
  listen_options(L, &o, true);
  if (!lua_isnil(L, 4)) lx_check_callable(L, 4);
  if (len == 0) return lx_fail_errno(L, err, "path of a unix socket");
  err = wf_io_open(iso);
  if (err != 0) return lx_fail_errno(L, err, lua_tostring(L, 1));
  wf_server *v = wf_server_push(iso, L);
  v->max = (uint32_t)o.max;
  v->timeout = o.timeout;
  err = open_socket(v, &a, len, &o);
  if (err == EADDRINUSE && is_stale(&a, len)) {
    wf_server_shut(v);
    unlink(a.un.sun_path);
    err = open_socket(v, &a, len, &o);
  }
  const char *path = a.un.sun_path;
  if (err == 0 && path[0] != '\0') {
    if (o.mode >= 0 && chmod(path, (mode_t)o.mode) != 0) err = errno;
    size_t n = strlen(path) + 1;
    if ((v->path = wf_malloc(n)) == NULL) err = ENOMEM;
    if (v->path != NULL) memcpy(v->path, path, n);
    if (stat(path, &st) == 0) {
      v->dev = st.st_dev;
      v->ino = st.st_ino;
    }
  }
  if (err != 0) {
    wf_server_shut(v);
    return lx_fail_errno(L, err, path[0] != '\0' ? path : "abstract unix socket");
  }
  start_server(iso, L, v);
  return 1;
}

void wf_lib_server(wf_iso *iso, lua_State *L) {
  static const luaL_Reg methods[] = {{"accept", server_accept},           {"close", server_close},   {"sockname", server_sockname},
                                     {"connections", server_connections}, {"detach", server_detach}, {"fileno", server_fileno}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", server_gc}, {"__close", server_close}, {"__tostring", server_tostring}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"tcp_listen", tcp_listen}, {"unix_listen", unix_listen}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_SERVER, "weft.server", methods, meta);
  wf_lib_add(iso, L, funcs);
}
