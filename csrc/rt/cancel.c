/* See cancel.h. The error of a cancelled task is in the table `cancels` under its slot, that of a
 * cancelled scope under the scope's address, so that one raise after the other gives the same value. */
#include "rt/cancel.h"

#include "lx/error.h"
#include "lx/release.h"
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

/* What is asked of a task. */
typedef struct asked {
  const void *due; /* what is to be raised now, by its key in `cancels`: a scope or the task; NULL: nothing */
  bool held;       /* something is asked beyond a shield */
} asked;

/* Of several the outermost is raised. */
static asked task_asked(const wf_task *t) {
  asked a = {NULL, false};
  bool open = true; /* no shield so far, or shields that have given way */
  bool late = t->ext != NULL && t->ext->late, beyond = false;
  for (const wf_scope *s = t->ext == NULL ? NULL : t->ext->scopes; s != NULL; s = s->outer) {
    if (s->shield || s->unwinding) {
      beyond = true;
      open = late;
    }
    if (!s->asked) continue;
    if (open) a.due = s;
    if (beyond) a.held = true;
  }
  if (t->flags & WF_F_UNWIND) {
    beyond = true;
    open = open && late;
  }
  if (t->flags & WF_F_ASKED) {
    if (open) a.due = t;
    if (beyond) a.held = true;
  }
  return a;
}

static void on_shield_end(wf_iso *iso, wf_alarm *a) {
  a->task->ext->late = true;
  wf_cancel_update(iso, a->task);
}

void wf_cancel_look(wf_iso *iso, wf_task *t, bool now) {
  wf_ext *x = t->ext;
  if (x == NULL || !wf_timer_armed(&x->shield_end.timer)) return; /* nothing is held back */
  if (!now && wf_clock_ns() < x->shield_end.timer.when) return;
  wf_alarm_stop(iso, &x->shield_end);
  on_shield_end(iso, &x->shield_end);
}

void wf_cancel_update(wf_iso *iso, wf_task *t) {
  asked a = task_asked(t);
  bool due = a.due != NULL;
  if (a.held) {
    wf_ext *x = wf_task_ext(iso, t);
    if (x == NULL) /* no memory for a shield; there are no scopes then */
      due = true;
    else if (!x->late && !wf_timer_armed(&x->shield_end.timer))
      wf_alarm_set(iso, &x->shield_end, t, wf_iso_now(iso) + SHIELD_SECONDS * 1000000000ull, on_shield_end);
  } else if (t->ext != NULL) {
    wf_alarm_stop(iso, &t->ext->shield_end);
    t->ext->late = false;
  }
  if (due) {
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

void wf_task_cancel_bare(wf_iso *iso, wf_task *t) {
  if (wf_task_finished(t)) return;
  t->flags |= WF_F_ASKED;
  wf_cancel_update(iso, t);
}

/* Push the error of a scope or task that was asked to end. [-0, +1, m] */
static void push_error(wf_iso *iso, lua_State *L, const void *key) {
  luaL_checkstack(L, 6, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->cancels);
  if (lua_rawgetp(L, -1, key) == LUA_TNIL) { /* wf_task_cancel_bare */
    lua_pop(L, 1);
    wf_cancel_error(L, 0);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, key);
  }
  lua_remove(L, -2);
}

void wf_cancel_push(wf_iso *iso, lua_State *L, const wf_task *t) { push_error(iso, L, t); }

void wf_cancel_raise(wf_iso *iso, lua_State *L, wf_task *t) {
  const void *due = task_asked(t).due;
  push_error(iso, L, due != NULL ? due : t);
  lua_error(L);
}

/* Unwinding ----------------------------------------------------------------------------------- */

/* Is the error, which is at 1, the one whose traceback is known (l_pool.c, core.fail)? Another may have been raised since
 * that one was caught. Then the traceback takes its place. */
static bool was_told(wf_iso *iso, lua_State *L, wf_task *t) {
  if (!(t->flags & WF_F_TOLD)) return false;
  t->flags &= ~(uint32_t)WF_F_TOLD;
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->tracebacks);
  lua_rawgetp(L, -1, &t->flags);
  lx_rawdelp(L, -2, &t->flags);
  bool told = lua_rawequal(L, -1, 1);
  lua_pop(L, 1);
  if (!told) lx_rawdelp(L, -1, t);
  lua_pop(L, 1);
  return told;
}

int wf_unwind_handler(lua_State *L) {
  wf_iso *iso = wf_iso_of(L);
  wf_task *t = iso->cur;
  wf_scope *s = t->ext == NULL ? NULL : t->ext->scopes;
  if (s != NULL && s->co == L) /* else it was the task's own protected call */
    s->unwinding = true;
  else
    t->flags |= WF_F_UNWIND;
  wf_cancel_update(iso, t);
  if (was_told(iso, L, t)) return 1;
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

wf_scope *wf_scope_push(wf_iso *iso, lua_State *L) { return wf_class_push(iso, L, WF_CLASS_SCOPE, sizeof(wf_scope), 1); }

void wf_scope_enter(wf_iso *iso, lua_State *L, int idx) {
  wf_scope *s = lua_touserdata(L, idx);
  wf_task *t = iso->cur;
  wf_ext *x = wf_task_ext(iso, t);
  if (x == NULL) lx_raise_memory(L);
  lua_pushthread(L);
  lua_setiuservalue(L, idx < 0 ? idx - 1 : idx, 1);
  s->task = t;
  s->co = L;
  s->outer = x->scopes;
  x->scopes = s;
}

/* Take the scope out of the list that it is in. */
static void scope_unlink(wf_iso *iso, wf_scope *s) {
  wf_scope **p = s->task != NULL ? &s->task->ext->scopes : &iso->loose;
  while (*p != NULL && *p != s) p = &(*p)->outer;
  if (*p == s) *p = s->outer;
}

void wf_scope_leave(wf_iso *iso, lua_State *L, wf_scope *s) {
  wf_task *t = s->task;
  if (s->co != NULL) {
    scope_unlink(iso, s);
    s->task = NULL;
    s->co = NULL;
    s->asked = s->unwinding = false; /* it may be entered again */
    wf_alarm_stop(iso, &s->alarm);
    if (t != NULL) wf_cancel_update(iso, t);
  }
  if (s->has_error) {
    s->has_error = false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->cancels);
    lx_rawdelp(L, -1, s);
    lua_pop(L, 1);
  }
}

/* The scopes of the running coroutine are the innermost of its task. */
void wf_scopes_loosen(wf_iso *iso, wf_task *t, const lua_State *co) {
  wf_scope *first = t->ext->scopes, *s = first, *last = NULL;
  for (; s != NULL && s->co == co; s = s->outer) {
    s->task = NULL;
    last = s;
  }
  if (last == NULL) return;
  t->ext->scopes = s;
  last->outer = iso->loose;
  iso->loose = first;
  wf_cancel_update(iso, t);
}

void wf_scopes_tie(wf_iso *iso, wf_task *t, const lua_State *co) {
  wf_scope **p = &iso->loose;
  while (*p != NULL && (*p)->co != co) p = &(*p)->outer;
  if (*p == NULL) return;
  wf_scope *first = *p, *last = first;
  wf_ext *x = wf_task_ext(iso, t);
  if (x == NULL) return; /* no memory: they stay loose */
  for (;; last = last->outer) {
    last->task = t;
    if (last->outer == NULL || last->outer->co != co) break;
  }
  *p = last->outer;
  last->outer = x->scopes;
  x->scopes = first;
  wf_cancel_update(iso, t);
}

void wf_scopes_forget(wf_iso *iso, wf_task *t) {
  for (wf_scope *s; (s = t->ext->scopes) != NULL;) {
    t->ext->scopes = s->outer;
    s->task = NULL;
    s->co = NULL;
    wf_alarm_stop(iso, &s->alarm);
  }
}

void wf_scopes_drop(wf_iso *iso, const lua_State *co) {
  for (wf_scope **p = &iso->loose; *p != NULL;) {
    wf_scope *s = *p;
    if (s->co != co) {
      p = &s->outer;
      continue;
    }
    *p = s->outer;
    s->co = NULL;
    wf_alarm_stop(iso, &s->alarm);
  }
}

void wf_scope_set_error(wf_iso *iso, lua_State *L, wf_scope *s) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->cancels);
  lua_insert(L, -2);
  lua_rawsetp(L, -2, s);
  lua_pop(L, 1);
  s->has_error = true;
}

static void on_scope_end(wf_iso *iso, wf_alarm *a) {
  wf_scope *s = wf_container_of(a, wf_scope, alarm);
  s->asked = true;
  if (s->task != NULL) wf_cancel_update(iso, s->task);
}

void wf_scope_until(wf_iso *iso, wf_scope *s, uint64_t when) {
  if (when != WF_NEVER) wf_alarm_set(iso, &s->alarm, s->task, when, on_scope_end);
}

void wf_scope_cancel(wf_iso *iso, lua_State *L, wf_scope *s) {
  if (s->co == NULL || s->asked) {
    lua_pop(L, 1);
    return;
  }
  wf_scope_set_error(iso, L, s);
  s->asked = true;
  if (s->task != NULL) wf_cancel_update(iso, s->task);
}

void wf_scope_error(wf_iso *iso, lua_State *L, const wf_scope *s) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->cancels);
  lua_rawgetp(L, -1, s);
  lua_remove(L, -2);
}
