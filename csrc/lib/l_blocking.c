/* weft.blocking: a function on a thread for calls that block (rt/lane_run.h). What waits for it is Lua (lua/weft/blocking.lua). */
#include "lib/l_child.h"
#include "lib/lib.h"
#include "lx/error.h"
#include "lx/opts.h"
#include "rt/family.h"
#include "rt/lane_run.h"

enum { OPTS = 1, LIMIT_MOST = 10000 };

static const lua_Number IDLE_MOST = 1e6; /* seconds */

/* [opts,] f, ...: replaced by a job, or by nil, message, code (false). */
static bool start(lua_State *L) {
  static const char *const known[] = {"name", "memory", NULL};
  wf_child_args a = wf_child_args_check(L, known);
  return wf_lane_run_start(wf_iso_up(L), L, a.nargs, a.name, a.memory) != NULL;
}

/* core.blocking([opts,] f, ...): a job, or nil, message, code. */
static int lib_blocking(lua_State *L) { return start(L) ? 1 : 3; }

static int call_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lua_gettop(L);
}

/* The metamethod that core.blocking_call makes: what its function, upvalue 2, gives for the job. */
static int blocking_call(lua_State *L) {
  lua_remove(L, 1);
  if (!start(L)) return 3;
  lua_insert(L, 1); /* with options they lie below */
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_callk(L, 1, LUA_MULTRET, 0, call_k);
  return lua_gettop(L);
}

/* core.blocking_call(wait): a __call metamethod that starts a function and gives the job to `wait`. It is in C so that places in
 * errors and reports are those of whoever calls. */
static int lib_blocking_call(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_pushlightuserdata(L, wf_iso_up(L));
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, blocking_call, 2);
  return 1;
}

static void set_count(lua_State *L, const char *key, uint32_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, key);
}

static uint64_t check_idle(lua_State *L) {
  if (lua_getfield(L, OPTS, "idle") == LUA_TNIL) {
    lua_pop(L, 1);
    return 0;
  }
  lua_Number s = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
  if (!(s > 0 && s <= IDLE_MOST)) luaL_argerror(L, OPTS, lua_pushfstring(L, "option 'idle': seconds from 1e-9 to %f expected", IDLE_MOST));
  lua_pop(L, 1);
  return s < 1e-9 ? 1 : (uint64_t)(s * 1e9);
}

/* core.blocking_pool([{limit=, idle=}]): a table with these and the numbers of threads, busy ones, calls in the queue. */
static int lib_blocking_pool(lua_State *L) {
  static const char *const known[] = {"limit", "idle", NULL};
  uint32_t limit = 0;
  uint64_t idle = 0;
  wf_lanes_facts f;
  if (!lua_isnoneornil(L, OPTS)) {
    luaL_checktype(L, OPTS, LUA_TTABLE);
    lx_opts_check(L, OPTS, known);
    limit = (uint32_t)lx_opt_integer(L, OPTS, "limit", 0, 1, LIMIT_MOST);
    idle = check_idle(L);
  }
  wf_lanes *p = wf_family_lanes(wf_iso_up(L)->member, WF_LANES_CALLS);
  if (p == NULL) return lx_raise_memory(L);
  if (limit != 0 || idle != 0) wf_lanes_set(p, limit, idle);
  wf_lanes_get(p, &f);
  lua_createtable(L, 0, 5);
  set_count(L, "limit", f.limit);
  set_count(L, "threads", f.threads);
  set_count(L, "busy", f.busy);
  set_count(L, "queued", f.queued);
  lua_pushnumber(L, (lua_Number)f.idle_ns * 1e-9);
  lua_setfield(L, -2, "idle");
  return 1;
}

void wf_lib_blocking(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"blocking", lib_blocking}, {"blocking_call", lib_blocking_call},
                                   {"blocking_pool", lib_blocking_pool}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
