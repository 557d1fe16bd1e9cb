/* Guards, and `with`, for every kind of lock. See l_sync.h. */
#include "lib/l_sync.h"
#include "lx/opts.h"
#include "lx/release.h"
#include "rt/sched.h"

enum { SELF = 1, ERROR = 2, GUARD = 2, FUNC = 3, UV_LOCK = 1, UV_SPARE = 1 };

static wf_guard *check_guard(lua_State *L) {
  return wf_check_sync(L, SELF, WF_CLASS_GUARD, sizeof(wf_guard), "weft.guard");
}

wf_guard *wf_guard_push(wf_iso *iso, lua_State *L, int lock) {
  lock = lua_absindex(L, lock);
  wf_guard *g = wf_class_push(iso, L, WF_CLASS_GUARD, sizeof *g, 1);
  g->object = (wf_object){WF_SEAL(WF_CLASS_GUARD), iso};
  lua_pushvalue(L, lock);
  lua_setiuservalue(L, -2, UV_LOCK);
  return g;
}

static inline void guard_release(lua_State *L, wf_guard *g, int self, int error) {
  if (g->lock != NULL) g->release(L, g, self, error);
  g->lock = NULL;
}

static int guard_close(lua_State *L) {
  wf_guard *g = check_guard(L);
  lua_settop(L, ERROR);
  guard_release(L, g, SELF, ERROR);
  g->busy = false;
  return 0;
}

/* g:unlock(): before the block ends. */
static int guard_unlock(lua_State *L) {
  wf_guard *g = check_guard(L);
  if (g->lock == NULL) return luaL_error(L, "the guard has released its lock already");
  lua_settop(L, ERROR);
  guard_release(L, g, SELF, ERROR);
  return 0;
}

static int guard_tostring(lua_State *L) {
  const wf_guard *g = check_guard(L);
  lua_getiuservalue(L, SELF, UV_LOCK);
  lua_pushfstring(L, "weft.guard (%s) of %s", g->lock == NULL ? "released" : "armed", luaL_tolstring(L, -1, NULL));
  return 1;
}

/* Push the lock's own guard, or a new one while that is in use. */
static wf_guard *spare_push(wf_iso *iso, lua_State *L) {
  if (wf_likely(lua_getiuservalue(L, SELF, UV_SPARE) == LUA_TUSERDATA)) {
    wf_guard *g = lua_touserdata(L, -1);
    if (wf_likely(!g->busy)) return g;
    lua_pop(L, 1);
    return wf_guard_push(iso, L, SELF);
  }
  lua_pop(L, 1);
  wf_guard *g = wf_guard_push(iso, L, SELF);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, SELF, UV_SPARE);
  return g;
}

wf_guard *wf_with_begin(wf_iso *iso, lua_State *L) {
  lx_check_callable(L, 2);
  wf_guard *g = spare_push(iso, L);
  lua_insert(L, GUARD);
  lua_toclose(L, GUARD);
  g->busy = true;
  return g;
}

static int guarded_k(lua_State *L, int status, lua_KContext ctx) {
  wf_guard *g = (wf_guard *)ctx;
  if (wf_likely(status == LUA_OK || status == LUA_YIELD)) return g->then(L, status, 0);
  guard_release(L, g, GUARD, lua_gettop(L));
  return lua_error(L);
}

int wf_guard_call(lua_State *L, wf_guard *g, lua_KFunction k) {
  int nargs = lua_gettop(L) - FUNC;
  /* Luas before 5.4.3 do not call a __close after an error when there is no memory for that. */
  if (wf_likely(!LX_EARLY && L == g->object.iso->cur->co)) {
    lua_callk(L, nargs, LUA_MULTRET, 0, k);
    return k(L, LUA_OK, 0);
  }
  g->then = k;
  return guarded_k(L, lua_pcallk(L, nargs, LUA_MULTRET, 0, (lua_KContext)g, guarded_k), (lua_KContext)g);
}

static int with_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lua_gettop(L) - GUARD;
}

int wf_with_call(lua_State *L, wf_guard *g, void *lock, wf_release *release) {
  wf_guard_arm(g, lock, release);
  return wf_guard_call(L, g, with_k);
}

bool wf_check_try(const wf_iso *iso, lua_State *L, int arg, uint64_t *deadline) {
  *deadline = 0;
  if (lua_isnoneornil(L, arg)) return false;
  *deadline = wf_check_deadline(iso, L, arg);
  return lua_tonumber(L, arg) > 0;
}

int wf_sync_close(lua_State *L) {
  (void)L;
  return 0;
}

void wf_lib_guard(wf_iso *iso, lua_State *L) {
  static const luaL_Reg methods[] = {{"unlock", guard_unlock}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__close", guard_close}, {"__tostring", guard_tostring}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_GUARD, "weft.guard", methods, meta);
}
