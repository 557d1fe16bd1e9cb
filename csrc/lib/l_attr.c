/* See l_attr.h. */
#include "lib/l_attr.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "lx/opts.h"
#include "sys/attr.h"
#include "sys/signame.h"
#include "sys/thread.h"

enum { GROUPS_MOST = 65536 };

/* Read {0, 1, ...} into cpus; returns how many. */
static int check_affinity(lua_State *L, int arg, int *cpus) {
  if (lua_getfield(L, arg, "affinity") == LUA_TNIL) {
    lua_pop(L, 1);
    return 0;
  }
  lua_Integer n = lua_type(L, -1) == LUA_TTABLE ? (lua_Integer)lua_rawlen(L, -1) : 0;
  if (n < 1 || n > WF_ATTR_CPUS) luaL_argerror(L, arg, "option 'affinity': a list of CPU numbers, from 0, expected");
  for (int i = 0; i < (int)n; i++) {
    int ok;
    lua_rawgeti(L, -1, i + 1);
    lua_Integer cpu = lua_tointegerx(L, -1, &ok);
    if (!ok || cpu < 0 || cpu >= WF_ATTR_CPUS)
      luaL_argerror(L, arg, lua_pushfstring(L, "option 'affinity': item %d is not a CPU number", i + 1));
    cpus[i] = (int)cpu;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return (int)n;
}

static int check_policy(lua_State *L, int arg) {
  const char *name = lx_opt_string(L, arg, "policy", NULL);
  int policy = wf_policy_parse(name);
  if (policy < 0)
    luaL_argerror(L, arg, lua_pushfstring(L, "option 'policy': 'other', 'batch', 'idle', 'fifo' or 'rr' expected, got '%s'", name));
  return policy;
}

/* Read { "SIGINT", ... } into *mask; false: it is not given. */
static bool check_sigmask(lua_State *L, int arg, uint64_t *mask) {
  *mask = 0;
  int type = lua_getfield(L, arg, "sigmask");
  if (type != LUA_TNIL && type != LUA_TTABLE) luaL_argerror(L, arg, "option 'sigmask': a list of signals' names expected");
  lua_Unsigned n = type == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
  for (lua_Unsigned i = 1; i <= n; i++) {
    int sig = lua_rawgeti(L, -1, (lua_Integer)i) == LUA_TSTRING ? wf_signal_parse(lua_tostring(L, -1)) : 0;
    if (sig == 0) luaL_argerror(L, arg, lua_pushfstring(L, "option 'sigmask': item %d is not the name of a signal", (int)i));
    if (!wf_signal_blockable(sig))
      luaL_argerror(L, arg, lua_pushfstring(L, "option 'sigmask': %s cannot be blocked", lua_tostring(L, -1)));
    *mask |= UINT64_C(1) << (sig - 1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return type == LUA_TTABLE;
}

void wf_attrs_check(lua_State *L, int arg, wf_attrs *a) {
  a->has_nice = lx_opt_given(L, arg, "nice");
  a->nice = (int)lx_opt_integer(L, arg, "nice", 0, -20, 19);
  a->has_policy = lx_opt_given(L, arg, "policy");
  a->policy = a->has_policy ? check_policy(L, arg) : 0;
  a->has_priority = lx_opt_given(L, arg, "priority");
  a->priority = (int)lx_opt_integer(L, arg, "priority", 0, 0, 99);
  a->ncpus = check_affinity(L, arg, a->cpus);
  a->has_sigmask = check_sigmask(L, arg, &a->sigmask);
}

/* Limits -------------------------------------------------------------------------------------- */

static uint64_t check_limit(lua_State *L, int arg, const char *name) {
  int ok = 0;
  if (lua_type(L, -1) == LUA_TNUMBER) {
    if (lua_tonumber(L, -1) == HUGE_VAL) return WF_NO_LIMIT;
    lua_Integer v = lua_tointegerx(L, -1, &ok);
    if (ok && v >= 0) return (uint64_t)v;
  }
  luaL_argerror(L, arg, lua_pushfstring(L, "option 'limits': '%s' is an integer >= 0, math.huge, or a table with soft and hard; got %s",
                                        name, luaL_tolstring(L, -1, NULL)));
  return 0;
}

/* The limit whose value is on top. */
static void check_one_limit(lua_State *L, int arg, const char *name, wf_limit_opt *o) {
  o->index = wf_limit_parse(name);
  if (o->index < 0) luaL_argerror(L, arg, lua_pushfstring(L, "option 'limits': no limit is called '%s'", name));
  o->has_hard = false;
  if (lua_type(L, -1) != LUA_TTABLE) {
    o->limit.soft = o->limit.hard = check_limit(L, arg, name);
    return;
  }
  if (lua_getfield(L, -1, "soft") == LUA_TNIL) luaL_argerror(L, arg, lua_pushfstring(L, "option 'limits': '%s' has no soft", name));
  o->limit.soft = o->limit.hard = check_limit(L, arg, name);
  lua_pop(L, 1);
  if (lua_getfield(L, -1, "hard") != LUA_TNIL) {
    o->limit.hard = check_limit(L, arg, name);
    o->has_hard = true;
  }
  lua_pop(L, 1);
  if (o->limit.soft > o->limit.hard) luaL_argerror(L, arg, lua_pushfstring(L, "option 'limits': '%s' has a soft limit above the hard one", name));
}

int wf_limits_check(lua_State *L, int arg, wf_limit_opt *list) {
  int n = 0;
  int type = lua_getfield(L, arg, "limits");
  if (type != LUA_TNIL && type != LUA_TTABLE)
    luaL_argerror(L, arg, lua_pushfstring(L, "option 'limits': table expected, got %s", luaL_typename(L, -1)));
  if (type == LUA_TTABLE) {
    lua_pushnil(L);
    while (lua_next(L, -2)) {
      if (lua_type(L, -2) != LUA_TSTRING) luaL_argerror(L, arg, "option 'limits': its keys are names");
      check_one_limit(L, arg, lua_tostring(L, -2), &list[n++]);
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
  return n;
}

/* Identity ------------------------------------------------------------------------------------ */

void wf_identity_check(lua_State *L, int arg, wf_identity *id) {
  memset(id, 0, sizeof *id);
  id->has_uid = lx_opt_given(L, arg, "uid");
  id->uid = (uint32_t)lx_opt_integer(L, arg, "uid", 0, 0, (lua_Integer)UINT32_MAX - 1);
  id->has_gid = lx_opt_given(L, arg, "gid");
  id->gid = (uint32_t)lx_opt_integer(L, arg, "gid", 0, 0, (lua_Integer)UINT32_MAX - 1);
  int type = lua_getfield(L, arg, "groups");
  if (type == LUA_TNIL) return;
  lua_Unsigned len = type == LUA_TTABLE ? lua_rawlen(L, -1) : GROUPS_MOST + 1;
  if (len > GROUPS_MOST) luaL_argerror(L, arg, "option 'groups': a list of group numbers expected");
  size_t n = (size_t)len;
  gid_t *list = lua_newuserdatauv(L, n * sizeof *list + 1, 0);
  for (size_t i = 0; i < n; i++) {
    int ok;
    lua_rawgeti(L, -2, (lua_Integer)i + 1);
    lua_Integer g = lua_tointegerx(L, -1, &ok);
    if (!ok || g < 0 || g >= (lua_Integer)UINT32_MAX)
      luaL_argerror(L, arg, lua_pushfstring(L, "option 'groups': item %d is not a group number", (int)i + 1));
    list[i] = (gid_t)g;
    lua_pop(L, 1);
  }
  lua_remove(L, -2);
  id->has_groups = true;
  id->groups = list;
  id->ngroups = n;
}
