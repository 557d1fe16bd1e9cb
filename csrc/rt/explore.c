/* See explore.h. The world of a run, and its scheduler (explore_choose.c decides).
 *
 * Tasks of before that something in the run wakes are appended to the run's ready queue, where nobody picks them;
 * they come back with the rest. */
#include "rt/explore.h"

#include <string.h>

#include "base/alloc.h"
#include "rt/cancel.h"
#include "rt/explore_choose.h"
#include "rt/mutex.h"
#include "rt/port.h"
#include "rt/sched.h"
#include "rt/task.h"

enum {
  DRAIN_MOST = 20000, /* steps in which cancelled tasks must have ended */
  ARGS_MOST = 10000,
};

bool wf_explore_init(wf_explore *e) {
  e->decisions_room = e->max_steps + 1; /* each decision is a step, or one of a step's selects */
  e->decisions = wf_malloc(e->decisions_room * sizeof *e->decisions);
  return e->decisions != NULL;
}

void wf_explore_free(wf_explore *e) {
  wf_free(e->decisions);
  wf_free(e->plan);
  e->decisions = NULL;
  e->plan = NULL;
  e->plan_count = e->plan_room = e->decisions_room = 0;
}

bool wf_explore_plan(wf_explore *e, uint32_t n) {
  if (n <= e->plan_room) return true;
  uint32_t room = n * 2;
  wf_deviation *p = wf_realloc(e->plan, room * sizeof *p);
  if (p == NULL) return false;
  e->plan = p;
  e->plan_room = room;
  return true;
}

/* The world ------------------------------------------------------------------------------------ */

/* Move what is in a list to the end of another. */
static void list_move(wf_link *to, wf_link *from) {
  while (!wf_list_empty(from)) {
    wf_link *n = from->next;
    wf_list_unlink(n);
    wf_list_append(to, n);
  }
}

static void world_in(wf_iso *iso, wf_explore *e) {
  e->verdict = WF_EXPLORE_ENDED;
  e->diverged = e->stop = e->draining = false;
  e->steps = e->blind = e->decisions_count = e->tasks = e->next = e->hash = e->drained = 0;
  e->changes_left = e->depth > 0 ? e->depth - 1 : 0;
  e->picked = NULL;
  e->last = 0;
  e->low = INT32_MAX;
  e->rng = e->seed * UINT64_C(0x9E3779B97F4A7C15) + UINT64_C(0x632BE59BD9B4E019);
  if (e->rng == 0) e->rng = 1;
  e->base = iso->seq;
  e->now = 0;
  wf_wheel_init(&e->wheel, 0);
  e->saved.head = iso->head;
  e->saved.tail = iso->tail;
  e->saved.live = iso->live;
  e->saved.background = iso->background;
  e->saved.outside = iso->outside;
  e->saved.objects = iso->objects;
  e->saved.rng = iso->rng;
  e->saved.slice_ns = iso->slice_ns;
  wf_list_init(&e->saved.waiting_all);
  wf_list_init(&e->saved.children);
  list_move(&e->saved.waiting_all, &iso->waiting_all);
  list_move(&e->saved.children, &iso->children);
  iso->head = iso->tail = NULL;
  iso->live = iso->background = iso->outside = 0;
  iso->objects = 0; /* the names of what the run makes are the same in each */
  iso->rng = 1;
  iso->slice_ns = 0;
  e->host = iso->cur;
  iso->explore = e;
}

/* Both worlds become one. Tasks of the run that have not ended are ordinary tasks from now on. */
static void world_out(wf_iso *iso, wf_explore *e) {
  wf_timers_fire(iso, &e->wheel, UINT64_MAX);
  for (uint32_t i = 1; i <= e->tasks; i++)
    if (e->info[i].task != NULL) e->info[i].task->flags &= ~(uint32_t)WF_F_EXPLORED;
  if (e->saved.head != NULL) {
    e->saved.tail->u.next = iso->head;
    if (iso->head == NULL) iso->tail = e->saved.tail;
    iso->head = e->saved.head;
  }
  iso->live += e->saved.live;
  iso->background += e->saved.background;
  iso->outside += e->saved.outside; /* what was woken of the others has been counted down: modulo 2^32 */
  list_move(&e->saved.waiting_all, &iso->waiting_all);
  list_move(&iso->waiting_all, &e->saved.waiting_all);
  list_move(&e->saved.children, &iso->children);
  list_move(&iso->children, &e->saved.children);
  iso->objects = e->saved.objects;
  iso->rng = e->saved.rng;
  iso->slice_ns = e->saved.slice_ns;
  iso->explore = NULL;
  e->host = NULL;
}

void wf_explore_abandon(wf_iso *iso) { world_out(iso, iso->explore); }

static int waited_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_wait_end(L, (wf_task *)ctx);
  return 0;
}

/* Wait inline until the run is over. The caller is a protected call: this cannot yield. [-0, +0, e] */
static void wait_for_end(wf_iso *iso, lua_State *L) {
  wf_task *self = wf_wait_begin(iso, L, WF_WHY_WAIT);
  wf_wait_park(iso, L, self, 0, waited_k);
}

/* Stack: isolate, function, argument. */
static int run_protected(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  wf_task_start(iso, L, 1, 0);
  lua_insert(L, 1);
  wait_for_end(iso, L);
  lua_settop(L, 1);
  return 1;
}

static int drain_protected(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  iso->cur->flags &= ~(uint32_t)WF_F_CANCEL; /* the clearing up is not cancelled; wf_cancel_update puts it back */
  wait_for_end(iso, L);
  return 0;
}

void wf_explore_run(wf_iso *iso, lua_State *L, wf_explore *e) {
  luaL_checkstack(L, 8, NULL);
  wf_cancel_point(iso, L);
  wf_task *self = iso->cur;
  lua_pushcfunction(L, run_protected);
  lua_insert(L, -3);
  lua_pushlightuserdata(L, iso);
  lua_insert(L, -3);
  world_in(iso, e);
  int status = lua_pcall(L, 3, 1, 0);
  if (status != LUA_OK && iso->explore == e && iso->live > 0) {
    wf_explore_stop(iso, WF_EXPLORE_STOPPED);
    lua_pushcfunction(L, drain_protected);
    lua_pushlightuserdata(L, iso);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
    wf_cancel_update(iso, self);
  }
  if (iso->explore == e) world_out(iso, e);
  if (status != LUA_OK) lua_error(L);
}

/* The run ---------------------------------------------------------------------------------------- */

void wf_explore_admit(wf_iso *iso, lua_State *L, int nargs) {
  if (nargs > ARGS_MOST) luaL_error(L, "cannot start a task: weft.explore passes on %d arguments at most", ARGS_MOST);
  if (iso->explore->tasks >= WF_EXPLORE_TASKS)
    luaL_error(L, "cannot start a task: weft.explore follows %d at most", WF_EXPLORE_TASKS);
}

void wf_explore_started(wf_iso *iso, wf_task *t) {
  wf_explore *e = iso->explore;
  lua_sethook(t->co, e->hook, e->hook_mask, e->hook_count);
  uint32_t no = t->seq - e->base;
  t->flags |= WF_F_EXPLORED;
  e->tasks = no;
  e->info[no] = (wf_explored){.task = t, .priority = wf_explore_random(e) | 0x80000000u};
  if (e->draining) wf_task_cancel_bare(iso, t);
  e->on_start(iso, t);
}

/* True when all that is left was meant to be left: detached tasks of a root that has ended. */
static bool only_detached(const wf_explore *e) {
  if (e->info[1].task != NULL) return false;
  for (uint32_t i = 2; i <= e->tasks; i++)
    if (e->info[i].task != NULL && !(e->info[i].task->flags & (WF_F_DETACHED | WF_F_BACKGROUND))) return false;
  return true;
}

void wf_explore_gone(wf_iso *iso, const wf_task *t) {
  wf_explore *e = iso->explore;
  uint32_t no = wf_explore_number(e, t);
  if (no == 0) return;
  e->info[no].task = NULL;
  if (!e->draining && ((no == 1 && t->state != WF_DONE) || only_detached(e))) e->stop = true;
}

void wf_explore_ended(wf_iso *iso, lua_State *L, wf_task *t, int handle) {
  wf_explore *e = iso->explore;
  if (wf_explore_number(e, t) == 0) return;
  wf_explore_gone(iso, t);
  if (lua_gethook(L) == e->hook) lua_sethook(L, NULL, 0, 0);
  if (e->draining) return;
  e->on_end(iso, L, t, handle);
}

void wf_explore_stop(wf_iso *iso, enum wf_explore_verdict verdict) {
  wf_explore *e = iso->explore;
  if (e->draining) return;
  e->verdict = verdict;
  e->draining = true;
  e->picked = NULL;
  for (uint32_t i = 1; i <= e->tasks; i++)
    if (e->info[i].task != NULL) wf_task_cancel_bare(iso, e->info[i].task);
}

/* Let the next timers fire: false when there are none. */
static bool time_passes(wf_iso *iso, wf_explore *e) {
  while (wf_wheel_count(&e->wheel) != 0) {
    uint64_t next = wf_wheel_next(&e->wheel);
    if ((next | 1) > e->now) e->now = next & ~(uint64_t)1; /* the lowest bit is the alarms' (sched.c) */
    if (wf_timers_fire(iso, &e->wheel, e->now | 1) != 0) return true;
  }
  return false;
}

/* One more step: false when it was one too many. */
static bool step(wf_iso *iso, wf_explore *e) {
  if (++e->steps <= e->max_steps) return true;
  e->on_stuck(iso);
  wf_explore_stop(iso, WF_EXPLORE_STEPS);
  return false;
}

bool wf_explore_point(wf_iso *iso, lua_State *L) {
  wf_explore *e = iso->explore;
  wf_task *t = iso->cur;
  if (e == NULL || e->draining || !(t->flags & WF_F_EXPLORED) || t->claim != WF_IDLE) return false;
  if (L != iso->running || !lua_isyieldable(L)) {
    e->blind++;
    return false;
  }
  wf_menu m;
  do {
    if (!step(iso, e)) return false;
    wf_menu_fill(iso, e, &m, t);
    if (wf_menu_size(&m) == 1) return false;
    uint32_t choice = wf_explore_choose(e, &m, WF_DECIDE_POINT);
    if (choice == 0) return false;
    e->picked = choice < m.n ? m.task[choice] : NULL;
  } while (e->picked == NULL && time_passes(iso, e)); /* the clock was chosen */
  if (e->picked == NULL) return false;
  wf_turn_end(iso, L, t);
  return true;
}

uint32_t wf_explore_value(wf_iso *iso, uint32_t n) {
  wf_explore *e = iso->explore;
  if (n <= 1 || e->draining || !(iso->cur->flags & WF_F_EXPLORED)) return 0;
  if (!step(iso, e)) return 0;
  return wf_explore_choose_value(e, n);
}

/* The first of the run's tasks in the queue. */
static wf_task *first_ready(const wf_iso *iso) {
  wf_task *t = iso->head;
  while (t != NULL && !(t->flags & WF_F_EXPLORED)) t = t->u.next;
  return t;
}

/* Who is to run next, when the last one has left. */
static wf_task *decide_next(wf_iso *iso, wf_explore *e) {
  wf_menu m;
  wf_explore_note_yield(iso, e);
  for (;;) {
    wf_menu_fill(iso, e, &m, NULL);
    if (m.n == 0) return NULL;
    if (!step(iso, e)) return first_ready(iso);
    /* Nobody but those who look again and again: while they do, time passes. */
    if (m.all_yielded && time_passes(iso, e)) continue;
    uint32_t choice = wf_menu_size(&m) == 1 ? 0 : wf_explore_choose(e, &m, WF_DECIDE_NEXT);
    if (choice < m.n) return m.task[choice];
    time_passes(iso, e);
  }
}

wf_task *wf_explore_pick(wf_iso *iso) {
  wf_explore *e = iso->explore;
  if (wf_mpsc_maybe_nonempty(&iso->port->inbox)) wf_port_deliver(iso->port, iso);
  if (e->stop) {
    e->stop = false;
    wf_explore_stop(iso, WF_EXPLORE_ENDED);
  }
  wf_task *t;
  if (e->picked != NULL) {
    t = e->picked;
    e->picked = NULL;
  } else if (e->draining) {
    t = ++e->drained <= DRAIN_MOST ? first_ready(iso) : NULL;
  } else {
    t = decide_next(iso, e);
  }
  if (t == NULL) return NULL;
  wf_ready_remove(iso, t);
  wf_explore_goes(e, t);
  return t;
}

uint32_t wf_explore_waits_for(wf_iso *iso, const wf_task *t) {
  lua_State *co = wf_task_lua(t);
  lua_Debug ar;
  if (t->state != WF_WAITING || t->why != WF_WHY_LOCK || (t->flags & WF_F_INLINE)) return 0;
  if (!lua_checkstack(co, 1) || !lua_getstack(co, 0, &ar) || lua_getlocal(co, &ar, 1) == NULL) return 0;
  const wf_mutex *m = wf_object_test(co, -1, WF_CLASS_MUTEX, sizeof *m);
  const wf_task *holder = m == NULL ? NULL : wf_holder_task(iso, m->holder);
  lua_pop(co, 1);
  return holder == NULL ? 0 : wf_explore_number(iso->explore, holder);
}

void wf_explore_idle(wf_iso *iso, lua_State *L, wf_task *t) {
  wf_explore *e = iso->explore;
  if (e->host->claim != WF_ARMED && t == e->host) return;
  if (iso->live == 0 && t == e->host) {
    wf_wake(iso, e->host, WF_GOT);
  } else if (first_ready(iso) != NULL && e->drained <= DRAIN_MOST) {
    return; /* poll has woken one */
  } else if (e->drained <= DRAIN_MOST && time_passes(iso, e)) {
    return;
  } else if (!e->draining) {
    e->on_stuck(iso);
    wf_explore_stop(iso, (int32_t)iso->outside > 0 ? WF_EXPLORE_OUTSIDE : WF_EXPLORE_DEADLOCK);
  } else if (t != e->host) {
    lua_pushliteral(L, "weft.explore: the run is over");
    wf_wait_fail(iso, L, t);
  } else {
    e->verdict = WF_EXPLORE_LEFT;
    wf_wake(iso, e->host, WF_GOT);
  }
}
