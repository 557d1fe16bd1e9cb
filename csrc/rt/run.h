/* The run of a child: what the two carriers share (child.c is the parent's side, run.c the child's; slice.c has what is
 * particular to isolates of the worker pool).
 *
 * A run is malloc'ed and has three holders: the handle's record, the parent's list of children, and the
 * child's side until it has posted its mail. Fields without a word about threads are written before
 * the child starts and only read then.
 */
#ifndef WF_RT_RUN_H
#define WF_RT_RUN_H

#include <pthread.h>

#include "lx/msg.h"
#include "rt/child.h"
#include "rt/family.h"
#include "rt/port.h"

/* A text that several runs and an isolate share; the last holder frees it. */
typedef struct wf_text {
  /* Relaxed increments by holders, acquire-release decrements. */
  _Atomic uint32_t refs;
  char text[];
} wf_text;

wf_text *wf_text_hold(wf_text *t);
void wf_text_release(wf_text *t); /* NULL is harmless */

struct wf_run {
  /* Relaxed increments by holders, release decrements, acquire by the last one, who frees. */
  _Atomic uint32_t refs;
  wf_port *parent; /* held; NULL once the child has posted its mail */
  wf_member member; /* from before the thread starts until its very end */
  wf_msg *input;   /* function, arguments; freed by the child when it has unpacked them */
  wf_msg *locals;  /* the starter's task-locals, or NULL */
  wf_msg *loaders; /* what is particular about its package, or NULL */
  char *name;
  wf_text *path, *cpath; /* package's; NULL: the system's */
  size_t memory;
  bool generational;
  void (*on_library)(wf_iso *iso, lua_State *L, const char *lib);
  lua_CFunction open_core;
  uint64_t parent_task;
  uint32_t id;     /* the isolate's number */
  bool process;    /* it runs in a process of its own (process.h): what crosses is encoded for peers */
  struct wf_peer *peer; /* of such a run: the connection, on either side; the carrier's own */
  wf_port *unit;   /* of an isolate of the worker pool: its port, held; NULL: it has a thread */
  wf_lanes *lanes; /* held: it runs on one of these threads; NULL: on one that is its own */
  wf_lane_job lane;

  /* Under `lock`: both threads. */
  pthread_mutex_t lock;
  wf_port *port;       /* the child's, held; NULL before it is open and after it has closed */
  bool cancelled;      /* asked; `reason` may still be NULL */
  wf_msg *reason;      /* kept until the run is freed */
  wf_mail cancel;      /* to the child's port, once; it has a hold of its own on the way */

  /* Written by the child before it posts `mail`, read by the parent after its delivery. */
  uint8_t outcome;     /* enum wf_state */
  wf_msg *output;      /* the results, or the error */
  char *traceback;

  /* The parent's alone. */
  wf_mail mail;
  wf_thread *thread;
  wf_link link;        /* in the parent's list of children */
  wf_child *child;     /* valid as long as the run is in a list of the parent's */
  bool looked, detached, background;
  bool finalised;      /* the handle was, before the end: its state closes */
  uint32_t line : 20, source : 12; /* where it was started */
};

wf_run *wf_run_new(void);
void wf_run_hold(wf_run *r);
void wf_run_release(wf_run *r);

/* On the child's carrier: cancel its function, and what spins, for the reason that the run has. Never
 * raises; when memory is out the reason is lost, not the cancellation. */
void wf_run_cancel_here(wf_iso *iso, wf_run *r);

/* The thread's function; takes over one hold. */
void wf_run_main(void *run);

/* For a run that will never begin, on the parent's carrier: it was cancelled; gives back the hold of its other side. */
void wf_run_never(wf_run *r);

/* Push the error of a run that has left none. [-0, +1, m] */
void wf_run_push_missing(lua_State *L, const wf_run *r);

/* The parts of that. Open the state and the isolate; NULL: no memory. */
wf_iso *wf_run_open(wf_run *r, lua_State **L);
/* From now on the parent can reach the isolate. */
void wf_run_show(wf_run *r, wf_iso *iso);
/* A lua_CFunction (run, isolate): calls the function and keeps what comes of it. It may yield. */
int wf_run_body(lua_State *L);
/* That has raised the error on top of L. [-1, +0, -] */
void wf_run_failed(wf_run *r, wf_iso *iso, lua_State *L);
/* The function has ended: shut the isolate down. */
void wf_run_finish(wf_run *r, wf_iso *iso, lua_State *L);
/* Close the state (NULL: there is none), tell the parent, give the hold back. */
void wf_run_close(wf_run *r, lua_State *L);

#endif
