/* Starting tasks (task.h). On the isolate's carrier.
 *
 * A task gets its coroutine when it first runs: a burst of a million starts makes a million handles, and
 * those that do not block share one coroutine. Until then what it is made of (handle, function,
 * arguments) lies on the stack of a coroutine that never runs, the `desk`, above what those before it
 * left there. Fresh tasks become running in the order in which they were started; so when the pile that is being
 * worked off, on another such coroutine, is empty, a desk is turned over onto it, value by value: then the oldest
 * lies on top. A desk holds DESK_MAX values; full ones wait on a shelf, a table.
 *
 * What allocates may run finalisers, which may start tasks: whatever such a call can change is looked at
 * again after it. Desk and pile run nothing, so their stacks hold nothing else at any time.
 */
#include "lx/host_heap.h"
#include "rt/cancel.h"
#include "rt/copool.h"
#include "rt/explore.h"
#include "rt/sched.h"
#include "rt/task.h"

enum {
  DESK_MAX = 8192,
  DESK_KEEP = 4096,
  SHARE = 2, /* values of a task besides its arguments */
  MANY = LUA_MINSTACK / 2,
  BUSY = 100 /* tasks: a script that has started more may start many */
};

/* Make the desk, its pile and the shelf. Isolates that start no tasks do without. */
static void desk_open(wf_iso *iso, lua_State *L) {
  wf_where_open(iso, L);
  lua_State *desk = lua_newthread(L), *pile = lua_newthread(L);
  lua_newtable(L);
  if (iso->desk != NULL) { /* a finaliser was here before */
    lua_pop(L, 3);
    return;
  }
  int refs[3] = {LUA_NOREF, LUA_NOREF, LUA_NOREF};
  for (int i = 0; i < 3; i++) refs[i] = luaL_ref(L, LUA_REGISTRYINDEX); /* if one raises the isolate has lost little */
  iso->shelf = refs[0];
  iso->desk_ref = refs[2];
  iso->desk = desk;
  iso->pile = pile;
  iso->desk_room = LUA_MINSTACK;
}

/* The desk is full: put it on the shelf, and begin another. */
static void desk_replace(wf_iso *iso, lua_State *L, int n) {
  const lua_State *before = iso->desk;
  int top = lua_gettop(L);
  lua_State *desk = lua_newthread(L);
  if (iso->desk == before && lua_gettop(iso->desk) + n > DESK_MAX) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->shelf);
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->desk_ref);
    lua_rawseti(L, -2, (lua_Integer)iso->shelf_end + 1); /* may raise, but nothing is changed yet */
    iso->shelf_end++;
    lua_pushvalue(L, top + 1);
    lua_rawseti(L, LUA_REGISTRYINDEX, iso->desk_ref);
    iso->desk = desk;
    iso->desk_room = LUA_MINSTACK;
  }
  lua_settop(L, top);
}

/* Make room for n more values on the desk, and for all of it on the pile. */
static void desk_reserve(wf_iso *iso, lua_State *L, int n) {
  if (iso->seq > BUSY) {
    lx_host_heap(L);
    wf_raw_args_try();
  }
  while (iso->desk_room < n) {
    luaL_checkstack(L, 8, NULL);
    if (iso->desk == NULL) {
      desk_open(iso, L);
      continue;
    }
    int used = lua_gettop(iso->desk);
    if (used > 0 && used + n > DESK_MAX) {
      desk_replace(iso, L, n);
      continue;
    }
    int want = 2 * used > used + n ? 2 * used : used + n;
    if (want > DESK_MAX && used + n <= DESK_MAX) want = DESK_MAX;
    if (!lua_checkstack(iso->pile, want) || !lua_checkstack(iso->desk, want - used)) luaL_error(L, "not enough memory");
    iso->desk_room = want - used;
  }
}

/* Turn the oldest desk over onto the pile, which is empty. Its room was made when the desk's was. */
static void desk_turn(wf_iso *iso) {
  lua_State *from = iso->desk, *pile = iso->pile;
  bool shelved = iso->shelf_end != iso->shelf_begin;
  if (shelved) {
    lua_rawgeti(pile, LUA_REGISTRYINDEX, iso->shelf);
    lua_rawgeti(pile, 1, (lua_Integer)++iso->shelf_begin);
    from = lua_tothread(pile, 2);
    lua_pop(pile, 1);
    lua_pushnil(pile);
    lua_rawseti(pile, 1, (lua_Integer)iso->shelf_begin); /* nothing allocates until `from` is empty */
    lua_pop(pile, 1);
  }
  int n = lua_gettop(from);
  wf_assert(n >= SHARE && lua_gettop(pile) == 0);
  for (int i = 0; i < n; i++) lua_xmove(from, pile, 1);
  iso->pile_count = (uint32_t)n;
  if (!shelved) iso->desk_room += n;
  else if (iso->shelf_begin == iso->shelf_end) iso->shelf_begin = iso->shelf_end = 0;
}

/* After a burst desk and pile are large and empty: give the memory back. */
static void desk_give_back(wf_iso *iso) {
  if (iso->desk_room <= DESK_KEEP || lua_gettop(iso->desk) > 0) return;
  lua_resetthread(iso->desk);
  lua_resetthread(iso->pile);
  iso->desk_room = LUA_MINSTACK;
}

/* Inherit the task-locals of the starter: the table is shared, whoever sets one copies it first. */
static void inherit_locals(wf_iso *iso, lua_State *L, wf_task *t) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->locals);
  lua_rawgetp(L, -1, iso->cur);
  lua_rawsetp(L, -2, t);
  lua_pop(L, 1);
  t->flags |= WF_F_LOCALS;
}

static void note_name(wf_iso *iso, lua_State *L, wf_task *t, int name) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->names);
  lua_pushvalue(L, name);
  lua_rawsetp(L, -2, t);
  lua_pop(L, 1);
  t->flags |= WF_F_NAMED;
}

/* A task of a schedule that is explored gets its coroutine at once: such tasks begin in any order. Raises when there is
 * no memory for one. [-0, +0, m] */
static void begin_at_once(wf_iso *iso, lua_State *L, wf_task *t, int handle, int f, int nargs) {
  if (!wf_co_take(iso, t)) luaL_error(L, "not enough memory");
  lua_State *co = t->co;
  if (!lua_checkstack(co, nargs + LUA_MINSTACK)) {
    wf_co_done(iso, co, t->slot, true);
    luaL_error(L, "not enough memory");
  }
  lua_pushcfunction(co, wf_task_main);
  lua_pushcfunction(co, wf_unwind_handler);
  lua_pushlightuserdata(co, iso);
  lua_pushvalue(L, handle);
  for (int i = 0; i <= nargs; i++) lua_pushvalue(L, f + i);
  lua_xmove(L, co, nargs + SHARE);
  t->got = (uint16_t)(nargs + WF_TASK_EXTRA);
}

wf_task *wf_task_start(wf_iso *iso, lua_State *L, int nargs, int name) {
  if (wf_unlikely(wf_forked())) wf_fork_raise(L);
  if (wf_unlikely(iso->closing)) luaL_error(L, "cannot start a task: the script is ending");
  bool explored = wf_unlikely(iso->explore != NULL);
  if (explored) wf_explore_admit(iso, L, nargs);
  int f = lua_gettop(L) - nargs;
  if (wf_unlikely(nargs > MANY)) luaL_checkstack(L, nargs + LUA_MINSTACK, "too many arguments");
  wf_task *t = wf_class_push(iso, L, WF_CLASS_TASK, sizeof *t, 1);
  if (!explored && wf_unlikely(iso->desk_room < nargs + SHARE)) desk_reserve(iso, L, nargs + SHARE); /* runs finalisers, the last that does */
  if (wf_unlikely(iso->cur->flags & WF_F_LOCALS)) inherit_locals(iso, L, t);
  if (wf_unlikely(name != 0)) note_name(iso, L, t, name);
  wf_where_note(iso, L, t);
  if (wf_unlikely(explored)) begin_at_once(iso, L, t, lua_gettop(L), f, nargs);
  /* Nothing fails from here on. */
  t->seq = ++iso->seq;
  if (wf_likely(!explored)) {
    lua_pushvalue(L, -1);
    for (int i = 0; i <= nargs; i++) lua_pushvalue(L, f + i);
    lua_xmove(L, iso->desk, nargs + SHARE);
    iso->desk_room -= nargs + SHARE;
    t->flags |= WF_F_NEW;
    t->slot = (uint32_t)nargs;
  }
  iso->live++;
  wf_ready_push(iso, t);
  if (wf_unlikely(explored)) wf_explore_started(iso, t);
  wf_trace(WF_TRACE_NEW, WF_WHY_TASK, iso->id, wf_task_id(iso, t), wf_task_id(iso, iso->cur));
  if (wf_unlikely(name != 0)) wf_trace_name(iso->id, wf_task_id(iso, t), lua_tostring(L, name));
  return t;
}

/* There is no coroutine for the task. Its handle is on the pile until it has failed. */
static int begin_fail(wf_iso *iso, wf_task *t, int nargs) {
  if (t->co != NULL) wf_co_done(iso, t->co, t->slot, true);
  wf_task_failed(iso, t);
  lua_settop(iso->pile, -(nargs + SHARE) - 1);
  iso->pile_count -= (uint32_t)nargs + SHARE;
  return -1;
}

/* Take the task's share from the pile: handle, function, arguments. */
static inline void take_share(wf_iso *iso, lua_State *co, int nargs) {
  lua_State *pile = iso->pile;
  for (int i = 0; i < nargs + SHARE; i++) lua_xmove(pile, co, 1);
  iso->pile_count -= (uint32_t)nargs + SHARE;
  if (wf_unlikely(iso->pile_count == 0 && iso->desk_room > DESK_KEEP && iso->shelf_end == 0)) desk_give_back(iso);
}

static inline void pile_ready(wf_iso *iso, wf_task *t) {
  if (wf_unlikely(iso->pile_count == 0)) desk_turn(iso);
  wf_assert(lua_touserdata(iso->pile, -1) == t);
  t->flags &= ~(uint32_t)WF_F_NEW;
}

int wf_task_begin(wf_iso *iso, wf_task *t) {
  int nargs = (int)t->slot;
  pile_ready(iso, t);
  if (wf_unlikely(!wf_co_take(iso, t) || (nargs > MANY && !lua_checkstack(t->co, nargs + LUA_MINSTACK))))
    return begin_fail(iso, t, nargs);
  lua_State *co = t->co;
  lua_pushcfunction(co, wf_task_main);
  lua_pushcfunction(co, wf_unwind_handler);
  lua_pushlightuserdata(co, iso);
  take_share(iso, co, nargs);
  return nargs + WF_TASK_EXTRA;
}

wf_task *wf_task_begin_here(wf_iso *iso, lua_State *co, uint32_t slot) {
  wf_task *t = wf_ready_fresh(iso);
  if (t == NULL || wf_unlikely(t->slot > MANY)) return NULL;
  lua_settop(co, WF_TASK_BASE); /* the handle of the one that has ended goes */
  int nargs = (int)t->slot;
  wf_ready_pop(iso);
  pile_ready(iso, t);
  t->co = co;
  t->slot = slot;
  iso->slots[slot] = t;
  take_share(iso, co, nargs);
  wf_run_begin(iso, t, co, true);
  return t;
}
