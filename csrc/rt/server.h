/* Listening sockets. Runs on the isolate's carrier.
 *
 * A server is a userdata with a finaliser. Its connections hold it by a user value and tell it when they close
 * (wf_server_left), because it counts them, and because a closed descriptor may be what it waits for: when the
 * process has no descriptors left, it leaves connections in the kernel's backlog and tries again then, or after a
 * short pause.
 */
#ifndef WF_RT_SERVER_H
#define WF_RT_SERVER_H

#include <sys/types.h>

#include "rt/io.h"
#include "sys/addr.h"

typedef struct wf_server {
  wf_object object;
  wf_handle handle;
  wf_watch watch;
  wf_link accepters;  /* tasks that wait for a connection */
  uint32_t live;      /* connections of it that are open */
  uint32_t max;       /* of these at once; UINT32_MAX: no limit */
  uint32_t seq;
  uint32_t labelled;
  char *path;         /* of a unix socket, to unlink at the end; or NULL */
  bool readable;      /* an accept may give something */
  bool nodelay;
  uint64_t timeout;   /* for new connections */
  uint64_t accepted;
  uint32_t line, source; /* where it was made, for its tasks */
  dev_t dev;          /* of the unix path, to know it again */
  ino_t ino;
} wf_server;

/* Push a server that is not open yet. [-0, +1, m] */
wf_server *wf_server_push(wf_iso *iso, lua_State *L);
void wf_server_own(wf_server *v, int fd);

static inline bool wf_server_open(const wf_server *v) { return v->watch.fd >= 0; }

/* A connection: its descriptor and the peer's address; or a negative errno, -EAGAIN: none now. Errors of the
 * connection itself (it was reset while it waited) are passed over. */
int wf_server_accept(wf_server *v, wf_addr *peer);

/* One connection less. */
void wf_server_left(wf_server *v);

/* Stop listening; wakes who waits (WF_CLOSED). */
void wf_server_shut(wf_server *v);

static inline uint64_t wf_server_id(const wf_server *v) { return WF_OBJECT_ID(v->object.iso, v->seq); }

#endif
