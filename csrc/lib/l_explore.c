/* core.explore_*: sessions and runs, for lua/weft/explore*.lua. See l_explore.h. */
#include "lib/l_explore.h"

#include <string.h>

#include "base/alloc.h"
#include "lx/error.h"
#include "rt/report.h"
#include "rt/sched.h"
#include "rt/task.h"

enum { SELF = 1, FUNC = 2, ARG = 3, POLICY = 4 };

static wf_session *check_session(lua_State *L) { return wf_iso_check(wf_iso_up(L), L, SELF, WF_CLASS_EXPLORE); }

static int session_gc(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_session *s = wf_iso_test(iso, L, SELF, WF_CLASS_EXPLORE);
  if (s == NULL || iso->explore == &s->e) return 0;
  wf_explore_free(&s->e);
  wf_race_free(s->race);
  s->race = NULL;
  luaL_unref(L, LUA_REGISTRYINDEX, s->calls);
  s->calls = LUA_NOREF;
  return 0;
}

/* Append {number, value on top} to the list `name` of the session's calls. [-1, +0, m] */
static void note(lua_State *L, const wf_session *s, const char *name, uint32_t number) {
  lua_createtable(L, 2, 0);
  lua_insert(L, -2);
  lua_rawseti(L, -2, 2);
  lua_pushinteger(L, number);
  lua_rawseti(L, -2, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->calls);
  lua_getfield(L, -1, name);
  lua_pushvalue(L, -3);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 3);
}

/* A task has failed: keep its handle. Whether somebody looks is known when the run is over. */
static void on_end(wf_iso *iso, lua_State *L, wf_task *t, int handle) {
  wf_session *s = (wf_session *)iso->explore;
  uint32_t number = wf_explore_number(&s->e, t);
  luaL_checkstack(L, 8, NULL);
  if (s->race != NULL) {
    wf_race_release(s->race, number, wf_race_object(t));
    wf_race_release(s->race, number, wf_race_object(&iso->waiting_all));
  }
  if (s->logging) wf_session_log(iso, L, "end", 0);
  if (t->state != WF_FAILED) return;
  lua_pushvalue(L, handle);
  note(L, s, "failed", number);
}

static void on_start(wf_iso *iso, wf_task *t) {
  wf_session *s = (wf_session *)iso->explore;
  if (s->race != NULL) wf_race_started(s->race, wf_explore_number(&s->e, t), wf_explore_number(&s->e, iso->cur));
}

/* Protected. Stack: isolate. */
static int note_stuck(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  wf_session *s = (wf_session *)iso->explore;
  for (uint32_t i = 1; i <= s->e.tasks; i++) {
    const wf_task *t = s->e.info[i].task;
    if (t == NULL) continue;
    lua_pushliteral(L, "");
    wf_report_wait(iso, L, t);
    note(L, s, "stuck", i);
    lua_pushinteger(L, wf_explore_waits_for(iso, t));
    note(L, s, "holders", i);
  }
  return 0;
}

static void on_stuck(wf_iso *iso) {
  lua_State *L = iso->bench;
  if (!((wf_session *)iso->explore)->logging || !lua_checkstack(L, 4)) return;
  lua_pushcfunction(L, note_stuck);
  lua_pushlightuserdata(L, iso);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
}

/* core.explore_new(calls, points, steps, free_clock, skip): a session. */
static int explore_new(lua_State *L) {
  static const char *const points[] = {"operations", "lines", "instructions", NULL};
  wf_iso *iso = wf_iso_up(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  int mode = luaL_checkoption(L, 2, NULL, points);
  lua_Integer steps = luaL_checkinteger(L, 3);
  luaL_argcheck(L, steps >= 1 && steps <= 10000000, 3, "a number of steps from 1 to 10000000 expected");
  wf_session *s = wf_class_push(iso, L, WF_CLASS_EXPLORE, sizeof *s, 0);
  s->calls = LUA_NOREF;
  s->e.max_steps = (uint32_t)steps;
  s->e.free_clock = lua_toboolean(L, 4);
  s->e.on_end = on_end;
  s->e.on_start = on_start;
  s->e.on_stuck = on_stuck;
  s->points = (enum wf_points)mode;
  s->skip = luaL_checklstring(L, 5, &s->skip_len);
  if (!wf_explore_init(&s->e)) return luaL_error(L, "not enough memory");
  lua_pushvalue(L, 5);
  lua_setfield(L, 1, "skip"); /* anchored */
  lua_pushvalue(L, 1);
  s->calls = luaL_ref(L, LUA_REGISTRYINDEX);
  return 1;
}

/* The policy at POLICY: "plan", deviations, hash | "random", seed | "pct", seed, depth, length. [-0, +0, e] */
static void check_policy(lua_State *L, wf_explore *e) {
  static const char *const policies[] = {"plan", "random", "pct", NULL};
  e->policy = (enum wf_explore_policy)luaL_checkoption(L, POLICY, NULL, policies);
  e->plan_count = 0;
  e->depth = 0;
  if (e->policy == WF_EXPLORE_PLAN) {
    size_t len;
    const char *plan = luaL_checklstring(L, POLICY + 1, &len);
    luaL_argcheck(L, len % sizeof *e->plan == 0, POLICY + 1, "not a plan");
    if (!wf_explore_plan(e, (uint32_t)(len / sizeof *e->plan))) luaL_error(L, "not enough memory");
    if (len > 0) memcpy(e->plan, plan, len);
    e->plan_count = (uint32_t)(len / sizeof *e->plan);
    e->expect = (uint32_t)luaL_optinteger(L, POLICY + 2, 0);
    return;
  }
  e->seed = (uint64_t)luaL_checkinteger(L, POLICY + 1);
  if (e->policy == WF_EXPLORE_RANDOM) return;
  e->depth = (uint32_t)luaL_checkinteger(L, POLICY + 2);
  e->length = (uint32_t)luaL_checkinteger(L, POLICY + 3);
}

/* core.explore_run(session, f, x, policy, ...): verdict, diverged, true, results | false, error of f. */
static int explore_run(lua_State *L) {
  static const char *const verdicts[] = {"ended", "deadlock", "steps", "stopped", "outside", "left"};
  wf_iso *iso = wf_iso_up(L);
  wf_session *s = check_session(L);
  luaL_checktype(L, FUNC, LUA_TFUNCTION);
  luaL_checkany(L, ARG);
  if (iso->explore != NULL) return luaL_error(L, "weft.explore cannot be used inside what it explores");
  check_policy(L, &s->e);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->calls);
  s->logging = lua_getfield(L, -1, "log") == LUA_TFUNCTION;
  s->fresh = 0;
  if (s->race != NULL) wf_race_reset(s->race);
  s->busy = s->busy_at = s->strikes = 0;
  wf_session_hook(s);
  lua_settop(L, ARG);
  lua_pushvalue(L, FUNC);
  lua_pushvalue(L, ARG);
  wf_explore_run(iso, L, &s->e);
  lua_replace(L, SELF + 1); /* the root's handle */
  lua_settop(L, SELF + 1);
  wf_task *root = lua_touserdata(L, SELF + 1);
  root->flags |= WF_F_LOOKED;
  lua_pushstring(L, verdicts[s->e.verdict]);
  lua_pushboolean(L, s->e.diverged);
  if (!wf_task_finished(root)) {
    lua_pushboolean(L, 0);
    return 3;
  }
  lua_pushboolean(L, root->state == WF_DONE);
  int n = wf_task_results(L, root, SELF + 1);
  return 3 + (n < 0 ? 1 : n);
}

/* core.explore_trace(session): the decisions of the last run, 8 bytes each ("BBBBI4": options, chosen, kind, task,
 * hash), from the one at `first` (from 0) on; then how many steps, tasks, blind points, and the run's time in ns. */
static int explore_trace(lua_State *L) {
  const wf_session *s = check_session(L);
  lua_Integer first = luaL_optinteger(L, 2, 0);
  luaL_argcheck(L, first >= 0, 2, "a number of decisions expected");
  if (first > (lua_Integer)s->e.decisions_count) first = (lua_Integer)s->e.decisions_count;
  lua_pushlstring(L, (const char *)(s->e.decisions + first),
                  (s->e.decisions_count - (size_t)first) * sizeof *s->e.decisions);
  lua_pushinteger(L, s->e.steps);
  lua_pushinteger(L, s->e.tasks);
  lua_pushinteger(L, s->e.blind);
  lua_pushinteger(L, (lua_Integer)s->e.now);
  return 5;
}

/* core.explore_unseen(handle): has the task failed, and did nobody look? */
static int explore_unseen(lua_State *L) {
  const wf_task *t = wf_iso_check(wf_iso_up(L), L, 1, WF_CLASS_TASK);
  lua_pushboolean(L, t->state == WF_FAILED && !(t->flags & (WF_F_LOOKED | WF_F_DETACHED)));
  return 1;
}

/* core.explore_current(): the number of the running task in the run, or nil. */
static int explore_current(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  if (iso->explore == NULL || !(iso->cur->flags & WF_F_EXPLORED)) return 0;
  lua_pushinteger(L, wf_explore_number(iso->explore, iso->cur));
  return 1;
}

void wf_lib_explore(wf_iso *iso, lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", session_gc}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"explore_new", explore_new},         {"explore_run", explore_run},
                                   {"explore_trace", explore_trace},     {"explore_unseen", explore_unseen},
                                   {"explore_current", explore_current}, {NULL, NULL}};
  if (iso->class_ref[WF_CLASS_EXPLORE] == 0) /* else memory ran out further down the last time */
    wf_class_new(iso, L, WF_CLASS_EXPLORE, "weft.explore.session", NULL, meta);
  wf_lib_add(iso, L, funcs);
  wf_lib_add(iso, L, wf_explore_ops_funcs);
  wf_lib_add(iso, L, wf_explore_watch_funcs);
}
