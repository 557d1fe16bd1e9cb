/* The scheduler: ready queue, waits, running tasks, idling. Runs on the isolate's carrier.
 *
 * A blocking function reads:
 *
 *   wf_task *t = wf_wait_begin(iso, L, WF_WHY_RECV);   may raise: nothing is armed then
 *   wf_wait_queue(t, &ch->receivers);                  and/or wf_wait_until(iso, t, when)
 *   return wf_wait_park(iso, L, t, ch->id, recv_k);
 *
 * and its continuation, which runs when the wait is over, in a yielding caller or not:
 *
 *   int how = wf_wait_end(L, (wf_task *)ctx);           raises a cancellation
 *   ... return results
 *
 * Between wf_wait_begin and wf_wait_park nothing may raise or collect garbage: a finaliser
 * would find the task armed. A waker pops a node (wf_waitq_first), delivers, and calls wf_wake.
 */
#ifndef WF_RT_SCHED_H
#define WF_RT_SCHED_H

#include "rt/alarm.h"
#include "rt/iso.h"
#include "rt/press.h"
#include "rt/seat.h"
#include "rt/shutdown.h"
#include "rt/swait.h"

enum {
  WF_POLL_EVERY = 61 /* tasks run between two looks at the inbox and the clock, as Go does */
};

/* The rare half of wf_wait_begin: raise what forbids to block here, and note which coroutine of the
 * task it is that parks. */
void wf_wait_prepare(wf_iso *iso, lua_State *L, wf_task *t);

/* Arm the running task, after wf_wait_prepare. */
static inline void wf_wait_arm(wf_task *t, enum wf_trace_why why) {
  t->claim = WF_ARMED;
  t->why = (uint8_t)why;
  t->got = 0;
}

/* Is there something that wf_wait_prepare raises, or notes? */
static inline bool wf_wait_is_refused(const wf_iso *iso, const lua_State *L, const wf_task *t) {
  return (t->flags & (WF_F_CANCEL | WF_F_INNER)) != 0 || L != t->co || t->claim != WF_IDLE || iso->closed || wf_forked();
}

/* Arm the running task for a wait. Raises when a cancellation is due, when the isolate is closed, in a forked process,
 * when called from a hook while the task waits already. [-0, +0, e] */
static inline wf_task *wf_wait_begin(wf_iso *iso, lua_State *L, enum wf_trace_why why) {
  wf_task *t = iso->cur;
  if (wf_unlikely(wf_wait_is_refused(iso, L, t))) wf_wait_prepare(iso, L, t);
  wf_wait_arm(t, why);
  return t;
}

/* Raise the cancellation that is due, now. Does not return. [-0, +0, e] */
void wf_cancel_raise(wf_iso *iso, lua_State *L, wf_task *t);

/* The same at the entry of a blocking call, after the others had their turn: a task that catches the error
 * and calls again, for ever, must not keep the carrier. For C functions that Lua called, not for hooks. */
void wf_cancel_raise_in_turn(wf_iso *iso, lua_State *L, wf_task *t);

/* Raise when a cancellation of the running task is due: the entry of blocking calls that need
 * not wait this time. [-0, +0, e] */
static inline void wf_cancel_point(wf_iso *iso, lua_State *L) {
  if (wf_unlikely(iso->cur->flags & WF_F_CANCEL)) wf_cancel_raise_in_turn(iso, L, iso->cur);
}

/* A task that always finds what it asks for would keep all others from their turn, and the clock, which may be about to cancel it.
 * So operations that need not wait count, and after so many, once some time has passed, the next one gives way before it begins:
 * `wf_turn_over` says so, and then `return wf_turn_give(iso, L)`: the C function is called once more when its turn comes, with what is
 * on the stack now. Not where giving way is not allowed, nor where it would take a C frame, but for the main chunk. */
enum { WF_AT_ONCE_MOST = 64 };

bool wf_turn_may_end(wf_iso *iso, lua_State *L);
int wf_turn_give(wf_iso *iso, lua_State *L);

static inline bool wf_turn_over(wf_iso *iso, lua_State *L) {
  return wf_unlikely(++iso->at_once > WF_AT_ONCE_MOST) && wf_turn_may_end(iso, L);
}

/* Put the armed task at the end of a queue. */
static inline void wf_wait_queue(wf_task *t, wf_link *queue) {
  t->u.node.task = t;
  t->flags |= WF_F_NODE;
  wf_list_append(queue, &t->u.node.link);
}

/* End the wait with WF_TIMEOUT at `when` (monotonic ns; WF_NEVER: not at all). A wait on a queue
 * needs the task's extra record: call wf_task_ext before wf_wait_begin and raise if it fails. */
void wf_wait_until(wf_iso *iso, wf_task *t, uint64_t when);

/* The rest of a wait that cannot yield. */
void wf_wait_inline(wf_iso *iso, lua_State *L, wf_task *t);

/* End the armed task's wait with the error on top of L, whichever coroutine of its it waits in. [-1, +0, -] */
void wf_wait_fail(wf_iso *iso, lua_State *L, wf_task *t);

/* The same as a tail of the blocking function. */
int wf_wait_park_inline(wf_iso *iso, lua_State *L, wf_task *t, lua_KFunction k);

/* Let the scheduler go on, then continue in `k`: the running task, from a coroutine that can yield. */
static inline int wf_task_park(wf_iso *iso, lua_State *L, wf_task *t, lua_KFunction k);

/* Park until the wait is over, then continue in `k`. `resource` is what the trace shows. */
static inline int wf_wait_park(wf_iso *iso, lua_State *L, wf_task *t, uint64_t resource, lua_KFunction k) {
  wf_trace(WF_TRACE_STOP, (enum wf_trace_why)t->why, iso->id, wf_task_id(iso, t), resource);
  t->state = WF_WAITING;
  iso->at_once = 0;
  if (wf_likely(L == iso->running && lua_isyieldable(L))) return wf_task_park(iso, L, t, k);
  return wf_wait_park_inline(iso, L, t, k);
}

/* Raise what ended a wait: WF_CANCEL, WF_RAISE, or a stranger's resume in the middle of it. [-0, +0, e] */
void wf_wait_raise(lua_State *L, wf_task *t, int how);

/* The continuation's first call: how the wait ended (WF_GOT, WF_CLOSED, WF_TIMEOUT). Raises a
 * cancellation or the error that a waker left. The delivered values, t->got many, are on top. */
static inline int wf_wait_end(lua_State *L, wf_task *t) {
  int how = t->claim;
  t->claim = WF_IDLE;
  if (wf_unlikely(how >= WF_CANCEL || how <= WF_TURN || (t->flags & WF_F_PARKED))) wf_wait_raise(L, t, how);
  return how;
}

/* Claim the task's wait: true when it was still armed, and the task is ready then. */
bool wf_wake(wf_iso *iso, wf_task *t, int how);

enum { WF_WAIT_FLAGS = WF_F_NODE | WF_F_TIMER | WF_F_TIMEOUT | WF_F_OUTSIDE | WF_F_WORLD };

/* Does the task wait in the simplest way: by its own node in a queue of its isolate, and nothing else, parked in its own
 * coroutine? */
static inline bool wf_wait_is_plain(const wf_task *t) {
  uint32_t rare = WF_WAIT_FLAGS | WF_F_SHARED | WF_F_INLINE | WF_F_INNER;
  return t->claim == WF_ARMED && (t->flags & rare) == WF_F_NODE;
}

/* Declared below. */
static inline void wf_ready_push(wf_iso *iso, wf_task *t);

/* wf_wake(iso, t, WF_GOT) of such a task. */
static inline void wf_wake_plain(wf_iso *iso, wf_task *t) {
  wf_link *l = &t->u.node.link;
  t->claim = WF_GOT;
  t->flags &= ~(uint32_t)WF_F_NODE;
  l->prev->next = l->next;
  l->next->prev = l->prev;
  wf_trace(WF_TRACE_READY, WF_WHY_NONE, iso->id, wf_task_id(iso, t), wf_task_id(iso, iso->cur));
  wf_ready_push(iso, t);
}

/* The first waiter of a queue whose wait is still open, to be served at once: when other isolates could end
 * the wait too, this call wins it. The node stays in the queue, dead ones before it are dropped. NULL:
 * nobody waits. */
wf_node *wf_waitq_first(wf_link *queue);

/* The same without taking anything: for a look at whether somebody waits. */
wf_node *wf_waitq_peek(wf_link *queue);

/* Only something outside the isolate can end this wait (too). Before or after the task is queued. */
static inline void wf_wait_outside(wf_iso *iso, wf_task *t) {
  if (t->flags & WF_F_SHARED) wf_swait_look(iso, t);
  if (t->flags & WF_F_OUTSIDE) return;
  t->flags |= WF_F_OUTSIDE;
  iso->outside++;
}

/* Serve the node's task: note the case, claim, unlink, ready. */
void wf_node_wake(wf_iso *iso, wf_node *n, int how);

static inline bool wf_node_is_case(const wf_node *n) { return n != &n->task->u.node; }

/* Stack index, on the waiter's stack, of the value that a waiting sender offers. */
static inline int wf_node_value(wf_node *n) {
  return wf_node_is_case(n) ? wf_container_of(n, wf_case, node)->value : 2;
}

/* Wake every waiter of a queue. */
void wf_waitq_wake_all(wf_iso *iso, wf_link *queue, int how);

/* Append to the ready queue. */
static inline void wf_ready_push(wf_iso *iso, wf_task *t) {
  t->u.next = NULL;
  t->state = WF_READY;
  if (iso->tail != NULL)
    iso->tail->u.next = t;
  else
    iso->head = t;
  iso->tail = t;
}

static inline wf_task *wf_ready_pop(wf_iso *iso) {
  wf_task *t = iso->head;
  if (t != NULL && (iso->head = t->u.next) == NULL) iso->tail = NULL;
  __builtin_prefetch(iso->head);
  return t;
}

/* The next task, if it is fresh and the scheduler, which comes to its turn after WF_POLL_EVERY tasks at the latest,
 * would run it at once. It stays in the queue, but counts as run. */
wf_task *wf_ready_fresh(wf_iso *iso);

/* The task begins to run, or goes on, in its coroutine L. `at_once`: the one before has stopped just now. */
static inline void wf_run_begin(wf_iso *iso, wf_task *t, lua_State *L, bool at_once) {
  t->state = WF_RUNNING;
  iso->cur = t;
  if (at_once)
    wf_trace_then(WF_TRACE_RUN, WF_WHY_NONE, iso->id, wf_task_id(iso, t), 0);
  else
    wf_trace(WF_TRACE_RUN, WF_WHY_NONE, iso->id, wf_task_id(iso, t), 0);
  wf_press_check(iso, L);
}

/* The task on a seat goes on: the seat, which is to be entered. */
static inline wf_seat *wf_run_seated(wf_iso *iso, wf_task *t, bool at_once) {
  wf_seat *s = wf_seat_of(iso, t);
  t->flags &= ~(uint32_t)WF_F_PARKED;
  iso->running = s->running;
  wf_run_begin(iso, t, s->running, at_once);
  return s;
}

/* Is the scheduler's loop, if the running task went back to it, to go on with the next that is ready? It also looks at mail and
 * timers, after WF_POLL_EVERY tasks. Without an inliner it is a host's, or that of wf_iso_slice. */
static inline bool wf_run_goes_on(const wf_iso *iso) {
  const wf_task *w = iso->inliner;
  return iso->tick + 1 < WF_POLL_EVERY && (w != NULL ? w->claim == WF_ARMED || w->claim == WF_TURN : !iso->ended && !iso->slice_over);
}

static inline int wf_task_park(wf_iso *iso, lua_State *L, wf_task *t, lua_KFunction k) {
  t->flags |= WF_F_PARKED;
  wf_seat *s = iso->seat;
  if (wf_unlikely(s == NULL)) return lua_yieldk(L, 0, (lua_KContext)t, k);
  wf_seat_sit(s, L, t);
  wf_task *next = iso->head;
  if (next != NULL && next != t && wf_task_sits(next) && wf_run_goes_on(iso) && iso->explore == NULL) {
    wf_ready_pop(iso);
    iso->tick++;
    wf_seat *to = wf_run_seated(iso, next, true);
    wf_seat_enters(iso, to);
    wf_cstack_hand(&s->stack, &to->stack);
  } else {
    wf_cstack_leave(&s->stack);
  }
  return wf_unlikely(s->leave) ? lua_yieldk(L, 0, (lua_KContext)t, k) : k(L, LUA_YIELD, (lua_KContext)t);
}

/* The running task's slice is over: put it at the end of the ready queue. L is about to yield. [-0, +0, m] */
void wf_turn_end(wf_iso *iso, lua_State *L, wf_task *t);

/* It goes on. */
static inline void wf_turn_begin(wf_task *t) {
  t->flags &= ~(uint32_t)WF_F_SLICED;
  t->claim = WF_IDLE;
}

/* For the parker: was a hook set on the main thread since the inline wait looked last? That is how a host
 * interrupts a script (lua.c on Ctrl-C). `ud` is the isolate. */
bool wf_iso_hook_changed(void *ud);

/* Of an isolate of the worker pool: run what is ready. True: its function has ended, or its slice is over; false: nothing
 * is ready. */
bool wf_iso_slice(wf_iso *iso);

/* Take the task out of the ready queue, if it is there. Takes as long as the queue is. */
void wf_ready_remove(wf_iso *iso, const wf_task *t);

/* Let the other ready tasks run. Continues in `k`. */
int wf_yield(wf_iso *iso, lua_State *L, lua_KFunction k);

/* Look at the inbox, the timers and, when it is time, the loop; never blocks. */
void wf_iso_poll(wf_iso *iso);

/* For a host's loop: run what is ready, for a while at most. Called with nothing of the isolate running. */
void wf_iso_step(wf_iso *iso);

/* When there will be something to run: 0 now, WF_NEVER when only the loop's descriptor can say. */
uint64_t wf_iso_due(wf_iso *iso);

/* Fire the timers of the wheel that are due at `now`: how many. */
uint32_t wf_timers_fire(wf_iso *iso, wf_wheel *wheel, uint64_t now);

#endif
