/* weft.spawn: a function in an isolate on the worker pool; weft.workers: how large the pool is. */
#include "lib/l_child.h"
#include "lib/lib.h"
#include "rt/child.h"
#include "sys/workers.h"

/* weft.spawn([opts,] f, ...): a job, or nil, message, code. */
static int lib_spawn(lua_State *L) {
  static const char *const known[] = {"name", "memory", NULL};
  wf_child_args a = wf_child_args_check(L, known);
  return wf_child_start(wf_iso_up(L), L, a.nargs, a.name, a.memory, NULL) != NULL ? 1 : 3;
}

/* weft.workers([n]): how many workers the pool has, or is to have when it starts; with n, that many from now on. */
static int lib_workers(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) {
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n >= 1 && n <= WF_WORKERS_MAX, 1, lua_pushfstring(L, "a number of workers from 1 to %d expected", WF_WORKERS_MAX));
    if (!wf_workers_set((uint32_t)n))
      luaL_argerror(L, 1, lua_pushfstring(L, "%d workers run, and the pool can only grow", (int)wf_workers_count()));
  }
  lua_pushinteger(L, (lua_Integer)wf_workers_count());
  return 1;
}

static void push_count(lua_State *L, const char *name, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

/* core.worker_facts(): a list of tables, one for each worker that runs. */
static int lib_worker_facts(lua_State *L) {
  wf_worker_facts f;
  lua_newtable(L);
  for (uint32_t i = 1; wf_workers_facts(i, &f); i++) {
    lua_createtable(L, 0, 8);
    push_count(L, "tid", (uint64_t)f.tid);
    push_count(L, "slices", f.slices);
    push_count(L, "stolen", f.stolen);
    push_count(L, "injected", f.injected);
    push_count(L, "sleeps", f.sleeps);
    lua_pushstring(L, f.blocked ? "blocked" : f.asleep ? "asleep" : "awake");
    lua_setfield(L, -2, "state");
    lua_rawseti(L, -2, (lua_Integer)i);
  }
  return 1;
}

/* core.worker(): the number of the worker that runs this isolate now, or nil. */
static int lib_worker(lua_State *L) {
  uint32_t n = wf_worker_self();
  if (n == 0) return 0;
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

void wf_lib_spawn(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {
      {"spawn", lib_spawn}, {"workers", lib_workers}, {"worker_facts", lib_worker_facts}, {"worker", lib_worker}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
