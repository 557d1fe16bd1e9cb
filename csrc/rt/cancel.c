/* See cancel.h. The error of a cancelled task is in the table `cancels` under its slot, that of a
 * cancelled scope under the scope's address, so that one raise after the other gives the same value. */
#include "rt/cancel.h"

#include "lx/error.h"
#include "rt/sched.h"

enum { SHIELD_SECONDS = 5 };

void wf_cancel_error(lua_State *L, int reason) {
  if (reason != 0) reason = lua_absindex(L, reason);
  if (reason == 0 || lua_isnil(L, reason)) {
    lx_error_new(L, "cancelled", "cancelled");
    return;
  }
  lx_error_new(L, "cancelled", "cancelled: %s", luaL_tolstring(L, reason, NULL));
  lua_remove(L, -2);
  lua_pushvalue(L, reason);
  lua_setfield(L, -2, "reason");
}

/* The outermost scope of the task that was asked to end. */
static wf_scope *asked_scope(const wf_task *t) {
  wf_scope *found = NULL;
  if (t->ext == NULL) return NULL;
  for (wf_scope *s = t->ext->scopes; s != NULL; s = s->outer)
    if (s->asked) found = s;
  return found;
}

static void on_shield_end(wf_iso *iso, wf_alarm *a) {
  a->task->ext->late = true;
  wf_cancel_update(iso, a->task);
}

void wf_cancel_update(wf_iso *iso, wf_task *t) {
  bool asked = (t->flags & WF_F_ASKED) != 0 || asked_scope(t) != NULL;
  bool shielded = (t->flags & WF_F_UNWIND) != 0 || (t->ext != NULL && t->ext->shield > 0);
  if (asked && shielded) {
    wf_ext *x = wf_task_ext(iso, t);
    if (x == NULL || x->late)
      shielded = false;
    else if (!wf_timer_armed(&x->shield_end.timer))
      wf_alarm_set(iso, &x->shield_end, t, wf_clock_ns() + SHIELD_SECONDS * 1000000000ull, on_shield_end);
  } else if (t->ext != NULL) {
    wf_alarm_stop(iso, &t->ext->shield_end);
    if (!shielded) t->ext->late = false;
  }
  if (asked && !shielded) {
    t->flags |= WF_F_CANCEL;
    wf_wake(iso, t, WF_CANCEL);
  } else {
    t->flags &= ~(uint32_t)WF_F_CANCEL;
  }
}

bool wf_task_cancel(wf_iso *iso, lua_State *L, wf_task *t, int reason) {
  if (wf_task_finished(t)) return false;
  if (!(t->flags & WF_F_ASKED)) {
    wf_cancel_error(L, reason);
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->cancels);
    lua_insert(L, -2);
    lua_rawsetp(L, -2, t);
    lua_pop(L, 1);
    t->flags |= WF_F_ASKED;
  }
  wf_cancel_update(iso, t);
  return true;
}

void wf_cancel_raise(wf_iso *iso, lua_State *L, wf_task *t) {
  luaL_checkstack(L, 3, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->cancels);
  if (t->flags & WF_F_ASKED)
    lua_rawgetp(L, -1, t);
  else
    lua_rawgetp(L, -1, asked_scope(t));
  lua_error(L);
}

/* Shields ------------------------------------------------------------------------------------- */

void wf_shield_begin(wf_iso *iso, lua_State *L, wf_task *t) {
  wf_ext *x = wf_task_ext(iso, t);
  if (x == NULL) luaL_error(L, "not enough memory");
  x->shield++;
  wf_cancel_update(iso, t);
}

void wf_shield_end(wf_iso *iso, wf_task *t) {
  t->ext->shield--;
  wf_cancel_update(iso, t);
}

int wf_unwind_handler(lua_State *L) {
  wf_iso *iso = wf_iso_of(L);
  wf_task *t = iso->cur;
  t->flags |= WF_F_UNWIND;
  wf_cancel_update(iso, t);
  if (!lx_error_is(L, 1, "cancelled")) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->tracebacks);
    luaL_traceback(L, L, NULL, 1);
    lua_rawsetp(L, -2, t);
    lua_pop(L, 1);
  }
  return 1;
}

void wf_unwind_end(wf_iso *iso, wf_task *t) {
  if (!(t->flags & WF_F_UNWIND)) return;
  t->flags &= ~(uint32_t)WF_F_UNWIND;
  wf_cancel_update(iso, t);
}

/* Scopes -------------------------------------------------------------------------------------- */

void wf_scope_enter(wf_iso *iso, lua_State *L, wf_scope *s) {
  wf_task *t = iso->cur;
  wf_ext *x = wf_task_ext(iso, t);
  if (x == NULL) luaL_error(L, "not enough memory");
  s->task = t;
  s->outer = x->scopes;
  x->scopes = s;
}

void wf_scope_leave(wf_iso *iso, lua_State *L, wf_scope *s) {
  wf_task *t = s->task;
  if (t == NULL) return;
  s->task = NULL;
  wf_alarm_stop(iso, &s->alarm);
  if (!wf_task_finished(t) && t->ext != NULL) {
    wf_scope **p = &t->ext->scopes;
    while (*p != NULL && *p != s) p = &(*p)->outer;
    if (*p == s) *p = s->outer;
    wf_cancel_update(iso, t);
  }
  if (s->has_error) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->cancels);
    lua_pushnil(L);
    lua_rawsetp(L, -2, s);
    lua_pop(L, 1);
  }
}

/* Keep the error on top as what the scope will raise. [-1, +0, m] */
static void scope_set_error(wf_iso *iso, lua_State *L, wf_scope *s) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->cancels);
  lua_insert(L, -2);
  lua_rawsetp(L, -2, s);
  lua_pop(L, 1);
  s->has_error = true;
}

static void on_scope_end(wf_iso *iso, wf_alarm *a) {
  wf_scope *s = wf_container_of(a, wf_scope, alarm);
  s->asked = true;
  wf_cancel_update(iso, s->task);
}

void wf_scope_until(wf_iso *iso, lua_State *L, wf_scope *s, uint64_t when) {
  scope_set_error(iso, L, s);
  if (when != WF_NEVER) wf_alarm_set(iso, &s->alarm, s->task, when, on_scope_end);
}

void wf_scope_cancel(wf_iso *iso, lua_State *L, wf_scope *s) {
  if (s->task == NULL || s->asked) {
    lua_pop(L, 1);
    return;
  }
  scope_set_error(iso, L, s);
  s->asked = true;
  wf_cancel_update(iso, s->task);
}

void wf_scope_error(wf_iso *iso, lua_State *L, const wf_scope *s) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->cancels);
  lua_rawgetp(L, -1, s);
  lua_remove(L, -2);
}
