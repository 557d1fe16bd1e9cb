/* See sched.h. Invariants: a task is in the ready queue, in a wait, running, or finished; claim is
 * WF_ARMED only from wf_wait_begin to the one wf_wake that wins; a task that waits inline is never
 * in the ready queue, except as the marker of its own yield. */
#include "rt/sched.h"

#include "lx/error.h"
#include "rt/announce.h"
#include "rt/explore.h"
#include "rt/family.h"
#include "rt/io.h"
#include "rt/peer.h"
#include "rt/port.h"
#include "rt/press.h"
#include "rt/report.h"
#include "rt/seat.h"
#include "rt/shutdown.h"
#include "rt/stream.h"
#include "rt/swait.h"
#include "rt/task.h"

/* Waiting ---------------------------------------------------------------------------------- */

/* Note which coroutine of the task it is that waits. [-0, +0, e] */
static void note_inner(wf_iso *iso, lua_State *L, wf_task *t) {
  t->flags &= ~(uint32_t)WF_F_INNER;
  if (L == t->co) return;
  wf_ext *x = wf_task_ext(iso, t);
  if (x == NULL) lx_raise_memory(L);
  x->inner = L;
  t->flags |= WF_F_INNER;
}

void wf_wait_prepare(wf_iso *iso, lua_State *L, wf_task *t) {
  if (iso->closed) luaL_error(L, "weft is closed in this Lua state");
  if (wf_forked()) wf_fork_raise(L);
  if (t->claim != WF_IDLE)
    luaL_error(L, "cannot wait here: the task waits already (called from a hook or a finaliser?)");
  if (t->flags & WF_F_CANCEL) wf_cancel_raise_in_turn(iso, L, t);
  note_inner(iso, L, t);
}

void wf_wait_until(wf_iso *iso, wf_task *t, uint64_t when) {
  if (when == WF_NEVER) return;
  if (t->flags & WF_F_NODE) {
    wf_alarm_set(iso, &t->ext->timeout, t, when, NULL);
    t->flags |= WF_F_TIMEOUT;
  } else {
    t->u.timer.next = NULL;
    wf_wheel_add(wf_wheel_of(iso, t), &t->u.timer, (when + 1) & ~(uint64_t)1);
    t->flags |= WF_F_TIMER;
  }
}

/* Take the task out of its queue and the wheel. */
static void wait_unlink(wf_iso *iso, wf_task *t) {
  if (t->flags & WF_F_NODE) wf_list_unlink(&t->u.node.link);
  if (t->flags & WF_F_TIMER) wf_wheel_del(wf_wheel_of(iso, t), &t->u.timer);
  if (t->flags & WF_F_TIMEOUT) wf_alarm_stop(iso, &t->ext->timeout);
  if (t->flags & WF_F_OUTSIDE) iso->outside--;
  if (t->flags & WF_F_WORLD) iso->world--;
  t->flags &= ~(uint32_t)WF_WAIT_FLAGS;
}

/* How a wait ended, in the words of the trace. */
static inline enum wf_trace_why why_of(int how) {
  return how == WF_CLOSED ? WF_WHY_DONE : how == WF_CANCEL ? WF_WHY_CANCELLED : how == WF_RAISE ? WF_WHY_FAILED : WF_WHY_NONE;
}

bool wf_wake(wf_iso *iso, wf_task *t, int how) {
  if (t->claim != WF_ARMED) return false;
  if (wf_unlikely(t->flags & WF_F_SHARED)) {
    if (!wf_swait_take_here(t->ext->shared)) return false; /* its mail is on the way */
    wf_swait_end(t);
  }
  t->claim = (uint8_t)how;
  if (wf_likely((t->flags & WF_WAIT_FLAGS) == WF_F_NODE)) {
    wf_list_unlink(&t->u.node.link);
    t->flags &= ~(uint32_t)WF_F_NODE;
  } else if (t->flags & WF_WAIT_FLAGS) {
    wait_unlink(iso, t);
  }
  wf_trace(WF_TRACE_READY, why_of(how), iso->id, wf_task_id(iso, t),
           how == WF_TIMEOUT || (iso->cur->state != WF_RUNNING && !wf_task_finished(iso->cur)) ? 0 /* mail, or the loop */
                                                                                              : wf_task_id(iso, iso->cur));
  if (t->flags & WF_F_INLINE)
    t->state = WF_READY;
  else
    wf_ready_push(iso, t);
  return true;
}

wf_node *wf_waitq_first(wf_link *queue) {
  while (!wf_list_empty(queue)) {
    wf_node *n = wf_list_entry(queue->next, wf_node, link);
    const wf_task *t = n->task;
    if (wf_likely(t->claim == WF_ARMED && (!(t->flags & WF_F_SHARED) || wf_swait_take_here(t->ext->shared)))) return n;
    wf_list_unlink(&n->link);
    if (!wf_node_is_case(n)) n->task->flags &= ~(uint32_t)WF_F_NODE;
  }
  return NULL;
}

wf_node *wf_waitq_peek(wf_link *queue) {
  for (wf_link *l = queue->next; l != queue; l = l->next) {
    wf_node *n = wf_list_entry(l, wf_node, link);
    const wf_task *t = n->task;
    if (t->claim == WF_ARMED && (!(t->flags & WF_F_SHARED) || wf_swait_open(t->ext->shared))) return n;
  }
  return NULL;
}

void wf_node_wake(wf_iso *iso, wf_node *n, int how) {
  wf_task *t = n->task;
  if (wf_node_is_case(n)) {
    t->won = (uint16_t)wf_container_of(n, wf_case, node)->index;
    wf_list_unlink(&n->link);
  }
  wf_wake(iso, t, how);
}

void wf_waitq_wake_all(wf_iso *iso, wf_link *queue, int how) {
  wf_node *n;
  while ((n = wf_waitq_first(queue)) != NULL) wf_node_wake(iso, n, how);
}

/* Somebody resumed the task's coroutine in the middle of its wait, or after it, before its turn had come. */
static void wait_forged(wf_iso *iso, lua_State *L, wf_task *t) {
  if (t->flags & WF_F_PARKED) wf_ready_remove(iso, t);
  t->flags &= ~(uint32_t)WF_F_PARKED;
  wait_unlink(iso, t);
  if (t->flags & WF_F_SHARED) wf_swait_abandon(t);
  luaL_error(L, "resumed in the middle of a wait (by a coroutine.resume of before weft was loaded?)");
}

void wf_wait_raise(lua_State *L, wf_task *t, int how) {
  if (how <= WF_TURN || (t->flags & WF_F_PARKED)) wait_forged(wf_iso_of(L), L, t);
  if (how == WF_CANCEL) {
    wf_iso *iso = wf_iso_of(L);
    wf_press_strike(iso);
    wf_cancel_raise(iso, L, t);
  }
  lua_error(L);
}

int wf_wait_park_inline(wf_iso *iso, lua_State *L, wf_task *t, lua_KFunction k) {
  wf_wait_inline(iso, L, t);
  return k(L, LUA_YIELD, (lua_KContext)t);
}

static int raise_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_task *t = (wf_task *)ctx;
  wf_iso *iso = wf_iso_of(L);
  wf_wait_end(L, t);
  wf_press_strike(iso);
  wf_cancel_raise(iso, L, t);
  return 0;
}

void wf_cancel_raise_in_turn(wf_iso *iso, lua_State *L, wf_task *t) {
  if (L == iso->running && lua_isyieldable(L) && t->claim == WF_IDLE) {
    note_inner(iso, L, t);
    wf_wait_arm(t, WF_WHY_YIELD);
    t->claim = WF_GOT;
    wf_trace(WF_TRACE_STOP, WF_WHY_YIELD, iso->id, wf_task_id(iso, t), 0);
    wf_ready_push(iso, t);
    wf_task_park(iso, L, t, raise_k);
  }
  wf_cancel_raise(iso, L, t);
}

void wf_turn_end(wf_iso *iso, lua_State *L, wf_task *t) {
  note_inner(iso, L, t);
  wf_trace(WF_TRACE_STOP, WF_WHY_PREEMPT, iso->id, wf_task_id(iso, t), 0);
  t->claim = WF_GOT;
  t->got = 0;
  t->flags |= WF_F_SLICED | WF_F_PARKED;
  wf_ready_push(iso, t);
  iso->tick = WF_POLL_EVERY; /* timers and mail may be what it made room for */
}

bool wf_turn_may_end(wf_iso *iso, lua_State *L) {
  enum { TURN_NS = 2000000 };
  iso->at_once = 0;
  if (iso->cur->claim != WF_IDLE || iso->closed || iso->atomic > 0 || iso->explore != NULL || wf_forked()) return false;
  if (L != iso->L && (L != iso->running || !lua_isyieldable(L))) return false;
  uint64_t now = wf_clock_ns();
  if (now - iso->turn_ended < TURN_NS) return false;
  iso->turn_ended = now;
  return true;
}

/* The C function that runs, from its start. */
static int run_again(lua_State *L, int status, lua_KContext ctx) {
  lua_Debug ar;
  (void)status;
  wf_wait_end(L, (wf_task *)ctx);
  luaL_checkstack(L, 1, NULL);
  lua_getstack(L, 0, &ar);
  lua_getinfo(L, "f", &ar);
  lua_CFunction f = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  return f(L);
}

int wf_turn_give(wf_iso *iso, lua_State *L) { return wf_yield(iso, L, run_again); }

/* The rest of wf_yield: nobody else is ready, or it must wait inline, or not at all. */
static __attribute__((noinline, cold)) int yield_rare(wf_iso *iso, lua_State *L, lua_KFunction k);

int wf_yield(wf_iso *iso, lua_State *L, lua_KFunction k) {
  wf_task *t = iso->cur;
  if (wf_unlikely(L != iso->running || wf_wait_is_refused(iso, L, t) || iso->head == NULL || !lua_isyieldable(L)))
    return yield_rare(iso, L, k);
  wf_wait_arm(t, WF_WHY_YIELD);
  t->claim = WF_GOT; /* nothing can claim a yield: it is ready all the time */
  wf_trace(WF_TRACE_STOP, WF_WHY_YIELD, iso->id, wf_task_id(iso, t), 0);
  wf_ready_push(iso, t);
  return wf_task_park(iso, L, t, k);
}

static int yield_rare(wf_iso *iso, lua_State *L, lua_KFunction k) {
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_YIELD);
  bool may_yield = L == iso->running && lua_isyieldable(L);
  t->claim = WF_GOT;
  if (iso->head == NULL) wf_iso_poll(iso);
  if (may_yield) {
    /* Alone, it goes on at once; but whom the carrier belongs to may have been woken, or must look at hooks. */
    if (iso->head == NULL && iso->explore == NULL && (iso->inliner == NULL || (iso->inliner->claim == WF_ARMED && ++iso->tick < WF_POLL_EVERY))) return k(L, LUA_OK, (lua_KContext)t);
  } else if (iso->head == NULL || !wf_iso_stack_left(iso)) {
    return k(L, LUA_OK, (lua_KContext)t);
  }
  wf_trace(WF_TRACE_STOP, WF_WHY_YIELD, iso->id, wf_task_id(iso, t), 0);
  wf_ready_push(iso, t);
  if (wf_likely(may_yield)) return wf_task_park(iso, L, t, k);
  t->claim = WF_TURN; /* until its turn comes in the ready queue */
  wf_wait_inline(iso, L, t);
  return k(L, LUA_YIELD, (lua_KContext)t);
}

/* Running ---------------------------------------------------------------------------------- */

wf_task *wf_ready_fresh(wf_iso *iso) {
  wf_task *t = iso->head;
  if (t == NULL || !(t->flags & WF_F_NEW) || !wf_run_goes_on(iso)) return NULL;
  iso->tick++;
  return t;
}

/* What is rare about a task that is to run: the number of values to resume it with, -1: it does not run. */
static int task_ready(wf_iso *iso, wf_task *t) {
  if (t->flags & WF_F_NEW) return wf_task_begin(iso, t);
  if (t->flags & WF_F_STRAY) return wf_task_return(t);
  if (t->flags & WF_F_SLICED) {
    wf_turn_begin(t);
    if (lua_status(t->co) != LUA_YIELD) return -1; /* a resume that is not weft's has it now */
  }
  return t->flags & WF_F_INNER ? 0 : t->got; /* a generator's values lie on its own stack */
}

/* Run the task's coroutine *co with the values on top of it until it waits, or ends, or somebody yields: the status. Where it hands
 * over to others, that of the last, and its coroutine. */
static inline int co_run(wf_iso *iso, lua_State **co, int nargs, bool fresh) {
  wf_seat *s = NULL;
  if (!fresh) {
    if (wf_likely(iso->seats != NULL))
      s = wf_seat_take(iso);
    else if (wf_unlikely(++iso->resumes == WF_SEATS_AFTER)) {
      wf_raw_args_try();
      wf_seats_open(iso);
    }
  }
  if (wf_likely(s != NULL)) {
    s->co = *co;
    s->nargs = nargs;
    s = wf_seat_run(iso, s);
    *co = s->co;
    return s->status;
  }
  int nres;
  s = iso->seat;
  iso->seat = NULL; /* it runs on top of whom the seat belongs to */
  int status = lua_resume(*co, wf_resumer(iso), nargs, &nres);
  iso->seat = s;
  return status;
}

static inline void task_run(wf_iso *iso, wf_task *t) {
  lua_State *co = t->co;
  int status;
  if (wf_likely(wf_task_sits(t))) {
    const wf_seat *s = wf_seat_run(iso, wf_run_seated(iso, t, false));
    co = s->co;
    status = s->status;
  } else {
    int nargs = t->got;
    bool fresh = (t->flags & WF_F_NEW) != 0;
    if (wf_unlikely(t->flags & (WF_F_NEW | WF_F_STRAY | WF_F_INNER | WF_F_SLICED))) {
      nargs = task_ready(iso, t);
      if (nargs < 0) return;
      co = t->co;
    }
    t->flags &= ~(uint32_t)WF_F_PARKED;
    iso->running = co;
    wf_run_begin(iso, t, co, false);
    status = co_run(iso, &co, nargs, fresh);
  }
  t = iso->cur; /* the one that ran last in it: the other may be collected */
  if (wf_likely(status == LUA_YIELD && (t->flags & WF_F_PARKED))) return;
  wf_task_left(iso, t, co, status);
}

void wf_ready_remove(wf_iso *iso, const wf_task *t) {
  wf_task *last = NULL;
  for (wf_task **p = &iso->head; *p != NULL; p = &(*p)->u.next) {
    if (*p == t) {
      *p = t->u.next;
      if (iso->tail == t) iso->tail = last;
      return;
    }
    last = *p;
  }
}

/* Look at the inbox and the timers. */
static void poll_mail(wf_iso *iso) {
  if (wf_unlikely(!wf_list_empty(&iso->corked))) wf_streams_flush(iso);
  if (wf_unlikely(wf_mpsc_maybe_nonempty(&iso->port->inbox))) wf_port_deliver(iso->port, iso);
  uint32_t trace = wf_trace_on();
  if (wf_unlikely(trace != 0 && trace != iso->announced) && lua_checkstack(iso->L, 4)) wf_iso_announce(iso, iso->L);
  if (wf_wheel_count(&iso->wheel) != 0) wf_timers_fire(iso, &iso->wheel, wf_clock_ns());
  if (wf_unlikely(!wf_list_empty(&iso->peers_dirty))) wf_peers_flush(iso); /* last: mail and timers send, too */
}

static void poll_within(wf_iso *iso) {
  wf_card_note(iso);
  poll_mail(iso);
}

uint32_t wf_timers_fire(wf_iso *iso, wf_wheel *wheel, uint64_t now) {
  uint32_t n = 0;
  wf_timer *timer;
  while ((timer = wf_wheel_pop(wheel, now)) != NULL) {
    n++;
    if (timer->when & 1) {
      wf_alarm *a = wf_container_of(timer, wf_alarm, timer);
      if (a->fire != NULL)
        a->fire(iso, a);
      else
        wf_wake(iso, a->task, WF_TIMEOUT);
    } else {
      wf_task *t = wf_container_of(timer, wf_task, u.timer);
      t->flags &= ~(uint32_t)WF_F_TIMER;
      wf_wake(iso, t, WF_TIMEOUT);
    }
  }
  return n;
}

void wf_iso_poll(wf_iso *iso) {
  poll_within(iso);
  /* A worker looks at its loop between slices. */
  if (wf_unlikely(iso->loop != NULL) && !iso->pooled && wf_loop_due(iso->loop, wf_clock_ns())) wf_loop_poll(iso->loop);
}

bool wf_iso_hook_changed(void *ud) {
  const wf_iso *iso = ud;
  return lua_gethook(iso->L) != iso->hook;
}

static int run_nothing(lua_State *L) {
  (void)L;
  return 0;
}

void wf_wait_fail(wf_iso *iso, lua_State *L, wf_task *t) {
  lua_State *to = wf_task_lua(t);
  if (to != L) lua_xmove(L, to, 1);
  if (wf_wake(iso, t, WF_RAISE))
    t->got = 1;
  else
    lua_pop(to, 1); /* something else has ended the wait */
}

/* Let the pending hook run on L by calling a function there; what it raises ends the wait. When L is a task's,
 * the hook stays set on the main thread too, and interrupts the main chunk once that goes on. */
static void hook_run(wf_iso *iso, lua_State *L, wf_task *t) {
  if (t->claim != WF_ARMED) return; /* a yield is over soon anyway */
  if (L != iso->L) lua_sethook(L, lua_gethook(iso->L), lua_gethookmask(iso->L), lua_gethookcount(iso->L));
  lua_pushcfunction(L, run_nothing);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) wf_wait_fail(iso, L, t);
  iso->hook = lua_gethook(iso->L);
}

/* Sleep in the loop, if the carrier has one. */
static int iso_sleep(wf_iso *iso, wf_parker *p, uint64_t deadline) {
  return iso->loop != NULL ? wf_loop_wait(iso->loop, p, deadline) : wf_parker_wait(p, -1, deadline);
}

/* Look for what other threads and processes send for a while, if they often send at once: true when something has come. */
static bool iso_spin(wf_iso *iso, uint64_t now, uint64_t next) {
  wf_parker *p = &iso->port->parker;
  if (!wf_spin_due(&iso->spin, now, next) || wf_workers_busy()) return false;
  if (iso->npeers > 0 && iso->loop->uv_dirty) return false; /* what libuv has been asked comes first */
  bool came = iso->npeers > 0 ? wf_loop_spin(iso->loop, p, iso->spin.ns) != WF_PARK_TIMEOUT : wf_parker_spin(p, iso->spin.ns);
  wf_spin_ended(&iso->spin, came);
  return came;
}

/* A worker that cannot leave the isolate sleeps in it; it is blocked. */
static int worker_sleep(wf_iso *iso, uint64_t next) {
  uint64_t due = wf_worker_due();
  int woken = wf_worker_sleep(&iso->port->parker, due < next ? due : next);
  wf_worker_serve();
  return woken;
}

/* Until something comes, or it is time. */
static int rest(wf_iso *iso, uint64_t next) {
  bool quiet = next == WF_NEVER && iso->world == 0;
  if (quiet) wf_family_quiet(iso->member);
  int woken = iso->pooled ? worker_sleep(iso, next) : iso_sleep(iso, &iso->port->parker, next);
  if (quiet) wf_family_awake(iso->member);
  return woken;
}

static int spin_or_rest(wf_iso *iso, uint64_t next) {
  uint64_t began = wf_clock_ns();
  if (iso_spin(iso, began, next)) return WF_PARK_WOKEN;
  int woken = rest(iso, next);
  if (woken == WF_PARK_WOKEN || (woken == WF_PARK_FD && iso->npeers > 0)) wf_spin_slept(&iso->spin, wf_clock_ns() - began);
  return woken;
}

/* No other worker would be left to go on. */
static void no_worker(wf_iso *iso, lua_State *L, wf_task *t) {
  lx_error_new(L, "deadlock", "cannot wait inside a function that cannot yield: no other worker is left, and none can be started");
  wf_wait_fail(iso, L, t);
}

/* Nothing is ready: sleep until something may be, or say that nothing ever will. */
static void iso_idle(wf_iso *iso, lua_State *L, wf_task *t) {
  if (wf_unlikely(wf_forked())) { /* a task has forked, and whoever waited here waits in the child too */
    lx_error_new(L, "closed", "weft does not work in a forked process that has not called exec");
    wf_wait_fail(iso, L, t);
    return;
  }
  wf_io_awake(iso);
  /* First the hook: a call of the scheduler's own on the main thread would set it off, and eat what it raises. */
  if (wf_unlikely(wf_iso_hook_changed(iso))) hook_run(iso, L, t);
  /* A wake that has come so far, often one of the isolate's own mail, is for what is looked at now: it need not cut the sleep
   * short. One that comes from here on does. Whoever wakes has written before what is to be seen, and the exchange reads that. */
  wf_parker_take(&iso->port->parker);
  /* Who is answered within each spin never comes to sleep. */
  if (wf_unlikely(iso->loop != NULL) && !iso->pooled && wf_loop_due(iso->loop, wf_clock_ns())) wf_loop_poll(iso->loop);
  poll_within(iso);
  if (wf_unlikely(iso->explore != NULL)) {
    wf_explore_idle(iso, L, t);
    return;
  }
  if (iso->head != NULL || t->claim != WF_ARMED) return;
  if (iso->unseen != 0 && wf_report_flush(iso, L)) return;
  uint64_t next = wf_wheel_next(&iso->wheel);
  if (next == WF_NEVER && (iso->outside == 0 || wf_iso_stuck(iso))) {
    wf_report_deadlock(iso, L);
    wf_wait_fail(iso, L, t);
    return;
  }
  if (iso->pooled && !wf_worker_block()) {
    no_worker(iso, L, t);
    return;
  }
  int woken = iso->pooled ? rest(iso, next) : spin_or_rest(iso, next);
  if (iso->pooled) wf_worker_unblock();
  if (wf_unlikely(iso->npeers > 0)) iso->peers_looked = wf_clock_ns(); /* an answer at once goes with what is sent before the next sleep */
  if (woken == WF_PARK_EINTR && wf_iso_hook_changed(iso)) hook_run(iso, L, t);
}

void wf_iso_step(wf_iso *iso) {
  enum { SLICE_NS = 5000000 };
  wf_io_awake(iso);
  uint64_t end = wf_clock_ns() + SLICE_NS;
  bool polled = false;
  iso->tick = 0;
  for (;;) {
    wf_task *r = wf_ready_pop(iso);
    if (r == NULL) {
      if (iso->loop != NULL && !polled) wf_loop_poll(iso->loop);
      poll_within(iso);
      if (iso->head == NULL && (iso->unseen == 0 || !wf_report_flush(iso, iso->L))) break;
      polled = true; /* what becomes ready from now on is for the next step */
      continue;
    }
    task_run(iso, r);
    iso->cur = &iso->main;
    if (++iso->tick < WF_POLL_EVERY) continue;
    iso->tick = 0;
    wf_iso_poll(iso);
    if (wf_clock_ns() > end) break;
  }
  iso->running = iso->L;
  wf_io_doze(iso);
}

uint64_t wf_iso_due(wf_iso *iso) {
  if (iso->head != NULL || wf_mpsc_maybe_nonempty(&iso->port->inbox)) return 0;
  if (!wf_list_empty(&iso->corked) || !wf_list_empty(&iso->peers_dirty)) return 0;
  uint64_t next = wf_wheel_next(&iso->wheel), uv = iso->loop == NULL ? WF_NEVER : wf_loop_next(iso->loop);
  return next < uv ? next : uv;
}

bool wf_iso_slice(wf_iso *iso) {
  poll_mail(iso); /* the card says how it stood when it was left */
  for (;;) {
    wf_task *r = wf_ready_pop(iso);
    if (wf_unlikely(r == NULL)) {
      wf_iso_poll(iso);
      if (iso->head == NULL && (iso->unseen == 0 || !wf_report_flush(iso, iso->L))) return false;
      continue;
    }
    task_run(iso, r);
    iso->cur = &iso->main; /* r may be collected from here on */
    if (wf_unlikely(iso->ended || iso->slice_over)) return true;
    if (wf_unlikely(++iso->tick >= WF_POLL_EVERY)) {
      iso->tick = 0;
      wf_iso_poll(iso);
    }
  }
}

void wf_wait_inline(wf_iso *iso, lua_State *L, wf_task *t) {
  wf_task *cur = iso->cur;
  lua_State *running = iso->running;
  lua_Hook hook = iso->hook;
  wf_assert(cur == t);
  if (!wf_iso_stack_left(iso)) {
    lx_error_new(L, "deadlock", "blocking calls are nested too deep on the C stack (%d inside functions that cannot yield)",
                 (int)iso->depth);
    t->flags |= WF_F_INLINE; /* it is not to become ready */
    wf_wait_fail(iso, L, t);
    t->flags &= ~(uint32_t)WF_F_INLINE;
    t->state = WF_RUNNING;
    return;
  }
  wf_task *inliner = iso->inliner;
  iso->inliner = t;
  if (iso->depth == 0) iso->hook = lua_gethook(iso->L); /* deeper ones still owe what came since then */
  iso->depth++;
  t->flags |= WF_F_INLINE;
  while (t->claim == WF_ARMED || t->claim == WF_TURN) {
    wf_task *r = wf_likely(iso->explore == NULL) ? wf_ready_pop(iso) : wf_explore_pick(iso);
    if (wf_unlikely(r == NULL)) {
      iso_idle(iso, L, t);
    } else if (wf_unlikely(r->flags & WF_F_INLINE)) { /* the marker of a yield */
      r->claim = WF_GOT;
    } else {
      task_run(iso, r);
      iso->cur = t; /* r may be collected from here on */
      if (wf_unlikely(++iso->tick >= WF_POLL_EVERY)) {
        iso->tick = 0;
        wf_iso_poll(iso);
        if (wf_unlikely(wf_iso_hook_changed(iso))) hook_run(iso, L, t);
      }
    }
  }
  t->flags &= ~(uint32_t)WF_F_INLINE;
  iso->depth--;
  iso->inliner = inliner;
  iso->hook = hook;
  iso->cur = cur;
  iso->running = running;
  t->state = WF_RUNNING;
  wf_press_check(iso, L);
  wf_trace(WF_TRACE_RUN, WF_WHY_NONE, iso->id, wf_task_id(iso, t), 0);
}
