/* weft.set: what a process and a thread may change of themselves while they run.
 *
 * All options are looked at before the first is applied. What the system then refuses ends the call; what came before
 * it stays. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lib/l_attr.h"
#include "lib/lib.h"
#include "lx/error.h"
#include "lx/opts.h"
#include "sys/attr.h"
#include "sys/facts.h"
#include "sys/thread.h"

enum { OPTS = 1 };

/* One change of a thread, 0 the calling one: 0 or an errno. */
static int set_thread(const wf_attrs *a, int64_t tid, const char **what) {
  int e;
  *what = "affinity";
  if (a->ncpus > 0 && (e = wf_set_affinity(tid, a->cpus, a->ncpus)) != 0) return e;
  *what = "nice";
  if (a->has_nice && (e = wf_set_nice(tid, a->nice)) != 0) return e;
  if (a->has_policy || a->has_priority) return wf_set_policy(tid, a->has_policy, a->policy, a->has_priority, a->priority, what);
  return 0;
}

/* Every thread of the process. New ones inherit from who starts them, so this goes on until it has found none that it
 * had not seen. Threads that end meanwhile are no failure. */
static int set_all_threads(const wf_attrs *a, const char **what) {
  size_t before = 0;
  for (;;) {
    int64_t *tids;
    size_t n;
    int e = wf_proc_numbers(getpid(), "task", &tids, &n);
    if (e != 0) return e;
    for (size_t i = 0; e == 0 && i < n; i++) {
      e = set_thread(a, tids[i], what);
      if (e == ESRCH) e = 0;
    }
    wf_free(tids);
    if (e != 0 || n <= before) return e;
    before = n;
  }
}

static int set_limits(const wf_limit_opt *list, int n, const char **what) {
  wf_limit now[WF_LIMITS_MAX];
  *what = "limits";
  int e = n == 0 ? 0 : wf_limits_read(0, now);
  for (int i = 0; e == 0 && i < n; i++) {
    wf_limit want = list[i].limit;
    *what = wf_limit_name(list[i].index);
    if (!list[i].has_hard) want.hard = now[list[i].index].hard; /* a lower one could not be raised again */
    e = want.soft > want.hard ? EPERM : wf_limit_set(list[i].index, want);
  }
  return e;
}

/* { NAME = "value" | false } */
static void check_env(lua_State *L) {
  int type = lua_getfield(L, OPTS, "env");
  if (type == LUA_TNIL) return;
  if (type != LUA_TTABLE) luaL_argerror(L, OPTS, "option 'env': table expected");
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    size_t n;
    if (lua_type(L, -2) != LUA_TSTRING) luaL_argerror(L, OPTS, "option 'env': its keys are names");
    const char *name = lua_tolstring(L, -2, &n);
    if (n == 0 || strlen(name) != n || strchr(name, '=') != NULL)
      luaL_argerror(L, OPTS, lua_pushfstring(L, "option 'env': '%s' is no name of a variable", name));
    bool removed = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
    if (!removed && (lua_type(L, -1) != LUA_TSTRING || strlen(lua_tostring(L, -1)) != lua_rawlen(L, -1)))
      luaL_argerror(L, OPTS, lua_pushfstring(L, "option 'env': '%s' is a string without zeros, or false", name));
    lua_pop(L, 1);
  }
}

/* The table on top, which has been checked. */
static int set_env(lua_State *L) {
  int e = 0;
  if (lua_type(L, -1) != LUA_TTABLE) return 0;
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    const char *name = lua_tostring(L, -2);
    if (e == 0 && (lua_type(L, -1) == LUA_TSTRING ? setenv(name, lua_tostring(L, -1), 1) : unsetenv(name)) != 0) e = errno;
    lua_pop(L, 1);
  }
  return e;
}

/* weft.set{...}: true, or nil, message, code. */
static int lib_set_facts(lua_State *L) {
  static const char *const known[] = {"name", "nice", "policy", "priority", "affinity", "sigmask", "limits", "env", "cwd", "umask",
                                      "no_new_privs", "process", NULL};
  wf_attrs attrs;
  wf_limit_opt limits[WF_LIMITS_MAX];
  luaL_checktype(L, OPTS, LUA_TTABLE);
  lua_settop(L, OPTS);
  lx_opts_check(L, OPTS, known);
  wf_attrs_check(L, OPTS, &attrs);
  int nlimits = wf_limits_check(L, OPTS, limits);
  const char *name = lx_opt_string(L, OPTS, "name", NULL), *cwd = lx_opt_string(L, OPTS, "cwd", NULL);
  int mask = (int)lx_opt_integer(L, OPTS, "umask", -1, 0, 0777);
  bool whole = lx_opt_boolean(L, OPTS, "process", false), tame = lx_opt_boolean(L, OPTS, "no_new_privs", true);
  if (!tame) luaL_argerror(L, OPTS, "option 'no_new_privs': it can be set, not taken back");
  if (whole && attrs.has_sigmask) luaL_argerror(L, OPTS, "option 'sigmask': it is the calling thread's, not the process's");
  check_env(L);
  const char *what = "name";
  int e = name == NULL ? 0 : wf_thread_set_name(name);
  if (e == 0) e = set_limits(limits, nlimits, &what);
  if (e == 0) e = whole ? set_all_threads(&attrs, &what) : set_thread(&attrs, 0, &what);
  if (e == 0 && attrs.has_sigmask) {
    what = "sigmask";
    e = wf_set_sigmask(attrs.sigmask);
  }
  if (e == 0) {
    what = "env";
    e = set_env(L);
  }
  if (e == 0 && cwd != NULL) {
    what = cwd;
    e = chdir(cwd) == 0 ? 0 : errno;
  }
  if (e == 0 && mask >= 0) umask((mode_t)mask);
  if (e == 0 && lx_opt_given(L, OPTS, "no_new_privs")) {
    what = "no_new_privs";
    e = wf_set_no_new_privs();
  }
  if (e != 0) return lx_fail_errno(L, e, what);
  lua_pushboolean(L, 1);
  return 1;
}

void wf_lib_set(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"set_facts", lib_set_facts}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
