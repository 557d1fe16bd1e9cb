/* See task.h. The life of a task: its handle, its coroutine, its end.
 *
 * A coroutine's stack while its task lives: wf_task_main's arguments (handle, message handler), then
 * the task's function and what it calls. Coroutines are kept for later tasks, IDLE_MAX at most.
 */
#include "rt/task.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "rt/cancel.h"
#include "rt/channel.h"
#include "rt/report.h"
#include "rt/sched.h"
#include "rt/where.h"

enum { FEW_ARGS = LUA_MINSTACK - 8, IDLE_MAX = 4096, HANDLE = 1, HANDLER = 2, FIRST = 3 };

/* Slots: which task has which coroutine ------------------------------------------------------ */

/* A free slot holds the next free index, tagged by an odd value, which no task's address is. */
static wf_task *slot_link(uint32_t next) { return (wf_task *)(((uintptr_t)next << 1) | 1); }
static uint32_t slot_next(const wf_task *t) { return (uint32_t)((uintptr_t)t >> 1); }

wf_task *wf_iso_slot(const wf_iso *iso, uint32_t i) {
  wf_task *t = iso->slots[i];
  return t == NULL || ((uintptr_t)t & 1) ? NULL : t;
}

static void *grown(lua_State *L, void *array, uint32_t *room, uint32_t least, size_t item) {
  uint32_t n = *room < least ? least : *room + *room / 2;
  void *p = wf_realloc(array, n * item);
  if (p == NULL) luaL_error(L, "not enough memory");
  *room = n;
  return p;
}

/* Make a coroutine and put it among the idle ones. */
static void co_new(wf_iso *iso, lua_State *L) {
  uint32_t slot = iso->free_slot != 0 ? iso->free_slot : iso->nslots;
  if (slot >= iso->slots_room) iso->slots = grown(L, iso->slots, &iso->slots_room, 64, sizeof *iso->slots);
  /* Room for all to come back at once, within reason. */
  if (iso->idle_room <= slot && iso->idle_room < IDLE_MAX) iso->idle = grown(L, iso->idle, &iso->idle_room, 64, sizeof *iso->idle);
  luaL_checkstack(L, 3, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->anchors);
  lua_State *co = lua_newthread(L);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
  if (slot == iso->free_slot)
    iso->free_slot = slot_next(iso->slots[slot]);
  else
    iso->nslots++;
  iso->slots[slot] = NULL;
  iso->idle[iso->nidle++] = (struct wf_idle){co, slot};
}

/* Forget a coroutine; the collector takes it. [-0, +0, -] */
static void co_drop(wf_iso *iso, uint32_t slot) {
  lua_State *L = iso->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->anchors);
  lua_pushnil(L);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
  iso->slots[slot] = slot_link(iso->free_slot);
  iso->free_slot = slot;
}

static void co_done(wf_iso *iso, lua_State *co, uint32_t slot, bool again) {
  if (again && iso->nidle < IDLE_MAX && iso->nidle < iso->idle_room) {
    iso->slots[slot] = NULL;
    iso->idle[iso->nidle++] = (struct wf_idle){co, slot};
  } else {
    co_drop(iso, slot);
  }
}

/* Starting ------------------------------------------------------------------------------------ */

void wf_task_push_name(wf_iso *iso, lua_State *L, const wf_task *t) {
  if (t->flags & WF_F_NAMED) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->names);
    lua_rawgeti(L, -1, t->slot);
    lua_remove(L, -2);
  } else if (t->flags & WF_F_MAIN) {
    lua_pushliteral(L, "main");
  } else {
    lua_pushfstring(L, "task %d", (int)t->seq);
  }
}

void wf_task_push_handle(lua_State *L, const wf_task *t) {
  lua_Debug ar;
  int low = 0, high = 1;
  if (t->flags & WF_F_MAIN) {
    lua_pushnil(L);
    return;
  }
  /* It is the first argument of wf_task_main, the deepest call on the task's coroutine. */
  while (lua_getstack(t->co, high, &ar)) {
    low = high;
    high *= 2;
  }
  while (low + 1 < high) {
    int mid = low + (high - low) / 2;
    if (lua_getstack(t->co, mid, &ar))
      low = mid;
    else
      high = mid;
  }
  lua_getstack(t->co, low, &ar);
  lua_getlocal(t->co, &ar, HANDLE);
  if (t->co != L) lua_xmove(t->co, L, 1);
}

wf_task *wf_task_start(wf_iso *iso, lua_State *L, int nargs) {
  wf_task *by = iso->cur;
  if (wf_unlikely(iso->closing)) luaL_error(L, "cannot start a task: the script is ending");
  if (iso->nidle == 0) co_new(iso, L);
  wf_task *t = wf_class_push(iso, L, WF_CLASS_TASK, sizeof *t, 1);
  lua_State *co = iso->idle[iso->nidle - 1].co;
  uint32_t slot = iso->idle[iso->nidle - 1].slot;
  if (wf_unlikely(nargs > FEW_ARGS) && !lua_checkstack(co, nargs + 8)) luaL_error(L, "too many arguments");
  iso->nidle--;
  iso->slots[slot] = t;
  lua_rawgeti(co, LUA_REGISTRYINDEX, iso->task_main);
  lua_pushvalue(L, -1);
  lua_xmove(L, co, 1);
  lua_pushcfunction(co, wf_unwind_handler);
  lua_insert(L, -(nargs + 2));
  lua_xmove(L, co, nargs + 1);
  t->co = co;
  t->slot = slot;
  t->seq = ++iso->seq;
  t->flags = WF_F_NEW;
  iso->live++;
  if (wf_unlikely(by->flags & WF_F_LOCALS)) {
    /* The table is never written again once shared (lib/l_job.c copies on a set). */
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->locals);
    lua_rawgeti(L, -1, by->slot);
    lua_rawseti(L, -2, slot);
    lua_pop(L, 1);
    t->flags |= WF_F_LOCALS;
  }
  wf_where_note(iso, L, t);
  wf_ready_push(iso, t);
  wf_trace(WF_TRACE_NEW, WF_WHY_TASK, iso->id, wf_task_id(iso, t), wf_task_id(iso, by));
  return t;
}

/* Ending -------------------------------------------------------------------------------------- */

/* Forget what side tables hold for the task. */
static void task_forget(wf_iso *iso, lua_State *L, wf_task *t) {
  static const struct {
    uint32_t flag;
    size_t ref;
  } tables[] = {
      {WF_F_ASKED, offsetof(wf_iso, cancels)},
      {WF_F_LOCALS, offsetof(wf_iso, locals)},
      {WF_F_NAMED, offsetof(wf_iso, names)},
      {WF_F_WATCHED, offsetof(wf_iso, watches)},
  };
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    if (!(t->flags & tables[i].flag)) continue;
    lua_rawgeti(L, LUA_REGISTRYINDEX, *(const int *)(const void *)((const char *)iso + tables[i].ref));
    lua_pushnil(L);
    lua_rawseti(L, -2, t->slot);
    lua_pop(L, 1);
  }
  t->flags &= ~(uint32_t)(WF_F_LOCALS | WF_F_NAMED | WF_F_WATCHED | WF_F_CANCEL);
  if (t->ext != NULL) {
    wf_ext *x = t->ext;
    wf_alarm_stop(iso, &x->timeout);
    wf_alarm_stop(iso, &x->shield_end);
    x->next_free = iso->free_ext;
    iso->free_ext = x;
    t->ext = NULL;
    t->flags &= ~(uint32_t)WF_F_INNER;
  }
}

bool wf_iso_all_done(wf_iso *iso, const wf_task *self) {
  uint32_t waiting = 0;
  for (wf_link *l = iso->waiting_all.next; l != &iso->waiting_all; l = l->next)
    if (!(wf_list_entry(l, wf_node, link)->task->flags & WF_F_MAIN)) waiting++;
  if (self != NULL && !(self->flags & WF_F_MAIN)) waiting++;
  return iso->live <= waiting && wf_list_empty(&iso->children);
}

void wf_iso_tell_all_done(wf_iso *iso) {
  if (!wf_list_empty(&iso->waiting_all) && wf_iso_all_done(iso, NULL)) wf_waitq_wake_all(iso, &iso->waiting_all, WF_GOT);
}

/* Tell those who wait for the end of the task. */
static void task_tell(wf_iso *iso, wf_task *t) {
  iso->live--;
  wf_iso_tell_all_done(iso);
  if (t->ext != NULL) wf_waitq_wake_all(iso, &t->ext->joiners, WF_GOT);
}

void wf_watchers_tell(wf_iso *iso, lua_State *L) {
  for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i += 2) {
    lua_rawgeti(L, -2, i + 1);
    wf_channel_offer(iso, L, -2);
    lua_pop(L, 2);
  }
  lua_pop(L, 2);
}

/* Tell the channels that watch the task (weft.completed, weft.all). */
static void task_tell_watchers(wf_iso *iso, lua_State *L, wf_task *t) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->watches);
  lua_rawgeti(L, -1, t->slot);
  wf_watchers_tell(iso, L);
  lua_pop(L, 1);
}

/* Keep what the task returned or raised in its handle. Stack: handle, handler, results. */
static void task_keep(wf_iso *iso, lua_State *L, wf_task *t, int status) {
  int n = lua_gettop(L) - HANDLER;
  bool ok = status == LUA_OK || status == LUA_YIELD;
  if (ok && !(t->flags & WF_F_NAMED) && n <= 1) {
    if (n == 1) lua_setiuservalue(L, HANDLE, 1);
    t->got = (uint16_t)n;
    return;
  }
  lua_createtable(L, ok ? n : 2, 2);
  lua_insert(L, FIRST);
  if (ok) {
    for (int i = n; i > 0; i--) lua_rawseti(L, FIRST, i);
    lua_pushinteger(L, n);
    lua_setfield(L, FIRST, "n");
  } else {
    lua_settop(L, FIRST + 1);
    lua_rawseti(L, FIRST, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->tracebacks);
    lua_rawgeti(L, -1, t->slot);
    lua_rawseti(L, FIRST, 2);
    lua_pushnil(L);
    lua_rawseti(L, -2, t->slot);
    lua_pop(L, 1);
  }
  if (t->flags & WF_F_NAMED) {
    wf_task_push_name(iso, L, t);
    lua_setfield(L, FIRST, "name");
  }
  if (t->state == WF_FAILED && !(t->flags & (WF_F_LOOKED | WF_F_DETACHED)))
    wf_report_unseen(iso, L, t, HANDLE, FIRST);
  lua_settop(L, FIRST);
  lua_setiuservalue(L, HANDLE, 1);
  t->flags |= WF_F_PACKED;
}

/* True when the error on top is the one that cancelled the task. */
static bool error_is_own_cancel(wf_iso *iso, lua_State *L, wf_task *t) {
  if (!(t->flags & WF_F_ASKED)) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->cancels);
  lua_rawgeti(L, -1, t->slot);
  bool same = lua_rawequal(L, -1, -3);
  lua_pop(L, 2);
  return same;
}

static int task_k(lua_State *L, int status, lua_KContext ctx) {
  wf_iso *iso = wf_iso_up(L);
  wf_task *t = (wf_task *)ctx;
  wf_unwind_end(iso, t);
  enum wf_state state = WF_DONE;
  if (status != LUA_OK && status != LUA_YIELD) state = error_is_own_cancel(iso, L, t) ? WF_CANCELLED : WF_FAILED;
  t->state = (uint8_t)state;
  task_keep(iso, L, t, status);
  wf_trace(WF_TRACE_STOP, (enum wf_trace_why)((int)WF_WHY_DONE + (int)state - (int)WF_DONE), iso->id, wf_task_id(iso, t), 0);
  if (wf_unlikely(t->flags & WF_F_WATCHED)) task_tell_watchers(iso, L, t);
  task_tell(iso, t);
  if (wf_unlikely(t->ext != NULL || (t->flags & (WF_F_ASKED | WF_F_LOCALS | WF_F_NAMED | WF_F_WATCHED))))
    task_forget(iso, L, t);
  return 0;
}

int wf_task_main(lua_State *L) {
  wf_task *t = lua_touserdata(L, HANDLE);
  if (wf_unlikely(t->flags & WF_F_ASKED)) { /* cancelled before it began: it never does */
    lua_settop(L, HANDLER);
    lua_rawgeti(L, LUA_REGISTRYINDEX, wf_iso_up(L)->cancels);
    lua_rawgeti(L, -1, t->slot);
    lua_remove(L, -2);
    return task_k(L, LUA_ERRRUN, (lua_KContext)t);
  }
  int status = lua_pcallk(L, lua_gettop(L) - FIRST, LUA_MULTRET, HANDLER, (lua_KContext)t, task_k);
  return task_k(L, status, (lua_KContext)t);
}

void wf_task_left(wf_iso *iso, wf_task *t, lua_State *co, int status) {
  uint32_t slot = t->slot;
  if (status == LUA_OK) {
    co_done(iso, co, slot, !(t->flags & WF_F_EXPOSED));
  } else if (status == LUA_YIELD) {
    /* coroutine.yield of before weft replaced it: let the others run. */
    lua_settop(co, 0);
    t->got = 0;
    wf_trace(WF_TRACE_STOP, WF_WHY_YIELD, iso->id, wf_task_id(iso, t), 0);
    wf_ready_push(iso, t);
  } else {
    /* Out of memory while the end was being kept: wf_task_main itself failed. The handle is still on
     * the coroutine's stack until the reset. */
    if (!wf_task_finished(t) || t->state == WF_DONE) t->state = WF_FAILED;
    t->flags |= WF_F_NOMEM;
    t->flags &= ~(uint32_t)WF_F_PACKED;
    task_tell(iso, t);
    task_forget(iso, iso->L, t);
    lua_resetthread(co);
    co_drop(iso, slot);
  }
}

int wf_task_results(lua_State *L, wf_task *t, int idx) {
  idx = lua_absindex(L, idx);
  if (wf_unlikely(t->flags & WF_F_NOMEM)) {
    lua_pushliteral(L, "not enough memory");
    return -1;
  }
  if (!(t->flags & WF_F_PACKED)) {
    if (t->got == 1) lua_getiuservalue(L, idx, 1);
    return t->got;
  }
  lua_getiuservalue(L, idx, 1);
  int packed = lua_gettop(L);
  if (t->state != WF_DONE) {
    lua_rawgeti(L, packed, 1);
    lua_remove(L, packed);
    return -1;
  }
  lua_getfield(L, packed, "n");
  int n = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  luaL_checkstack(L, n + 1, "too many results");
  for (int i = 1; i <= n; i++) lua_rawgeti(L, packed, i);
  lua_remove(L, packed);
  return n;
}
