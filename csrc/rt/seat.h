/* Seats: C stacks on which tasks wait.
 *
 * A task that waits in a coroutine leaves the C stack by lua_yield, a longjmp, and comes back by lua_resume: that is most of
 * what a switch costs. A task on a seat was resumed on a C stack of its own (sys/cstack.h) and leaves everything where it is:
 * the scheduler goes on where it entered the seat, and the task later goes on where it waited, its C functions and
 * coroutines around it included. To Lua a task that waits so is a coroutine that has resumed another one.
 *
 * Seats are few and change hands. A task gets one when it goes on after a wait and one is free; it has it until lua_resume
 * returns on it. When all are taken, one whose task has waited long is asked to leave: it yields after all, and waits on
 * without a seat. So tasks that switch often sit, and those that wait by the million cost no C stack.
 *
 * Where the next that is ready sits, too, the one that waits hands over to it directly (sched.h, wf_task_park): the scheduler,
 * which has entered the first, gets the processor back from whichever leaves, and finds it in wf_iso.seat.
 *
 * Not for isolates of the worker pool: a C stack stays on its thread. Not while a schedule is explored.
 *
 * Nothing outside a task may raise on its coroutine: the error would land in the lua_resume on its seat.
 *
 * WEFT_CSTACK=off in the environment: no seats. In test builds `always`: from the first wait on. */
#ifndef WF_RT_SEAT_H
#define WF_RT_SEAT_H

#include "rt/iso.h"
#include "sys/cstack.h"

enum { WF_SEATS = 31 }; /* at most: their number fits the bits of wf_task.more */

/* Resumes of waiting tasks before the first seat is made; in test builds soon, so that most tests have both. */
#ifdef WF_DEBUG
enum { WF_SEATS_AFTER = 10 };
#else
enum { WF_SEATS_AFTER = 500 };
#endif

typedef struct wf_seat {
  wf_cstack stack;
  struct wf_seats *seats;
  lua_State *co;         /* to resume with nargs values */
  int nargs, status;     /* what lua_resume returned, or LUA_YIELD: the task waits here */
  wf_task *task;         /* that waits here, or NULL */
  lua_State *running;    /* its innermost coroutine */
  uint32_t since;        /* the count of runs when it began to wait */
  bool leave;            /* it is to yield */
  uint8_t unit;          /* its number, as wf_task.more has it */
  struct wf_seat *next;  /* free ones */
} wf_seat;

typedef struct wf_seats {
  wf_seat *free;
  lua_State *from; /* see wf_resumer */
  uint32_t made;
  uint32_t runs; /* of tasks that had waited: the clock of `since` */
  wf_seat seat[WF_SEATS];
} wf_seats;

/* wf_task.more, the bits above its flags: the number of the seat on which the task waits, or 0. */
enum { WF_SEAT_SHIFT = 3, WF_SEAT_UNIT = 1 << WF_SEAT_SHIFT };

static inline bool wf_task_sits(const wf_task *t) { return t->more >= WF_SEAT_UNIT; }

/* The isolate opens. */
void wf_seats_prepare(wf_iso *iso);

/* Tasks of the isolate sit from now on, if they may and there is memory. */
void wf_seats_open(wf_iso *iso);
void wf_seats_close(wf_iso *iso);

/* A free seat for a task that is to go on, or NULL. */
wf_seat *wf_seat_take(wf_iso *iso);

/* The seat is where code runs from now on. */
static inline void wf_seat_enters(wf_iso *iso, wf_seat *s) {
  iso->seat = s;
  iso->stack_low = s->stack.low + WF_STACK_RESERVE;
}

/* Run on the seat, and on those that it hands over to, until a task waits or its lua_resume returns: that one's seat, with
 * status LUA_YIELD for a wait. */
static inline wf_seat *wf_seat_run(wf_iso *iso, wf_seat *s) {
  wf_seat *outer = iso->seat;
  const char *low = iso->stack_low;
  wf_seat_enters(iso, s);
  wf_cstack_enter(&s->stack);
  s = iso->seat;
  iso->seat = outer;
  iso->stack_low = low;
  return s;
}

/* The seat of the task, which goes on and does not wait there any more. */
static inline wf_seat *wf_seat_of(wf_iso *iso, wf_task *t) {
  wf_seat *s = &iso->seats->seat[(t->more >> WF_SEAT_SHIFT) - 1];
  t->more &= WF_SEAT_UNIT - 1;
  s->task = NULL;
  iso->seats->runs++;
  return s;
}

/* The running task, on seat s, begins to wait there in its coroutine L. */
static inline void wf_seat_sit(wf_seat *s, lua_State *L, wf_task *t) {
  s->task = t;
  s->running = L;
  s->since = s->seats->runs;
  s->status = LUA_YIELD;
  t->more = (uint8_t)(t->more + s->unit);
}

#endif
