/* See exit.h. A request is malloc'ed and has two holders: the child that asks and waits, on its carrier, and
 * the mail, which travels from port to port up to the main isolate and is let go there. */
#include "rt/exit.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "rt/io.h"
#include "rt/port.h"
#include "rt/shutdown.h"
#include "rt/task.h"

enum { PATIENCE_MS = 1000 };

typedef struct request {
  wf_mail mail;
  int code;
  wf_port *from; /* held */
  /* Relaxed is enough for the first hold, the last holder frees: acquire and release. */
  _Atomic uint32_t refs;
  /* Written once by the main isolate's carrier, read by the asking child's. Sequentially consistent; the
   * parker of `from` is woken after it. */
  _Atomic bool taken;
} request;

static void request_release(request *q) {
  if (atomic_fetch_sub_explicit(&q->refs, 1, memory_order_acq_rel) != 1) return;
  wf_port_release(q->from);
  wf_free(q);
}

/* The mail's end: the child need not wait any more. */
static void request_take(request *q) {
  atomic_store(&q->taken, true);
  wf_parker_wake(&q->from->parker);
  request_release(q);
}

/* As a task of the main isolate, so that it may wait. */
static int exit_now(lua_State *L) {
  wf_iso_shutdown_quietly(wf_iso_up(L), L);
  wf_io_settle(wf_iso_up(L));
  exit((int)lua_tointeger(L, 1));
}

static int start_exit(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  const request *q = lua_touserdata(L, 2);
  lua_pushlightuserdata(L, iso);
  lua_pushcclosure(L, exit_now, 1);
  lua_pushinteger(L, q->code);
  wf_task_start(iso, L, 1, 0)->flags |= WF_F_DETACHED;
  return 0;
}

/* The isolate has closed: there is nothing to end here. */
static void on_drop(wf_mail *m) { request_take(wf_container_of(m, request, mail)); }

static void on_request(wf_iso *iso, wf_mail *m) {
  request *q = wf_container_of(m, request, mail);
  lua_State *L = iso->bench;
  if (iso->parent != NULL) {
    wf_port_post(iso->parent, m);
    return;
  }
  if (!iso->closing) {
    bool started = false;
    if (lua_checkstack(L, 4)) {
      lua_pushcfunction(L, start_exit);
      lua_pushlightuserdata(L, iso);
      lua_pushlightuserdata(L, q);
      started = lua_pcall(L, 2, 0, 0) == LUA_OK;
      if (!started) lua_pop(L, 1);
    }
    if (!started) { /* no memory: the child sees to it */
      request_release(q);
      return;
    }
  }
  request_take(q);
}

bool wf_exit_ask(wf_iso *iso, int code) {
  request *q = wf_malloc(sizeof *q);
  if (q == NULL) return false;
  *q = (request){.mail = {{NULL}, on_request, on_drop}, .code = code, .from = iso->port};
  atomic_init(&q->refs, 2);
  atomic_init(&q->taken, false);
  wf_port_hold(iso->port);
  uint64_t now = wf_clock_ns(), deadline = now + PATIENCE_MS * 1000000ull;
  wf_port_post(iso->parent, &q->mail);
  bool blocked = wf_worker_block();
  while (!atomic_load(&q->taken) && now < deadline) {
    wf_parker_wait(&iso->port->parker, -1, deadline);
    now = wf_clock_ns();
  }
  if (blocked) wf_worker_unblock();
  if (!atomic_load(&q->taken)) exit(code);
  request_release(q);
  return true;
}
