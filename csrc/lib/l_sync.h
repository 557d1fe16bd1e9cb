/* What the bindings of locks share: checks of arguments, guards, and `with`. On the isolate's carrier.
 *
 * A guard is a to-be-closed value that releases a lock once: `local g <close> = m:guard()`. It is anchored
 * wherever it is used, anchors its lock by user value 1, and forgets it when released. Every `with` has one
 * on its C stack, out of the script's reach; that one lies in user value 1 of the lock, to be used again, so
 * that `with` need not allocate. */
#ifndef WF_LIB_L_SYNC_H
#define WF_LIB_L_SYNC_H

#include "lib/lib.h"
#include "rt/sync.h"

typedef struct wf_guard wf_guard;

/* Release what the guard at index `self` stands for; the lock is in g->lock. `error` is the index of the
 * error because of which that happens, or of a nil. Must not wait, nor raise. [-0, +0, -] */
typedef void wf_release(lua_State *L, wf_guard *g, int self, int error);

struct wf_guard {
  wf_object object;
  void *lock;          /* NULL: nothing to release */
  wf_release *release;
  lua_KFunction then;  /* see wf_guard_call */
  wf_holder by;        /* who held the lock when the guard was armed */
  bool busy;           /* of a lock's own guard: a `with` has it */
};

/* Push a new guard for the lock at index `lock`, which must have a user value. [-0, +1, m] */
wf_guard *wf_guard_push(wf_iso *iso, lua_State *L, int lock);

/* The running task has the lock now: the guard is to release it. */
static inline void wf_guard_arm(wf_guard *g, void *lock, wf_release *release) {
  g->lock = lock;
  g->release = release;
  g->by = wf_holder_of(g->object.iso->cur);
}

/* Call the function at 3 with the arguments above it, then continue in `k`, which finds its results from 3
 * on; the guard at 2, which is to be closed, sees to it that the lock is released if the function fails. A
 * generator that fails leaves its variables unclosed until somebody closes it: there the failure is caught. */
int wf_guard_call(lua_State *L, wf_guard *g, lua_KFunction k);

/* lock:with(f, ...) in two steps. First, before the lock is taken: check f, and put a guard that is to be
 * closed below it. Stack: lock, guard, f, arguments. [-0, +1, e] */
wf_guard *wf_with_begin(wf_iso *iso, lua_State *L);

/* Then, having the lock: arm the guard, call f, return its results. */
int wf_with_call(lua_State *L, wf_guard *g, void *lock, wf_release *release);

/* The same in a continuation. */
static inline int wf_with_go_on(lua_State *L, wf_release *release) {
  return wf_with_call(L, lua_touserdata(L, 2), lua_touserdata(L, 1), release);
}

/* The lock at `idx`, or a type error that names the argument. [-0, +0, e] */
static inline void *wf_check_sync(lua_State *L, int idx, enum wf_class c, size_t size, const char *name) {
  void *s = wf_object_test(L, idx, c, size);
  if (wf_unlikely(s == NULL)) luaL_typeerror(L, idx, name);
  return s;
}

/* Raise when a method that takes no arguments but the lock gets one; `hint` says what to do. [-0, +0, e] */
static inline void wf_check_alone(lua_State *L, const char *hint) {
  if (wf_unlikely(lua_gettop(L) > 1)) {
    luaL_argcheck(L, lua_isnil(L, 2) && lua_gettop(L) == 2, 2, hint);
    lua_settop(L, 1);
  }
}

/* The optional time-out of a method that tries: false when it must not wait (nil or 0). [-0, +0, e] */
bool wf_check_try(const wf_iso *iso, lua_State *L, int arg, uint64_t *deadline);

/* Openers of the parts, as in lib.h. */
void wf_lib_guard(wf_iso *iso, lua_State *L);
void wf_lib_mutex(wf_iso *iso, lua_State *L);
void wf_lib_condition(wf_iso *iso, lua_State *L);
void wf_lib_rwlock(wf_iso *iso, lua_State *L);
void wf_lib_semaphore(wf_iso *iso, lua_State *L);
void wf_lib_once(wf_iso *iso, lua_State *L);

/* The __close of locks: nothing to do. */
int wf_sync_close(lua_State *L);

#endif
