/* weft.semaphore: the methods of semaphores. Invariant: somebody waits only while nothing is free, so the
 * units that release brings go to the waiters first. */
#include "lib/l_sync.h"
#include "rt/sched.h"
#include "rt/shsync.h"

enum { SELF = 1 };

typedef struct semaphore {
  wf_sync s;
  lua_Integer free;
} semaphore;

static inline semaphore *check_semaphore(lua_State *L) {
  return wf_check_sync(L, SELF, WF_CLASS_SEMAPHORE, sizeof(semaphore), "weft.semaphore");
}

static inline bool take(wf_iso *iso, lua_State *L, semaphore *s) {
  if (s->free == 0) return wf_unlikely(s->s.shared != NULL) && wf_shlock_take(iso, L, s->s.shared, WF_SHWANT_PASS) == WF_SHLOCK_OK;
  s->free--;
  return true;
}

static int wait(wf_iso *iso, lua_State *L, semaphore *s, uint64_t deadline, lua_KFunction k) {
  return wf_sync_wait(iso, L, &s->s, "semaphore", WF_WHY_LOCK, deadline, k);
}

static int acquire_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_wait_end(L, (wf_task *)ctx);
  return 0;
}

static int semaphore_acquire(lua_State *L) {
  semaphore *s = check_semaphore(L);
  wf_iso *iso = s->s.object.iso;
  wf_check_alone(L, "no argument expected: it acquires one unit, try_acquire(seconds) waits for a limited time");
  wf_cancel_point(iso, L);
  if (wf_likely(take(iso, L, s))) return 0;
  return wait(iso, L, s, WF_NEVER, acquire_k);
}

static int try_acquire_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  lua_pushboolean(L, wf_wait_end(L, (wf_task *)ctx) == WF_GOT);
  return 1;
}

/* s:try_acquire([seconds]): true, or false when nothing is free now, or within that time. */
static int semaphore_try_acquire(lua_State *L) {
  semaphore *s = check_semaphore(L);
  wf_iso *iso = s->s.object.iso;
  uint64_t deadline;
  bool waits = wf_check_try(iso, L, 2, &deadline);
  lua_settop(L, SELF);
  if (waits) wf_cancel_point(iso, L);
  bool mine = take(iso, L, s);
  if (!mine && waits) return wait(iso, L, s, deadline, try_acquire_k);
  lua_pushboolean(L, mine);
  return 1;
}

static void give(wf_iso *iso, semaphore *s, lua_Integer k) {
  wf_node *n;
  while (k > 0 && !wf_list_empty(&s->s.waiters) && (n = wf_waitq_first(&s->s.waiters)) != NULL) {
    wf_node_wake(iso, n, WF_GOT);
    k--;
  }
  s->free += k;
}

/* s:release([k]): one unit or k. */
static int semaphore_release(lua_State *L) {
  semaphore *s = check_semaphore(L);
  wf_iso *iso = s->s.object.iso;
  lua_Integer k = luaL_optinteger(L, 2, 1);
  luaL_argcheck(L, k >= 1, 2, "a number of units >= 1 expected");
  bool fits = s->s.shared != NULL ? wf_shlock_add(s->s.shared, k) : k <= LUA_MAXINTEGER - s->free;
  luaL_argcheck(L, fits, 2, "the semaphore would have more than math.maxinteger units");
  if (s->s.shared == NULL) give(iso, s, k);
  return 0;
}

static void release(lua_State *L, wf_guard *g, int self, int error) {
  (void)L, (void)self, (void)error;
  semaphore *s = g->lock;
  if (s->s.shared != NULL)
    wf_shlock_add(s->s.shared, 1);
  else
    give(g->object.iso, s, s->free < LUA_MAXINTEGER ? 1 : 0);
}

static int with_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_wait_end(L, (wf_task *)ctx);
  return wf_with_go_on(L, release);
}

/* s:with(f, ...): the results of f, called with one unit acquired. */
static int semaphore_with(lua_State *L) {
  semaphore *s = check_semaphore(L);
  wf_iso *iso = s->s.object.iso;
  wf_guard *g = wf_with_begin(iso, L);
  wf_cancel_point(iso, L);
  if (wf_likely(take(iso, L, s))) return wf_with_call(L, g, s, release);
  return wait(iso, L, s, WF_NEVER, with_k);
}

static lua_Integer free_units(const semaphore *s) { return s->s.shared != NULL ? wf_shlock_count(s->s.shared) : s->free; }

/* s:count(): units that are free. */
static int semaphore_count(lua_State *L) {
  lua_pushinteger(L, free_units(check_semaphore(L)));
  return 1;
}

static int semaphore_tostring(lua_State *L) {
  semaphore *s = check_semaphore(L);
  lua_pushfstring(L, "weft.semaphore %s (%I free, %d waiting)", WF_SYNC_NUMBER(&s->s), free_units(s),
                  (int)wf_sync_waiting(&s->s));
  return 1;
}

/* weft.semaphore(n): n units are free. */
static int semaphore_new(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  luaL_argcheck(L, n >= 0, 1, "a number of free units >= 0 expected");
  semaphore *s = wf_sync_push(wf_iso_up(L), L, WF_CLASS_SEMAPHORE, sizeof *s, 1);
  s->free = n;
  return 1;
}

static void share(wf_iso *iso, lua_State *L, wf_sync *s, wf_shlock *to) {
  to->count = ((semaphore *)s)->free;
  wf_lock_move_waiters(iso, L, s, to, WF_SHWANT_PASS);
}

static void reset(wf_sync *s, bool shared) {
  (void)shared;
  ((semaphore *)s)->free = 0;
}

static const wf_lock_class semaphore_class = {WF_CLASS_SEMAPHORE, "semaphore", sizeof(semaphore), 1, share, reset};

void wf_lib_semaphore(wf_iso *iso, lua_State *L) {
  static const luaL_Reg methods[] = {{"acquire", semaphore_acquire}, {"try_acquire", semaphore_try_acquire},
                                     {"release", semaphore_release}, {"with", semaphore_with},
                                     {"count", semaphore_count},     {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__close", wf_sync_close}, {"__tostring", semaphore_tostring}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"semaphore", semaphore_new}, {NULL, NULL}};
  wf_lock_class_new(iso, L, &semaphore_class, "weft.semaphore", methods, meta);
  wf_lib_add(iso, L, funcs);
}
