/* Switch points of explored code: weft's operations, lines, instructions. See l_explore.h.
 *
 * Operations. While weft.explore works, the functions in the tables of weft's classes are replaced by wrappers: closures
 * over the same upvalues, and three more behind them. A wrapper first passes a switch point, by yielding if another task
 * was chosen, and then calls the function itself in its own frame. So the function finds its arguments, its upvalues
 * and its caller where they always are, and error messages do not change. Without a run a wrapper just calls.
 *
 * Lines and instructions. A hook, set on the coroutines of the explored tasks alone, yields as a time slice does
 * (preempt.c). */
#include <string.h>

#include "lib/l_explore.h"
#include "lx/error.h"
#include "rt/cancel.h"
#include "rt/sched.h"

enum { UV_FUNC = 0, UV_NAME, UV_MODE }; /* behind the function's own upvalues */
enum {
  BUSY_COUNT = 1000000, /* instructions between two looks of the count hook, where it is no switch point */
  BUSY_MOST = 10,       /* looks without a step in between: that task never comes to a switch point */
  LOG_LINES = 2000,     /* lines of a log between two steps */
  STRIKES_SPACED = 3,
  DRAIN_LOOKS = 1000 /* lines that a cancelled task may run before the hook cancels it */
};

/* Operations ------------------------------------------------------------------------------------- */

/* Push the operation itself as a function. [-0, +1, m] */
static void push_operation(lua_State *L, int own) {
  for (int i = 1; i <= own; i++) lua_pushvalue(L, lua_upvalueindex(i));
  lua_pushcclosure(L, (lua_CFunction)(uintptr_t)lua_touserdata(L, lua_upvalueindex(own + 1 + UV_FUNC)), own);
}

/* It has returned, or raised: what ran inside has released the object. The object is at 1. */
static int around_k(lua_State *L, int status, lua_KContext release) {
  wf_iso *iso = wf_iso_up(L);
  wf_session *s = (wf_session *)iso->explore;
  if (s != NULL && s->race != NULL) wf_session_sync(iso, L, s, (enum wf_sync_mode)release);
  if (status != LUA_OK && status != LUA_YIELD) return lua_error(L);
  return lua_gettop(L) - 1;
}

/* Stack: object, arguments. */
static int op_around(lua_State *L, wf_iso *iso, wf_session *s, int own, enum wf_sync_mode acquire,
                     enum wf_sync_mode release) {
  wf_session_sync(iso, L, s, acquire);
  int n = lua_gettop(L);
  luaL_checkstack(L, n + 4, NULL);
  push_operation(L, own);
  for (int i = 1; i <= n; i++) lua_pushvalue(L, i);
  lua_rotate(L, 2, n + 1); /* the call comes right after the object */
  lua_settop(L, 2 + n);
  return around_k(L, lua_pcallk(L, n, LUA_MULTRET, 0, (lua_KContext)release, around_k), (lua_KContext)release);
}

static int op_call(lua_State *L, wf_iso *iso, int own) {
  lua_CFunction f = (lua_CFunction)(uintptr_t)lua_touserdata(L, lua_upvalueindex(own + 1 + UV_FUNC));
  wf_session *s = (wf_session *)iso->explore;
  if (s != NULL && s->logging && !s->e.draining && (iso->cur->flags & WF_F_EXPLORED)) {
    luaL_checkstack(L, 8, NULL);
    if (lua_gethook(L) == s->e.hook) lua_sethook(L, s->e.hook, s->e.hook_mask, s->e.hook_count);
    lua_pushvalue(L, lua_upvalueindex(own + 1 + UV_NAME));
    if (lua_gettop(L) == 1) lua_pushnil(L);
    else lua_pushvalue(L, 1);
    wf_session_log(iso, L, "operation", 2);
  }
  if (s != NULL && s->race != NULL && !s->e.draining && (iso->cur->flags & WF_F_EXPLORED)) {
    enum wf_sync_mode mode = (enum wf_sync_mode)lua_tointeger(L, lua_upvalueindex(own + 1 + UV_MODE));
    bool around = mode == WF_SYNC_AROUND || mode == WF_SYNC_READING;
    if (around && lua_gettop(L) >= 1)
      return mode == WF_SYNC_AROUND ? op_around(L, iso, s, own, WF_SYNC_ACQUIRE, WF_SYNC_RELEASE)
                                    : op_around(L, iso, s, own, WF_SYNC_READ, WF_SYNC_UNREAD);
    wf_session_sync(iso, L, s, mode);
  }
  return f(L);
}

static int op_k(lua_State *L, int status, lua_KContext own) {
  (void)status;
  return op_call(L, wf_iso_up(L), (int)own);
}

static inline int op(lua_State *L, int own) {
  wf_iso *iso = wf_iso_up(L);
  wf_session *s = (wf_session *)iso->explore;
  if (s != NULL) {
    bool passed = s->points == WF_POINTS_INSTRUCTIONS || s->fresh == s->e.last; /* the hook was here a moment ago */
    s->fresh = 0;
    if (!passed && wf_explore_point(iso, L)) return lua_yieldk(L, 0, own, op_k);
    if (s->e.draining) wf_cancel_point(iso, L);
  }
  return op_call(L, iso, own);
}

static int op_1(lua_State *L) { return op(L, 1); }
static int op_2(lua_State *L) { return op(L, 2); }

/* The end of a guard's block is no switch point: it is part of what `with` and once do in one piece. */
static int op_guard(lua_State *L) { return op_call(L, wf_iso_up(L), 1); }

/* b[i] of a buffer; b.method comes here too. */
static int op_index(lua_State *L) { return lua_type(L, 2) == LUA_TNUMBER ? op(L, 2) : op_call(L, wf_iso_up(L), 2); }

/* Started from inside a run, it would not be under the run's control. */
static int op_refused(lua_State *L) {
  const wf_iso *iso = wf_iso_up(L);
  if (iso->explore != NULL && (iso->cur->flags & WF_F_EXPLORED))
    return luaL_error(L, "cannot use '%s' here: weft.explore controls tasks, not threads, processes or IO",
                      lua_tostring(L, lua_upvalueindex(2 + UV_NAME)));
  lua_CFunction f = (lua_CFunction)(uintptr_t)lua_touserdata(L, lua_upvalueindex(2 + UV_FUNC));
  return f(L);
}

static bool is_wrapper(lua_CFunction f) {
  return f == op_1 || f == op_2 || f == op_guard || f == op_index || f == op_refused;
}

/* The wrapper for a function with that many upvalues; NULL: there is none. */
static lua_CFunction wrapper_for(int mode, int own) {
  switch (mode) {
    case WF_SYNC_COUNT: return own == 1 ? op_refused : NULL;
    case WF_SYNC_GUARD: return own == 1 ? op_guard : NULL;
    case WF_SYNC_INDEX: return own == 2 ? op_index : NULL;
    default: return own == 1 ? op_1 : own == 2 ? op_2 : NULL;
  }
}

/* core.explore_wrap(function, name[, mode]): the wrapper, or nil: not a function of weft's that can have one. The
 * mode tells what it orders (enum wf_sync_mode), or is "refused". */
static int explore_wrap(lua_State *L) {
  static const char *const modes[] = {"none",   "acquire",   "release", "both",   "around",  "send", "receive",
                                      "guard",  "condition", "read",    "unread", "reading", "load", "store",
                                      "change", "index",     "select",  "all",    "refused", NULL};
  lua_CFunction f = lua_tocfunction(L, 1);
  luaL_checkstring(L, 2);
  int mode = luaL_checkoption(L, 3, "none", modes);
  lua_settop(L, 2);
  if (f == NULL || is_wrapper(f)) return 0;
  int own = 0;
  while (own < 3 && lua_getupvalue(L, 1, own + 1) != NULL) own++;
  if (own == 0) { /* a method that finds the isolate in its object */
    lua_pushlightuserdata(L, wf_iso_up(L));
    own = 1;
  }
  lua_CFunction wrapper = wrapper_for(mode, own);
  if (wrapper == NULL || lua_touserdata(L, 3) != wf_iso_up(L)) return 0;
  lua_pushlightuserdata(L, (void *)(uintptr_t)f);
  lua_pushvalue(L, 2);
  lua_pushinteger(L, mode);
  lua_pushcclosure(L, wrapper, own + 3);
  return 1;
}

/* core.explore_classes(): {name = metatable} of the classes whose methods are operations. */
static int explore_classes(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_newtable(L);
  for (int c = 0; c < WF_CLASS_COUNT; c++) {
    if (c == WF_CLASS_EXPLORE || c == WF_CLASS_TOMBSTONE || c == WF_CLASS_SELECT || c == WF_CLASS_SCOPE) continue;
    wf_class_open(iso, L, (enum wf_class)c);
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[c]);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
  return 1;
}

/* The log ------------------------------------------------------------------------------------------ */

void wf_session_log(wf_iso *iso, lua_State *L, const char *what, int n) {
  const wf_session *s = (const wf_session *)iso->explore;
  int first = lua_gettop(L) - n + 1;
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->calls);
  lua_getfield(L, -1, "log");
  lua_replace(L, -2);
  lua_insert(L, first);
  lua_pushinteger(L, wf_explore_number(&s->e, iso->cur));
  lua_insert(L, first + 1);
  lua_pushinteger(L, s->e.decisions_count);
  lua_insert(L, first + 2);
  lua_pushstring(L, what);
  lua_insert(L, first + 3);
  if (lua_pcall(L, n + 3, 0, 0) != LUA_OK) lua_pop(L, 1);
}

/* The hook ----------------------------------------------------------------------------------------- */

static void on_hook(lua_State *L, lua_Debug *ar);

/* In a run that is over, cancelled code gets its error here if it does not come to a blocking call. If it catches the
 * error and goes on, it gets it at every instruction in the end. */
static void drain(wf_iso *iso, lua_State *L, wf_session *s, int event) {
  wf_task *t = iso->cur;
  if ((event == LUA_HOOKLINE || s->e.hook_count == 1) && ++s->busy < DRAIN_LOOKS) return;
  if ((t->flags & (WF_F_EXPLORED | WF_F_CANCEL)) != (WF_F_EXPLORED | WF_F_CANCEL)) return;
  if (++s->strikes > STRIKES_SPACED) lua_sethook(L, on_hook, LUA_MASKCOUNT, 1);
  wf_cancel_raise(iso, L, t);
}

/* The count hook where instructions are no switch points: has the task passed a point lately? */
static void look_busy(wf_iso *iso, lua_State *L, wf_session *s) {
  if (s->busy_at != s->e.steps) {
    s->busy_at = s->e.steps;
    s->busy = 0;
  }
  if (++s->busy < BUSY_MOST) return;
  s->busy = 0;
  s->e.on_stuck(iso);
  wf_explore_stop(iso, WF_EXPLORE_STEPS);
  drain(iso, L, s, LUA_HOOKCOUNT);
}

/* Where lines are no steps: a loop that does not end is not told to its end. */
static bool too_much_to_log(wf_session *s) {
  if (s->lines) return false;
  if (s->log_step != s->e.steps) {
    s->log_step = s->e.steps;
    s->log_lines = 0;
  }
  return ++s->log_lines > LOG_LINES;
}

/* Ask the Lua side whether this line accesses a watched variable; it has told of the accesses then. [-0, +0, -] */
static bool look_line(wf_iso *iso, lua_State *L, const wf_session *s) {
  (void)iso;
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->calls);
  lua_getfield(L, -1, "line");
  lua_replace(L, -2);
  bool yes = lua_pcall(L, 0, 1, 0) == LUA_OK && lua_toboolean(L, -1);
  lua_pop(L, 1);
  return yes;
}

static void on_hook(lua_State *L, lua_Debug *ar) {
  wf_iso *iso = wf_iso_of(L);
  wf_session *s = iso == NULL ? NULL : (wf_session *)iso->explore;
  if (s == NULL) { /* a coroutine that has outlived the run */
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  if (!(iso->cur->flags & WF_F_EXPLORED)) return;
  if (s->e.draining) {
    drain(iso, L, s, ar->event);
    return;
  }
  bool line = ar->event == LUA_HOOKLINE;
  if (!line && s->points != WF_POINTS_INSTRUCTIONS) {
    look_busy(iso, L, s);
    return;
  }
  if (line && s->points == WF_POINTS_OPERATIONS && too_much_to_log(s)) {
    lua_sethook(L, on_hook, LUA_MASKCOUNT, BUSY_COUNT); /* until the next operation */
    return;
  }
  lua_getinfo(L, "S", ar);
  if (strncmp(ar->source, s->skip, s->skip_len) == 0) return;
  if (line && s->logging) {
    lua_pushstring(L, ar->source);
    lua_pushinteger(L, ar->currentline);
    wf_session_log(iso, L, "line", 2);
  }
  bool accesses = line && s->lines && look_line(iso, L, s);
  if (s->e.draining) return;
  if (!accesses && (s->points == WF_POINTS_OPERATIONS || line != (s->points == WF_POINTS_LINES))) return;
  s->fresh = s->points == WF_POINTS_LINES ? s->e.last : 0;
  if (wf_explore_point(iso, L)) lua_yield(L, 0);
}

void wf_session_hook(wf_session *s) {
  bool instructions = s->points == WF_POINTS_INSTRUCTIONS;
  s->e.hook = on_hook;
  s->e.hook_mask = LUA_MASKCOUNT | (s->logging || s->lines || s->points == WF_POINTS_LINES ? LUA_MASKLINE : 0);
  s->e.hook_count = instructions ? 1 : BUSY_COUNT;
}

const luaL_Reg wf_explore_ops_funcs[] = {
    {"explore_wrap", explore_wrap}, {"explore_classes", explore_classes}, {NULL, NULL}};
