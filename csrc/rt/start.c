/* Starting tasks (task.h). On the isolate's carrier.
 *
 * A task gets its coroutine when it first runs: a burst of a million starts makes a million handles, and
 * those that do not block share one coroutine. Until then its function and arguments are the user values
 * of its handle, and the handle is anchored in a ring, the table at index RING of the stack of the
 * coroutine `desk`. Fresh tasks become running in the order in which they were started, so the ring
 * is a queue too.
 *
 * What allocates may run finalisers, which may start tasks: whatever such a call can change is looked at
 * again after it. The desk runs nothing, so that its stack is the ring and nothing else at all times.
 */
#include "rt/cancel.h"
#include "rt/copool.h"
#include "rt/explore.h"
#include "rt/sched.h"
#include "rt/task.h"

enum { RING = 1, RING_MIN = 64, RING_KEEP = 4096, VALUES_MAX = 7, RESUME_EXTRA = 3 };

static lua_Integer ring_index(const wf_iso *iso, uint32_t n) { return (lua_Integer)((iso->ring_head + n) & (iso->ring_room - 1)) + 1; }

/* Make the desk and its ring. Isolates that start no tasks do without. */
static void ring_open(wf_iso *iso, lua_State *L) {
  lua_State *desk = lua_newthread(L);
  lua_createtable(L, RING_MIN, 0);
  if (iso->desk != NULL) { /* a finaliser was here before */
    lua_pop(L, 2);
    return;
  }
  lua_xmove(L, desk, 1);
  luaL_ref(L, LUA_REGISTRYINDEX);
  iso->desk = desk;
  iso->ring_room = RING_MIN;
}

/* Replace the ring by one of another size, unless it has got another one meanwhile. Raises with nothing
 * changed. The errors are raised on L. */
static void ring_resize(wf_iso *iso, lua_State *L, uint32_t room) {
  uint32_t before = iso->ring_room;
  lua_createtable(L, (int)room, 0);
  if (iso->ring_room != before || iso->ring_count > room) {
    lua_pop(L, 1);
    return;
  }
  for (uint32_t i = 0; i < iso->ring_count; i++) {
    lua_rawgeti(iso->desk, RING, ring_index(iso, i));
    lua_xmove(iso->desk, L, 1);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_xmove(L, iso->desk, 1);
  lua_replace(iso->desk, RING);
  iso->ring_room = room;
  iso->ring_head = 0;
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

/* Make room for one more in the ring. */
static void ring_reserve(wf_iso *iso, lua_State *L) {
  while (iso->ring_count == iso->ring_room) {
    if (iso->desk == NULL)
      ring_open(iso, L);
    else
      ring_resize(iso, L, iso->ring_room * 2);
  }
}

wf_task *wf_task_start(wf_iso *iso, lua_State *L, int nargs, int name) {
  if (wf_unlikely(iso->closing)) luaL_error(L, "cannot start a task: the script is ending");
  if (wf_unlikely(iso->explore != NULL)) wf_explore_admit(iso, L);
  bool packed = nargs > VALUES_MAX - 1;
  if (wf_unlikely(packed)) { /* f, a1 ... an -> {f, a1 ... an} */
    int first = lua_gettop(L) - nargs;
    lua_createtable(L, nargs + 1, 0);
    lua_insert(L, first);
    for (int i = nargs + 1; i > 0; i--) lua_rawseti(L, first, i);
  }
  int values = packed ? 1 : nargs + 1;
  wf_task *t = wf_class_push(iso, L, WF_CLASS_TASK, sizeof *t, values);
  lua_insert(L, -(values + 1));
  for (int i = values; i > 0; i--) lua_setiuservalue(L, -(i + 1), i);
  if (wf_unlikely(iso->ring_count == iso->ring_room)) ring_reserve(iso, L); /* runs finalisers, the last that does */
  if (wf_unlikely(iso->cur->flags & WF_F_LOCALS)) inherit_locals(iso, L, t);
  if (wf_unlikely(name != 0)) note_name(iso, L, t, name);
  wf_where_note(iso, L, t);
  /* Nothing fails from here on. */
  lua_pushvalue(L, -1);
  lua_xmove(L, iso->desk, 1);
  lua_rawseti(iso->desk, RING, ring_index(iso, iso->ring_count++));
  t->seq = ++iso->seq;
  t->flags |= packed ? WF_F_NEW | WF_F_PACKED : WF_F_NEW;
  t->got = (uint16_t)values;
  t->slot = (uint32_t)nargs;
  iso->live++;
  wf_ready_push(iso, t);
  if (wf_unlikely(iso->explore != NULL)) wf_explore_started(iso, t);
  wf_trace(WF_TRACE_NEW, WF_WHY_TASK, iso->id, wf_task_id(iso, t), wf_task_id(iso, iso->cur));
  if (wf_unlikely(name != 0)) wf_trace_name(iso->id, wf_task_id(iso, t), lua_tostring(L, name));
  return t;
}

/* Make the task's handle the oldest of the ring: when schedules are explored, tasks begin in any order. */
static void ring_bring(wf_iso *iso, const wf_task *t) {
  lua_State *desk = iso->desk;
  uint32_t i = 0;
  for (;; i++) {
    lua_rawgeti(desk, RING, ring_index(iso, i));
    if (lua_touserdata(desk, -1) == t) break;
    lua_pop(desk, 1);
    wf_assert(i + 1 < iso->ring_count);
  }
  for (; i > 0; i--) {
    lua_rawgeti(desk, RING, ring_index(iso, i - 1));
    lua_rawseti(desk, RING, ring_index(iso, i));
  }
  lua_rawseti(desk, RING, ring_index(iso, 0));
}

/* Move the oldest handle of the ring to the stack of co. */
static void ring_take(wf_iso *iso, lua_State *co) {
  lua_State *desk = iso->desk;
  lua_Integer i = ring_index(iso, 0);
  lua_rawgeti(desk, RING, i);
  wf_assert(lua_touserdata(desk, -1) != NULL);
  lua_xmove(desk, co, 1);
  lua_pushnil(desk);
  lua_rawseti(desk, RING, i);
  iso->ring_head = (iso->ring_head + 1) & (iso->ring_room - 1);
  iso->ring_count--;
}

static int shrink_ring(lua_State *L) {
  ring_resize(lua_touserdata(L, 1), L, RING_MIN);
  return 0;
}

/* After a burst the ring is large and empty. */
static void ring_give_back(wf_iso *iso) {
  lua_State *L = iso->bench;
  if (!lua_checkstack(L, 4)) return;
  lua_pushcfunction(L, shrink_ring);
  lua_pushlightuserdata(L, iso);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1); /* another time */
}

int wf_task_begin(wf_iso *iso, wf_task *t) {
  int nargs = (int)t->slot, values = t->got;
  bool packed = (t->flags & WF_F_PACKED) != 0;
  t->flags &= ~(uint32_t)(WF_F_NEW | WF_F_PACKED);
  if (wf_unlikely(iso->explore != NULL)) ring_bring(iso, t);
  if (wf_unlikely(!wf_co_take(iso, t) || (packed && !lua_checkstack(t->co, nargs + LUA_MINSTACK)))) {
    ring_take(iso, iso->bench);
    if (t->co != NULL) wf_co_done(iso, t->co, t->slot, true);
    wf_task_failed(iso, t);
    lua_pop(iso->bench, 1);
    return -1;
  }
  lua_State *co = t->co;
  if (wf_unlikely(iso->explore != NULL) && iso->explore->hook != NULL)
    lua_sethook(co, iso->explore->hook, iso->explore->hook_mask, iso->explore->hook_count);
  lua_rawgeti(co, LUA_REGISTRYINDEX, iso->task_main);
  ring_take(iso, co);
  lua_pushcfunction(co, wf_unwind_handler);
  if (wf_likely(!packed)) {
    for (int i = 1; i <= values; i++) {
      lua_getiuservalue(co, 2, i);
      if (i > 1) { /* the first is overwritten at the end */
        lua_pushnil(co);
        lua_setiuservalue(co, 2, i);
      }
    }
  } else {
    lua_getiuservalue(co, 2, 1);
    for (int i = 1; i <= nargs + 1; i++) lua_rawgeti(co, 4, i);
    lua_remove(co, 4);
  }
  if (wf_unlikely(iso->ring_count == 0 && iso->ring_room > RING_KEEP)) ring_give_back(iso);
  return nargs + RESUME_EXTRA;
}
