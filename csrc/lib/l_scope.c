/* Cancel scopes and shields: the C under weft.scope, weft.timeout and weft.shield. A scope is a part of
 * a task that can be cancelled by itself: a protected call whose `<close>` handlers run shielded.
 * Scopes have a finaliser because a generator that is inside one may be dropped. */
#include "lib/lib.h"
#include "lx/error.h"
#include "lx/opts.h"
#include "rt/cancel.h"
#include "rt/sched.h"

enum { SCOPE = 1, HANDLER = 2, FUNC = 3 };

/* The end of a scope's call: true when it failed with the scope's own error, which `how` of the call
 * and the stack's top tell. */
static bool scope_left(wf_iso *iso, lua_State *L, wf_scope *s, int status) {
  bool failed = status != LUA_OK && status != LUA_YIELD, own = false;
  if (failed && s->asked) {
    wf_scope_error(iso, L, s);
    own = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
  }
  wf_scope_leave(iso, L, s);
  return own;
}

/* core.scope(): a scope that nothing runs in yet. */
static int lib_scope(lua_State *L) {
  wf_scope_push(wf_iso_up(L), L);
  return 1;
}

static int run_k(lua_State *L, int status, lua_KContext ctx) {
  bool own = scope_left(wf_iso_up(L), L, (wf_scope *)ctx, status);
  if (status == LUA_OK || status == LUA_YIELD) {
    lua_pushboolean(L, 1);
    lua_replace(L, HANDLER);
    return lua_gettop(L) - SCOPE;
  }
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  lua_pushboolean(L, own);
  return 3;
}

/* core.scope_run(scope, f, ...): true, results | false, error, whether it is the scope's own. */
static int lib_scope_run(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_scope *s = wf_iso_check(iso, L, SCOPE, WF_CLASS_SCOPE);
  lx_check_callable(L, 2);
  if (s->co != NULL) return luaL_argerror(L, SCOPE, "the scope is in use");
  wf_cancel_point(iso, L);
  lua_pushcfunction(L, wf_unwind_handler);
  lua_insert(L, HANDLER);
  wf_scope_enter(iso, L, SCOPE);
  return run_k(L, lua_pcallk(L, lua_gettop(L) - FUNC, LUA_MULTRET, HANDLER, (lua_KContext)s, run_k), (lua_KContext)s);
}

/* core.scope_cancel(scope, error): raise the error in what runs in the scope. */
static int lib_scope_cancel(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_scope *s = wf_iso_check(iso, L, SCOPE, WF_CLASS_SCOPE);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  wf_scope_cancel(iso, L, s);
  return 0;
}

static int timeout_k(lua_State *L, int status, lua_KContext ctx) {
  scope_left(wf_iso_up(L), L, (wf_scope *)ctx, status);
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - HANDLER;
  return lua_error(L);
}

/* weft.timeout(seconds, f, ...): the results of f, or a timeout error once f has ended. */
static int lib_timeout(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  uint64_t when = wf_check_deadline(iso, L, 1);
  lua_Number seconds = lua_tonumber(L, 1);
  lx_check_callable(L, 2);
  wf_cancel_point(iso, L);
  wf_scope *s = wf_scope_push(iso, L);
  lua_replace(L, SCOPE);
  lua_pushcfunction(L, wf_unwind_handler);
  lua_insert(L, HANDLER);
  lx_error_new(L, "timeout", "timeout: not finished within %f s", seconds);
  wf_scope_set_error(iso, L, s);
  wf_scope_enter(iso, L, SCOPE);
  wf_scope_until(iso, s, when);
  return timeout_k(L, lua_pcallk(L, lua_gettop(L) - FUNC, LUA_MULTRET, HANDLER, (lua_KContext)s, timeout_k), (lua_KContext)s);
}

static int shield_k(lua_State *L, int status, lua_KContext ctx) {
  wf_scope_leave(wf_iso_up(L), L, (wf_scope *)ctx);
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - SCOPE;
  return lua_error(L);
}

/* weft.shield(f, ...): f's results; no cancellation is raised in it, for 5 seconds from when one is due. */
static int lib_shield(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lx_check_callable(L, 1);
  wf_scope *s = wf_scope_push(iso, L);
  lua_insert(L, SCOPE);
  s->shield = true;
  wf_scope_enter(iso, L, SCOPE);
  wf_cancel_update(iso, iso->cur);
  return shield_k(L, lua_pcallk(L, lua_gettop(L) - SCOPE - 1, LUA_MULTRET, 0, (lua_KContext)s, shield_k), (lua_KContext)s);
}

/* One that a task is in is finalised when the state closes, before the task is cancelled: it must stay. One of
 * a generator that nobody resumes any more must go. */
static int scope_gc(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_scope *s = wf_iso_test(iso, L, SCOPE, WF_CLASS_SCOPE);
  if (s != NULL && !iso->closed && (s->task == NULL || s->co != s->task->co)) wf_scope_leave(iso, L, s);
  return 0;
}

void wf_lib_scope(wf_iso *iso, lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", scope_gc}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"scope", lib_scope},     {"scope_run", lib_scope_run}, {"scope_cancel", lib_scope_cancel},
                                   {"timeout", lib_timeout}, {"shield", lib_shield},       {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_SCOPE, "weft.scope", NULL, meta);
  wf_lib_add(iso, L, funcs);
}
