/* weft.poll: wait until any descriptor is ready, for libraries that have their own. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "lib/lib.h"
#include "lx/error.h"
#include "rt/io.h"

enum { FD = 1, MODE = 2, TIMEOUT = 3, BOX = 4 };

/* The wait. In a userdata on the waiter's stack. */
typedef struct poll_box {
  wf_iso *iso;
  wf_handle handle;
  wf_watch watch;
  wf_task *task;
  bool copied; /* the descriptor was watched by somebody else already: this is a copy */
} poll_box;

static void on_ready(wf_watch *w, unsigned events) {
  poll_box *b = wf_container_of(w, poll_box, watch);
  (void)events;
  if (b->task != NULL) wf_io_wake(b->iso, b->task, WF_GOT);
}

static void poll_end(poll_box *b) {
  if (!wf_link_in_list(&b->handle.link)) return;
  if (b->iso->loop != NULL) wf_poller_del(&b->iso->loop->poller, &b->watch);
  if (b->copied) close(b->watch.fd);
  wf_handle_close(b->iso, &b->handle);
}

static void on_iso_end(wf_iso *iso, wf_handle *h) {
  (void)iso;
  poll_end(wf_container_of(h, poll_box, handle));
}

/* "r", "w", or NULL: not ready. */
static const char *ready_now(int fd, const char *mode, int *err) {
  struct pollfd p = {fd, (short)((strchr(mode, 'r') ? POLLIN : 0) | (strchr(mode, 'w') ? POLLOUT : 0)), 0};
  int n;
  do n = poll(&p, 1, 0);
  while (n < 0 && errno == EINTR);
  *err = n < 0 ? errno : n > 0 && (p.revents & POLLNVAL) ? EBADF : 0;
  if (n <= 0 || *err != 0) return NULL;
  if (strchr(mode, 'r') && (p.revents & (POLLIN | POLLHUP | POLLERR))) return "r";
  return strchr(mode, 'w') && (p.revents & (POLLOUT | POLLHUP | POLLERR)) ? "w" : NULL;
}

static int poll_fail(lua_State *L, int err) {
  lua_pushfstring(L, "descriptor %I", lua_tointeger(L, FD));
  return lx_fail_errno(L, err, lua_tostring(L, -1));
}

static int poll_k(lua_State *L, int status, lua_KContext ctx);

static int poll_wait(lua_State *L, poll_box *b, uint64_t deadline) {
  wf_iso *iso = b->iso;
  const char *mode = lua_tostring(L, MODE);
  unsigned what = (strchr(mode, 'r') ? WF_IO_READ : 0u) | (strchr(mode, 'w') ? WF_IO_WRITE : 0u) | WF_IO_LEVEL;
  wf_cancel_point(iso, L); /* from here on nothing raises: the watch would stay */
  b->task = NULL;
  wf_watch_init(&b->watch, (int)lua_tointeger(L, FD), on_ready);
  int err = wf_poller_arm(&iso->loop->poller, &b->watch, what);
  b->copied = err == EEXIST;
  if (b->copied) {
    int copy = dup(b->watch.fd);
    wf_watch_init(&b->watch, copy, on_ready);
    err = copy < 0 ? errno : wf_poller_arm(&iso->loop->poller, &b->watch, what);
    if (err != 0 && copy >= 0) close(copy);
  }
  if (err != 0) return poll_fail(L, err);
  wf_handle_open(iso, &b->handle, on_iso_end);
  wf_io_label((uint64_t)1 << 63 | (uint64_t)iso->id << 32 | 0x80000000u | (uint32_t)b->watch.fd, &(uint32_t){0}, "descriptor %d", (int)lua_tointeger(L, FD));
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_IO);
  b->task = t;
  wf_wait_world(iso, t);
  wf_wait_until(iso, t, deadline);
  return wf_wait_park(iso, L, t, (uint64_t)1 << 63 | (uint64_t)iso->id << 32 | 0x80000000u | (uint32_t)b->watch.fd, poll_k);
}

static int poll_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  poll_box *b = lua_touserdata(L, BOX);
  int err;
  b->task = NULL;
  poll_end(b);
  if (wf_wait_end(L, (wf_task *)ctx) == WF_TIMEOUT) return poll_fail(L, ETIMEDOUT);
  const char *now = ready_now((int)lua_tointeger(L, FD), lua_tostring(L, MODE), &err);
  if (err != 0) return poll_fail(L, err);
  if (now == NULL) return poll_wait(L, b, lua_isnil(L, TIMEOUT) ? WF_NEVER : (uint64_t)lua_tointeger(L, TIMEOUT));
  lua_pushstring(L, now);
  return 1;
}

static int box_gc(lua_State *L) {
  poll_box *b = wf_iso_test(wf_iso_up(L), L, 1, WF_CLASS_POLL);
  if (b != NULL) poll_end(b);
  return 0;
}

/* weft.poll(fd, "r" | "w" | "rw" [, timeout]): "r" or "w". */
static int lib_poll(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_Integer fd = luaL_checkinteger(L, FD);
  const char *mode = luaL_checkstring(L, MODE), *now;
  luaL_argcheck(L, fd >= 0 && fd <= INT32_MAX, FD, "a descriptor expected");
  if (strcmp(mode, "r") != 0 && strcmp(mode, "w") != 0 && strcmp(mode, "rw") != 0)
    luaL_argerror(L, MODE, lua_pushfstring(L, "\"r\", \"w\" or \"rw\" expected, got \"%s\"", mode));
  uint64_t deadline = wf_opt_deadline(iso, L, TIMEOUT);
  wf_cancel_point(iso, L);
  lua_settop(L, MODE);
  if (deadline == WF_NEVER)
    lua_pushnil(L);
  else
    lua_pushinteger(L, (lua_Integer)deadline);
  int err;
  now = ready_now((int)fd, mode, &err);
  if (now != NULL) {
    lua_pushstring(L, now);
    return 1;
  }
  if (err == 0) err = wf_io_open(iso);
  if (err != 0) return poll_fail(L, err);
  poll_box *b = wf_class_push(iso, L, WF_CLASS_POLL, sizeof *b, 0);
  b->iso = iso;
  return poll_wait(L, b, deadline);
}

void wf_lib_poll(wf_iso *iso, lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", box_gc}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"poll", lib_poll}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_POLL, "weft.poll", NULL, meta);
  wf_lib_add(iso, L, funcs);
}
