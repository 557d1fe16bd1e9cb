/* weft.condition: wait until another task says that what a mutex protects has changed.
 *
 * wait releases the mutex, waits, and has the mutex again before it returns or raises, whatever ended the
 * wait. So the second half, which waits for the mutex, cannot be cancelled: the cancellation is raised after
 * it. Only a mutex that can never be had (a deadlock, a holder that ended) and the host's own interrupt (a
 * second Ctrl-C) break that.
 *
 * The stack of wait: 1 the condition, 2 the mutex; once its wait is over 1 is the mutex too, since that is
 * what the task waits for then; 3 the error that ended the wait, or nil; 4 how the wait ended. */
#include "lib/l_sync.h"
#include "rt/cancel.h"
#include "rt/mutex.h"
#include "rt/sched.h"
#include "rt/shsync.h"

enum { SELF = 1, MUTEX = 2, ERROR = 3, HOW = 4 };

static wf_sync *check_condition(lua_State *L) {
  return wf_check_sync(L, SELF, WF_CLASS_CONDITION, sizeof(wf_sync), "weft.condition");
}

/* The task has the mutex: end the call. */
static int wait_return(wf_iso *iso, lua_State *L, wf_task *t) {
  int how = (int)lua_tointeger(L, HOW);
  wf_cancel_update(iso, t); /* relock may have set a cancellation aside */
  if (how == WF_RAISE) {
    lua_settop(L, ERROR);
    return lua_error(L);
  }
  if (how == WF_CANCEL) wf_cancel_point(iso, L);
  lua_pushboolean(L, how != WF_TIMEOUT);
  return 1;
}

static int relock_k(lua_State *L, int status, lua_KContext ctx);

static int relock(wf_iso *iso, lua_State *L, wf_task *t) {
  wf_mutex *m = lua_touserdata(L, MUTEX);
  if (m->s.shared != NULL) wf_cancel_update(iso, t); /* taking it may raise */
  if (wf_likely(wf_mutex_take(iso, L, m))) return wait_return(iso, L, t);
  if (wf_mutex_is_lost(iso, m)) {
    wf_cancel_update(iso, t);
    return wf_mutex_abandoned(iso, L, m);
  }
  t->flags &= ~(uint32_t)WF_F_CANCEL;
  return wf_mutex_wait(iso, L, m, WF_NEVER, relock_k);
}

static int relock_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_iso *iso = wf_iso_up(L);
  wf_task *t = (wf_task *)ctx;
  bool mine = wf_mutex_waited(iso, lua_touserdata(L, MUTEX), t);
  int how = t->claim;
  t->claim = WF_IDLE;
  if (wf_likely(mine)) return wait_return(iso, L, t);
  if (how != WF_RAISE) return relock(iso, L, t); /* cancelled once more, or the mutex is lost */
  wf_cancel_update(iso, t);
  if (!lua_isnil(L, ERROR)) lua_settop(L, ERROR); /* the first one says what the task waited for */
  return lua_error(L);
}

static int wait_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_iso *iso = wf_iso_up(L);
  wf_task *t = (wf_task *)ctx;
  int how = t->claim;
  t->claim = WF_IDLE;
  if (how != WF_RAISE) lua_pushnil(L); /* else the error is there */
  lua_pushinteger(L, how);
  lua_pushvalue(L, MUTEX);
  lua_replace(L, SELF);
  return relock(iso, L, t);
}

/* c:wait(mutex[, seconds]): true when it was signalled, false when the time is over. */
static int condition_wait(lua_State *L) {
  wf_sync *c = check_condition(L);
  wf_iso *iso = c->object.iso;
  wf_mutex *m = wf_check_sync(L, MUTEX, WF_CLASS_MUTEX, sizeof *m, "weft.mutex");
  uint64_t deadline = wf_opt_deadline(iso, L, 3);
  luaL_argcheck(L, wf_mutex_is_mine(iso, m), MUTEX, "this task does not hold the mutex: lock it before the wait");
  lua_settop(L, MUTEX);
  wf_sync_prepare(iso, L, c, "condition", deadline);
  wf_task *t;
  if (c->shared != NULL) {
    t = wf_shlock_queue(iso, L, c->shared, WF_WHY_WAIT, deadline);
  } else {
    t = wf_wait_begin(iso, L, WF_WHY_WAIT);
    wf_wait_queue(t, &c->waiters);
    wf_wait_until(iso, t, deadline);
  }
  wf_mutex_release(iso, m);
  return wf_wait_park(iso, L, t, wf_sync_id(c), wait_k);
}

/* c:signal(): wake who has waited longest. */
static int condition_signal(lua_State *L) {
  wf_sync *c = check_condition(L);
  if (c->shared != NULL) {
    wf_shlock_signal(c->shared, 1);
    return 0;
  }
  wf_node *n = wf_waitq_first(&c->waiters);
  if (n != NULL) wf_node_wake(c->object.iso, n, WF_GOT);
  return 0;
}

/* c:broadcast(): wake all. */
static int condition_broadcast(lua_State *L) {
  wf_sync *c = check_condition(L);
  if (c->shared != NULL)
    wf_shlock_signal(c->shared, UINT32_MAX);
  else
    wf_waitq_wake_all(c->object.iso, &c->waiters, WF_GOT);
  return 0;
}

static int condition_tostring(lua_State *L) {
  wf_sync *c = check_condition(L);
  lua_pushfstring(L, "weft.condition %s (%d waiting)", WF_SYNC_NUMBER(c), (int)wf_sync_waiting(c));
  return 1;
}

static int condition_new(lua_State *L) {
  wf_sync_push(wf_iso_up(L), L, WF_CLASS_CONDITION, sizeof(wf_sync), 0);
  return 1;
}

static void share(wf_iso *iso, lua_State *L, wf_sync *s, wf_shlock *to) {
  wf_lock_move_waiters(iso, L, s, to, WF_SHWANT_PASS);
}

static const wf_lock_class condition_class = {WF_CLASS_CONDITION, "condition", sizeof(wf_sync), 0, share, NULL};

void wf_lib_condition(wf_iso *iso, lua_State *L) {
  static const luaL_Reg methods[] = {
      {"wait", condition_wait}, {"signal", condition_signal}, {"broadcast", condition_broadcast}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__close", wf_sync_close}, {"__tostring", condition_tostring}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"condition", condition_new}, {NULL, NULL}};
  wf_lock_class_new(iso, L, &condition_class, "weft.condition", methods, meta);
  wf_lib_add(iso, L, funcs);
}
