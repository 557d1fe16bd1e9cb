/* See shsync.h. */
#include "rt/shsync.h"

#include "lx/error.h"
#include "lx/msg.h"
#include "rt/sched.h"

static const wf_lock_class *class_of(const wf_iso *iso, enum wf_class c) { return iso->locks[c - WF_CLASS_MUTEX]; }

static enum wf_class shared_class(enum wf_class c) { return (enum wf_class)(WF_CLASS_SHARED_LOCK + (c - WF_CLASS_MUTEX)); }

/* Becoming shared ------------------------------------------------------------------------------- */

void wf_lock_move_waiters(wf_iso *iso, lua_State *L, wf_sync *s, wf_shlock *to, enum wf_shwant want) {
  for (wf_link *l = s->waiters.next; l != &s->waiters; l = l->next) {
    wf_task *t = wf_list_entry(l, wf_node, link)->task;
    if (t->claim == WF_ARMED && !wf_shlock_move(iso, to, t, want != 0 ? want : (enum wf_shwant)t->won)) lx_raise_memory(L);
  }
}

void wf_lock_move_holder(wf_iso *iso, lua_State *L, wf_shlock *to, wf_holder h, enum wf_shwant want) {
  wf_task *t = wf_holder_task(iso, h);
  if (t != NULL) {
    if (!wf_shlock_adopt(iso, to, t, want)) lx_raise_memory(L);
    return;
  }
  to->lost = wf_owner_of(iso, &iso->main);
  to->lost.seq = (uint32_t)h;
  to->lost.is_main = false;
  if (want == WF_SHWANT_WRITE)
    to->lost_writer = true;
  else
    to->lost_readers++;
}

/* All that may fail. Protected. Stack: shared part, lock. */
static int share_prepare(lua_State *L) {
  wf_shlock *to = lua_touserdata(L, 1);
  wf_sync *s = lua_touserdata(L, 2);
  wf_iso *iso = s->object.iso;
  class_of(iso, to->class)->share(iso, L, s, to);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->shared_handles);
  lua_pushvalue(L, 2);
  lua_rawsetp(L, -2, to);
  return 0;
}

static enum wf_class class_of_object(const wf_sync *s) {
  int c = WF_CLASS_MUTEX;
  while (s->object.seal != WF_SEAL(c)) c++;
  return (enum wf_class)c;
}

static wf_shlock *share(lua_State *L, int idx) {
  wf_sync *s = lua_touserdata(L, idx);
  wf_iso *iso = s->object.iso;
  if (s->shared != NULL) return s->shared;
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 8, NULL);
  wf_class_finalised(iso, L, idx);
  enum wf_class c = class_of_object(s);
  wf_shlock *to = wf_shlock_new(c, wf_sync_id(s));
  if (to == NULL) lx_raise_memory(L);
  lua_pushcfunction(L, share_prepare);
  lua_pushlightuserdata(L, to);
  lua_pushvalue(L, idx);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
    wf_shlock_discard(to);
    lua_error(L);
  }
  wf_swait_leave_private(iso, &s->waiters);
  lua_pushvalue(L, idx);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[shared_class(c)]);
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
  s->shared = to;
  if (class_of(iso, c)->reset != NULL) class_of(iso, c)->reset(s, true);
  return to;
}

/* Crossing -------------------------------------------------------------------------------------- */

static void *lock_take(lua_State *L, int idx) {
  wf_shlock *s = share(L, idx);
  wf_shared_hold(&s->shared);
  return s;
}

static void lock_give(lua_State *L, void *handle) {
  wf_shlock *shared = handle;
  wf_iso *iso = wf_iso_of(L);
  if (iso == NULL) luaL_error(L, "a lock cannot come to a Lua state without weft");
  luaL_checkstack(L, 6, NULL);
  wf_class_open(iso, L, shared->class);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->shared_handles);
  if (lua_rawgetp(L, -1, shared) == LUA_TNIL) {
    const wf_lock_class *c = class_of(iso, shared->class);
    lua_pop(L, 1);
    wf_sync *s = wf_sync_push(iso, L, shared->class, c->size, c->nuv);
    wf_class_finalised(iso, L, -1);
    if (c->reset != NULL) c->reset(s, true);
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[shared_class(shared->class)]);
    lua_setmetatable(L, -2);
    wf_shared_hold(&shared->shared);
    s->shared = shared;
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, shared);
  }
  lua_remove(L, -2);
}

static void lock_drop(void *handle) { wf_shared_release(&((wf_shlock *)handle)->shared); }

/* A lock is a word of memory that its waiters' isolates see, and nobody would tell this process that a holder in another
 * one has died. Values of channels are taken by one, wherever it is, so they do instead. */
static void *lock_stays(lua_State *L, int idx) {
  luaL_getmetafield(L, idx, "__name");
  lua_pushfstring(L, "a %s cannot leave the process (between processes use a channel that holds a token: recv takes it, send gives "
                     "it back)", lua_tostring(L, -1));
  return NULL;
}

static const wf_transfer transfer = {"weft.lock", lock_take, lock_give, lock_drop, 0, lock_stays, NULL, NULL};

/* Finaliser of a lock that has crossed: one that a finaliser brings back begins anew. */
static int lock_gc(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, lua_upvalueindex(1));
  bool known = false;
  for (int c = WF_CLASS_MUTEX; c <= WF_CLASS_EVENT && !known; c++) known = wf_iso_test(iso, L, 1, shared_class((enum wf_class)c)) != NULL;
  if (!known) return 0; /* a script can get hold of this function, and call it */
  wf_sync *s = lua_touserdata(L, 1);
  wf_shlock *shared = s->shared;
  if (shared == NULL) return 0;
  wf_iso_maybe_closing(iso, L, iso->shared_handles, shared);
  const wf_lock_class *c = class_of(iso, shared->class);
  s->shared = NULL;
  if (c->reset != NULL) c->reset(s, false);
  wf_shared_release(&shared->shared);
  return 0;
}

void wf_lock_class_new(wf_iso *iso, lua_State *L, const wf_lock_class *c, const char *full_name, const luaL_Reg *methods,
                       const luaL_Reg *meta) {
  iso->locks[c->class - WF_CLASS_MUTEX] = c;
  wf_class_new(iso, L, c->class, full_name, methods, meta);
  wf_class_new(iso, L, shared_class(c->class), full_name, methods, meta);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[shared_class(c->class)]);
  lua_pushlightuserdata(L, iso);
  lua_pushcclosure(L, lock_gc, 1);
  lua_setfield(L, -2, "__gc");
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[c->class]);
  for (int i = 0; i < 2; i++) {
    lua_pushlightuserdata(L, (void *)(uintptr_t)&transfer);
    lua_setfield(L, -2, "__weft_transfer");
    lua_pop(L, 1);
  }
}

/* Operations ------------------------------------------------------------------------------------ */

/* Push who holds it, as an answer to who asked. [-0, +1, m] */
static void push_holder(const wf_iso *iso, lua_State *L, const wf_sync *s) {
  uint32_t n;
  bool writes, lost;
  wf_owner o = wf_shlock_holder(s->shared, &n, &writes, &lost);
  if (n == 0) {
    lua_pushliteral(L, "nobody");
    return;
  }
  wf_owner_push(iso, L, o);
  if (!lost) return;
  lua_pushliteral(L, ", which has ended");
  lua_concat(L, 2);
}

int wf_lock_abandoned(wf_iso *iso, lua_State *L, const wf_sync *s, const char *kind) {
  uint32_t n;
  bool writes, lost;
  wf_owner o = wf_shlock_holder(s->shared, &n, &writes, &lost);
  if (lost)
    push_holder(iso, L, s);
  else
    lua_pushliteral(L, "a task that has ended"); /* somebody has freed it in the meantime */
  (void)o;
  lx_error_new(L, "deadlock", "cannot lock %s %s: it was left locked by %s (%s() by any task frees it)", kind, WF_SYNC_NUMBER(s),
               lua_tostring(L, -1), lost && !writes ? "runlock" : "unlock");
  lx_error_place(L);
  return lua_error(L);
}

bool wf_lock_take(wf_iso *iso, lua_State *L, const wf_sync *s, const char *kind, enum wf_shwant want) {
  if (want != WF_SHWANT_PASS && wf_lock_mine(iso, s) != NULL)
    luaL_error(L, "cannot lock %s %s: this task holds it already (locks are not recursive)", kind, WF_SYNC_NUMBER(s));
  enum wf_shlock_now now = wf_shlock_take(iso, L, s->shared, want);
  if (now == WF_SHLOCK_LOST) wf_lock_abandoned(iso, L, s, kind);
  return now == WF_SHLOCK_OK;
}

bool wf_lock_wait_end(wf_iso *iso, lua_State *L, const wf_sync *s, const char *kind, wf_task *t) {
  int how = wf_wait_end(L, t);
  if (wf_likely(how == WF_GOT && t->won != WF_WON_ENDED)) return true;
  if (how == WF_TIMEOUT) return false;
  return wf_lock_abandoned(iso, L, s, kind);
}

void wf_lock_unlock(wf_iso *iso, lua_State *L, const wf_sync *s, const char *kind, enum wf_shwant want) {
  const char *verb = want == WF_SHWANT_READ ? "runlock" : "unlock";
  wf_hold *h = wf_lock_mine(iso, s);
  if (h != NULL && h->want == want) {
    wf_hold_release(h);
    return;
  }
  if (h != NULL)
    luaL_error(L, "cannot %s %s %s: this task holds it for %s, %s() ends that", verb, kind, WF_SYNC_NUMBER(s),
               want == WF_SHWANT_READ ? "writing" : "reading", want == WF_SHWANT_READ ? "unlock" : "runlock");
  if (wf_shlock_release_lost(s->shared, want)) return;
  push_holder(iso, L, s);
  const char *holder = lua_tostring(L, -1);
  if (want == WF_SHWANT_READ)
    luaL_error(L, "cannot runlock %s %s: this task does not hold it for reading", kind, WF_SYNC_NUMBER(s));
  luaL_error(L, "cannot unlock %s %s: %s holds it%s", kind, WF_SYNC_NUMBER(s), holder, holder[0] == 'n' ? "" : ", not this task");
}

void wf_lock_release(const wf_iso *iso, const wf_sync *s, wf_holder h) {
  wf_hold *hold = wf_hold_find(iso, s->shared, (uint32_t)h);
  if (hold != NULL) wf_hold_release(hold);
}

void wf_lock_describe(const wf_iso *iso, lua_State *L, const wf_sync *s) {
  uint32_t n;
  bool writes, lost;
  wf_shlock_holder(s->shared, &n, &writes, &lost);
  if (n == 0) {
    lua_pushliteral(L, "free");
    return;
  }
  push_holder(iso, L, s);
  const char *how = s->shared->class == WF_CLASS_MUTEX ? "held" : writes ? "written" : "read";
  if (n > 1)
    lua_pushfstring(L, "%s by %s and %d more", how, lua_tostring(L, -1), (int)n - 1);
  else
    lua_pushfstring(L, "%s by %s", how, lua_tostring(L, -1));
  lua_remove(L, -2);
}
