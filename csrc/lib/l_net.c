/* weft.net, the C half: connecting, options and names of sockets, moving them between isolates. Hosts are
 * numeric here; lua/weft/net.lua looks names up.
 *
 * The stack of a connect: 1 host or path, 2 port, 3 the deadline or nil, 4 the stream. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "lib/l_net.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/l_stream.h"
#include "lx/error.h"
#include "lx/opts.h"
#include "rt/sched.h"
#include "rt/server.h"
#include "sys/fd.h"
#include "sys/inject.h"

enum { SELF = 1, HOST = 1, PORT = 2, DEADLINE = 3, STREAM = 4, TRY_AGAIN_NS = 2000000 };

/* Shared ------------------------------------------------------------------------------------------- */

unsigned wf_check_port(lua_State *L, int arg, unsigned least) {
  lua_Integer port = luaL_checkinteger(L, arg);
  if (port < (lua_Integer)least || port > 65535)
    luaL_argerror(L, arg, lua_pushfstring(L, "a port from %d to 65535 expected, got %I", (int)least, port));
  return (unsigned)port;
}

socklen_t wf_check_path(lua_State *L, int arg, wf_addr *a) {
  size_t len;
  const char *path = luaL_checklstring(L, arg, &len);
  socklen_t n = wf_addr_unix(a, path, len);
  errno = len >= sizeof a->un.sun_path ? ENAMETOOLONG : EINVAL;
  return n;
}

int wf_socket(int family, int type) {
#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK)
  int fd = wf_fd_above_stdio(socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return fd < 0 ? -errno : fd;
#else
  int fd = wf_fd_above_stdio(socket(family, type, 0));
  if (fd < 0) return -errno;
  int err = wf_fd_nonblock(fd, true);
  if (err == 0) err = wf_fd_cloexec(fd);
  if (err == 0) return fd;
  close(fd);
  return -err;
#endif
}

int wf_addr_push(lua_State *L, const wf_addr *a, socklen_t len) {
  char host[WF_ADDR_TEXT];
  unsigned port;
  if (wf_addr_host(&a->sa, host, sizeof host, &port)) {
    lua_pushstring(L, host);
    lua_pushinteger(L, port);
    return 2;
  }
  size_t at = offsetof(struct sockaddr_un, sun_path);
  size_t n = len > at ? len - at : 0;
  if (n > 0 && a->un.sun_path[0] != '\0') n = strnlen(a->un.sun_path, n);
  lua_pushlstring(L, a->un.sun_path, n);
  return 1;
}

int wf_socket_flag(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : errno;
}

int wf_addr_fail(lua_State *L, const char *host) {
  lua_pushfstring(L, "no numeric address: %s", host);
  const char *what = lua_tostring(L, -1);
  return lx_fail_errno(L, EINVAL, what);
}

/* Connecting --------------------------------------------------------------------------------------- */

static int connect_failed(lua_State *L, wf_stream *s, int err) {
  wf_stream_shut(s, false);
  if (s->kind == WF_STREAM_UNIX) return lx_fail_errno(L, err, lua_tostring(L, HOST));
  return wf_stream_fail(L, s, err);
}

static int connect_k(lua_State *L, int status, lua_KContext ctx);

static uint64_t connect_deadline(lua_State *L) {
  return lua_isnil(L, DEADLINE) ? WF_NEVER : (uint64_t)lua_tointeger(L, DEADLINE);
}

static int connect_begin(lua_State *L, wf_stream *s) {
  wf_addr a;
  socklen_t len;
  uint64_t deadline = connect_deadline(L);
  if (s->kind == WF_STREAM_UNIX) {
    len = wf_check_path(L, HOST, &a);
  } else {
    memcpy(&a, &s->peer, sizeof s->peer);
    len = wf_addr_len(&a.sa);
  }
  int r;
  do r = wf_inject_errno(WF_CALL_CONNECT) ? -1 : connect(s->watch.fd, &a.sa, len);
  while (r != 0 && errno == EINTR);
  if (r == 0) {
    lua_settop(L, STREAM);
    return 1;
  }
  if (errno == EAGAIN && s->kind == WF_STREAM_UNIX) { /* the backlog is full, and nothing tells when it is not */
    wf_stream_prepare(L, s, 0, deadline);
    if (wf_task_ext(s->object.iso, s->object.iso->cur) == NULL) luaL_error(L, "not enough memory");
    uint64_t soon = wf_clock_ns() + TRY_AGAIN_NS;
    if (soon >= deadline) return connect_failed(L, s, ETIMEDOUT);
    return wf_stream_wait(L, s, &s->drain, soon, connect_k);
  }
  if (errno != EINPROGRESS) return connect_failed(L, s, errno);
  int err = wf_stream_prepare(L, s, WF_IO_WRITE, deadline);
  if (err != 0) return connect_failed(L, s, err);
  return wf_stream_wait(L, s, &s->drain, deadline, connect_k);
}

static int connect_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_task *t = (wf_task *)ctx;
  wf_stream *s = lua_touserdata(L, STREAM);
  s->writing = false;
  if (wf_unlikely(t->claim == WF_CANCEL || t->claim == WF_RAISE)) wf_stream_shut(s, false);
  int how = wf_wait_end(L, t);
  if (how == WF_CLOSED) return wf_stream_fail(L, s, ECANCELED);
  if (s->kind == WF_STREAM_UNIX) return connect_begin(L, s);
  if (how == WF_TIMEOUT) return connect_failed(L, s, ETIMEDOUT);
  int err = 0;
  socklen_t len = sizeof err;
  if (getsockopt(s->watch.fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0) err = errno;
  if (err != 0) return connect_failed(L, s, err);
  s->readable = true;
  lua_settop(L, STREAM);
  return 1;
}

/* A number of seconds or a boolean, 60 or 0; -1: neither. */
static int keepalive_of(lua_State *L, int idx) {
  int ok;
  if (lua_isboolean(L, idx)) return lua_toboolean(L, idx) * 60;
  lua_Integer seconds = lua_tointegerx(L, idx, &ok);
  return ok && seconds >= 0 && seconds <= 32767 ? (int)seconds : -1;
}

/* The options of a connection: {timeout}, and to an address {nodelay, keepalive}; replaces them by the deadline. [-0, +0, e] */
static void connect_options(lua_State *L, bool is_path, bool *nodelay, int *keepalive) {
  *nodelay = true;
  *keepalive = 0;
  if (lua_isnoneornil(L, DEADLINE)) {
    lua_settop(L, DEADLINE);
    return;
  }
  static const char *const known[] = {"timeout", "nodelay", "keepalive", NULL}, *const of_path[] = {"timeout", NULL};
  luaL_checktype(L, DEADLINE, LUA_TTABLE);
  lx_opts_check(L, DEADLINE, is_path ? of_path : known);
  lua_settop(L, DEADLINE);
  if (lua_getfield(L, DEADLINE, "nodelay") != LUA_TNIL) *nodelay = lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (lua_getfield(L, DEADLINE, "keepalive") != LUA_TNIL && (*keepalive = keepalive_of(L, -1)) < 0)
    luaL_argerror(L, DEADLINE, "option 'keepalive': seconds from 1 to 32767, or a boolean, expected");
  lua_pop(L, 1);
  if (lua_getfield(L, DEADLINE, "timeout") == LUA_TNIL) {
    lua_replace(L, DEADLINE);
    return;
  }
  if (lua_type(L, -1) != LUA_TNUMBER || !(lua_tonumber(L, -1) >= 0)) luaL_argerror(L, DEADLINE, "option 'timeout': seconds >= 0 expected");
  uint64_t span = wf_check_span(L, lua_gettop(L));
  lua_pop(L, 1);
  if (span == WF_NEVER)
    lua_pushnil(L);
  else
    lua_pushinteger(L, (lua_Integer)wf_clock_ns() + (lua_Integer)span);
  lua_replace(L, DEADLINE);
}

static int keepalive_set(int fd, int seconds) {
  int err = wf_socket_flag(fd, SOL_SOCKET, SO_KEEPALIVE, seconds > 0);
#ifdef TCP_KEEPIDLE
  if (err == 0 && seconds > 0) err = wf_socket_flag(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
#endif
  return err;
}

/* core.tcp_connect(host, port [, options]): false when the host is not numeric. */
static int tcp_connect(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_addr a;
  bool nodelay;
  int keepalive;
  const char *host = luaL_checkstring(L, HOST);
  unsigned port = wf_check_port(L, PORT, 1);
  if (wf_addr_parse(&a, host, port) != 0) {
    lua_pushboolean(L, 0);
    return 1;
  }
  connect_options(L, false, &nodelay, &keepalive);
  wf_cancel_point(iso, L);
  int err = wf_io_open(iso);
  if (err != 0) return lx_fail_errno(L, err, host);
  wf_stream *s = wf_stream_push(iso, L, WF_STREAM_TCP, &wf_socket_ops);
  memcpy(&s->peer, &a, sizeof s->peer);
  int fd = wf_socket(a.sa.sa_family, SOCK_STREAM);
  if (fd < 0) return wf_stream_fail(L, s, -fd);
  wf_stream_own(s, fd);
  if (nodelay) wf_socket_flag(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (keepalive > 0) keepalive_set(fd, keepalive);
  return connect_begin(L, s);
}

/* core.unix_connect(path, nil [, options]). */
static int unix_connect(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_addr a;
  bool nodelay;
  int keepalive;
  if (wf_check_path(L, HOST, &a) == 0) return lx_fail_errno(L, errno, "path of a unix socket");
  connect_options(L, true, &nodelay, &keepalive);
  wf_cancel_point(iso, L);
  int err = wf_io_open(iso);
  if (err != 0) return lx_fail_errno(L, err, lua_tostring(L, HOST));
  wf_stream *s = wf_stream_push(iso, L, WF_STREAM_UNIX, &wf_socket_ops);
  int fd = wf_socket(AF_UNIX, SOCK_STREAM);
  if (fd < 0) return lx_fail_errno(L, -fd, lua_tostring(L, HOST));
  wf_stream_own(s, fd);
  return connect_begin(L, s);
}

/* Options and names -------------------------------------------------------------------------------- */

static int option_result(lua_State *L, const wf_stream *s, int err) {
  if (err != 0) return wf_stream_fail(L, s, err);
  lua_settop(L, SELF);
  return 1;
}

/* s:nodelay([on]): send small writes at once (the default), or collect them. */
static int stream_nodelay(lua_State *L) {
  wf_stream *s = wf_check_stream(L);
  bool on = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
  if (!wf_stream_open(s)) return wf_stream_fail(L, s, EBADF);
  if (s->kind == WF_STREAM_UNIX) return option_result(L, s, EOPNOTSUPP);
  return option_result(L, s, wf_socket_flag(s->watch.fd, IPPROTO_TCP, TCP_NODELAY, on));
}

/* s:keepalive(seconds | false). */
static int stream_keepalive(lua_State *L) {
  wf_stream *s = wf_check_stream(L);
  luaL_checkany(L, 2);
  int seconds = keepalive_of(L, 2);
  luaL_argcheck(L, seconds >= 0, 2, "seconds from 1 to 32767, or a boolean, expected");
  if (!wf_stream_open(s)) return wf_stream_fail(L, s, EBADF);
  return option_result(L, s, keepalive_set(s->watch.fd, seconds));
}

static int push_name(lua_State *L, const wf_stream *s, int (*get)(int, struct sockaddr *, socklen_t *)) {
  wf_addr a;
  socklen_t len = sizeof a;
  if (!wf_stream_open(s)) return wf_stream_fail(L, s, EBADF);
  if (get(s->watch.fd, &a.sa, &len) != 0) return wf_stream_fail(L, s, errno);
  return wf_addr_push(L, &a, len);
}

static int stream_sockname(lua_State *L) { return push_name(L, wf_check_stream(L), getsockname); }

/* s:peername(): what was noted when it was connected, also after the end. */
static int stream_peername(lua_State *L) {
  const wf_stream *s = wf_check_stream(L);
  wf_addr a;
  if (s->peer.sa.sa_family == 0) return push_name(L, s, getpeername);
  memcpy(&a, &s->peer, sizeof s->peer);
  return wf_addr_push(L, &a, 0);
}

/* Moving ------------------------------------------------------------------------------------------- */

/* s:detach(): the descriptor, which is the caller's from now on, and what was read from it and not used. */
static int stream_detach(lua_State *L) {
  wf_stream *s = wf_check_stream(L);
  if (!wf_stream_open(s)) return wf_stream_fail(L, s, EBADF);
  if (s->standard != 0) return luaL_error(L, "a standard stream cannot be detached");
  if (!wf_list_empty(&s->readers) || !wf_list_empty(&s->drain) || !wf_list_empty(&s->turn) || s->writing)
    return luaL_error(L, "cannot detach a stream that tasks wait for");
  if (wf_stream_flush(s) == -EAGAIN) return wf_stream_fail(L, s, EAGAIN);
  uint32_t takes = s->takes;
  size_t kept = wf_stream_kept(s);
  if (kept > 0)
    lua_pushlstring(L, s->in + s->in_head, kept);
  else
    lua_pushnil(L);
  bool changed = s->takes != takes || kept != wf_stream_kept(s) || s->out_len > 0 || !wf_list_empty(&s->readers);
  if (wf_unlikely(changed)) { /* by a finaliser of the script */
    lua_settop(L, SELF);
    return stream_detach(L);
  }
  lua_pushinteger(L, wf_stream_shut(s, true));
  lua_insert(L, -2);
  return 2;
}

/* The kind of stream that a descriptor makes, or a negative errno. */
static int kind_of(int fd, int *type, bool *listens, wf_addr *name) {
  struct stat st;
  socklen_t len = sizeof *type;
  int accepts = 0;
  *listens = false;
  if (fstat(fd, &st) != 0) return -errno;
  if (!S_ISSOCK(st.st_mode)) {
    *type = 0;
    return S_ISFIFO(st.st_mode) ? WF_STREAM_PIPE : S_ISCHR(st.st_mode) ? WF_STREAM_TTY : -EINVAL;
  }
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, type, &len) != 0) return -errno;
#ifdef SO_ACCEPTCONN
  len = sizeof accepts;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &len) == 0) *listens = accepts != 0;
#endif
  len = sizeof *name;
  if (getsockname(fd, &name->sa, &len) != 0) return -errno;
  return name->sa.sa_family == AF_UNIX ? WF_STREAM_UNIX : WF_STREAM_TCP;
}

/* core.attach(fd [, input]): a stream, server or UDP socket for a descriptor that it owns from now on. */
static int attach(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_Integer number = luaL_checkinteger(L, 1);
  luaL_argcheck(L, number >= 0 && number <= INT32_MAX, 1, "a descriptor expected");
  size_t ninput = 0;
  const char *input = luaL_optlstring(L, 2, NULL, &ninput);
  lua_settop(L, 2);
  int fd = (int)number, type = 0;
  bool listens;
  wf_addr name = {0};
  int kind = kind_of(fd, &type, &listens, &name);
  if (kind < 0) return lx_fail_errno(L, -kind, "attach");
  int err = wf_io_open(iso);
  if (err != 0) return lx_fail_errno(L, err, "attach");
  if (type == SOCK_DGRAM) return wf_udp_attach(iso, L, fd);
  if (listens) {
    wf_server *v = wf_server_push(iso, L);
    if ((err = wf_fd_nonblock(fd, true)) == 0 && (err = wf_fd_cloexec(fd)) == 0) {
      wf_server_own(v, fd);
      return 1;
    }
    return lx_fail_errno(L, err, "attach");
  }
  wf_stream *s = wf_stream_push(iso, L, (enum wf_stream_kind)kind, kind <= WF_STREAM_UNIX ? &wf_socket_ops : &wf_pipe_ops);
  if ((err = wf_fd_nonblock(fd, true)) != 0 || (err = wf_fd_cloexec(fd)) != 0) return lx_fail_errno(L, err, "attach");
  socklen_t len = sizeof name;
  if (kind == WF_STREAM_TCP && getpeername(fd, &name.sa, &len) == 0) memcpy(&s->peer, &name, sizeof s->peer);
  if (kind == WF_STREAM_PIPE) wf_sigpipe_ignore();
  if (!wf_stream_unread(s, input, ninput)) return luaL_error(L, "not enough memory");
  wf_stream_own(s, fd);
  return 1;
}

/* core.walltime(): seconds since 1970. */
static int walltime(lua_State *L) {
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  lua_pushnumber(L, (lua_Number)ts.tv_sec + (lua_Number)ts.tv_nsec * 1e-9);
  return 1;
}

const luaL_Reg wf_stream_socket_methods[] = {{"nodelay", stream_nodelay},   {"keepalive", stream_keepalive},
                                             {"sockname", stream_sockname}, {"peername", stream_peername},
                                             {"detach", stream_detach},     {NULL, NULL}};

void wf_lib_net(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"tcp_connect", tcp_connect}, {"unix_connect", unix_connect}, {"attach", attach}, {"walltime", walltime}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
