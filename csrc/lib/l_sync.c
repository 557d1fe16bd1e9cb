/* weft.event, weft.waitgroup, weft.barrier: their methods; and the opener of all locks. What waits in them
 * needs nothing to be handed over: it is woken when the time has come. */
#include "lib/l_sync.h"
#include "rt/sched.h"
#include "rt/shsync.h"

enum { SELF = 1, TIMEOUT = 2 };

typedef struct event {
  wf_sync s;
  bool set;
} event;

typedef struct waitgroup {
  wf_sync s;
  lua_Integer left; /* somebody waits only while it is not 0 */
} waitgroup;

typedef struct barrier {
  wf_sync s;
  uint32_t parties;
  uint32_t arrived; /* at least as many as wait: those that leave are not counted down */
} barrier;

static int wait_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  lua_pushboolean(L, wf_wait_end(L, (wf_task *)ctx) == WF_GOT);
  return 1;
}

/* The rest of x:wait([seconds]), when `over` says whether there is nothing to wait for. */
static int wait_rest(wf_iso *iso, lua_State *L, wf_sync *s, const char *kind, bool over) {
  uint64_t deadline = wf_opt_deadline(iso, L, TIMEOUT);
  bool waits = !over && (deadline == WF_NEVER || lua_tonumber(L, TIMEOUT) > 0);
  lua_settop(L, SELF);
  wf_cancel_point(iso, L);
  if (waits) return wf_sync_wait(iso, L, s, kind, WF_WHY_WAIT, deadline, wait_k);
  lua_pushboolean(L, over);
  return 1;
}

/* Events ---------------------------------------------------------------------------------------- */

static event *check_event(lua_State *L) {
  return wf_check_sync(L, SELF, WF_CLASS_EVENT, sizeof(event), "weft.event");
}

/* e:set(): wake all who wait, and let pass who comes, until clear. */
static int event_set(lua_State *L) {
  event *e = check_event(L);
  wf_iso *iso = e->s.object.iso;
  if (e->s.shared != NULL) {
    wf_shlock_set(e->s.shared, 1);
    return 0;
  }
  e->set = true;
  wf_waitq_wake_all(iso, &e->s.waiters, WF_GOT);
  return 0;
}

static int event_clear(lua_State *L) {
  event *e = check_event(L);
  if (e->s.shared != NULL)
    wf_shlock_set(e->s.shared, 0);
  else
    e->set = false;
  return 0;
}

static bool is_set(const event *e) { return e->s.shared != NULL ? wf_shlock_count(e->s.shared) > 0 : e->set; }

static int event_is_set(lua_State *L) {
  lua_pushboolean(L, is_set(check_event(L)));
  return 1;
}

/* e:wait([seconds]): true when it is set, false when the time is over. */
static int event_wait(lua_State *L) {
  event *e = check_event(L);
  wf_iso *iso = e->s.object.iso;
  return wait_rest(iso, L, &e->s, "event", is_set(e));
}

static int event_tostring(lua_State *L) {
  event *e = check_event(L);
  if (is_set(e))
    lua_pushfstring(L, "weft.event %s (set)", WF_SYNC_NUMBER(&e->s));
  else
    lua_pushfstring(L, "weft.event %s (clear, %d waiting)", WF_SYNC_NUMBER(&e->s), (int)wf_sync_waiting(&e->s));
  return 1;
}

static int event_new(lua_State *L) {
  wf_sync_push(wf_iso_up(L), L, WF_CLASS_EVENT, sizeof(event), 0);
  return 1;
}

/* Wait groups ------------------------------------------------------------------------------------ */

static waitgroup *check_waitgroup(lua_State *L) {
  return wf_check_sync(L, SELF, WF_CLASS_WAITGROUP, sizeof(waitgroup), "weft.waitgroup");
}

static lua_Integer left(const waitgroup *g) { return g->s.shared != NULL ? wf_shlock_count(g->s.shared) : g->left; }

static int count(wf_iso *iso, lua_State *L, waitgroup *g, lua_Integer k) {
  bool fits = g->s.shared != NULL ? wf_shlock_add(g->s.shared, k) : k < 0 ? g->left + k >= 0 : k <= LUA_MAXINTEGER - g->left;
  if (!fits && k < 0)
    return luaL_error(L, "waitgroup %s would count below zero: %I are left and %I would be done", WF_SYNC_NUMBER(&g->s), left(g),
                      (lua_Integer)-k);
  if (!fits) return luaL_error(L, "waitgroup %s would count beyond math.maxinteger", WF_SYNC_NUMBER(&g->s));
  if (g->s.shared != NULL) return 0;
  g->left += k;
  if (g->left == 0) wf_waitq_wake_all(iso, &g->s.waiters, WF_GOT);
  return 0;
}

/* g:add([k]): one more, or k (which may be negative). Allowed while others wait. */
static int waitgroup_add(lua_State *L) {
  waitgroup *g = check_waitgroup(L);
  wf_iso *iso = g->s.object.iso;
  lua_Integer k = luaL_optinteger(L, 2, 1);
  luaL_argcheck(L, k > LUA_MININTEGER, 2, "out of range");
  return count(iso, L, g, k);
}

static int waitgroup_done(lua_State *L) {
  waitgroup *g = check_waitgroup(L);
  wf_iso *iso = g->s.object.iso;
  wf_check_alone(L, "no argument expected: add(-k) counts k as done");
  return count(iso, L, g, -1);
}

/* g:wait([seconds]): true when none is left, false when the time is over. */
static int waitgroup_wait(lua_State *L) {
  waitgroup *g = check_waitgroup(L);
  wf_iso *iso = g->s.object.iso;
  return wait_rest(iso, L, &g->s, "waitgroup", left(g) == 0);
}

/* g:count(): how many are left. */
static int waitgroup_count(lua_State *L) {
  lua_pushinteger(L, left(check_waitgroup(L)));
  return 1;
}

static int waitgroup_tostring(lua_State *L) {
  waitgroup *g = check_waitgroup(L);
  lua_pushfstring(L, "weft.waitgroup %s (%I left, %d waiting)", WF_SYNC_NUMBER(&g->s), left(g),
                  (int)wf_sync_waiting(&g->s));
  return 1;
}

static int waitgroup_new(lua_State *L) {
  wf_sync_push(wf_iso_up(L), L, WF_CLASS_WAITGROUP, sizeof(waitgroup), 0);
  return 1;
}

/* Barriers --------------------------------------------------------------------------------------- */

static barrier *check_barrier(lua_State *L) {
  return wf_check_sync(L, SELF, WF_CLASS_BARRIER, sizeof(barrier), "weft.barrier");
}

static int barrier_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_wait_end(L, (wf_task *)ctx);
  lua_pushboolean(L, 0);
  return 1;
}

static int arrive_shared(wf_iso *iso, lua_State *L, barrier *b) {
  wf_task *t;
  wf_sync_prepare(iso, L, &b->s, "barrier", WF_NEVER);
  if (!wf_shlock_arrive(iso, L, b->s.shared, &t)) return wf_wait_park(iso, L, t, wf_sync_id(&b->s), barrier_k);
  lua_pushboolean(L, 1);
  return 1;
}

/* b:wait(): until all are here; true for the last to come. Who is cancelled has not come. */
static int barrier_wait(lua_State *L) {
  barrier *b = check_barrier(L);
  wf_iso *iso = b->s.object.iso;
  wf_check_alone(L, "no argument expected: weft.timeout(seconds, b.wait, b) waits for a limited time");
  wf_cancel_point(iso, L);
  if (b->s.shared != NULL) return arrive_shared(iso, L, b);
  if (b->arrived + 1 >= b->parties) b->arrived = wf_sync_waiting(&b->s); /* some may have left */
  if (b->arrived + 1 < b->parties) {
    wf_sync_prepare(iso, L, &b->s, "barrier", WF_NEVER);
    wf_task *t = wf_wait_begin(iso, L, WF_WHY_WAIT);
    b->arrived++;
    wf_wait_queue(t, &b->s.waiters);
    return wf_wait_park(iso, L, t, wf_sync_id(&b->s), barrier_k);
  }
  b->arrived = 0;
  wf_waitq_wake_all(iso, &b->s.waiters, WF_GOT);
  lua_pushboolean(L, 1);
  return 1;
}

static int barrier_tostring(lua_State *L) {
  barrier *b = check_barrier(L);
  lua_pushfstring(L, "weft.barrier %s (%d of %d have come)", WF_SYNC_NUMBER(&b->s), (int)wf_sync_waiting(&b->s),
                  (int)(b->s.shared != NULL ? wf_shlock_count(b->s.shared) : b->parties));
  return 1;
}

/* weft.barrier(n): for n tasks, the main chunk among them. */
static int barrier_new(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  luaL_argcheck(L, n >= 1 && n <= INT32_MAX, 1, "a number of tasks from 1 to 2^31 - 1 expected");
  barrier *b = wf_sync_push(wf_iso_up(L), L, WF_CLASS_BARRIER, sizeof *b, 0);
  b->parties = (uint32_t)n;
  return 1;
}

/* Crossing ----------------------------------------------------------------------------------------- */

static void share_event(wf_iso *iso, lua_State *L, wf_sync *s, wf_shlock *to) {
  to->count = ((event *)s)->set;
  wf_lock_move_waiters(iso, L, s, to, WF_SHWANT_PASS);
}

static void share_waitgroup(wf_iso *iso, lua_State *L, wf_sync *s, wf_shlock *to) {
  to->count = ((waitgroup *)s)->left;
  wf_lock_move_waiters(iso, L, s, to, WF_SHWANT_PASS);
}

static void share_barrier(wf_iso *iso, lua_State *L, wf_sync *s, wf_shlock *to) {
  to->count = ((barrier *)s)->parties;
  wf_lock_move_waiters(iso, L, s, to, WF_SHWANT_PASS);
}

static void reset_event(wf_sync *s, bool shared) {
  (void)shared;
  ((event *)s)->set = false;
}

static void reset_waitgroup(wf_sync *s, bool shared) {
  (void)shared;
  ((waitgroup *)s)->left = 0;
}

static void reset_barrier(wf_sync *s, bool shared) {
  (void)shared;
  ((barrier *)s)->parties = 1;
  ((barrier *)s)->arrived = 0;
}

static const wf_lock_class event_class = {WF_CLASS_EVENT, "event", sizeof(event), 0, share_event, reset_event};
static const wf_lock_class waitgroup_class = {WF_CLASS_WAITGROUP, "waitgroup", sizeof(waitgroup), 0, share_waitgroup, reset_waitgroup};
static const wf_lock_class barrier_class = {WF_CLASS_BARRIER, "barrier", sizeof(barrier), 0, share_barrier, reset_barrier};

/* Opening ------------------------------------------------------------------------------------------ */

void wf_lib_sync(wf_iso *iso, lua_State *L) {
  static const luaL_Reg event_methods[] = {
      {"set", event_set}, {"clear", event_clear}, {"is_set", event_is_set}, {"wait", event_wait}, {NULL, NULL}};
  static const luaL_Reg event_meta[] = {{"__close", wf_sync_close}, {"__tostring", event_tostring}, {NULL, NULL}};
  static const luaL_Reg waitgroup_methods[] = {{"add", waitgroup_add}, {"done", waitgroup_done}, {"wait", waitgroup_wait},
                                               {"count", waitgroup_count}, {NULL, NULL}};
  static const luaL_Reg waitgroup_meta[] = {{"__close", wf_sync_close}, {"__tostring", waitgroup_tostring}, {NULL, NULL}};
  static const luaL_Reg barrier_methods[] = {{"wait", barrier_wait}, {NULL, NULL}};
  static const luaL_Reg barrier_meta[] = {{"__close", wf_sync_close}, {"__tostring", barrier_tostring}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {
      {"event", event_new}, {"waitgroup", waitgroup_new}, {"barrier", barrier_new}, {NULL, NULL}};
  wf_lock_class_new(iso, L, &event_class, "weft.event", event_methods, event_meta);
  wf_lock_class_new(iso, L, &waitgroup_class, "weft.waitgroup", waitgroup_methods, waitgroup_meta);
  wf_lock_class_new(iso, L, &barrier_class, "weft.barrier", barrier_methods, barrier_meta);
  wf_lib_add(iso, L, funcs);
  wf_lib_guard(iso, L);
  wf_lib_mutex(iso, L);
  wf_lib_condition(iso, L);
  wf_lib_rwlock(iso, L);
  wf_lib_semaphore(iso, L);
  wf_lib_once(iso, L);
}
