/* weft.once: a function that runs once, for whoever comes first; the others wait for its results.
 *
 * A userdata that can be called. User value 1 is the function, then its one result, or the table of its
 * results, or its error.
 *
 * A run counts when the function returns or raises. One that was broken off, because its task was cancelled
 * or ended, or its generator was closed, does not: the next caller, or the first that waits, runs it anew.
 *
 * One that has crossed is a lock that its runner holds, with the state beside it: who gets it and finds that the function
 * has not run, runs it. The function, its results and its error are messages; a handle keeps what it has unpacked.
 *
 * The stack of a call: 1 the once, 2 the guard that sees how the run ends, 3 the function, then arguments. */
#include "lib/l_sync.h"
#include "lx/opts.h"
#include "lx/pack.h"
#include "rt/sched.h"
#include "rt/shsync.h"

enum { SELF = 1, GUARD = 2, FUNC = 3, UV_VALUE = 1 };

enum once_state { ONCE_NEW, ONCE_RUNS, ONCE_DONE, ONCE_FAILED };

typedef struct once {
  wf_sync s;
  wf_holder runner; /* whose call runs the function */
  wf_case watch;    /* on the runner, for the first waiter */
  int state;        /* enum once_state */
  int results;      /* of the function */
} once;

static once *check_once(lua_State *L) { return wf_check_sync(L, SELF, WF_CLASS_ONCE, sizeof(once), "weft.once"); }

static void wake_all(wf_iso *iso, once *o) {
  wf_watch_stop(&o->watch);
  wf_waitq_wake_all(iso, &o->s.waiters, WF_GOT);
}

/* Nobody runs it, or the runner has ended: let the first waiter try. Else watch the runner for it. */
static void pass(wf_iso *iso, once *o) {
  wf_node *n = wf_waitq_first(&o->s.waiters);
  if (n == NULL)
    wf_watch_stop(&o->watch);
  else if (o->state != ONCE_RUNS || wf_holder_task(iso, o->runner) == NULL)
    wf_node_wake(iso, n, WF_GOT);
  else
    wf_watch_set(iso, &o->watch, wf_holder_task(iso, o->runner), n->task);
}

/* Running --------------------------------------------------------------------------------------- */

/* Is the value at `idx` what a cancellation of the task, or of a part of it, raises? */
static bool is_cancellation(wf_iso *iso, lua_State *L, const wf_task *t, int idx) {
  bool same = false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->cancels);
  if (t->flags & WF_F_ASKED) {
    lua_rawgetp(L, -1, t);
    same = lua_rawequal(L, -1, idx);
    lua_pop(L, 1);
  }
  for (const wf_scope *s = t->ext == NULL ? NULL : t->ext->scopes; s != NULL && !same; s = s->outer) {
    if (!s->asked) continue;
    lua_rawgetp(L, -1, s);
    same = lua_rawequal(L, -1, idx);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return same;
}

/* Of one that has crossed: keep the value at the top as the error of the run, here and for all. Protected. Stack: once, error. */
static int keep_failure(lua_State *L) {
  once *o = lua_touserdata(L, 1);
  wf_msg *m = wf_pack(L, 2, 1, "value");
  if (m == NULL && (m = wf_pack(L, lua_gettop(L), 1, "value")) == NULL) return lua_error(L); /* why it cannot travel, or no memory */
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, UV_VALUE);
  o->state = ONCE_FAILED;
  wf_shlock_settle_once(o->s.shared, ONCE_FAILED, m);
  return 0;
}

static void run_failed_shared(wf_iso *iso, lua_State *L, wf_guard *g, int self, int error) {
  const once *o = g->lock;
  if (!lua_isnil(L, error) && !is_cancellation(iso, L, iso->cur, error) && lua_checkstack(L, 4)) {
    error = lua_absindex(L, error);
    lua_getiuservalue(L, self, 1);
    lua_pushcfunction(L, keep_failure);
    lua_insert(L, -2);
    lua_pushvalue(L, error);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1); /* no memory: it runs anew */
  }
  wf_lock_release(iso, &o->s, g->by);
}

/* The guard of a run that has not come to its end: it raised what is at `error`, or was broken off (nil). */
static void run_failed(lua_State *L, wf_guard *g, int self, int error) {
  once *o = g->lock;
  wf_iso *iso = g->object.iso;
  if (o->s.shared != NULL) {
    run_failed_shared(iso, L, g, self, error);
    return;
  }
  if (o->state != ONCE_RUNS || o->runner != g->by) return; /* the run was given up, see call() */
  if (lua_isnil(L, error) || is_cancellation(iso, L, iso->cur, error)) {
    o->state = ONCE_NEW;
    pass(iso, o);
    return;
  }
  lua_getiuservalue(L, self, 1);
  lua_pushvalue(L, error);
  lua_setiuservalue(L, -2, UV_VALUE);
  lua_pop(L, 1);
  o->state = ONCE_FAILED;
  wake_all(iso, o);
}

/* Keep the n values above `below` as the results, on this handle. [-0, +0, m] */
static void keep_results(lua_State *L, once *o, int self, int below, int n) {
  if (n == 1) {
    lua_pushvalue(L, below + 1);
  } else {
    luaL_checkstack(L, 2, "too many results");
    lua_createtable(L, n, 0);
    for (int i = 1; i <= n; i++) {
      lua_pushvalue(L, below + i);
      lua_rawseti(L, -2, i);
    }
  }
  lua_setiuservalue(L, self, UV_VALUE);
  o->results = n;
}

static int run_shared_k(wf_iso *iso, lua_State *L, once *o, wf_guard *g, int n) {
  wf_msg *m = wf_pack(L, GUARD + 1, n, "result");
  if (m == NULL) return lua_error(L); /* the guard makes that everybody's error */
  wf_shlock_settle_once(o->s.shared, ONCE_DONE, m);
  wf_lock_release(iso, &o->s, g->by);
  g->lock = NULL;
  keep_results(L, o, SELF, GUARD, n);
  o->state = ONCE_DONE;
  return n;
}

static int run_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  wf_iso *iso = wf_iso_up(L);
  once *o = lua_touserdata(L, SELF);
  wf_guard *g = lua_touserdata(L, GUARD);
  int n = lua_gettop(L) - GUARD;
  if (o->s.shared != NULL) return run_shared_k(iso, L, o, g, n);
  if (o->state != ONCE_RUNS || o->runner != g->by) { /* given up, and another run took its place */
    g->lock = NULL;
    return n;
  }
  keep_results(L, o, SELF, GUARD, n);
  g->lock = NULL;
  o->state = ONCE_DONE;
  wake_all(iso, o);
  return n;
}

static int run(wf_iso *iso, lua_State *L, once *o) {
  wf_guard *g = wf_guard_push(iso, L, SELF);
  lua_insert(L, GUARD);
  lua_getiuservalue(L, SELF, UV_VALUE);
  lua_insert(L, FUNC);
  lua_toclose(L, GUARD);
  wf_guard_arm(g, o, run_failed);
  o->state = ONCE_RUNS;
  o->runner = g->by;
  if (!wf_list_empty(&o->s.waiters)) pass(iso, o); /* the watch was on the runner before */
  return wf_guard_call(L, g, run_k);
}

static int push_results(lua_State *L, const once *o) {
  lua_settop(L, SELF);
  lua_getiuservalue(L, SELF, UV_VALUE);
  if (o->state == ONCE_FAILED) return lua_error(L);
  if (o->results == 1) return 1;
  luaL_checkstack(L, o->results, "too many results");
  for (int i = 1; i <= o->results; i++) lua_rawgeti(L, SELF + 1, i);
  return o->results;
}

/* Calling one that has crossed ------------------------------------------------------------------ */

static int call_shared(wf_iso *iso, lua_State *L, once *o);

/* Push the function: this handle's, or a copy of the one that came along. [-0, +1, e] */
static void push_function(lua_State *L, const once *o) {
  if (lua_getiuservalue(L, SELF, UV_VALUE) != LUA_TNIL) return;
  lua_pop(L, 1);
  wf_unpack(L, o->s.shared->function);
}

/* The running task has the lock. What fails before the guard is armed leaves it to the next. */
static int prepare_run(lua_State *L) {
  once *o = lua_touserdata(L, SELF);
  if (o->s.shared->count < ONCE_DONE) { /* nobody else writes it now */
    wf_guard_push(o->s.object.iso, L, SELF);
    push_function(L, o);
    return 2;
  }
  int top = lua_gettop(L), n = wf_unpack(L, o->s.shared->value);
  if (o->s.shared->count == ONCE_FAILED)
    lua_setiuservalue(L, SELF, UV_VALUE);
  else
    keep_results(L, o, SELF, top, n);
  o->state = (int)o->s.shared->count;
  return 0;
}

static int have_it(wf_iso *iso, lua_State *L, once *o) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 6, NULL);
  lua_pushcfunction(L, prepare_run);
  lua_pushvalue(L, SELF);
  int status = lua_pcall(L, 1, LUA_MULTRET, 0);
  if (status != LUA_OK || lua_gettop(L) == top) {
    wf_lock_release(iso, &o->s, wf_holder_of(iso->cur));
    return status != LUA_OK ? lua_error(L) : push_results(L, o);
  }
  wf_guard *g = lua_touserdata(L, -2);
  lua_insert(L, GUARD);
  lua_insert(L, GUARD); /* guard, function, arguments */
  lua_toclose(L, GUARD);
  wf_guard_arm(g, o, run_failed);
  return wf_guard_call(L, g, run_k);
}

static int call_shared_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_iso *iso = wf_iso_up(L);
  once *o = lua_touserdata(L, SELF);
  wf_wait_end(L, (wf_task *)ctx);
  return wf_lock_mine(iso, &o->s) != NULL ? have_it(iso, L, o) : call_shared(iso, L, o);
}

static int call_shared(wf_iso *iso, lua_State *L, once *o) {
  if (o->state == ONCE_DONE || o->state == ONCE_FAILED) return push_results(L, o);
  if (wf_lock_mine(iso, &o->s) != NULL)
    return luaL_error(L, "cannot call once %s: its function is running in this very task", WF_SYNC_NUMBER(&o->s));
  for (;;) {
    switch (wf_shlock_take(iso, L, o->s.shared, WF_SHWANT_WRITE)) {
      case WF_SHLOCK_OK: return have_it(iso, L, o);
      case WF_SHLOCK_LOST: wf_shlock_release_lost(o->s.shared, WF_SHWANT_WRITE); break; /* who ran it has ended: anew */
      default:
        wf_sync_prepare(iso, L, &o->s, "once", WF_NEVER);
        return wf_shlock_wait(iso, L, &o->s, WF_SHWANT_WRITE, WF_WHY_WAIT, WF_NEVER, call_shared_k);
    }
  }
}

/* Calling --------------------------------------------------------------------------------------- */

static int call(wf_iso *iso, lua_State *L, once *o);

static int call_k(lua_State *L, int status, lua_KContext ctx) {
  wf_iso *iso = wf_iso_up(L);
  wf_task *t = (wf_task *)ctx;
  once *o = lua_touserdata(L, SELF);
  if (o->s.shared != NULL) return call_shared_k(L, status, ctx);
  if (t->claim != WF_GOT) pass(iso, o);
  wf_wait_end(L, t);
  return call(iso, L, o);
}

static int call(wf_iso *iso, lua_State *L, once *o) {
  if (o->state >= ONCE_DONE) return push_results(L, o);
  if (o->state == ONCE_NEW) return run(iso, L, o);
  if (o->runner == wf_holder_of(iso->cur))
    return luaL_error(L, "cannot call once %s: its function is running in this very task", WF_SYNC_NUMBER(&o->s));
  wf_task *runner = wf_holder_task(iso, o->runner);
  if (runner == NULL) return run(iso, L, o);
  wf_sync_prepare(iso, L, &o->s, "once", WF_NEVER);
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_WAIT);
  if (wf_waitq_first(&o->s.waiters) == NULL) wf_watch_set(iso, &o->watch, runner, t);
  wf_wait_queue(t, &o->s.waiters);
  return wf_wait_park(iso, L, t, wf_sync_id(&o->s), call_k);
}

/* o(...): the results of the function; the arguments of the first call go to it. */
static int once_call(lua_State *L) {
  once *o = check_once(L);
  wf_iso *iso = o->s.object.iso;
  if (wf_unlikely(o->state < ONCE_DONE)) wf_cancel_point(iso, L);
  if (wf_unlikely(o->s.shared != NULL)) return call_shared(iso, L, o);
  return call(iso, L, o);
}

static int once_tostring(lua_State *L) {
  const once *o = check_once(L);
  wf_iso *iso = o->s.object.iso;
  static const char *const states[] = {"not run yet", "running in ", "done", "failed"};
  if (o->s.shared != NULL) {
    uint32_t n;
    bool writes, lost;
    lua_Integer state = wf_shlock_count(o->s.shared);
    wf_owner by = wf_shlock_holder(o->s.shared, &n, &writes, &lost);
    bool runs = state < ONCE_DONE && n > 0 && !lost;
    if (runs)
      wf_owner_push(iso, L, by);
    else
      lua_pushliteral(L, "");
    lua_pushfstring(L, "weft.once %s (%s%s)", WF_SYNC_NUMBER(&o->s), states[runs ? ONCE_RUNS : (int)state], lua_tostring(L, -1));
    return 1;
  }
  if (o->state == ONCE_RUNS)
    wf_holder_push(iso, L, o->runner);
  else
    lua_pushliteral(L, "");
  lua_pushfstring(L, "weft.once %s (%s%s)", WF_SYNC_NUMBER(&o->s), states[o->state], lua_tostring(L, -1));
  return 1;
}

/* weft.once(f) */
static int once_new(lua_State *L) {
  lx_check_callable(L, 1);
  lua_settop(L, 1);
  wf_sync_push(wf_iso_up(L), L, WF_CLASS_ONCE, sizeof(once), 1);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, UV_VALUE);
  return 1;
}

static void share(wf_iso *iso, lua_State *L, wf_sync *s, wf_shlock *to) {
  const once *o = (once *)s;
  bool over = o->state >= ONCE_DONE;
  lua_getiuservalue(L, 2, UV_VALUE); /* the once is at 2, see shsync.c */
  int first = lua_gettop(L), n = 1;
  if (o->state == ONCE_DONE && o->results != 1) {
    n = o->results;
    luaL_checkstack(L, n, "too many results");
    for (int i = 1; i <= n; i++) lua_rawgeti(L, first, i);
    first++;
  }
  wf_msg *m = wf_pack(L, first, n, "value");
  if (m == NULL) lua_error(L);
  *(over ? &to->value : &to->function) = m;
  to->count = over ? o->state : ONCE_NEW;
  lua_settop(L, 2);
  if (o->state == ONCE_RUNS && wf_holder_task(iso, o->runner) != NULL) wf_lock_move_holder(iso, L, to, o->runner, WF_SHWANT_WRITE);
  if (!over) wf_lock_move_waiters(iso, L, s, to, WF_SHWANT_WRITE);
}

static void reset(wf_sync *s, bool shared) {
  once *o = (once *)s;
  wf_watch_stop(&o->watch);
  if (o->state == ONCE_RUNS || !shared) o->state = ONCE_NEW;
}

static const wf_lock_class once_class = {WF_CLASS_ONCE, "once", sizeof(once), 1, share, reset};

void wf_lib_once(wf_iso *iso, lua_State *L) {
  static const luaL_Reg meta[] = {
      {"__call", once_call}, {"__close", wf_sync_close}, {"__tostring", once_tostring}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"once", once_new}, {NULL, NULL}};
  wf_lock_class_new(iso, L, &once_class, "weft.once", NULL, meta);
  wf_lib_add(iso, L, funcs);
}
