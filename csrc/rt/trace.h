/*
 * trace.h: what ran where and when, recorded for pictures.
 *
 * What it is: one process-wide switch, and per OS thread a ring of fixed 32-byte records.
 * Thread: wf_trace and its helpers are called by any thread that runs Lua tasks (a carrier) and write
 * only that thread's own ring, without a lock. wf_trace_start, _stop and _snapshot may be called from
 * any thread. Nothing here may be called from a signal handler.
 * Owner: rings hang off a list in trace.c. A ring is made at a thread's first event while tracing,
 * outlives its thread until the trace is collected, and is reused by the thread for the next trace.
 * Invariants: recording never fails or raises, and only a thread's first event of a trace takes a lock;
 * what cannot be kept is counted as lost. When a ring is full the oldest record goes. Facts (NEW, LIVE,
 * NAME, LABEL, SAME) have a lane of their own beside the moves, so that a flood of switches cannot push out
 * the names.
 *
 * What the scheduler emits, always on the thread where it happens:
 *   NEW   a task was created             why = kind    arg = id of the creating task, or 0
 *   LIVE  it lived before tracing began  why = kind    arg = the same; its state event follows at once
 *   RUN   it begins to run on this thread
 *   STOP  it stops running here          why = reason  arg = id of what it waits for, or 0 (JOIN: task id)
 *   READY it was woken or queued         why = how its wait ended: NONE it was served or its time was over, DONE
 *                                        by a close, CANCELLED, FAILED; arg = id of the task that did it, or 0
 *   PUT   a value was laid in a channel  arg = the channel's id, iso = the value's number there
 *   TAKE  it was taken out of it         arg, iso = the same
 *         PUT with WAIT: it was there before and comes back, behind the first `task` values, whose numbers are one less from
 *         now on; so is the number of the next TAKE
 *   POST  this thread ended a task's wait; its own thread will say READY
 *   SHIP  something goes to another process     iso = its number on that way   arg = the way (peer.h)
 *   LAND  it has come there                      iso, arg = the same
 *   SAME  a channel of another process is here   task = its id here, arg = its id at home, iso = the home's pid
 *   NAME, LABEL, MARK, ENTER             through the wf_trace_name, _label, _mark and _enter helpers
 *   LEAVE the innermost region that the running task had ENTERed is over
 * PUT, TAKE, MARK, ENTER and LEAVE are of the task that runs on the thread; a PUT that has a task is of that
 * one, which waits to send. Values that a sender hands to a waiting receiver, or a receiver takes from a
 * waiting sender, are no PUTs: READY or POST says it.
 * Between processes a connection takes and gives in place of a task. On the thread of a SHIP the TAKE or POST just before
 * says whose value it is; the value of a wait of the connection's own (a POST of its id) has that id as task. On the
 * thread of a LAND the PUT or POST just after says where it went; when the value waits to be sent on, there is a second
 * LAND with the id of that wait as task. With PROCESS the function of a worker process is on its way; the
 * task of that SHIP is the job.
 * STOP with YIELD or PREEMPT leaves the task ready, with a wait reason parked, with an end reason
 * finished. READY of a task that is ready already changes nothing (a new task is ready by NEW alone).
 * A task id is unique in the process and never reused within a trace; so is an isolate's.
 * When a blocking call runs the scheduler inline, the caller STOPs before and RUNs again after.
 *
 * Tasks that live already when a trace begins are recorded by announce.h: LIVE, NAME and the state (RUN for
 * the running one, READY, or STOP with its reason) of each. The isolate that starts the trace does so at
 * once; another may when it finds, at an event, that wf_trace_on() differs from the number it announced
 * itself for. It need not: a RUN of an unknown task is understood too.
 */
#ifndef WF_RT_TRACE_H
#define WF_RT_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wf_trace_ev {
  WF_TRACE_NEW = 1,
  WF_TRACE_LIVE,
  WF_TRACE_NAME,
  WF_TRACE_LABEL,
  WF_TRACE_RUN,
  WF_TRACE_STOP,
  WF_TRACE_READY,
  WF_TRACE_MARK,
  WF_TRACE_PUT,
  WF_TRACE_TAKE,
  WF_TRACE_POST,
  WF_TRACE_ENTER,
  WF_TRACE_LEAVE,
  WF_TRACE_SHIP,
  WF_TRACE_LAND,
  WF_TRACE_SAME,
  WF_TRACE_EV_COUNT
};

/* The names of reasons, in the order of their numbers, for C and for Lua (core.trace_whys). */
#define WF_TRACE_WHYS(X) \
  X(NONE, "")            \
  /* kinds, with NEW and LIVE */ \
  X(MAIN, "main")        \
  X(TASK, "task")        \
  X(ISOLATE, "isolate")  \
  X(THREAD, "thread")    \
  X(PROCESS, "process")  \
  /* STOP: still ready */ \
  X(YIELD, "yield")      \
  X(PREEMPT, "preempt")  \
  /* STOP: parked */     \
  X(SLEEP, "sleep")      \
  X(RECV, "recv")        \
  X(SEND, "send")        \
  X(SELECT, "select")    \
  X(JOIN, "join")        \
  X(LOCK, "lock")        \
  X(IO, "io")            \
  X(WAIT, "wait")        \
  /* STOP: finished */   \
  X(DONE, "done")        \
  X(FAILED, "failed")    \
  X(CANCELLED, "cancelled")

enum wf_trace_why {
#define X(id, text) WF_WHY_##id,
  WF_TRACE_WHYS(X)
#undef X
  WF_WHY_COUNT
};

static inline const char *wf_trace_why_text(enum wf_trace_why why) {
  static const char *const texts[] = {
#define X(id, text) text,
      WF_TRACE_WHYS(X)
#undef X
  };
  return texts[why];
}

enum { WF_TRACE_TEXT = 23, WF_TRACE_CAPACITY = 64 * 1024 };

/*
 * 0: off. Otherwise the number of the running trace, never 0 and never used twice in a row.
 * Written by wf_trace_start and _stop under the list's mutex; read by every carrier, relaxed: an event
 * lost or recorded around the flip is harmless, and all data a recorder needs it takes under the mutex
 * at its first event of a trace.
 */
extern __attribute__((visibility("hidden"))) _Atomic(uint32_t) wf_trace_switch;

/* The number of the running trace, 0 when off. */
static inline uint32_t wf_trace_on(void) {
  return atomic_load_explicit(&wf_trace_switch, memory_order_relaxed);
}

/* Slow halves of the helpers below; call them only while tracing. */
void wf_trace_record(enum wf_trace_ev ev, enum wf_trace_why why, uint32_t iso, uint64_t task,
                     uint64_t arg);
void wf_trace_text(enum wf_trace_ev ev, uint64_t id, const char *text);

/* Records one event of this thread: one predicted branch when off, about 10 ns when on. */
static inline void wf_trace(enum wf_trace_ev ev, enum wf_trace_why why, uint32_t iso, uint64_t task,
                            uint64_t arg) {
  if (__builtin_expect(wf_trace_on() != 0, 0)) wf_trace_record(ev, why, iso, task, arg);
}

/* The same for what happens at the time of this thread's last event: reading the clock is most of the cost. */
void wf_trace_record_then(enum wf_trace_ev ev, enum wf_trace_why why, uint32_t iso, uint64_t task, uint64_t arg);

static inline void wf_trace_then(enum wf_trace_ev ev, enum wf_trace_why why, uint32_t iso, uint64_t task, uint64_t arg) {
  if (__builtin_expect(wf_trace_on() != 0, 0)) wf_trace_record_then(ev, why, iso, task, arg);
}

/* Names a task. WF_TRACE_TEXT bytes at most are kept: the first 12, an ellipsis, the last 8, cut between UTF-8 characters. iso is unused
 * in the record (task ids are unique in the process); it is there so that call sites look alike. */
static inline void wf_trace_name(uint32_t iso, uint64_t task, const char *name) {
  (void)iso;
  if (__builtin_expect(wf_trace_on() != 0, 0)) wf_trace_text(WF_TRACE_NAME, task, name);
}

/* Names a resource, the id that STOP gives as arg: "channel jobs", "mutex". */
static inline void wf_trace_label(uint64_t resource, const char *text) {
  if (__builtin_expect(wf_trace_on() != 0, 0)) wf_trace_text(WF_TRACE_LABEL, resource, text);
}

/* A point in time that the script wants to see in the picture. */
static inline void wf_trace_mark(const char *text) {
  if (__builtin_expect(wf_trace_on() != 0, 0)) wf_trace_text(WF_TRACE_MARK, 0, text);
}

/* The running task begins something that has a name; a LEAVE ends it. */
static inline void wf_trace_enter(const char *text) {
  if (__builtin_expect(wf_trace_on() != 0, 0)) wf_trace_text(WF_TRACE_ENTER, 0, text);
}

/* Does the event tell what something is, so that it must not be pushed out by moves? */
static inline bool wf_trace_is_fact(enum wf_trace_ev ev) { return ev <= WF_TRACE_LABEL || ev == WF_TRACE_SAME; }

/* Does the text of this event belong to a moment, not to an id? */
static inline bool wf_trace_is_moment(enum wf_trace_ev ev) { return ev == WF_TRACE_MARK || ev == WF_TRACE_ENTER; }

/* Names the calling thread in the traces to come (else the system's name for it is used). */
void wf_trace_thread_name(const char *name);

/* One record as a snapshot gives it. time is in ns since the trace's start. For a MARK or ENTER, arg is the
 * index of its text in shot.texts; NAME and LABEL are not among the events but in shot.texts. */
typedef struct wf_trace_event {
  uint64_t time;
  uint8_t ev;
  uint8_t why;
  uint16_t thread; /* index into shot.threads */
  uint32_t iso;
  uint64_t task;
  uint64_t arg;
} wf_trace_event;

typedef struct wf_trace_thread {
  uint64_t tid;
  uint64_t lost; /* records of this thread that were overwritten before they were read */
  uint64_t count; /* records of it in the snapshot */
  bool ended;
  char name[32];
} wf_trace_thread;

typedef struct wf_trace_note {
  uint64_t id; /* task of a NAME, resource of a LABEL, 0 for a MARK or ENTER */
  uint8_t ev;
  char text[WF_TRACE_TEXT + 1];
} wf_trace_note;

/* A copy of everything recorded so far: plain memory of the caller's, to give back with
 * wf_trace_shot_free. Events are in order of time, and of recording within a thread. */
typedef struct wf_trace_shot {
  uint64_t start_ns; /* CLOCK_MONOTONIC at the start */
  uint64_t wall_ns;  /* from the start until the snapshot or the stop */
  uint64_t cpu_ns;   /* CPU time that the process used in between, all threads */
  uint64_t lost;     /* of all threads, and events of threads whose ring could not be made */
  wf_trace_event *events;
  size_t nevents;
  wf_trace_note *texts;
  size_t ntexts;
  wf_trace_thread *threads;
  size_t nthreads;
} wf_trace_shot;

/* Switches tracing on with rings of `capacity` records of moves and as many facts (0: the default; rounded
 * up to a power of two; a full ring gives one record less, whose slot may be in writing). 0, or EBUSY when a trace runs already, EINVAL for a capacity beyond any address space, or
 * the errno of the system's refusal. A thread whose ring finds no memory only counts its events as lost. */
int wf_trace_start(size_t capacity);

/* Copies what was recorded until now while tracing goes on. 0, EINVAL when no trace runs, ENOMEM. */
int wf_trace_snapshot(wf_trace_shot *out);

/* Switches tracing off and copies what was recorded; out may be NULL to throw it away. After ENOMEM
 * tracing is off all the same and the records are gone. EINVAL when no trace runs. */
int wf_trace_stop(wf_trace_shot *out);

void wf_trace_shot_free(wf_trace_shot *shot);

#endif
