/* See server.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4 */
#endif
#include "rt/server.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "sys/fd.h"
#include "sys/inject.h"

static void on_ready(wf_watch *w, unsigned events) {
  wf_server *v = wf_container_of(w, wf_server, watch);
  (void)events;
  v->readable = true;
  wf_io_wake_first(v->object.iso, &v->accepters, WF_GOT);
}

static void on_iso_end(wf_iso *iso, wf_handle *h) {
  (void)iso;
  wf_server_shut(wf_container_of(h, wf_server, handle));
}

wf_server *wf_server_push(wf_iso *iso, lua_State *L) {
  wf_server *v = wf_class_push(iso, L, WF_CLASS_SERVER, sizeof *v, 2);
  v->object.seal = WF_SEAL(WF_CLASS_SERVER);
  v->object.iso = iso;
  v->max = UINT32_MAX;
  v->timeout = WF_NEVER;
  v->readable = true;
  v->seq = ++iso->objects;
  wf_list_init(&v->accepters);
  wf_watch_init(&v->watch, -1, on_ready);
  wf_handle_note(iso, L, v);
  return v;
}

void wf_server_own(wf_server *v, int fd) {
  v->watch.fd = fd;
  wf_handle_open(v->object.iso, &v->handle, on_iso_end);
}

int wf_server_accept(wf_server *v, wf_addr *peer) {
  for (int tries = 0; tries < 64; tries++) {
    socklen_t len = sizeof *peer;
    peer->sa.sa_family = 0;
#if defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__) || defined(__DragonFly__)
    int fd = wf_inject_errno(WF_CALL_ACCEPT) ? -1 : accept4(v->watch.fd, &peer->sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
    int fd = wf_inject_errno(WF_CALL_ACCEPT) ? -1 : accept(v->watch.fd, &peer->sa, &len);
    if (fd >= 0 && (wf_fd_nonblock(fd, true) != 0 || wf_fd_cloexec(fd) != 0)) {
      close(fd);
      continue;
    }
#endif
    if (fd >= 0) fd = wf_fd_above_stdio(fd);
    if (fd >= 0) return fd;
    switch (errno) {
      case EINTR:
      case ECONNABORTED:
      case EPROTO: continue;
      case EAGAIN: v->readable = false; return -EAGAIN;
      default: return -errno;
    }
  }
  return -EAGAIN; /* `readable` as it is: the next attempt comes later */
}

void wf_server_left(wf_server *v) {
  v->live--;
  if (wf_server_open(v) && v->readable && !wf_list_empty(&v->accepters)) wf_io_wake_first(v->object.iso, &v->accepters, WF_GOT);
}

void wf_server_shut(wf_server *v) {
  wf_iso *iso = v->object.iso;
  int fd = v->watch.fd;
  if (fd < 0) return;
  if (iso->loop != NULL) wf_poller_del(&iso->loop->poller, &v->watch);
  struct stat st;
  if (v->path != NULL && stat(v->path, &st) == 0 && st.st_dev == v->dev && st.st_ino == v->ino) unlink(v->path);
  wf_free(v->path);
  v->path = NULL;
  close(fd);
  v->watch.fd = -1;
  wf_handle_close(iso, &v->handle);
  wf_waitq_wake_all(iso, &v->accepters, WF_CLOSED);
}
