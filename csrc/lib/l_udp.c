/* weft.udp: datagram sockets.
 *
 * The stack of a send: 1 socket, 2 data, 3 host, 4 port, 5 deadline. Of a receive: 1 socket, 2 deadline. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/l_net.h"
#include "lib/l_stream.h"
#include "lx/error.h"
#include "lx/opts.h"
#include "rt/sched.h"
#include "sys/fd.h"
#include "sys/inject.h"

enum { SELF = 1, DATA = 2, HOST = 3, PORT = 4, OPTIONS = 3 };

typedef struct udp {
  wf_object object;
  wf_handle handle;
  wf_watch watch;
  wf_link readers, writers;
  uint64_t timeout;
  uint32_t seq;
  uint32_t labelled;
  int family;
  bool connected;
} udp;

static udp *check_udp(lua_State *L) {
  udp *u = wf_object_test(L, SELF, WF_CLASS_UDP, sizeof *u);
  if (wf_unlikely(u == NULL)) luaL_typeerror(L, SELF, "weft.udp");
  return u;
}

static const char *udp_name(const udp *u, char *text, size_t size) {
  wf_addr a;
  socklen_t len = sizeof a;
  char at[WF_ADDR_TEXT] = "";
  if (u->watch.fd >= 0 && getsockname(u->watch.fd, &a.sa, &len) == 0) wf_addr_text(&a.sa, at, sizeof at);
  snprintf(text, size, "udp%s%s", at[0] != '\0' ? " " : "", at);
  return text;
}

static int udp_fail(lua_State *L, const udp *u, int err) {
  char room[WF_ADDR_TEXT + 8];
  const char *name = udp_name(u, room, sizeof room);
  return err == EBADF && u->watch.fd < 0 ? lx_fail_closed(L, name) : lx_fail_errno(L, err, name);
}

static void on_ready(wf_watch *w, unsigned events) {
  udp *u = wf_container_of(w, udp, watch);
  if (events & WF_IO_READ) wf_io_wake_first(u->object.iso, &u->readers, WF_GOT);
  if (events & WF_IO_WRITE) wf_io_wake_first(u->object.iso, &u->writers, WF_GOT);
}

static void udp_shut(udp *u) {
  wf_iso *iso = u->object.iso;
  if (u->watch.fd < 0) return;
  if (iso->loop != NULL) wf_poller_del(&iso->loop->poller, &u->watch);
  close(u->watch.fd);
  u->watch.fd = -1;
  wf_handle_close(iso, &u->handle);
  wf_waitq_wake_all(iso, &u->readers, WF_CLOSED);
  wf_waitq_wake_all(iso, &u->writers, WF_CLOSED);
}

static void on_iso_end(wf_iso *iso, wf_handle *h) {
  (void)iso;
  udp_shut(wf_container_of(h, udp, handle));
}

static udp *udp_push(wf_iso *iso, lua_State *L) {
  udp *u = wf_class_push(iso, L, WF_CLASS_UDP, sizeof *u, 0);
  u->object.seal = WF_SEAL(WF_CLASS_UDP);
  u->object.iso = iso;
  u->timeout = WF_NEVER;
  u->seq = ++iso->objects;
  wf_list_init(&u->readers);
  wf_list_init(&u->writers);
  wf_watch_init(&u->watch, -1, on_ready);
  wf_handle_note(iso, L, u);
  return u;
}

static void udp_own(udp *u, int fd, int family) {
  u->watch.fd = fd;
  u->family = family;
  wf_handle_open(u->object.iso, &u->handle, on_iso_end);
}

int wf_udp_attach(wf_iso *iso, lua_State *L, int fd) {
  wf_addr a = {0};
  socklen_t len = sizeof a;
  udp *u = udp_push(iso, L);
  int err = wf_fd_nonblock(fd, true);
  if (err == 0) err = wf_fd_cloexec(fd);
  if (err == 0 && getsockname(fd, &a.sa, &len) != 0) err = errno;
  if (err != 0) return lx_fail_errno(L, err, "attach");
  udp_own(u, fd, a.sa.sa_family);
  len = sizeof a;
  u->connected = getpeername(fd, &a.sa, &len) == 0;
  return 1;
}

/* Waiting ------------------------------------------------------------------------------------------ */

static int udp_wait(lua_State *L, udp *u, unsigned what, int deadline_at, lua_KFunction k) {
  wf_iso *iso = u->object.iso;
  uint64_t deadline = lua_isnil(L, deadline_at) ? WF_NEVER : (uint64_t)lua_tointeger(L, deadline_at);
  if (deadline != WF_NEVER && wf_task_ext(iso, iso->cur) == NULL) luaL_error(L, "not enough memory");
  if (wf_unlikely(wf_trace_on() != 0)) {
    char name[WF_ADDR_TEXT + 8];
    wf_io_label(WF_OBJECT_ID(iso, u->seq), &u->labelled, "%s", udp_name(u, name, sizeof name));
  }
  int err = wf_poller_arm(&iso->loop->poller, &u->watch, what);
  if (err != 0) return udp_fail(L, u, err);
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_IO);
  wf_wait_queue(t, what == WF_IO_READ ? &u->readers : &u->writers);
  wf_wait_world(iso, t);
  wf_wait_until(iso, t, deadline);
  return wf_wait_park(iso, L, t, WF_OBJECT_ID(iso, u->seq), k);
}

static void push_deadline(lua_State *L, const udp *u) {
  if (u->timeout == WF_NEVER)
    lua_pushnil(L);
  else
    lua_pushinteger(L, (lua_Integer)wf_clock_ns() + (lua_Integer)u->timeout);
}

/* Receiving ---------------------------------------------------------------------------------------- */

static int recv_k(lua_State *L, int status, lua_KContext ctx);

static int recv_more(lua_State *L, udp *u) {
  wf_iso *iso = u->object.iso;
  wf_addr from;
  socklen_t len;
  ssize_t n;
  if (u->watch.fd < 0) return udp_fail(L, u, EBADF);
  char *block = wf_loop_take_block(iso->loop); /* as large as any datagram */
  if (block == NULL) return udp_fail(L, u, ENOMEM);
  do {
    len = sizeof from;
    from.sa.sa_family = 0;
    n = wf_inject_errno(WF_CALL_RECV) ? -1 : recvfrom(u->watch.fd, block, WF_BLOCK_SIZE, MSG_DONTWAIT, &from.sa, &len);
  } while (n < 0 && errno == EINTR);
  int err = errno;
  if (n < 0 && err == EAGAIN) {
    wf_loop_give_block(iso->loop, block);
    return udp_wait(L, u, WF_IO_READ, 2, recv_k);
  }
  /* There may be more, which is not told again: the next one looks. */
  if (!wf_list_empty(&u->readers)) wf_io_wake_first(iso, &u->readers, WF_GOT);
  if (n < 0) {
    wf_loop_give_block(iso->loop, block);
    return udp_fail(L, u, err);
  }
  /* The datagram has left the system: memory that lacks now would lose it, as the network may. */
  luaL_Buffer b;
  char *to = luaL_buffinitsize(L, &b, (size_t)n);
  memcpy(to, block, (size_t)n);
  wf_loop_give_block(iso->loop, block);
  luaL_pushresultsize(&b, (size_t)n);
  return from.sa.sa_family == 0 ? 1 : 1 + wf_addr_push(L, &from, len); /* unix sockets may have no name */
}

static int recv_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  udp *u = lua_touserdata(L, SELF);
  wf_task *t = (wf_task *)ctx;
  if (t->claim != WF_GOT && u->watch.fd >= 0 && !wf_list_empty(&u->readers)) wf_io_wake_first(u->object.iso, &u->readers, WF_GOT);
  switch (wf_wait_end(L, t)) {
    case WF_TIMEOUT: return udp_fail(L, u, ETIMEDOUT);
    case WF_CLOSED: return udp_fail(L, u, ECANCELED);
    default: return recv_more(L, u);
  }
}

/* u:recv(): data, host, port. */
static int udp_recv(lua_State *L) {
  udp *u = check_udp(L);
  lua_settop(L, SELF);
  wf_cancel_point(u->object.iso, L);
  if (wf_turn_over(u->object.iso, L)) return wf_turn_give(u->object.iso, L);
  push_deadline(L, u);
  return recv_more(L, u);
}

/* Sending ------------------------------------------------------------------------------------------ */

static int send_k(lua_State *L, int status, lua_KContext ctx);

static int send_more(lua_State *L, udp *u) {
  wf_addr to;
  size_t n;
  ssize_t put;
  const char *data = lua_tolstring(L, DATA, &n);
  bool given = !lua_isnil(L, HOST);
  if (u->watch.fd < 0) return udp_fail(L, u, EBADF);
  if (given && wf_addr_parse(&to, lua_tostring(L, HOST), (unsigned)lua_tointeger(L, PORT)) != 0)
    return wf_addr_fail(L, lua_tostring(L, HOST));
  if (given && u->family == AF_INET6 && to.sa.sa_family == AF_INET) { /* the same, as IPv6 says it */
    wf_addr v4 = to;
    memset(&to, 0, sizeof to);
    to.in6.sin6_family = AF_INET6;
    to.in6.sin6_port = v4.in.sin_port;
    to.in6.sin6_addr.s6_addr[10] = to.in6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&to.in6.sin6_addr.s6_addr[12], &v4.in.sin_addr, 4);
  }
  do put = wf_inject_errno(WF_CALL_SEND) ? -1 : sendto(u->watch.fd, data, n, MSG_DONTWAIT, given ? &to.sa : NULL, given ? wf_addr_len(&to.sa) : 0);
  while (put < 0 && errno == EINTR);
  int err = put < 0 ? errno : 0;
  if (err == EAGAIN) return udp_wait(L, u, WF_IO_WRITE, 5, send_k);
  /* There may be room for more, which is not told again: the next one looks. */
  if (!wf_list_empty(&u->writers)) wf_io_wake_first(u->object.iso, &u->writers, WF_GOT);
  if (err != 0) return udp_fail(L, u, err);
  lua_pushboolean(L, 1);
  return 1;
}

static int send_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  udp *u = lua_touserdata(L, SELF);
  switch (wf_wait_end(L, (wf_task *)ctx)) {
    case WF_TIMEOUT: return udp_fail(L, u, ETIMEDOUT);
    case WF_CLOSED: return udp_fail(L, u, ECANCELED);
    default: return send_more(L, u);
  }
}

/* u:send(data [, host, port]): one datagram. */
static int udp_send(lua_State *L) {
  udp *u = check_udp(L);
  luaL_checkstring(L, DATA);
  if (!lua_isnoneornil(L, HOST)) {
    luaL_checkstring(L, HOST);
    wf_check_port(L, PORT, 1);
  } else {
    luaL_argcheck(L, u->connected || u->watch.fd < 0, HOST, "a host and a port expected, as the socket is not connected");
  }
  lua_settop(L, PORT);
  wf_cancel_point(u->object.iso, L);
  if (wf_turn_over(u->object.iso, L)) return wf_turn_give(u->object.iso, L);
  push_deadline(L, u);
  return send_more(L, u);
}

/* The rest ----------------------------------------------------------------------------------------- */

/* u:connect(host, port): send there, and receive from there alone. */
static int udp_connect(lua_State *L) {
  udp *u = check_udp(L);
  wf_addr a;
  const char *host = luaL_checkstring(L, 2);
  unsigned port = wf_check_port(L, 3, 1);
  if (u->watch.fd < 0) return udp_fail(L, u, EBADF);
  if (wf_addr_parse(&a, host, port) != 0) return wf_addr_fail(L, host);
  if (connect(u->watch.fd, &a.sa, wf_addr_len(&a.sa)) != 0) return udp_fail(L, u, errno);
  u->connected = true;
  lua_settop(L, SELF);
  return 1;
}

static int udp_timeout(lua_State *L) {
  udp *u = check_udp(L);
  u->timeout = wf_check_span(L, 2);
  lua_settop(L, SELF);
  return 1;
}

static int udp_sockname(lua_State *L) {
  const udp *u = check_udp(L);
  wf_addr a;
  socklen_t len = sizeof a;
  if (u->watch.fd < 0) return udp_fail(L, u, EBADF);
  if (getsockname(u->watch.fd, &a.sa, &len) != 0) return udp_fail(L, u, errno);
  return wf_addr_push(L, &a, len);
}

static int option(lua_State *L, const udp *u, int err) {
  if (err != 0) return udp_fail(L, u, err);
  lua_settop(L, SELF);
  return 1;
}

static int udp_broadcast(lua_State *L) {
  const udp *u = check_udp(L);
  bool on = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
  return option(L, u, u->watch.fd < 0 ? EBADF : wf_socket_flag(u->watch.fd, SOL_SOCKET, SO_BROADCAST, on));
}

/* Join or leave a group: host of the group [, address or name of the interface]. */
static int membership(lua_State *L, bool join) {
  const udp *u = check_udp(L);
  wf_addr group, on;
  const char *host = luaL_checkstring(L, 2), *interface = luaL_optstring(L, 3, NULL);
  if (u->watch.fd < 0) return udp_fail(L, u, EBADF);
  if (wf_addr_parse(&group, host, 0) != 0) return wf_addr_fail(L, host);
  if (interface != NULL && (wf_addr_parse(&on, interface, 0) != 0 || on.sa.sa_family != group.sa.sa_family))
    return wf_addr_fail(L, interface);
  int r;
  if (group.sa.sa_family == AF_INET) {
    struct ip_mreq m = {.imr_multiaddr = group.in.sin_addr};
    if (interface != NULL) m.imr_interface = on.in.sin_addr;
    r = setsockopt(u->watch.fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &m, sizeof m);
  } else {
    struct ipv6_mreq m = {.ipv6mr_multiaddr = group.in6.sin6_addr};
    if (interface != NULL) m.ipv6mr_interface = on.in6.sin6_scope_id;
    r = setsockopt(u->watch.fd, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &m, sizeof m);
  }
  return option(L, u, r == 0 ? 0 : errno);
}

static int udp_join(lua_State *L) { return membership(L, true); }
static int udp_leave(lua_State *L) { return membership(L, false); }

/* u:multicast_ttl(n), u:multicast_loop(on). */
static int udp_multicast_ttl(lua_State *L) {
  const udp *u = check_udp(L);
  lua_Integer n = luaL_checkinteger(L, 2);
  luaL_argcheck(L, n >= 0 && n <= 255, 2, "a number of hops from 0 to 255 expected");
  if (u->watch.fd < 0) return udp_fail(L, u, EBADF);
  return option(L, u, u->family == AF_INET6 ? wf_socket_flag(u->watch.fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, (int)n)
                                            : wf_socket_flag(u->watch.fd, IPPROTO_IP, IP_MULTICAST_TTL, (int)n));
}

static int udp_multicast_loop(lua_State *L) {
  const udp *u = check_udp(L);
  bool on = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
  if (u->watch.fd < 0) return udp_fail(L, u, EBADF);
  return option(L, u, u->family == AF_INET6 ? wf_socket_flag(u->watch.fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, on)
                                            : wf_socket_flag(u->watch.fd, IPPROTO_IP, IP_MULTICAST_LOOP, on));
}

/* u:detach(): the descriptor, the caller's from now on. */
static int udp_detach(lua_State *L) {
  udp *u = check_udp(L);
  if (u->watch.fd < 0) return udp_fail(L, u, EBADF);
  int fd = dup(u->watch.fd);
  if (fd < 0) return udp_fail(L, u, errno);
  udp_shut(u);
  lua_pushinteger(L, fd);
  return 1;
}

static int udp_fileno(lua_State *L) {
  const udp *u = check_udp(L);
  if (u->watch.fd < 0) return udp_fail(L, u, EBADF);
  lua_pushinteger(L, u->watch.fd);
  return 1;
}

static int udp_close(lua_State *L) {
  udp_shut(check_udp(L));
  lua_pushboolean(L, 1);
  return 1;
}

static int udp_tostring(lua_State *L) {
  const udp *u = check_udp(L);
  char name[WF_ADDR_TEXT + 8];
  lua_pushfstring(L, "weft.udp %d (%s)", (int)u->seq, u->watch.fd < 0 ? "closed" : udp_name(u, name, sizeof name));
  return 1;
}

static int udp_gc(lua_State *L) {
  udp *u = wf_object_test(L, SELF, WF_CLASS_UDP, sizeof *u);
  if (u == NULL || u->watch.fd < 0) return 0;
  wf_handle_closing(u->object.iso, L, u);
  udp_shut(u);
  return 0;
}

/* core.udp([host, port [, options]]): false when the host is not numeric. Options: reuseaddr, reuseport. */
static int udp_new(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_addr a;
  bool reuseaddr = false, reuseport = false;
  const char *host = luaL_optstring(L, 1, NULL);
  unsigned port = lua_isnoneornil(L, 2) ? 0 : wf_check_port(L, 2, 0);
  if (!lua_isnoneornil(L, OPTIONS)) {
    static const char *const known[] = {"reuseaddr", "reuseport", NULL};
    luaL_checktype(L, OPTIONS, LUA_TTABLE);
    lx_opts_check(L, OPTIONS, known);
    lua_getfield(L, OPTIONS, "reuseaddr");
    reuseaddr = lua_toboolean(L, -1);
    lua_getfield(L, OPTIONS, "reuseport");
    reuseport = lua_toboolean(L, -1);
  }
  if (wf_addr_parse(&a, host == NULL ? "0.0.0.0" : host, port) != 0) {
    lua_pushboolean(L, 0);
    return 1;
  }
  int err = wf_io_open(iso);
  if (err != 0) return lx_fail_errno(L, err, "udp");
  udp *u = udp_push(iso, L);
  int fd = wf_socket(a.sa.sa_family, SOCK_DGRAM);
  if (fd < 0) return udp_fail(L, u, -fd);
  udp_own(u, fd, a.sa.sa_family);
  if (reuseaddr) err = wf_socket_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
#ifdef SO_REUSEPORT
  if (err == 0 && reuseport) err = wf_socket_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
#else
  if (reuseport) err = ENOTSUP;
#endif
  if (err == 0 && host != NULL && bind(fd, &a.sa, wf_addr_len(&a.sa)) != 0) err = errno;
  if (err != 0) {
    udp_shut(u);
    char at[WF_ADDR_TEXT + 8] = "udp ";
    wf_addr_text(&a.sa, at + 4, sizeof at - 4);
    return lx_fail_errno(L, err, at);
  }
  return 1;
}

void wf_lib_udp(wf_iso *iso, lua_State *L) {
  static const luaL_Reg methods[] = {
      {"send", udp_send},           {"recv", udp_recv},       {"connect", udp_connect}, {"timeout", udp_timeout},
      {"sockname", udp_sockname},   {"broadcast", udp_broadcast}, {"join", udp_join},   {"leave", udp_leave},
      {"multicast_ttl", udp_multicast_ttl}, {"multicast_loop", udp_multicast_loop}, {"detach", udp_detach},
      {"close", udp_close},         {"fileno", udp_fileno}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", udp_gc}, {"__close", udp_close}, {"__tostring", udp_tostring}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"udp", udp_new}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_UDP, "weft.udp", methods, meta);
  wf_lib_add(iso, L, funcs);
}
