/* See io.h. */
#include "rt/io.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "rt/port.h"
#include "rt/shutdown.h"
#include "rt/trace.h"

/* The loop ----------------------------------------------------------------------------------------- */

int wf_io_open(wf_iso *iso) {
  if (wf_likely(iso->loop != NULL)) return 0;
  if (iso->closed) return ECANCELED;
  int err = 0;
  if (iso->pooled) {
    iso->loop = wf_worker_loop(&err);
    return err;
  }
  iso->loop = wf_loop_new(&err);
  iso->own_loop = iso->loop != NULL;
  return err;
}

uv_loop_t *wf_io_uv(wf_iso *iso, int *err) {
  *err = wf_io_open(iso);
  return *err == 0 ? wf_loop_uv(iso->loop, err) : NULL;
}

void wf_handle_open(wf_iso *iso, wf_handle *h, void (*close)(wf_iso *, wf_handle *)) {
  h->close = close;
  wf_list_append(&iso->handles, &h->link);
  if (iso->nhandles++ > 0 || !iso->pooled || iso->pinned) return;
  iso->pinned = true;
  wf_unit_pin(&iso->port->unit, true);
}

int wf_io_doze(wf_iso *iso) {
  int err = wf_io_open(iso);
  if (err != 0 || iso->dozing) return err;
  wf_parker *p = &iso->port->parker;
  if (!wf_loop_watch(iso->loop, p)) return EMFILE;
  iso->dozing = wf_parker_doze(p);
  if (!iso->dozing) {
    /* Somebody has called. What for may have been seen to, and then nothing is due; a later call would not reach the
     * descriptor of a parker that is awake. So doze, and have the host come back at once. */
    while (!wf_parker_doze(p)) continue;
    iso->dozing = true;
    wf_parker_wake(p);
  }
  return 0;
}

void wf_io_awake(wf_iso *iso) {
  if (!iso->dozing) return;
  iso->dozing = false;
  wf_parker_rouse(&iso->port->parker);
}

void wf_io_leave(wf_iso *iso) {
  if (iso->loop == NULL || iso->nhandles > 0) return;
  iso->loop = NULL;
  if (!iso->pinned) return;
  iso->pinned = false;
  wf_unit_pin(&iso->port->unit, false);
}

void wf_handle_close(wf_iso *iso, wf_handle *h) {
  if (!wf_link_in_list(&h->link)) return;
  wf_list_unlink(&h->link);
  iso->nhandles--;
}

/* The loop of a worker runs between the slices of its isolates: have this one's turn come. */
static void io_woken(wf_iso *iso) {
  if (iso->pooled) wf_port_wake(iso->port);
}

bool wf_io_wake(wf_iso *iso, wf_task *t, int how) {
  bool woken = wf_wake(iso, t, how);
  if (woken) io_woken(iso);
  return woken;
}

void wf_io_wake_node(wf_iso *iso, wf_node *n, int how) {
  wf_node_wake(iso, n, how);
  io_woken(iso);
}

bool wf_io_wake_first(wf_iso *iso, wf_link *queue, int how) {
  wf_node *n = wf_waitq_first(queue);
  return n != NULL && wf_io_wake(iso, n->task, how);
}

void wf_handle_note(wf_iso *iso, lua_State *L, const void *object) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->shared_handles);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, object);
  lua_pop(L, 1);
}

void wf_handle_closing(wf_iso *iso, lua_State *L, const void *object) {
  wf_iso_maybe_closing(iso, L, iso->shared_handles, object);
}

void wf_io_label(uint64_t id, uint32_t *labelled, const char *fmt, ...) {
  uint32_t trace = wf_trace_on();
  if (trace == 0 || *labelled == trace) return;
  char text[WF_TRACE_TEXT + 1];
  va_list ap;
  va_start(ap, fmt);
  *labelled = trace;
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  wf_trace_label(id, text);
}

/* Operations --------------------------------------------------------------------------------------- */

typedef struct box {
  wf_op *op;
} box;

static void op_release(wf_op *op) {
  void (*release)(wf_op *) = op->free;
  op->free = NULL;
  if (release != NULL) release(op);
}

static void op_free(wf_op *op) {
  op_release(op);
  wf_free(op);
}

/* Nobody waits any more: libuv may stop, and the record goes when it has. */
static void op_abandon(wf_op *op) {
  op->task = NULL;
  wf_list_unlink(&op->held);
  if (op->req == NULL || op->done) {
    op_free(op);
    return;
  }
  int err;
  if (op->abandon != NULL) op->abandon(op);
  if (wf_io_uv(op->iso, &err) != NULL) wf_uv.cancel(op->req);
}

static void on_iso_end(wf_iso *iso, wf_handle *h) {
  wf_op *op = wf_container_of(h, wf_op, handle);
  int err;
  op->task = NULL;
  if (op->abandon != NULL) op->abandon(op);
  if (wf_io_uv(iso, &err) != NULL) wf_uv.cancel(op->req);
}

void *wf_op_push(wf_iso *iso, lua_State *L, size_t size, void (*free_more)(wf_op *)) {
  box *b = wf_class_push(iso, L, WF_CLASS_OP, sizeof *b, 0);
  b->op = wf_calloc(1, size);
  if (b->op == NULL) luaL_error(L, "not enough memory");
  b->op->iso = iso;
  wf_list_append(&iso->ops, &b->op->held);
  b->op->free = free_more;
  return b->op;
}

void *wf_op_of(lua_State *L, int idx) { return ((box *)lua_touserdata(L, idx))->op; }

void wf_op_started(wf_op *op, uv_req_t *req) {
  op->req = req;
  op->done = false;
  wf_handle_open(op->iso, &op->handle, on_iso_end);
}

int wf_op_wait(wf_iso *iso, lua_State *L, int at, uint64_t deadline, uint64_t resource, lua_KFunction k) {
  wf_op *op = wf_op_of(L, at);
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_IO);
  op->task = t;
  wf_wait_world(iso, t);
  wf_wait_until(iso, t, deadline);
  return wf_wait_park(iso, L, t, resource, k);
}

int wf_op_end(lua_State *L, wf_task *t, int at) {
  box *b = lua_touserdata(L, at);
  if (b->op != NULL) {
    b->op->task = NULL;
    if (t->claim != WF_GOT) wf_op_drop(L, at);
  }
  return wf_wait_end(L, t);
}

void wf_op_done(wf_op *op) {
  op->done = true;
  wf_handle_close(op->iso, &op->handle);
  if (!wf_link_in_list(&op->held))
    op_free(op);
  else if (op->task != NULL)
    wf_io_wake(op->iso, op->task, WF_GOT);
}

void wf_op_drop(lua_State *L, int at) {
  box *b = lua_touserdata(L, at);
  if (b->op == NULL) return;
  wf_op *op = b->op;
  b->op = NULL;
  op_abandon(op);
}

static int op_gc(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  box *b = wf_iso_test(iso, L, 1, WF_CLASS_OP);
  if (b == NULL || b->op == NULL) return 0;
  wf_iso_closes_if(b->op->task != NULL, iso, L);
  wf_op_drop(L, 1);
  return 0;
}

static int op_tostring(lua_State *L) {
  const box *b = wf_iso_test(wf_iso_up(L), L, 1, WF_CLASS_OP);
  lua_pushstring(L, b != NULL && b->op != NULL && b->op->label != NULL ? b->op->label : "operation");
  return 1;
}

void wf_io_classes(wf_iso *iso, lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", op_gc}, {"__tostring", op_tostring}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_OP, "weft.operation", NULL, meta);
}

/* The end -------------------------------------------------------------------------------------------- */

static bool any_left(wf_iso *iso, bool all) {
  for (const wf_link *l = iso->handles.next; l != &iso->handles; l = l->next)
    if (all || wf_list_entry(l, wf_handle, link)->lasts) return true;
  return false;
}

/* Jobs of libuv's thread pool that run already cannot be cancelled: the loop waits for them, for a while. */
static void end_operations(wf_iso *iso, bool all) {
  enum { DEADLINE_MS = 2000, STEP_MS = 5 };
  uint64_t deadline = wf_clock_ns() + DEADLINE_MS * 1000000ull;
  while (any_left(iso, all) && wf_clock_ns() < deadline) {
    wf_loop_poll(iso->loop);
    if (!any_left(iso, all)) break;
    wf_poller_wait(&iso->loop->poller, STEP_MS * 1000000ull, NULL);
    iso->loop->uv_dirty = true;
  }
}

static void close_handles(wf_iso *iso, bool all) {
  wf_link *l, *next;
  wf_list_each(l, next, &iso->handles) {
    wf_handle *h = wf_list_entry(l, wf_handle, link);
    if (all || h->lasts) h->close(iso, h);
  }
  if (iso->loop != NULL) end_operations(iso, all);
}

void wf_io_settle(wf_iso *iso) {
  wf_link *l, *next;
  if (wf_forked()) return; /* all of it is the parent's */
  close_handles(iso, false);
  wf_list_each(l, next, &iso->ops) {
    wf_op *op = wf_list_entry(l, wf_op, held);
    if (!wf_link_in_list(&op->handle.link)) op_release(op); /* else libuv's thread has it still */
  }
}

void wf_io_close(wf_iso *iso) {
  wf_io_awake(iso);
  close_handles(iso, true);
  if (iso->own_loop && wf_list_empty(&iso->handles)) wf_loop_free(iso->loop); /* else a thread may still write there */
  if (iso->pinned) wf_unit_pin(&iso->port->unit, false);
  iso->loop = NULL;
  iso->own_loop = iso->pinned = false;
}
