/* Children: isolates on threads of their own, or on the workers of the pool, seen from the isolate that started them.
 *
 * Two records. The run (wf_run, child.c) is malloc'ed and shared by the two threads, reference-counted:
 * what goes in, what comes out, and the port of the child for cancelling it. The child (wf_child) is
 * the handle's userdata in the parent, anchored in the table `anchors` under its own address until the
 * child has ended. The run's last act is one mail to the parent's port; only then does the parent's side
 * change, on the parent's carrier. So nothing in a wf_child is shared.
 *
 * When the parent's state closes, handles are finalised before the children have ended: those keep their
 * run until the end of the shutdown, in the list iso->late.
 */
#ifndef WF_RT_CHILD_H
#define WF_RT_CHILD_H

#include "rt/iso.h"
#include "rt/port.h"
#include "sys/thread.h"

typedef struct wf_run wf_run;

typedef struct wf_child {
  wf_run *run;     /* held; NULL once the handle has been finalised */
  wf_link joiners; /* nodes of tasks that wait for the end */
  uint8_t state;   /* enum wf_state, as the parent knows it */
  bool unpacked;   /* the results are in the user value */
  bool crossed;    /* other isolates have the handle (shjob.h) */
  bool watched;    /* the table `watches` has channels to tell of its end; counts in iso->outside */
} wf_child;

/* How a child comes to run. */
typedef struct wf_child_way {
  const char *noun; /* "a thread" */
  bool process;     /* in a process of its own: values are encoded for peers */
  bool pooled;      /* in the worker pool */
  /* NULL, or called when nothing can be refused but by the system any more. May raise. */
  void (*prepare)(wf_iso *iso, lua_State *L, void *ud);
  /* Start the run: 0, or an errno with *what, a string that outlives the call, naming the culprit. Takes over one hold on
   * success. */
  int (*start)(wf_iso *iso, wf_run *r, void *ud, const char **what);
  void *ud;
} wf_child_way;

/* The same for any way. [-(nargs+1), +1|+3, e] */
wf_child *wf_child_begin(wf_iso *iso, lua_State *L, int nargs, const char *name, size_t memory, const wf_child_way *way);

/* Start the function and the nargs arguments on top of the stack on a new thread, or with no options for one in the worker
 * pool; `name` may be NULL, `memory` is the cap of its state in bytes, 0 for none. Replaces them with the handle, or with nil,
 * message, code when the system refuses (returns NULL). Raises when a value cannot travel.
 * [-(nargs+1), +1|+3, e] */
wf_child *wf_child_start(wf_iso *iso, lua_State *L, int nargs, const char *name, size_t memory, const wf_thread_opts *o);

enum wf_state wf_child_state(const wf_child *c);

/* Its end will be told to a channel: something outside the isolate is waited for. */
void wf_child_watch(wf_iso *iso, wf_child *c);
void wf_child_looked(wf_child *c);
void wf_child_detach(wf_child *c);
wf_link *wf_child_joiners(wf_child *c);

/* From now on weft.wait does not wait for it, and nobody is told of its end. */
void wf_child_background(wf_iso *iso, wf_child *c);
bool wf_children_all_background(const wf_iso *iso);

int wf_child_results(wf_iso *iso, lua_State *L, wf_child *c, int idx);
uint64_t wf_child_id(const wf_child *c);
const char *wf_child_name(const wf_child *c); /* NULL: none */
int64_t wf_child_pid(const wf_child *c);      /* of its process, 0 when it has none or has ended */
int64_t wf_child_tid(const wf_child *c);      /* the kernel's number of its thread, 0 when it has ended */
const char *wf_child_kind(const wf_child *c); /* "thread", "isolate" or "process" */

/* "file.lua:12" in buf. */
const char *wf_child_started(const wf_iso *iso, const wf_child *c, char *buf, size_t size);

/* Ask it to end; see wf_task_cancel. The reason must be able to travel. [-0, +0, e] */
bool wf_child_cancel(wf_iso *iso, lua_State *L, wf_child *c, int reason);

/* Push the traceback of where it failed, or nil. [-0, +1, m] */
void wf_child_traceback(lua_State *L, const wf_child *c);

/* Finaliser of the handle at index 1. [-0, +0, m] */
void wf_child_gc(wf_iso *iso, lua_State *L);

/* Shutdown: cancel all children that still run. Never raises. */
void wf_children_cancel(wf_iso *iso);

/* Append up to `most` of those that are not detached to a line of text; returns how many there are. */
uint32_t wf_children_list(wf_iso *iso, uint32_t most, char *line, size_t size, size_t *len);

/* Name those that do not end, on stderr. */
void wf_children_abandon(wf_iso *iso);

/* The isolate is about to go: let go of all runs, report what failed since its handle was finalised. */
void wf_children_forget(wf_iso *iso, lua_State *L);

#endif
