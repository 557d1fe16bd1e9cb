/* See task.h. Running a task's function, its end and what it leaves (start.c: how it begins).
 *
 * A coroutine's stack while its task lives: wf_task_main's arguments (message handler, isolate, handle), then
 * the task's function and what it calls.
 */
#include "rt/task.h"

#include <stdio.h>
#include <string.h>

#include "lx/release.h"
#include "rt/cancel.h"
#include "rt/channel.h"
#include "rt/child.h"
#include "rt/copool.h"
#include "rt/explore.h"
#include "rt/report.h"
#include "rt/sched.h"
#include "rt/shjob.h"
#include "rt/shlock.h"

enum { HANDLER = 1, ISO, HANDLE, FIRST };
_Static_assert((int)FIRST == (int)WF_TASK_EXTRA && (int)ISO == (int)WF_TASK_BASE, "wf_task_begin pushes them");

/* Names and handles --------------------------------------------------------------------------- */

uint32_t wf_task_number(const wf_iso *iso, const wf_task *t) {
  bool explored = iso->explore != NULL && (t->flags & WF_F_EXPLORED);
  return wf_unlikely(explored) ? wf_explore_number(iso->explore, t) : t->seq;
}

void wf_task_push_name(wf_iso *iso, lua_State *L, const wf_task *t) {
  if (t->flags & WF_F_NAMED) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->names);
    lua_rawgetp(L, -1, t);
    lua_remove(L, -2);
  } else if (t->flags & WF_F_MAIN) {
    lua_pushstring(L, iso->name != NULL ? iso->name : "main");
  } else {
    lua_pushfstring(L, "task %d", (int)wf_task_number(iso, t));
  }
}

void wf_task_push_handle(lua_State *L, const wf_task *t) {
  lua_Debug ar;
  int low = 0, high = 1;
  if (t->flags & WF_F_MAIN) {
    lua_pushnil(L);
    return;
  }
  /* It is an argument of wf_task_main, the deepest call on the task's coroutine. */
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
      {WF_F_TOLD, offsetof(wf_iso, tracebacks)}, /* of an error that was caught */
  };
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    if (!(t->flags & tables[i].flag)) continue;
    lua_rawgeti(L, LUA_REGISTRYINDEX, *(const int *)(const void *)((const char *)iso + tables[i].ref));
    lx_rawdelp(L, -1, t);
    if (tables[i].flag == WF_F_TOLD) lx_rawdelp(L, -1, &t->flags);
    lua_pop(L, 1);
  }
  if (wf_unlikely(t->flags & WF_F_HOLDS)) wf_holds_end(iso, t);
  t->flags &= ~(uint32_t)(WF_F_LOCALS | WF_F_NAMED | WF_F_WATCHED | WF_F_TOLD | WF_F_CANCEL | WF_F_HOLDS);
  if (t->ext != NULL) {
    wf_ext *x = t->ext;
    wf_scopes_forget(iso, t); /* of coroutines that weft does not know of */
    wf_alarm_stop(iso, &x->timeout);
    wf_alarm_stop(iso, &x->shield_end);
    x->next_free = iso->free_ext;
    iso->free_ext = x;
    t->ext = NULL;
    t->flags &= ~(uint32_t)WF_F_INNER;
  }
}

/* Tasks that wait until all others have finished, `self` among them. */
static uint32_t count_waiting(const wf_iso *iso, const wf_task *self) {
  uint32_t waiting = 0;
  for (wf_link *l = iso->waiting_all.next; l != &iso->waiting_all; l = l->next)
    if (!(wf_list_entry(l, wf_node, link)->task->flags & WF_F_MAIN)) waiting++;
  if (self != NULL && !(self->flags & WF_F_MAIN)) waiting++;
  return waiting;
}

bool wf_iso_all_done(wf_iso *iso, const wf_task *self) {
  return iso->live - iso->background <= count_waiting(iso, self) && wf_children_all_background(iso);
}

bool wf_iso_all_ended(wf_iso *iso, const wf_task *self) {
  return iso->live <= count_waiting(iso, self) && wf_list_empty(&iso->children);
}

void wf_task_background(wf_iso *iso, wf_task *t) {
  if (wf_task_finished(t) || (t->flags & WF_F_BACKGROUND)) return;
  t->flags |= WF_F_BACKGROUND | WF_F_DETACHED | WF_F_LOOKED;
  iso->background++;
  wf_iso_tell_all_done(iso);
}

void wf_iso_tell_all_done(wf_iso *iso) {
  if (!wf_list_empty(&iso->waiting_all) && wf_iso_all_done(iso, NULL)) wf_waitq_wake_all(iso, &iso->waiting_all, WF_GOT);
}

/* Tell those who wait for the end of the task. */
static void task_tell(wf_iso *iso, wf_task *t) {
  iso->live--;
  if (wf_unlikely(t->flags & WF_F_BACKGROUND)) iso->background--;
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
  lua_rawgetp(L, -1, t);
  wf_watchers_tell(iso, L);
  lua_pop(L, 1);
}

/* Keep what the task returned or raised in its handle. Stack: handler, isolate, handle, results. */
static void task_keep(wf_iso *iso, lua_State *L, wf_task *t, int status) {
  int n = lua_gettop(L) - HANDLE;
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
    lua_rawgetp(L, -1, t);
    lua_rawseti(L, FIRST, 2);
    lx_rawdelp(L, -1, t);
    lua_pop(L, 1);
  }
  if (t->flags & WF_F_NAMED) {
    wf_task_push_name(iso, L, t);
    lua_setfield(L, FIRST, "name");
  }
  if (t->state == WF_FAILED && !(t->flags & (WF_F_LOOKED | WF_F_DETACHED | WF_F_EXPLORED)))
    wf_report_unseen(iso, L, t, HANDLE, FIRST);
  lua_settop(L, FIRST);
  lua_setiuservalue(L, HANDLE, 1);
  t->flags |= WF_F_PACKED;
}

/* True when the error on top is the one that cancelled the task. */
static bool error_is_own_cancel(wf_iso *iso, lua_State *L, wf_task *t) {
  if (!(t->flags & WF_F_ASKED)) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->cancels);
  lua_rawgetp(L, -1, t);
  bool same = lua_rawequal(L, -1, -3);
  lua_pop(L, 2);
  return same;
}

/* A task ends under a resume that is not weft's: nobody will come to wf_task_left, and its turn is void. */
static void task_abroad(wf_iso *iso, wf_task *t) {
  wf_ready_remove(iso, t);
  wf_co_done(iso, t->co, t->slot, false);
}

static void task_end(wf_iso *iso, lua_State *L, wf_task *t, int status) {
  wf_unwind_end(iso, t);
  if (wf_unlikely(iso->cur != t)) task_abroad(iso, t);
  enum wf_state state = WF_DONE;
  if (status != LUA_OK && status != LUA_YIELD) state = error_is_own_cancel(iso, L, t) ? WF_CANCELLED : WF_FAILED;
  t->state = (uint8_t)state;
  task_keep(iso, L, t, status);
  if (wf_unlikely(iso->explore != NULL)) wf_explore_ended(iso, L, t, HANDLE);
  if (wf_unlikely(t->more & WF_M_CROSSED)) wf_shjob_task_ended(iso, L, t, HANDLE);
  wf_trace(WF_TRACE_STOP, (enum wf_trace_why)((int)WF_WHY_DONE + (int)state - (int)WF_DONE), iso->id, wf_task_id(iso, t), 0);
  if (wf_unlikely(t->flags & WF_F_WATCHED)) task_tell_watchers(iso, L, t);
  task_tell(iso, t);
  if (wf_unlikely(t->ext != NULL || (t->flags & (WF_F_ASKED | WF_F_LOCALS | WF_F_NAMED | WF_F_WATCHED | WF_F_TOLD | WF_F_HOLDS))))
    task_forget(iso, L, t);
}

static int task_k(lua_State *L, int status, lua_KContext ctx);

/* The task has ended in L. What would come back to this coroutine by way of the scheduler may as well stay: the next one, or NULL. */
static inline wf_task *task_next(wf_iso *iso, lua_State *L, const wf_task *t) {
  if (wf_unlikely(iso->cur != t || (t->flags & WF_F_EXPOSED))) return NULL;
  return wf_task_begin_here(iso, L, t->slot);
}

/* Run the task, whose share lies in L, and those that follow it there. */
static int task_call(wf_iso *iso, lua_State *L, wf_task *t) {
  do {
    int status = LUA_ERRRUN;
    if (wf_likely((t->flags & (WF_F_ASKED | WF_F_STAND_IN)) != WF_F_ASKED)) {
      status = lua_pcallk(L, lua_gettop(L) - FIRST, LUA_MULTRET, HANDLER, (lua_KContext)t, task_k);
    } else { /* cancelled before it began: it never does */
      lua_settop(L, HANDLE);
      wf_cancel_push(iso, L, t);
    }
    task_end(iso, L, t, status);
    t = task_next(iso, L, t);
  } while (t != NULL);
  return 0;
}

static int task_k(lua_State *L, int status, lua_KContext ctx) {
  wf_iso *iso = lua_touserdata(L, ISO);
  wf_task *t = (wf_task *)ctx;
  task_end(iso, L, t, status);
  t = task_next(iso, L, t);
  return t != NULL ? task_call(iso, L, t) : 0;
}

int wf_task_main(lua_State *L) { return task_call(lua_touserdata(L, ISO), L, lua_touserdata(L, HANDLE)); }

void wf_task_left(wf_iso *iso, wf_task *t, lua_State *co, int status) {
  uint32_t slot = t->slot;
  if (wf_unlikely((t->flags & WF_F_MAIN) && status != LUA_YIELD)) { /* the function of an isolate of the worker pool */
    iso->ended = true;
    iso->main_status = status;
    return;
  }
  if (status == LUA_OK) {
    wf_co_done(iso, co, slot, !(t->flags & WF_F_EXPOSED));
  } else if (status == LUA_YIELD) {
    /* coroutine.yield of before weft replaced it: let the others run. */
    lua_settop(co, 0);
    t->got = 0;
    t->flags |= WF_F_STRAY;
    wf_trace(WF_TRACE_STOP, WF_WHY_YIELD, iso->id, wf_task_id(iso, t), 0);
    wf_ready_push(iso, t);
  } else {
    /* Out of memory while the end was being kept: wf_task_main itself failed. The handle is on the
     * coroutine's stack until the reset. */
    wf_task_failed(iso, t);
    lua_resetthread(co);
    wf_co_done(iso, co, slot, false);
  }
}

int wf_task_return(wf_task *t) {
  t->flags &= ~(uint32_t)WF_F_STRAY;
  return lua_status(t->co) == LUA_YIELD ? 0 : -1;
}

void wf_task_failed(wf_iso *iso, wf_task *t) {
  t->state = WF_FAILED;
  t->flags |= WF_F_NOMEM;
  t->flags &= ~(uint32_t)WF_F_PACKED;
  if (wf_unlikely(iso->explore != NULL)) wf_explore_gone(iso, t);
  if (t->more & WF_M_CROSSED) wf_shjob_task_ended(iso, iso->bench, t, 0);
  lua_checkstack(iso->bench, LUA_MINSTACK);
  if (t->flags & WF_F_WATCHED) task_tell_watchers(iso, iso->bench, t);
  task_tell(iso, t);
  task_forget(iso, iso->bench, t);
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
