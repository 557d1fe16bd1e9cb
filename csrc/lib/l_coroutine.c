/* Weft's own coroutine functions: as Lua's, except that a blocking call inside a generator parks the
 * whole task. The generator then yields with WF_F_PARKED set on the running task; each resumer on the
 * way out yields in turn (or waits inline where it cannot), and on the way back resumes what it had
 * resumed. Plain yields are none of our business. After lcorolib.c of Lua 5.4 in behaviour.
 *
 * The table `guarded` has the coroutines that the script must not resume: generators that are inside a
 * blocking call, and the coroutines of tasks that the script got from coroutine.running.
 */
#include "lib/lib.h"
#include "rt/cancel.h"
#include "rt/press.h"
#include "rt/sched.h"

enum { SELF = 1, CLOSERS_MAX = 100 };

static lua_State *check_co(lua_State *L) {
  lua_State *co = lua_tothread(L, SELF);
  if (co == NULL) luaL_typeerror(L, SELF, "coroutine");
  return co;
}

/* Push `guarded` and the coroutine. [-0, +2, -] */
static void push_guard(wf_iso *iso, lua_State *L, lua_State *co) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->guarded_ref);
  lua_pushthread(co);
  if (co != L) lua_xmove(co, L, 1);
}

/* True when the coroutine is guarded. [-0, +0, -] */
static bool guarded(wf_iso *iso, lua_State *L, lua_State *co) {
  if (wf_likely(iso->guarded == 0)) return false;
  push_guard(iso, L, co);
  lua_rawget(L, -2);
  bool yes = lua_toboolean(L, -1);
  lua_pop(L, 2);
  return yes;
}

/* Give the coroutine an entry. Protected. Stack: table, coroutine. */
static int guard_first(lua_State *L) {
  lua_pushboolean(L, 0);
  lua_rawset(L, 1);
  return 0;
}

/* Guard a coroutine, or end that: its entry is true or false. Never raises, for it may be in the middle of a wait:
 * without memory for the entry it stays unguarded, and who resumes it then gets an error there. [-0, +0, -] */
static void guard(wf_iso *iso, lua_State *L, lua_State *co, bool on) {
  if (!lua_checkstack(L, 6) || !lua_checkstack(co, 1)) return;
  push_guard(iso, L, co);
  lua_pushvalue(L, -1);
  int type = lua_rawget(L, -3);
  bool was = type == LUA_TBOOLEAN && lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (type == LUA_TNIL && on) {
    lua_pushcfunction(L, guard_first);
    lua_pushvalue(L, -3);
    lua_pushvalue(L, -3);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
      lua_pop(L, 3);
      return;
    }
  }
  if (was != on) {
    if (on)
      iso->guarded++;
    else
      iso->guarded--;
    lua_pushboolean(L, on);
    lua_rawset(L, -3);
    lua_pop(L, 1);
  } else {
    lua_pop(L, 2);
  }
}

/* State of a coroutine as coroutine.status names it. */
enum { CO_RUN, CO_DEAD, CO_YIELD, CO_NORMAL };
static const char *const status_names[] = {"running", "dead", "suspended", "normal"};

static int co_status(wf_iso *iso, lua_State *L, lua_State *co) {
  if (L == co) return CO_RUN;
  if (guarded(iso, L, co)) return CO_NORMAL;
  switch (lua_status(co)) {
    case LUA_YIELD: return CO_YIELD;
    case LUA_OK: {
      lua_Debug ar;
      if (lua_getstack(co, 0, &ar)) return CO_NORMAL;
      return lua_gettop(co) == 0 ? CO_DEAD : CO_YIELD;
    }
    default: return CO_DEAD;
  }
}

static int resume_k(lua_State *L, int status, lua_KContext ctx);
static int wrap_k(lua_State *L, int status, lua_KContext ctx);

/* Resume co with nargs values of its own stack until it ends, yields plainly, or parks where L can yield
 * too. Returns the status, *nres values being on co's stack; LUA_YIELD with *parked: yield on. */
static int resume_until(wf_iso *iso, lua_State *L, lua_State *co, int nargs, int *nres, bool *parked) {
  for (;;) {
    lua_State *outer = iso->running;
    wf_task *t = iso->cur;
    iso->running = co;
    if (wf_unlikely(iso->loose != NULL)) wf_scopes_tie(iso, t, co);
    wf_press_check(iso, co);
    int status = lua_resume(co, L, nargs, nres);
    iso->running = outer;
    wf_press_check(iso, L);
    *parked = false;
    if (wf_likely(status != LUA_YIELD || !(t->flags & WF_F_PARKED))) {
      if (wf_unlikely(t->ext != NULL && t->ext->scopes != NULL)) wf_scopes_loosen(iso, t, co);
      return status;
    }
    if (L == iso->running && lua_isyieldable(L)) {
      *parked = true;
      return status;
    }
    t->flags &= ~(uint32_t)WF_F_PARKED;
    if (t->claim == WF_GOT) t->claim = WF_TURN; /* a yield: it is in the ready queue, for its turn */
    guard(iso, L, co, true);
    wf_wait_inline(iso, L, t);
    guard(iso, L, co, false);
    if (t->flags & WF_F_SLICED) wf_turn_begin(t);
    nargs = wf_task_lua(t) == co ? t->got : 0;
  }
}

/* Move what co gave to L: values of a yield or an end, or the error. [-0, +n, m] */
static int take(lua_State *L, lua_State *co, int status, int nres) {
  if (status == LUA_OK || status == LUA_YIELD) {
    if (wf_unlikely(!lua_checkstack(L, nres + 1))) {
      lua_pop(co, nres);
      lua_pushliteral(L, "too many results to resume");
      return -1;
    }
    lua_xmove(co, L, nres);
    return nres;
  }
  lua_xmove(co, L, 1);
  return -1;
}

/* The rest of a resume once co has come back. */
static int resume_done(wf_iso *iso, lua_State *L, lua_State *co, int nargs, lua_KFunction k, int *n) {
  int nres;
  bool parked;
  int status = resume_until(iso, L, co, nargs, &nres, &parked);
  if (wf_unlikely(parked)) {
    guard(iso, L, co, true);
    return lua_yieldk(L, 0, (lua_KContext)co, k);
  }
  *n = take(L, co, status, nres);
  return status;
}

/* Give nargs arguments on top of L to co, after checking that it can be resumed; false with the message
 * pushed when not. */
static bool give(wf_iso *iso, lua_State *L, lua_State *co, int nargs) {
  int s = co_status(iso, L, co);
  if (wf_unlikely(s != CO_YIELD)) {
    if (s == CO_DEAD)
      lua_pushliteral(L, "cannot resume dead coroutine");
    else
      lua_pushliteral(L, "cannot resume non-suspended coroutine");
    return false;
  }
  if (wf_unlikely(!lua_checkstack(co, nargs))) {
    lua_pushliteral(L, "too many arguments to resume");
    return false;
  }
  lua_xmove(L, co, nargs);
  return true;
}

/* The task goes on: co was inside a blocking call, resume it with what was delivered. */
static int args_after_park(wf_iso *iso, lua_State *L, lua_State *co) {
  wf_task *t = iso->cur;
  guard(iso, L, co, false);
  return wf_task_lua(t) == co ? t->got : 0;
}

static int resume_results(lua_State *L, int n) {
  lua_pushboolean(L, n >= 0);
  if (n < 0) n = 1;
  lua_insert(L, -(n + 1));
  return n + 1;
}

static int resume_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_iso *iso = wf_iso_up(L);
  lua_State *co = (lua_State *)ctx;
  int n;
  resume_done(iso, L, co, args_after_park(iso, L, co), resume_k, &n);
  return resume_results(L, n);
}

static int co_resume(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_State *co = check_co(L);
  int n, nargs = lua_gettop(L) - 1;
  if (!give(iso, L, co, nargs)) return resume_results(L, -1);
  resume_done(iso, L, co, nargs, resume_k, &n);
  return resume_results(L, n);
}

/* Run what is to be closed in a coroutine. A __close that closes the next coroutine, and so on, overflows
 * the C stack of Lua 5.4.4, which does not count this recursion. */
static int close_variables(wf_iso *iso, lua_State *L, lua_State *co) {
  if (iso->closers >= CLOSERS_MAX) luaL_error(L, "coroutine.close is nested too deep");
  iso->closers++;
  int status = lua_resetthread(co);
  iso->closers--;
  if (iso->loose != NULL) wf_scopes_drop(iso, co);
  return status;
}

/* A wrapped coroutine failed: close its variables, then raise the error with the position of the caller. */
static int wrap_error(wf_iso *iso, lua_State *L, lua_State *co, int status) {
  if (status != LUA_OK && status != LUA_YIELD) {
    status = close_variables(iso, L, co);
    if (status != LUA_OK) { /* an error in a __close replaces the first one */
      lua_pop(L, 1);
      lua_xmove(co, L, 1);
    }
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int wrap_finish(wf_iso *iso, lua_State *L, lua_State *co, int nargs) {
  int n;
  int status = resume_done(iso, L, co, nargs, wrap_k, &n);
  return wf_likely(n >= 0) ? n : wrap_error(iso, L, co, status);
}

static int wrap_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_iso *iso = wf_iso_up(L);
  lua_State *co = (lua_State *)ctx;
  return wrap_finish(iso, L, co, args_after_park(iso, L, co));
}

/* The function that coroutine.wrap returns. Upvalue 2: the coroutine. */
static int wrap_call(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_State *co = lua_tothread(L, lua_upvalueindex(2));
  int nargs = lua_gettop(L);
  if (!give(iso, L, co, nargs)) return wrap_error(iso, L, co, LUA_OK);
  return wrap_finish(iso, L, co, nargs);
}

static int co_create(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  return 1;
}

static int co_wrap(lua_State *L) {
  lua_pushlightuserdata(L, wf_iso_up(L));
  co_create(L);
  lua_pushcclosure(L, wrap_call, 2);
  return 1;
}

static int co_yield(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  if (wf_unlikely(L == iso->cur->co)) {
    if (iso->cur->flags & WF_F_MAIN) return luaL_error(L, "attempt to yield from outside a coroutine");
    return luaL_error(L, "attempt to yield from outside a coroutine: nobody resumes a task (weft.yield() lets others run)");
  }
  return lua_yield(L, lua_gettop(L));
}

static int co_status_name(lua_State *L) {
  lua_pushstring(L, status_names[co_status(wf_iso_up(L), L, check_co(L))]);
  return 1;
}

static int co_running(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  bool is_main = lua_pushthread(L) != 0;
  if (L == iso->cur->co && !is_main && !(iso->cur->flags & WF_F_EXPOSED)) {
    iso->cur->flags |= WF_F_EXPOSED;
    guard(iso, L, L, true);
  }
  lua_pushboolean(L, is_main || (L == iso->cur->co && (iso->cur->flags & WF_F_MAIN))); /* as if it had a thread */
  return 2;
}

static int co_isyieldable(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_State *co = lua_isnone(L, SELF) ? L : check_co(L);
  lua_pushboolean(L, lua_isyieldable(co) && co != iso->cur->co);
  return 1;
}

static int co_close(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_State *co = check_co(L);
  int s = co_status(iso, L, co);
  if (s != CO_DEAD && s != CO_YIELD) return luaL_error(L, "cannot close a %s coroutine", status_names[s]);
  int status = close_variables(iso, L, co);
  if (status == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  return 2;
}

/* Replace the functions in the library's table, which is on top. */
void wf_lib_coroutine(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"create", co_create},   {"resume", co_resume},      {"running", co_running},
                                   {"status", co_status_name}, {"wrap", co_wrap},       {"yield", co_yield},
                                   {"isyieldable", co_isyieldable}, {"close", co_close}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
