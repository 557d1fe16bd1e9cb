/* What connections, servers and UDP sockets share. On the isolate's carrier. */
#ifndef WF_LIB_L_NET_H
#define WF_LIB_L_NET_H

#include "lib/lib.h"
#include "sys/addr.h"

/* A port: an integer from `least` to 65535. [-0, +0, e] */
unsigned wf_check_port(lua_State *L, int arg, unsigned least);

/* A unix socket's path. False: it cannot be one (errno is set). [-0, +0, e] */
socklen_t wf_check_path(lua_State *L, int arg, wf_addr *a);

/* A new non-blocking socket that exec closes, or a negative errno. */
int wf_socket(int family, int type);

/* Push host and port of an address, or the path of a unix address. [-0, +2, m] */
int wf_addr_push(lua_State *L, const wf_addr *a, socklen_t len);

/* Set a socket's flag; 0 or an errno. */
int wf_socket_flag(int fd, int level, int name, int value);

/* core.attach found a UDP socket: push it. [-0, +1, m] */
int wf_udp_attach(wf_iso *iso, lua_State *L, int fd);

/* The error of an address that is none: nil, "EINVAL: ...", "EINVAL". */
int wf_addr_fail(lua_State *L, const char *host);

#endif
