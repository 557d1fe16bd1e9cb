/* How an isolate uses its carrier's event loop: handles, waits, operations. Runs on the isolate's carrier.
 *
 * The loop (sys/loop.h) belongs to the carrier. A host's or a thread's isolate makes its own at the first use, and
 * frees it at its end; an isolate on a pool worker uses that of the worker, and is pinned to the worker as long as it
 * has handles (iso->nhandles). An isolate that does no IO has no loop and pays nothing.
 *
 * A handle (wf_handle) is something open: a socket, a signal watcher, a pending operation of libuv. Whatever has
 * a descriptor in the poller or a handle of libuv begins with one, or has one, and is in iso->handles from when
 * it is opened until it is closed. At the end of the isolate all that are left are closed by their `close`.
 *
 * A wait for the outside world is an ordinary wait (sched.h) with wf_wait_world: not a deadlock, whatever else
 * stands still, and not quiet in the family's eyes. The callback of the event wakes by wf_io_wake:
 *
 *   int err = wf_poller_arm(&iso->loop->poller, &x->watch, WF_IO_READ);    what may fail comes first
 *   wf_task *t = wf_wait_begin(iso, L, WF_WHY_IO);
 *   wf_wait_queue(t, &x->readers);  wf_wait_world(iso, t);  wf_wait_until(iso, t, deadline);
 *   return wf_wait_park(iso, L, t, id, read_k);
 *
 * A request of libuv whose memory must outlive a cancelled wait is an operation (wf_op), below.
 */
#ifndef WF_RT_IO_H
#define WF_RT_IO_H

#include "rt/sched.h"
#include "sys/loop.h"

typedef struct wf_handle {
  wf_link link; /* in iso->handles */
  /* The isolate ends: close what it stands for, and call wf_handle_close. Must not raise. */
  void (*close)(wf_iso *iso, struct wf_handle *h);
  bool lasts; /* what its end still does must be waited for at os.exit, too: something is written, or removed */
} wf_handle;

/* The isolate has its loop from now on: 0, or an errno. */
int wf_io_open(wf_iso *iso);

/* libuv's loop of the isolate; call it each time before something is asked of it (wf_loop_uv). NULL, and *err is
 * an errno. */
uv_loop_t *wf_io_uv(wf_iso *iso, int *err);

/* A host sleeps for the isolate, in a loop of its own: wakers write to the parker's descriptor, which the loop's poller
 * watches. 0, or an errno. And it is awake again; harmless when it was. */
int wf_io_doze(wf_iso *iso);
void wf_io_awake(wf_iso *iso);

/* A pooled isolate is about to leave its worker: without handles any other may run it next. */
void wf_io_leave(wf_iso *iso);

void wf_handle_open(wf_iso *iso, wf_handle *h, void (*close)(wf_iso *, wf_handle *));
void wf_handle_close(wf_iso *iso, wf_handle *h); /* harmless when it is closed */

/* The object of the handle, a userdata with a finaliser, is on top of the stack: its finaliser will know by
 * wf_handle_closing, which it calls first, that the state closes, and then end all that runs before. [-0, +0, m] */
void wf_handle_note(wf_iso *iso, lua_State *L, const void *object);
void wf_handle_closing(wf_iso *iso, lua_State *L, const void *object);

/* The process is about to exit: close the handles that last, and wait for them. */
void wf_io_settle(wf_iso *iso);

/* The end of the isolate: close what is open, and the loop if it is its own. */
void wf_io_close(wf_iso *iso);

/* The armed task waits for the world outside the process's isolates. */
static inline void wf_wait_world(wf_iso *iso, wf_task *t) {
  wf_wait_outside(iso, t);
  t->flags |= WF_F_WORLD;
  iso->world++;
}

/* As long as something is armed that nobody need wait for (a signal), nothing is a deadlock. */
static inline void wf_world_hold(wf_iso *iso) {
  iso->outside++;
  iso->world++;
}

static inline void wf_world_release(wf_iso *iso) {
  iso->outside--;
  iso->world--;
}

/* From callbacks of the loop: end the wait of the task, or of the first of a queue. */
bool wf_io_wake(wf_iso *iso, wf_task *t, int how);
bool wf_io_wake_first(wf_iso *iso, wf_link *queue, int how);
void wf_io_wake_node(wf_iso *iso, wf_node *n, int how);

/* Give a resource its name in the running trace, once a trace: `labelled` is where it notes that. */
void wf_io_label(uint64_t id, uint32_t *labelled, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Operations ------------------------------------------------------------------------------------
 *
 * A request of libuv on its way (a look-up of a name, a job of its thread pool). The record is malloc'ed memory
 * that embeds the request and all that libuv reads and writes. It belongs to the task until the wait is over, and
 * to libuv until the callback has come; the last of the two frees it. A box on the task's stack, a userdata with
 * a finaliser, holds the task's side:
 *
 *   my_op *op = wf_op_push(iso, L, sizeof *op, my_free);       box on top of the stack
 *   ... fill it ...
 *   uv_loop_t *uv = wf_io_uv(iso, &err);
 *   int r = uv_xxx(uv, &op->req, ..., on_done);                on_done calls wf_op_done(&op->op)
 *   if (r != 0) { wf_op_drop(L, box); return lx_fail... }
 *   wf_op_started(&op->op, (uv_req_t *)&op->req);
 *   return wf_op_wait(iso, L, box, deadline, id, my_k);
 *
 * and my_k begins with `int how = wf_op_end(L, t, box)`: WF_GOT when the operation is done; WF_TIMEOUT; or it
 * raises the cancellation, after it has let go of the operation. Then it reads the results and may call
 * wf_op_drop(L, box), or leave that to the collector. An operation that is over may be started again.
 *
 * Where a script ends without closing its state no box is collected: wf_io_settle has every record give back what it
 * holds besides memory, once it is not on its way.
 */
typedef struct wf_op {
  wf_handle handle;
  wf_link held;                     /* in iso->ops as long as a box refers to it */
  wf_iso *iso;
  wf_task *task;                    /* who waits, NULL: nobody any more */
  uv_req_t *req;                    /* to cancel; NULL: not on its way */
  bool done;
  const char *label;                /* what is worked on, for reports; in the record, or NULL */
  void (*abandon)(struct wf_op *op); /* nobody waits any more, but libuv may be at it; or NULL */
  void (*free)(struct wf_op *op);   /* what the record holds besides its own memory; or NULL */
} wf_op;

/* Push the box of a new operation: zeroed memory of `size` bytes that begins with a wf_op. [-0, +1, m] */
void *wf_op_push(wf_iso *iso, lua_State *L, size_t size, void (*free_more)(wf_op *));

/* The record in the box at idx, NULL once dropped. */
void *wf_op_of(lua_State *L, int idx);

/* libuv has accepted the request. */
void wf_op_started(wf_op *op, uv_req_t *req);

/* Wait for it; the box is at `box` of the stack. [-0, +0, e] */
int wf_op_wait(wf_iso *iso, lua_State *L, int box, uint64_t deadline, uint64_t resource, lua_KFunction k);

/* The continuation's first call. [-0, +0, e] */
int wf_op_end(lua_State *L, wf_task *t, int box);

/* libuv's callback: the operation is over. The record may be gone afterwards. */
void wf_op_done(wf_op *op);

/* The task needs the record no more. [-0, +0, -] */
void wf_op_drop(lua_State *L, int box);

void wf_io_classes(wf_iso *iso, lua_State *L); /* [-0, +0, m] */

#endif
