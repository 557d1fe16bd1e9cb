/* weft.thread: a function on an OS thread of its own. */
#include <string.h>

#include "lib/lib.h"
#include "lx/error.h"
#include "lx/opts.h"
#include "rt/child.h"
#include "sys/thread.h"

enum { CPUS_MAX = 1024, OPTS = 1 };

/* Read {0, 1, ...} into cpus; returns how many. */
static int check_affinity(lua_State *L, int *cpus) {
  if (lua_getfield(L, OPTS, "affinity") == LUA_TNIL) {
    lua_pop(L, 1);
    return 0;
  }
  lua_Integer n = lua_type(L, -1) == LUA_TTABLE ? (lua_Integer)lua_rawlen(L, -1) : 0;
  if (n < 1 || n > CPUS_MAX) luaL_argerror(L, OPTS, "option 'affinity': a list of CPU numbers, from 0, expected");
  for (int i = 0; i < (int)n; i++) {
    int ok;
    lua_rawgeti(L, -1, i + 1);
    lua_Integer cpu = lua_tointegerx(L, -1, &ok);
    if (!ok || cpu < 0 || cpu >= CPUS_MAX)
      luaL_argerror(L, OPTS, lua_pushfstring(L, "option 'affinity': item %d is not a CPU number", i + 1));
    cpus[i] = (int)cpu;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return (int)n;
}

static int check_policy(lua_State *L) {
  const char *name = lx_opt_string(L, OPTS, "policy", NULL);
  int policy = wf_policy_parse(name);
  if (policy < 0)
    luaL_argerror(L, OPTS, lua_pushfstring(L, "option 'policy': 'other', 'batch', 'idle', 'fifo' or 'rr' expected, got '%s'", name));
  return policy;
}

/* weft.thread([opts,] f, ...): a job, or nil, message, code. */
static int lib_thread(lua_State *L) {
  static const char *const known[] = {"name", "stack", "nice", "policy", "priority", "affinity", "memory", NULL};
  wf_iso *iso = wf_iso_up(L);
  wf_thread_opts o;
  int cpus[CPUS_MAX];
  int nargs = lua_gettop(L) - 1;
  const char *name = NULL;
  size_t memory = 0;
  memset(&o, 0, sizeof o);
  if (lua_type(L, OPTS) == LUA_TTABLE && !lx_callable(L, OPTS)) {
    lx_opts_check(L, OPTS, known);
    lx_check_callable(L, 2);
    nargs--;
    name = lx_opt_string(L, OPTS, "name", NULL);
    memory = (size_t)lx_opt_integer(L, OPTS, "memory", 0, 1, LUA_MAXINTEGER);
    o.stack = (size_t)lx_opt_integer(L, OPTS, "stack", 0, 1, (lua_Integer)1 << 40);
    o.has_nice = lx_opt_given(L, OPTS, "nice");
    o.nice = (int)lx_opt_integer(L, OPTS, "nice", 0, -20, 19);
    o.has_policy = lx_opt_given(L, OPTS, "policy");
    if (o.has_policy) o.policy = check_policy(L);
    o.has_priority = lx_opt_given(L, OPTS, "priority");
    o.priority = (int)lx_opt_integer(L, OPTS, "priority", 0, 0, 99);
    o.ncpus = check_affinity(L, cpus);
    if (o.ncpus > 0) o.cpus = cpus;
  } else {
    lx_check_callable(L, OPTS);
  }
  o.name = name;
  return wf_child_start(iso, L, nargs, name, memory, &o) != NULL ? 1 : 3;
}

void wf_lib_thread(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"thread", lib_thread}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
