/* Exploring: one run of a function under a schedule that is chosen, not met (weft.explore).
 *
 * While a run goes on, iso->explore is set and the isolate's world is the run's: its own ready queue, its own count of
 * live tasks, a clock that stands still while tasks run. The tasks of before are set aside and come back afterwards;
 * the one that called waits inline. All is undone before wf_explore_run returns, whatever happens in between.
 *
 * A run is a sequence of decisions. Each is a number from 0 to n - 1, where 0 is what weft itself would do:
 *
 *   at a switch point      0 the running task goes on, then the ready ones in the order of the ready queue
 *   when a task has left   the ready ones in that order (a task that has yielded is left out until the others ran)
 *   in a select            which of the ready cases
 *   with a free clock      the last number, at each of the first two: time passes until the next timer
 *
 * Decisions with n == 1 are not counted. A schedule is told by its deviations: the decisions that are not 0.
 *
 * On the isolate's carrier alone. The record lives in a userdata that the caller keeps (l_explore.c); what it
 * allocates is freed by wf_explore_free.
 */
#ifndef WF_RT_EXPLORE_H
#define WF_RT_EXPLORE_H

#include "rt/iso.h"

enum { WF_EXPLORE_TASKS = 200 };

enum wf_explore_policy { WF_EXPLORE_PLAN, WF_EXPLORE_RANDOM, WF_EXPLORE_PCT };

/* How a run ended. */
enum wf_explore_verdict {
  WF_EXPLORE_ENDED,    /* every task ended; the root's results or error tell the rest */
  WF_EXPLORE_DEADLOCK, /* none can go on, and not all have ended */
  WF_EXPLORE_STEPS,    /* too many steps */
  WF_EXPLORE_STOPPED,  /* wf_explore_stop */
  WF_EXPLORE_OUTSIDE,  /* a task waits for another isolate, whose schedule is its own */
  WF_EXPLORE_LEFT,     /* tasks caught their cancellation and did not end: they are the isolate's own now */
};

enum wf_explore_kind {
  WF_DECIDE_NEXT,      /* who is next: the running task cannot go on */
  WF_DECIDE_POINT,     /* it could: all but 0 is a preemption */
  WF_DECIDE_VALUE,     /* a choice that the program leaves open: a case of select */
  WF_DECIDE_CLOCK = 4, /* flag: the last choice is that time passes */
};

/* One decision, as told to Lua: see core.explore_trace. */
typedef struct wf_decision {
  uint8_t options, chosen, kind, task; /* task: number of the running one */
  uint32_t hash;                       /* of all decisions up to this one: what there was to choose */
} wf_decision;

typedef struct wf_deviation {
  uint32_t at, choice;
} wf_deviation;

typedef struct wf_explored {
  wf_task *task;       /* NULL once it has ended */
  uint64_t after[4];   /* a task that has yielded: who must run before it, by number */
  uint32_t priority;   /* PCT */
  bool yielded, noted; /* it has yielded, and no other task has run since; `after` says before whom it must not run */
} wf_explored;

struct wf_explore {
  /* The run's options, set by the caller before it. */
  enum wf_explore_policy policy;
  uint32_t max_steps;
  bool free_clock;
  uint64_t seed;      /* RANDOM, PCT */
  uint32_t depth;     /* PCT: priority changes + 1 */
  uint32_t length;    /* PCT: decisions that a run is expected to have */
  wf_deviation *plan; /* PLAN; owned */
  uint32_t plan_count, plan_room;
  uint32_t expect; /* PLAN: the hash at the last deviation, 0: any */
  lua_Hook hook;   /* for the coroutines of the tasks, NULL: none */
  int hook_mask, hook_count;
  void (*on_end)(wf_iso *iso, lua_State *L, wf_task *t, int handle); /* a task has ended; its handle and what it left are on L. [-0, +0, m] */
  void (*on_start)(wf_iso *iso, wf_task *t);
  void (*on_stuck)(wf_iso *iso); /* a deadlock, or too many steps; before the tasks are cancelled */
  /* What came of it. */
  enum wf_explore_verdict verdict;
  bool diverged;  /* the plan did not fit: the function does not depend on its schedule alone */
  uint32_t steps; /* points passed and tasks resumed */
  uint32_t blind; /* points where no switch was possible: inside functions that cannot yield */
  uint32_t decisions_count, decisions_room;
  wf_decision *decisions; /* owned */
  uint32_t tasks;         /* started; they are numbered from 1 */
  /* The run itself. */
  wf_task *host;   /* who called; NULL: no run */
  wf_task *picked; /* chosen at a switch point: next */
  uint32_t last;   /* number of who runs, or ran last */
  uint32_t low;    /* PCT: the priority of who yielded last */
  uint64_t rng;
  uint32_t next; /* index into plan */
  uint32_t hash;
  uint32_t base;    /* iso->seq before the first task */
  uint32_t drained; /* steps since draining began */
  uint32_t changes_left;
  bool stop;     /* begin to drain at the next pick */
  bool draining; /* the run is decided: all are cancelled, no more decisions */
  uint64_t now;  /* the run's clock */
  wf_wheel wheel;
  wf_explored info[WF_EXPLORE_TASKS + 1]; /* by number */
  /* The isolate's world. */
  struct {
    wf_task *head, *tail;
    uint32_t live, background, outside, objects;
    uint64_t rng, slice_ns;
    wf_link waiting_all, children;
  } saved;
};

/* Make room for a run. `e` is zeroed but for max_steps. False: no memory. */
bool wf_explore_init(wf_explore *e);
void wf_explore_free(wf_explore *e);

/* Make room for n deviations in e->plan. */
bool wf_explore_plan(wf_explore *e, uint32_t n);

/* Run the function with its argument, which are on top of the stack, to the end of all its tasks. Pushes the handle of
 * the root. Raises what ended the caller's wait (a cancellation, Ctrl-C), and memory errors; the world is in order
 * then too. [-2, +1, e] */
void wf_explore_run(wf_iso *iso, lua_State *L, wf_explore *e);

/* End the run now: the tasks are cancelled, the verdict is this one. */
void wf_explore_stop(wf_iso *iso, enum wf_explore_verdict verdict);

/* A switch point of the running task. True: another one was chosen, the caller must yield L, without values, at once.
 * [-0, +0, m] */
bool wf_explore_point(wf_iso *iso, lua_State *L);

/* A choice from 0 to n - 1 that the program leaves open. */
uint32_t wf_explore_value(wf_iso *iso, uint32_t n);

/* The running task's number, 0 for one that is not of the run. */
static inline uint32_t wf_explore_number(const wf_explore *e, const wf_task *t) {
  return t->flags & WF_F_EXPLORED ? t->seq - e->base : 0;
}

/* The number of the task that holds the mutex which this one waits for, or 0. */
uint32_t wf_explore_waits_for(wf_iso *iso, const wf_task *t);

/* For the scheduler: the next task, taken from the ready queue; NULL: nothing is ready, or the run is over. */
wf_task *wf_explore_pick(wf_iso *iso);

/* Nothing was: let time pass, or end the run. `t` waits inline on L. */
void wf_explore_idle(wf_iso *iso, lua_State *L, wf_task *t);

/* A task is about to be started: raise if there is no place for it; then it was. [-0, +0, e] */
void wf_explore_admit(wf_iso *iso, lua_State *L, int nargs);
void wf_explore_started(wf_iso *iso, wf_task *t);

/* A task has ended; its handle is at that index of its coroutine L. [-0, +0, m] */
void wf_explore_ended(wf_iso *iso, lua_State *L, wf_task *t, int handle);

/* The same without a word: memory ran out for it. */
void wf_explore_gone(wf_iso *iso, const wf_task *t);

/* The state closes, or the process ends, during a run: make the tasks the isolate's own. */
void wf_explore_abandon(wf_iso *iso);

#endif
