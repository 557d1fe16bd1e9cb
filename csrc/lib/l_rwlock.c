/* weft.rwlock: the methods of read-write locks. */
#include "lib/l_sync.h"
#include "rt/rwlock.h"
#include "rt/sched.h"

enum { SELF = 1 };

static inline wf_rwlock *check_rwlock(lua_State *L) {
  return wf_check_sync(L, SELF, WF_CLASS_RWLOCK, sizeof(wf_rwlock), "weft.rwlock");
}

/* Lock without waiting: true when that was possible; raises when it never will be. */
static inline bool take(wf_iso *iso, lua_State *L, wf_rwlock *rw, enum wf_want want) {
  wf_cancel_point(iso, L);
  if (wf_unlikely(rw->s.shared != NULL)) {
    wf_rwlock_refuse(iso, L, rw, want); /* when the task holds it already */
  } else if (want == WF_WANT_READ) {
    wf_rwlock_reserve(L, rw, SELF);
    if (wf_unlikely(wf_rwlock_reads(rw, wf_holder_of(iso->cur)))) wf_rwlock_refuse(iso, L, rw, want);
  }
  if (wf_likely(wf_rwlock_take(iso, L, rw, want))) return true;
  wf_rwlock_refuse(iso, L, rw, want);
  return false;
}

/* Locking: each of these exists for reading and for writing -------------------------------------- */

static int rlock_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_rwlock_wait_end(wf_iso_up(L), L, lua_touserdata(L, SELF), WF_WANT_READ, (wf_task *)ctx);
  return 0;
}

static int wlock_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_rwlock_wait_end(wf_iso_up(L), L, lua_touserdata(L, SELF), WF_WANT_WRITE, (wf_task *)ctx);
  return 0;
}

static inline int lock_for(lua_State *L, enum wf_want want, const char *hint) {
  wf_rwlock *rw = check_rwlock(L);
  wf_iso *iso = rw->s.object.iso;
  wf_check_alone(L, hint);
  if (wf_likely(take(iso, L, rw, want))) return 0;
  return wf_rwlock_wait(iso, L, rw, want, WF_NEVER, want == WF_WANT_READ ? rlock_k : wlock_k);
}

static int rwlock_rlock(lua_State *L) {
  return lock_for(L, WF_WANT_READ, "no argument expected: try_rlock(seconds) waits for a limited time");
}

static int rwlock_lock(lua_State *L) {
  return lock_for(L, WF_WANT_WRITE, "no argument expected: try_lock(seconds) waits for a limited time");
}

static int try_rlock_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  lua_pushboolean(L, wf_rwlock_wait_end(wf_iso_up(L), L, lua_touserdata(L, SELF), WF_WANT_READ, (wf_task *)ctx));
  return 1;
}

static int try_wlock_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  lua_pushboolean(L, wf_rwlock_wait_end(wf_iso_up(L), L, lua_touserdata(L, SELF), WF_WANT_WRITE, (wf_task *)ctx));
  return 1;
}

static int try_for(lua_State *L, enum wf_want want) {
  wf_rwlock *rw = check_rwlock(L);
  wf_iso *iso = rw->s.object.iso;
  uint64_t deadline;
  bool waits = wf_check_try(iso, L, 2, &deadline), mine;
  lua_settop(L, SELF);
  if (waits) {
    mine = take(iso, L, rw, want);
    if (!mine) return wf_rwlock_wait(iso, L, rw, want, deadline, want == WF_WANT_READ ? try_rlock_k : try_wlock_k);
  } else {
    if (want == WF_WANT_READ && rw->s.shared == NULL) wf_rwlock_reserve(L, rw, SELF);
    bool own = wf_rwlock_writing(iso, rw) || wf_rwlock_reads(rw, wf_holder_of(iso->cur));
    mine = !own && wf_rwlock_take(iso, L, rw, want);
    if (!mine && !own) wf_rwlock_refuse(iso, L, rw, want);
  }
  lua_pushboolean(L, mine);
  return 1;
}

/* rw:try_rlock([seconds]), rw:try_lock([seconds]): false when it cannot be had now, or within that time. */
static int rwlock_try_rlock(lua_State *L) { return try_for(L, WF_WANT_READ); }
static int rwlock_try_lock(lua_State *L) { return try_for(L, WF_WANT_WRITE); }

/* Unlocking ----------------------------------------------------------------------------------- */

static int rwlock_runlock(lua_State *L) {
  wf_rwlock *rw = check_rwlock(L);
  wf_iso *iso = rw->s.object.iso;
  if (rw->s.shared != NULL) {
    wf_lock_unlock(iso, L, &rw->s, WF_RWLOCK, WF_SHWANT_READ);
    return 0;
  }
  wf_holder h = wf_holder_of(iso->cur);
  if (wf_unlikely(!wf_rwlock_reads(rw, h))) {
    if (wf_rwlock_writing(iso, rw))
      return luaL_error(L, "cannot runlock rwlock %s: this task holds it for writing, unlock() ends that", WF_SYNC_NUMBER(&rw->s));
    h = wf_rwlock_lost_reader(iso, rw); /* that one may be freed by anybody */
    if (h == 0) return luaL_error(L, "cannot runlock rwlock %s: this task does not hold it for reading", WF_SYNC_NUMBER(&rw->s));
  }
  wf_rwlock_runlock(iso, rw, h);
  return 0;
}

static int rwlock_unlock(lua_State *L) {
  wf_rwlock *rw = check_rwlock(L);
  wf_iso *iso = rw->s.object.iso;
  if (rw->s.shared != NULL) {
    wf_lock_unlock(iso, L, &rw->s, WF_RWLOCK, WF_SHWANT_WRITE);
    return 0;
  }
  if (wf_unlikely(!wf_rwlock_writing(iso, rw))) {
    if (wf_rwlock_reads(rw, wf_holder_of(iso->cur)))
      return luaL_error(L, "cannot unlock rwlock %s: this task holds it for reading, runlock() ends that", WF_SYNC_NUMBER(&rw->s));
    if (rw->writer == 0) return luaL_error(L, "cannot unlock rwlock %s: nobody holds it for writing", WF_SYNC_NUMBER(&rw->s));
    if (wf_holder_task(iso, rw->writer) != NULL) {
      wf_holder_push(iso, L, rw->writer);
      return luaL_error(L, "cannot unlock rwlock %s: %s holds it, not this task", WF_SYNC_NUMBER(&rw->s), lua_tostring(L, -1));
    }
  }
  wf_rwlock_unlock(iso, rw);
  return 0;
}

/* reading, writing ------------------------------------------------------------------------------ */

static void release_reading(lua_State *L, wf_guard *g, int self, int error) {
  (void)L, (void)self, (void)error;
  if (wf_rwlock_reads(g->lock, g->by)) wf_rwlock_runlock(g->object.iso, g->lock, g->by);
}

static void release_writing(lua_State *L, wf_guard *g, int self, int error) {
  (void)L, (void)self, (void)error;
  wf_rwlock *rw = g->lock;
  if (rw->s.shared != NULL)
    wf_lock_release(g->object.iso, &rw->s, g->by);
  else if (rw->writer == g->by) wf_rwlock_unlock(g->object.iso, rw);
}

static int reading_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_rwlock_wait_end(wf_iso_up(L), L, lua_touserdata(L, SELF), WF_WANT_READ, (wf_task *)ctx);
  return wf_with_go_on(L, release_reading);
}

static int writing_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_rwlock_wait_end(wf_iso_up(L), L, lua_touserdata(L, SELF), WF_WANT_WRITE, (wf_task *)ctx);
  return wf_with_go_on(L, release_writing);
}

/* rw:reading(f, ...), rw:writing(f, ...): the results of f, called with the lock held. */
static int rwlock_reading(lua_State *L) {
  wf_rwlock *rw = check_rwlock(L);
  wf_iso *iso = rw->s.object.iso;
  wf_guard *g = wf_with_begin(iso, L);
  if (take(iso, L, rw, WF_WANT_READ)) return wf_with_call(L, g, rw, release_reading);
  return wf_rwlock_wait(iso, L, rw, WF_WANT_READ, WF_NEVER, reading_k);
}

static int rwlock_writing(lua_State *L) {
  wf_rwlock *rw = check_rwlock(L);
  wf_iso *iso = rw->s.object.iso;
  wf_guard *g = wf_with_begin(iso, L);
  if (take(iso, L, rw, WF_WANT_WRITE)) return wf_with_call(L, g, rw, release_writing);
  return wf_rwlock_wait(iso, L, rw, WF_WANT_WRITE, WF_NEVER, writing_k);
}

/* local rw <close> = ...: whoever leaves the block does not keep it. */
static int rwlock_close(lua_State *L) {
  wf_rwlock *rw = check_rwlock(L);
  wf_iso *iso = rw->s.object.iso;
  wf_holder h = wf_holder_of(iso->cur);
  if (wf_rwlock_writing(iso, rw))
    wf_rwlock_unlock(iso, rw);
  else if (wf_rwlock_reads(rw, h))
    wf_rwlock_runlock(iso, rw, h);
  return 0;
}

/* Push "task 7, main and 3 more". */
static void push_readers(wf_iso *iso, lua_State *L, const wf_rwlock *rw) {
  enum { SHOWN = 4 };
  uint32_t n = 0;
  lua_pushliteral(L, "");
  for (uint32_t i = 0; i < rw->room && n < SHOWN; i++) {
    if (rw->set[i] == 0) continue;
    if (n++ > 0) lua_pushliteral(L, ", ");
    wf_holder_push(iso, L, rw->set[i]);
    lua_concat(L, n > 1 ? 3 : 2);
  }
  if (rw->readers <= SHOWN) return;
  lua_pushfstring(L, " and %d more", (int)(rw->readers - SHOWN));
  lua_concat(L, 2);
}

static int rwlock_tostring(lua_State *L) {
  const wf_rwlock *rw = check_rwlock(L);
  wf_iso *iso = rw->s.object.iso;
  if (rw->s.shared != NULL) {
    wf_lock_describe(iso, L, &rw->s);
    lua_pushfstring(L, "weft.rwlock %s (%s)", WF_SYNC_NUMBER(&rw->s), lua_tostring(L, -1));
  } else if (rw->writer != 0) {
    wf_holder_push(iso, L, rw->writer);
    lua_pushfstring(L, "weft.rwlock %s (written by %s)", WF_SYNC_NUMBER(&rw->s), lua_tostring(L, -1));
  } else if (rw->readers != 0) {
    push_readers(iso, L, rw);
    lua_pushfstring(L, "weft.rwlock %s (read by %s)", WF_SYNC_NUMBER(&rw->s), lua_tostring(L, -1));
  } else {
    lua_pushfstring(L, "weft.rwlock %s (free)", WF_SYNC_NUMBER(&rw->s));
  }
  return 1;
}

static int rwlock_new(lua_State *L) {
  wf_rwlock_new(wf_iso_up(L), L);
  return 1;
}

static const wf_lock_class rwlock_class = {
    WF_CLASS_RWLOCK, WF_RWLOCK, sizeof(wf_rwlock), WF_RWLOCK_UV - 1, wf_rwlock_share, wf_rwlock_reset};

void wf_lib_rwlock(wf_iso *iso, lua_State *L) {
  static const luaL_Reg methods[] = {{"rlock", rwlock_rlock},         {"runlock", rwlock_runlock},
                                     {"lock", rwlock_lock},           {"unlock", rwlock_unlock},
                                     {"try_rlock", rwlock_try_rlock}, {"try_lock", rwlock_try_lock},
                                     {"reading", rwlock_reading},     {"writing", rwlock_writing},
                                     {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__close", rwlock_close}, {"__tostring", rwlock_tostring}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"rwlock", rwlock_new}, {NULL, NULL}};
  wf_lock_class_new(iso, L, &rwlock_class, "weft.rwlock", methods, meta);
  wf_lib_add(iso, L, funcs);
}
