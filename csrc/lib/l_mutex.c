/* weft.mutex: the methods of mutexes. */
#include "lib/l_sync.h"
#include "rt/mutex.h"
#include "rt/sched.h"

enum { SELF = 1, GUARD = 2 };

static const char NO_TIMEOUT[] = "no argument expected: try_lock(seconds) waits for a limited time";

static inline wf_mutex *check_mutex(lua_State *L) {
  return wf_check_sync(L, SELF, WF_CLASS_MUTEX, sizeof(wf_mutex), "weft.mutex");
}

/* Lock without waiting: true when that was possible; raises when it never will be. */
static inline bool take(wf_iso *iso, lua_State *L, wf_mutex *m) {
  wf_cancel_point(iso, L);
  if (wf_likely(wf_mutex_take(iso, L, m))) return true;
  wf_mutex_refuse(iso, L, m);
  return false;
}

static int lock_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_mutex_wait_end(wf_iso_up(L), L, lua_touserdata(L, SELF), (wf_task *)ctx);
  return 0;
}

static int mutex_lock(lua_State *L) {
  wf_mutex *m = check_mutex(L);
  wf_iso *iso = m->s.object.iso;
  wf_check_alone(L, NO_TIMEOUT);
  if (wf_likely(take(iso, L, m))) return 0;
  return wf_mutex_wait(iso, L, m, WF_NEVER, lock_k);
}

static int try_lock_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  lua_pushboolean(L, wf_mutex_wait_end(wf_iso_up(L), L, lua_touserdata(L, SELF), (wf_task *)ctx));
  return 1;
}

/* m:try_lock([seconds]): true, or false when it is not free now, or within that time. */
static int mutex_try_lock(lua_State *L) {
  wf_mutex *m = check_mutex(L);
  wf_iso *iso = m->s.object.iso;
  uint64_t deadline;
  bool waits = wf_check_try(iso, L, 2, &deadline);
  lua_settop(L, SELF);
  if (!waits) {
    bool own = wf_mutex_is_mine(iso, m), mine = !own && wf_mutex_take(iso, L, m);
    if (!mine && !own) wf_mutex_refuse(iso, L, m);
    lua_pushboolean(L, mine);
    return 1;
  }
  if (take(iso, L, m)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  return wf_mutex_wait(iso, L, m, deadline, try_lock_k);
}

/* Why this task must not unlock it; nothing when its holder has ended. */
static void refuse_unlock(wf_iso *iso, lua_State *L, const wf_mutex *m) {
  if (m->holder == 0) luaL_error(L, "cannot unlock mutex %s: nobody holds it", WF_SYNC_NUMBER(&m->s));
  if (wf_holder_task(iso, m->holder) == NULL) return;
  wf_holder_push(iso, L, m->holder);
  luaL_error(L, "cannot unlock mutex %s: %s holds it, not this task", WF_SYNC_NUMBER(&m->s), lua_tostring(L, -1));
}

static int mutex_unlock(lua_State *L) {
  wf_mutex *m = check_mutex(L);
  wf_iso *iso = m->s.object.iso;
  if (wf_unlikely(m->s.shared != NULL)) {
    wf_lock_unlock(iso, L, &m->s, WF_MUTEX, WF_SHWANT_WRITE);
    return 0;
  }
  if (wf_unlikely(!wf_mutex_is_mine(iso, m))) refuse_unlock(iso, L, m);
  wf_mutex_release(iso, m);
  return 0;
}

/* A guard releases what it took, even when the script has done so, or another task closes it. */
static void release(lua_State *L, wf_guard *g, int self, int error) {
  (void)L, (void)self, (void)error;
  wf_mutex *m = g->lock;
  if (wf_unlikely(m->s.shared != NULL))
    wf_lock_release(g->object.iso, &m->s, g->by);
  else if (m->holder == g->by) wf_mutex_release(g->object.iso, m);
}

static int with_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_mutex_wait_end(wf_iso_up(L), L, lua_touserdata(L, SELF), (wf_task *)ctx);
  return wf_with_go_on(L, release);
}

/* m:with(f, ...): the results of f, called with the mutex locked. */
static int mutex_with(lua_State *L) {
  wf_mutex *m = check_mutex(L);
  wf_iso *iso = m->s.object.iso;
  wf_guard *g = wf_with_begin(iso, L);
  if (wf_likely(take(iso, L, m))) return wf_with_call(L, g, m, release);
  return wf_mutex_wait(iso, L, m, WF_NEVER, with_k);
}

static int guard_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_mutex *m = lua_touserdata(L, SELF);
  wf_mutex_wait_end(m->s.object.iso, L, m, (wf_task *)ctx);
  wf_guard_arm(lua_touserdata(L, GUARD), m, release);
  return 1;
}

/* local g <close> = m:guard(): locked until the block is left. */
static int mutex_guard(lua_State *L) {
  wf_mutex *m = check_mutex(L);
  wf_iso *iso = m->s.object.iso;
  wf_check_alone(L, NO_TIMEOUT);
  wf_guard *g = wf_guard_push(iso, L, SELF);
  if (!take(iso, L, m)) return wf_mutex_wait(iso, L, m, WF_NEVER, guard_k);
  wf_guard_arm(g, m, release);
  return 1;
}

/* local m <close> = ...: whoever leaves the block does not keep it. */
static int mutex_close(lua_State *L) {
  wf_mutex *m = check_mutex(L);
  wf_iso *iso = m->s.object.iso;
  if (wf_mutex_is_mine(iso, m)) wf_mutex_release(iso, m);
  return 0;
}

static int mutex_tostring(lua_State *L) {
  const wf_mutex *m = check_mutex(L);
  wf_iso *iso = m->s.object.iso;
  if (m->s.shared != NULL) {
    wf_lock_describe(iso, L, &m->s);
    lua_pushfstring(L, "weft.mutex %s (%s)", WF_SYNC_NUMBER(&m->s), lua_tostring(L, -1));
    return 1;
  }
  if (m->holder == 0) {
    lua_pushfstring(L, "weft.mutex %s (free)", WF_SYNC_NUMBER(&m->s));
    return 1;
  }
  wf_holder_push(iso, L, m->holder);
  lua_pushfstring(L, "weft.mutex %s (held by %s)", WF_SYNC_NUMBER(&m->s), lua_tostring(L, -1));
  return 1;
}

static int mutex_new(lua_State *L) {
  wf_sync_push(wf_iso_up(L), L, WF_CLASS_MUTEX, sizeof(wf_mutex), 1);
  return 1;
}

static void share(wf_iso *iso, lua_State *L, wf_sync *s, wf_shlock *to) {
  const wf_mutex *m = (wf_mutex *)s;
  if (m->holder != 0) wf_lock_move_holder(iso, L, to, m->holder, WF_SHWANT_WRITE);
  wf_lock_move_waiters(iso, L, s, to, WF_SHWANT_WRITE);
}

static void reset(wf_sync *s, bool shared) {
  wf_mutex *m = (wf_mutex *)s;
  m->holder = shared ? WF_HOLDER_SHARED : 0;
  wf_watch_stop(&m->watch);
}

static const wf_lock_class mutex_class = {WF_CLASS_MUTEX, WF_MUTEX, sizeof(wf_mutex), 1, share, reset};

void wf_lib_mutex(wf_iso *iso, lua_State *L) {
  static const luaL_Reg methods[] = {{"lock", mutex_lock}, {"try_lock", mutex_try_lock}, {"unlock", mutex_unlock},
                                     {"with", mutex_with}, {"guard", mutex_guard},       {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__close", mutex_close}, {"__tostring", mutex_tostring}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"mutex", mutex_new}, {NULL, NULL}};
  wf_lock_class_new(iso, L, &mutex_class, "weft.mutex", methods, meta);
  wf_lib_add(iso, L, funcs);
}
