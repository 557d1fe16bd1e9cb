/* The isolate and its tasks: the records that every file of rt shares.
 *
 * An isolate (wf_iso) is one Lua state with its own scheduler. It lives in a full userdata of
 * that state, anchored in the registry and made before everything else of weft, so that its
 * memory outlasts every finaliser. Only its carrier, the thread that runs the state now,
 * touches it; other threads reach it through its port (port.h) alone.
 *
 * A task (wf_task) lives in its job handle, a full userdata without finaliser. A fresh task's handle is
 * on a pile of such (start.c); when it first runs it gets a coroutine (copool.c), and from then on the
 * handle is anchored on the bottom of that coroutine's stack. What few tasks have (names, locals,
 * cancellations) is in tables of the isolate under the task's address.
 * The main chunk (or the function of a thread) is a task too, embedded in the isolate.
 *
 * Who waits. A task has one wait at a time. It is armed (claim == WF_ARMED), put on the queue
 * of what it waits for and on the timer wheel, and then the task parks: its coroutine yields,
 * or, where it cannot yield, its C frame runs the scheduler inline until the wait is claimed.
 * Whoever changes claim from WF_ARMED to something else has won the right to deliver; everyone
 * else leaves the task alone. Values for the waiter are pushed on the stack of the coroutine
 * that parked (wf_task_lua), whose C frame is the blocking function's, in both cases.
 */
#ifndef WF_RT_ISO_H
#define WF_RT_ISO_H

#include <lauxlib.h>
#include <lua.h>
#include <stdatomic.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/wheel.h"
#include "lx/raw_args.h"
#include "rt/trace.h"
#include "sys/spin.h"
#include "sys/thread.h"
#include "sys/ticker.h"

typedef struct wf_iso wf_iso;
typedef struct wf_task wf_task;
typedef struct wf_ext wf_ext;
typedef struct wf_scope wf_scope;
typedef struct wf_port wf_port;
typedef struct wf_explore wf_explore;

/* How a wait ended. WF_ARMED: it has not. */
enum {
  WF_IDLE = 0,
  WF_ARMED,
  WF_TURN,      /* it yields inline: its place in the ready queue ends it, nothing else */
  WF_GOT,       /* what was waited for happened; wf_task.got says which case */
  WF_CLOSED,    /* the channel was closed */
  WF_TIMEOUT,   /* the wait's time is over */
  WF_CANCEL,    /* a cancellation is due: raise it */
  WF_RAISE,     /* the error value on top of the waiter's stack is to be raised */
};

enum wf_state { WF_READY, WF_RUNNING, WF_WAITING, WF_DONE, WF_FAILED, WF_CANCELLED };

/* wf_task.flags */
enum {
  WF_F_PARKED = 1 << 0,    /* its coroutine has yielded for a wait (seen by resumers on the way out) */
  WF_F_INLINE = 1 << 1,    /* it waits inline, on the C stack */
  WF_F_NODE = 1 << 2,      /* u.node is in a queue */
  WF_F_TIMER = 1 << 3,     /* u.timer is in the wheel */
  WF_F_TIMEOUT = 1 << 4,   /* ext->timeout is in the wheel */
  WF_F_CANCEL = 1 << 5,    /* a cancellation is due now: blocking calls raise it */
  WF_F_ASKED = 1 << 6,     /* job:cancel was called */
  WF_F_UNWIND = 1 << 7,    /* an error is on its way out of the task's function */
  WF_F_INNER = 1 << 8,     /* a generator parked: ext->inner is the coroutine to deliver to */
  WF_F_DETACHED = 1 << 9,
  WF_F_LOOKED = 1 << 10,   /* somebody has seen, or waits to see, how it ended */
  WF_F_EXPOSED = 1 << 11,  /* the script holds its coroutine: not to be used again */
  WF_F_WATCHED = 1 << 12,  /* the table `watches` has channels to tell of its end */
  WF_F_LOCALS = 1 << 13,   /* the table `locals` has its task-locals */
  WF_F_PACKED = 1 << 14,   /* the handle's user value is a table of results, not the result */
  WF_F_MAIN = 1 << 15,     /* the isolate's main chunk */
  WF_F_NAMED = 1 << 16,    /* the table `names` has its name */
  WF_F_NOMEM = 1 << 18,    /* it ended by running out of memory: no value is kept */
  WF_F_OUTSIDE = 1 << 19,  /* its wait counts in iso->outside */
  WF_F_SHARED = 1 << 20,   /* other isolates can end its wait: ext->shared (swait.h) */
  WF_F_SLICED = 1 << 21,   /* its slice was over: it is ready without having waited */
  WF_F_STRAY = 1 << 22,    /* it has yielded by a coroutine.yield that is not weft's */
  WF_F_BACKGROUND = 1 << 23, /* weft.wait does not wait for it */
  WF_F_TOLD = 1 << 24,     /* the traceback of the error that it raises is in `tracebacks` already */
  WF_F_AS_THREAD = 1 << 25,  /* it stands for work that a thread, */
  WF_F_AS_ISOLATE = 1 << 26, /* or an isolate does; both: a process */
  WF_F_STAND_IN = 1 << 27,   /* it begins even when it was cancelled before */
  WF_F_WORLD = 1 << 28,    /* its wait counts in iso->world too */
  WF_F_HOLDS = 1 << 29,    /* it holds, or has held, a lock that has crossed (shlock.h) */
  WF_F_EXPLORED = 1 << 30, /* it belongs to a run of weft.explore (explore.h) */
  WF_F_NEW = 1 << 17,      /* its function has not been called yet */
};

/* wf_task.more */
enum {
  WF_M_SERVES = 1 << 0,  /* it serves a connection: at the end of the script it is nothing to be told of */
  WF_M_CROSSED = 1 << 1, /* other isolates have its handle (shjob.h) */
  /* from bit 3 on: its seat (seat.h) */
};

/* A task's place in a queue of waiters. */
typedef struct wf_node {
  wf_link link;
  wf_task *task;
} wf_node;

/* One case of a select: a node that knows its number and where its value lies. */
typedef struct wf_case {
  wf_node node;
  int index;   /* from 1, as the script counts */
  int value;   /* stack index of the value to send, 0 for other cases */
} wf_case;

struct wf_task {
  lua_State *co;
  union {          /* a task is ready, in a queue, or asleep: never two of them */
    wf_task *next; /* in the ready queue */
    wf_node node;
    wf_timer timer;
  } u;
  uint8_t claim;
  uint8_t state;
  uint8_t why;   /* enum wf_trace_why of the wait */
  uint8_t more;
  uint32_t flags;
  uint32_t slot; /* index of its coroutine in `anchors` and of itself in `slots`; arguments while fresh */
  uint32_t seq;  /* number in its isolate */
  uint32_t line : 20; /* where it was started: a line of iso->sources[source] */
  uint32_t source : 12;
  uint16_t got;  /* values delivered to the stack; results kept once finished */
  uint16_t won;  /* the case of a select that was served */
  wf_ext *ext;   /* what few tasks need; NULL at first */
};

/* A timer that does something to a task. */
typedef struct wf_alarm {
  wf_timer timer;
  wf_wheel *wheel; /* the one that it is in; NULL before it was armed first */
  wf_task *task;
  void (*fire)(wf_iso *iso, struct wf_alarm *a);
} wf_alarm;

struct wf_ext {
  wf_link joiners;     /* nodes of tasks that wait for the end of this one */
  wf_alarm timeout;    /* of the present wait, when u is taken by the node */
  wf_alarm shield_end; /* when the shield gives way */
  wf_scope *scopes;    /* innermost cancel scope or shield */
  lua_State *inner;
  struct wf_swait *shared; /* of the present wait, when other isolates can end it */
  bool late;           /* the shield has given way: its deadline has passed */
  wf_ext *next_free;
};

/* A part of a task that can be cancelled by itself (weft.scope, weft.timeout), or that cannot be cancelled
 * (weft.shield). In a userdata on the stack of the function that runs the part. While the part is in a
 * generator that has yielded to its consumer, the scope is loose: of no task, and in iso->loose. */
struct wf_scope {
  wf_task *task;   /* whose list it is in; NULL: loose, or not entered */
  lua_State *co;   /* the coroutine that runs the part, kept by user value 1; NULL: not entered */
  wf_scope *outer; /* the next in the list that it is in */
  wf_alarm alarm;  /* the time-out */
  bool shield;
  bool asked;      /* it was asked to end */
  bool has_error;  /* the table `cancels` has the error to raise then */
  bool unwinding;  /* an error is on its way out: `<close>` handlers run, shielded */
};

typedef struct wf_source {
  char text[LUA_IDSIZE];
} wf_source;

/* A place in bytecode from which a task was started (where.c). */
typedef struct wf_place {
  const void *pc;
  uint32_t source, line;
} wf_place;

enum { WF_PLACES = 16 };

enum wf_class {
  WF_CLASS_TASK, /* a job of kind task */
  WF_CLASS_CHILD, /* a job of kind thread or isolate */
  WF_CLASS_REMOTE, /* a job of another isolate */
  WF_CLASS_CHANNEL,
  WF_CLASS_SHARED_CHANNEL, /* its metatable only: the object is a channel */
  WF_CLASS_BUFFER,
  WF_CLASS_MUTEX, /* the locks stand together */
  WF_CLASS_RWLOCK,
  WF_CLASS_SEMAPHORE,
  WF_CLASS_CONDITION,
  WF_CLASS_BARRIER,
  WF_CLASS_WAITGROUP,
  WF_CLASS_ONCE,
  WF_CLASS_EVENT,
  WF_CLASS_SHARED_LOCK, /* metatables only, in the same order: of locks that have crossed */
  WF_CLASS_SHARED_LOCK_LAST = WF_CLASS_SHARED_LOCK + WF_CLASS_EVENT - WF_CLASS_MUTEX,
  WF_CLASS_GUARD,
  WF_CLASS_SCOPE,
  WF_CLASS_TOMBSTONE,
  WF_CLASS_SELECT,
  WF_CLASS_PROGRAM,
  WF_CLASS_OP, /* the box of an operation (io.h) */
  WF_CLASS_ERRAND, /* and of an errand (errand.h) */
  WF_CLASS_STREAM,
  WF_CLASS_SERVER,
  WF_CLASS_UDP,
  WF_CLASS_SIGNAL,
  WF_CLASS_TICKER,
  WF_CLASS_FILE, /* its metatable: the object is a stream */
  WF_CLASS_WATCH,
  WF_CLASS_POLL, /* the box of a weft.poll */
  WF_CLASS_EXPLORE,
  WF_CLASS_COUNT
};

struct wf_iso {
  lua_State *L;        /* the state's main thread */
  wf_task *cur;        /* the task that runs now */
  lua_State *bench;    /* a coroutine on which the scheduler calls what may allocate: the finalisers that run
                        * then find no waiting function under them */
  lua_State *desk;     /* coroutines that never run: on their stacks lie the fresh tasks (start.c); NULL at first */
  lua_State *pile;
  uint32_t pile_count; /* values on the pile */
  int desk_room;       /* values for which the desk has room */
  int desk_ref, shelf; /* registry references: the desk, and the table of full ones, */
  uint32_t shelf_begin, shelf_end; /* which are at [begin + 1, end] */
  lua_State *running;  /* the innermost coroutine that weft resumed */
  wf_task *head, *tail; /* ready queue */
  wf_explore *explore; /* while a schedule is explored (explore.h), else NULL */
  uint32_t tick;       /* tasks run since the inbox and the timers were looked at */
  uint32_t depth;      /* inline waits on the C stack */
  wf_task *inliner;    /* the task of the innermost one */
  uint32_t closing;    /* shutdown has begun: nothing new is started */
  bool is_child;       /* somebody else started it: it has a run (run.c) */
  bool pooled;         /* workers carry it (slice.c) */
  bool slice_over;     /* its worker has something else to do */
  bool lent;           /* its slice is over and it cannot leave its worker: others go on with that one's work */
  bool ended;          /* pooled: its function has returned, main_status says how */
  int main_status;
  struct wf_run *run;  /* of a child */
  struct wf_text *path, *cpath; /* those of package when a child was started last (child.c) */
  uint32_t closed;     /* shutdown is over: every call fails */
  uint32_t id;
  const char *name;    /* of a child's thread, or NULL */
  uint32_t seq;        /* of the newest task */
  uint32_t objects;    /* channels and locks made so far: their numbers */
  uint32_t mirrors;    /* channels of other processes that came so far: their numbers in traces */
  uint32_t live;       /* tasks that are not finished, the main chunk not counted */
  uint32_t background; /* of these: tasks with WF_F_BACKGROUND */
  uint32_t atomic;     /* calls of core.atomically on the C stack: no time slice ends */
  uint32_t outside;    /* waits that only something outside the isolate can end */
  uint32_t world;      /* of these: what something outside the family can end, and signals that are watched */
  struct wf_loop *loop; /* of the carrier (io.h); NULL: no IO so far */
  bool own_loop;       /* it goes with the isolate */
  bool dozing;         /* a host sleeps for it: the parker's word says so */
  bool pinned;         /* pooled: to the worker whose loop it is */
  uint32_t nhandles;   /* how many there are in `handles` */
  wf_link handles;     /* what is open on the loop */
  wf_link ops;         /* operations that a box holds */
  uint32_t at_once;    /* what has been done without a wait since the last one (sched.h, wf_turn_over) */
  uint64_t turn_ended; /* when a turn was last ended for that */
  uint32_t files_at_once; /* file calls that were answered without a wait (fileop.h) */
  wf_link corked;      /* streams with output to send at the next look (stream.h) */
  wf_link programs;    /* that run (program.h) */
  wf_spin spin;        /* before a sleep for what other threads do; not of a worker's isolates */
  uint32_t npeers;     /* connections to other processes (peer.h), */
  uint64_t peers_looked; /* and when somebody has last looked after them */
  wf_link peers_dirty; /* connections to other processes with something to send (peer.h) */
  const struct wf_transfer *transfers[4]; /* by peer_kind: how objects cross that come from there */
  struct wf_reaper *reaper; /* watches SIGCHLD for those without pidfd, or NULL */
  wf_link buffers;     /* what those that are open hold (buffer.h) */
  size_t outside_bytes; /* of buffers, which Lua's collector does not see (buffer.c) */
  size_t outside_new;   /* of those, and of others that are gone, since the last look for what is out of reach */
  uint32_t guarded;    /* coroutines in the table `guarded` */
  uint32_t closers;    /* coroutine.close calls on the C stack */
  uint32_t unseen;     /* failures whose report may be due at the next idle moment */
  uint32_t announced;  /* the trace for which the live tasks were announced */
  uint64_t rng;
  uint64_t parent_task; /* who started this isolate, 0: nobody, it is a host's */
  /* A standard library was opened, its table is on top: replace what weft replaces. A child has its
   * parent's. [-0, +0, m] */
  void (*on_library)(wf_iso *iso, lua_State *L, const char *lib);
  wf_port *parent;      /* of a child: the port of who started it, held by its run */
  lua_CFunction open_core; /* luaopen_weft_core: for objects that come to an isolate that has not loaded weft */
  bool by_process;      /* it is a worker process's: SIGURG from outside presses it */
  int (*exit)(wf_iso *iso, lua_State *L, int code); /* of a child: what os.exit does; does not return */
  void (*on_press)(wf_iso *iso); /* of a child: its parent's cancellation has come: bring it about; NULL: none to come */
  /* Every coroutine that runs must have the hook of press.c. Written by the carrier, in the signal handler
   * too, and read by it: relaxed. */
  _Atomic bool pressed;
  uint32_t strikes;              /* of that hook */
  uint64_t quiet_until, press_end;
  lua_Hook hook;       /* of L, when the innermost inline wait last looked */
  const char *stack_low; /* inline waits stop short of this address; NULL: not known yet */
  struct wf_seats *seats; /* C stacks on which tasks wait (seat.h), NULL: none so far */
  struct wf_seat *seat; /* the one that the carrier is on, NULL: its own stack */
  uint32_t resumes;    /* of tasks that had waited, until there are seats */
  wf_wheel wheel;
  wf_port *port;
  struct wf_member *member; /* of its family; a root's is its own, a child's its run's */
  wf_link waiting_all; /* nodes of tasks in weft.wait() */
  wf_link children;    /* runs of thread jobs started here that have not been reaped */
  wf_link holds;       /* wf_holds of its tasks */
  wf_link shjobs;      /* its jobs that run, and whose handles have crossed (shjob.h) */
  wf_thread_rest rest; /* threads of children that have ended but for their last instructions */
  wf_link late;        /* runs that ended after their handle was finalised */
  /* slots[i] is the task whose coroutine is anchors[i]; index 0 is not used. */
  wf_task **slots;
  uint32_t slots_room, nslots; /* nslots: the first index never used */
  uint32_t free_slot;          /* head of the chain of free indices, 0: none (task.c) */
  /* Coroutines without a task, ready for the next one. */
  struct wf_idle {
    lua_State *co;
    uint32_t slot;
  } *idle;
  uint32_t nidle, idle_room;
  wf_ext *free_ext;
  struct wf_swait *free_wait; /* the record of a shared wait that is over, for the next one (swait.h) */
  wf_scope *loose;             /* scopes of suspended generators; inner ones come first */
  uint64_t slice_ns;    /* time slices of the tasks, 0: none (preempt.c) */
  wf_ticker slice_ticker;
  uint32_t slice_tries;
  uint64_t struck; /* id of the cancelled task that the hook struck last, and how often */
  uint32_t struck_times;
  wf_source *sources;
  bool places_usable;
  wf_place *places;    /* WF_PLACES, once a task has been started here */
  uint32_t nsources, sources_room;
  /* Registry references: tables of this isolate. */
  int anchors, cancels, watches, locals, names, tracebacks, guarded_ref, unhandled, shared_handles;
  int module; /* the table of weft.core, 0: not made yet */
  uint32_t parts; /* of it that are open, a bit each */
  void (*open_class)(wf_iso *iso, lua_State *L, enum wf_class c); /* NULL: see open_core */
  int class_ref[WF_CLASS_COUNT];         /* the metatables */
  const void *class_ptr[WF_CLASS_COUNT]; /* and their addresses, for checks */
  const struct wf_lock_class *locks[WF_CLASS_EVENT - WF_CLASS_MUTEX + 1]; /* shsync.h */
  wf_task main;
  wf_ext main_ext;
};

/* The coroutine whose C frame waits: values for the task go there. */
static inline lua_State *wf_task_lua(const wf_task *t) {
  return wf_unlikely(t->flags & WF_F_INNER) ? t->ext->inner : t->co;
}

/* Who resumes a task, for lua_resume: nobody, so that each coroutine gets the whole of Lua's depth of C calls
 * (wf_wait_inline guards the stack). Lua 5.4.0 and 5.4.1, which alone have LUAI_MAXCSTACK, would leave it eight: there
 * it gets what the main thread has left. */
static inline lua_State *wf_resumer(const wf_iso *iso) {
#ifdef LUAI_MAXCSTACK
  return iso->L;
#else
  (void)iso;
  return NULL;
#endif
}

static inline uint64_t wf_task_id(const wf_iso *iso, const wf_task *t) {
  return (uint64_t)iso->id << 32 | t->seq;
}

/* Channels and locks have numbers of their own; in traces the top bit tells them from tasks. */
#define WF_OBJECT_ID(iso, seq) ((uint64_t)1 << 63 | (uint64_t)(iso)->id << 32 | (seq))
/* The number of an object as messages and pictures say it, in buf: "7" in its own isolate, "2.7" elsewhere. */
enum { WF_NUMBER_ROOM = 24 };
const char *wf_object_number(const wf_iso *iso, uint64_t id, char buf[WF_NUMBER_ROOM]);

#define WF_MIRROR_SEQ 0x80000000u /* in the number of a channel that stands for one of another process */

static inline bool wf_task_finished(const wf_task *t) { return t->state >= WF_DONE; }

static inline wf_iso *wf_iso_up(lua_State *L) {
  void *iso = wf_raw_upvalue(L);
  return wf_likely(iso != NULL) ? iso : lua_touserdata(L, lua_upvalueindex(1));
}

/* The isolate of any state, or NULL when weft is not open in it. [-0, +0, -] */
wf_iso *wf_iso_of(lua_State *L);

/* What can be made of an isolate before anybody uses it, the same in every state: for wf_state_opts.prepare.
 * wf_iso_open does the rest. [-0, +0, m] */
int wf_iso_prepare(lua_State *L);

/* Open weft in a state: make the isolate, or find it. `member` is a child's place in its family, NULL founds a
 * new one; `pooled` is the port of an isolate of the worker pool, NULL: it gets one of its own. [-0, +0, m] */
wf_iso *wf_iso_open(lua_State *L, struct wf_member *member, wf_port *pooled);

/* The userdata at `idx` when it is of this class, else NULL. Compares metatable addresses. */
static inline void *wf_iso_test(wf_iso *iso, lua_State *L, int idx, enum wf_class c) {
  const wf_raw_userdata *u = wf_raw_arg_userdata(L, idx);
  if (wf_likely(u != NULL)) return u->metatable != NULL && u->metatable == iso->class_ptr[c] ? wf_raw_memory(u) : NULL;
  void *p = lua_touserdata(L, idx);
  if (wf_likely(p != NULL && lua_getmetatable(L, idx))) {
    const void *mt = lua_topointer(L, -1);
    lua_pop(L, 1);
    if (wf_likely(mt == iso->class_ptr[c])) return p;
  }
  return NULL;
}

/* The same, or raise a type error that names the argument. */
void *wf_iso_check(wf_iso *iso, lua_State *L, int idx, enum wf_class c);

/* The head of objects that are checked on hot paths. A full userdata of the right size that starts with the
 * class's seal is the object: nothing else in a process has these 64 bits there. Three calls fewer than a
 * comparison of metatables, and the isolate comes with it. Where arguments can be read in place it takes none. */
typedef struct wf_object {
  uint64_t seal;
  wf_iso *iso;
} wf_object;

#define WF_SEAL(c) (UINT64_C(0x77656674A6D1E35B) * (2 * (uint64_t)(c) + 1))

static inline void *wf_object_test(lua_State *L, int idx, enum wf_class c, size_t size) {
  const wf_raw_userdata *u = wf_raw_arg_userdata(L, idx);
  wf_object *o = u != NULL && u->size == size ? wf_raw_memory(u) : NULL;
  if (wf_likely(o != NULL && o->seal == WF_SEAL(c))) return o;
  o = lua_touserdata(L, idx);
  /* The length of anything but a full userdata and a string (no userdata) is 0 or not this. */
  if (wf_likely(o != NULL && lua_rawlen(L, idx) == size && o->seal == WF_SEAL(c))) return o;
  return NULL;
}

/* Push a table with room for the list (NULL: none) and `more`. What is put into it first is found first: a name that comes later
 * makes way for it where their hashes collide. So the methods that are called often lead their lists. [-0, +1, m] */
void wf_class_push_table(lua_State *L, const luaL_Reg *list, int more);

/* Make the metatable of a class: __name, __index = methods, all with the isolate as upvalue 1.
 * [-0, +0, m] */
void wf_class_new(wf_iso *iso, lua_State *L, enum wf_class c, const char *name, const luaL_Reg *methods,
                  const luaL_Reg *meta);

/* The same for methods that find the isolate in their object: functions without upvalues, which take no memory. `methods`
 * may be NULL: then the table on top of the stack is __index, and stays there. [-0, +0, m] */
void wf_class_new_light(wf_iso *iso, lua_State *L, enum wf_class c, const char *name, const luaL_Reg *methods, const luaL_Reg *meta);

/* See that the class has its metatable; in an isolate that has not loaded weft too. [-0, +0, m] */
void wf_class_open(wf_iso *iso, lua_State *L, enum wf_class c);

/* Push a new userdata of the class with `nuv` user values. [-0, +1, m] */
void *wf_class_push(wf_iso *iso, lua_State *L, enum wf_class c, size_t size, int nuv);

/* The userdata at idx, of a class without finaliser, is to get the metatable of one that has it (lx/late.h). [-0, +0, m] */
void wf_class_finalised(wf_iso *iso, lua_State *L, int idx);

/* A new number for an isolate. Any thread. */
uint32_t wf_iso_number(void);

enum {
  WF_STACK_RESERVE = 192 * 1024, /* what one inline wait and a task's C calls on top of it may need */
};

/* True when the C stack has room for one more inline wait and what runs on top of it. */
bool wf_iso_stack_left(wf_iso *iso);

/* Ready a task's extra record; NULL when memory is out. */
wf_ext *wf_task_ext(wf_iso *iso, wf_task *t);

static inline uint32_t wf_iso_random(wf_iso *iso, uint32_t n) {
  uint64_t x = iso->rng;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  iso->rng = x;
  return (uint32_t)(((x >> 32) * n) >> 32);
}

#endif
