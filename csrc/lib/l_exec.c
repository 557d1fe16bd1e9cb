/* weft.exec, the C half: options, arguments, environment; the start itself. lua/weft/exec.lua adds what is written in
 * Lua. A program is started from its list of arguments, never through a shell. */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "lib/l_exec.h"
#include "lib/l_stream.h"
#include "lx/error.h"
#include "lx/late.h"
#include "lx/opts.h"
#include "rt/program.h"
#include "rt/sched.h"
#include "rt/shutdown.h"

enum { ARGS_MOST = 1 << 20 };

extern char **environ;

static int exec_gc(lua_State *L) {
  wf_exec *e = lua_touserdata(L, 1);
  wf_exec_close(e, false);
  return 0;
}

/* The record, in a userdata whose user values keep the strings that it points to. */
wf_exec *wf_exec_box_push(lua_State *L) {
  wf_exec *e = lua_newuserdatauv(L, sizeof *e, 4);
  memset(e, 0, sizeof *e);
  wf_spawn_opts_init(&e->o);
  e->null_fd = e->slave = -1;
  lx_finaliser_set(L, "weft.exec_box", exec_gc);
  return e;
}

/* Only known options, and a list without holes. [-0, +0, e] */
static lua_Integer check_keys(lua_State *L) {
  static const char *const known[] = {"stdin", "stdout", "stderr", "fds", "pty", "env", "cwd", "uid", "gid", "groups", "nice", "policy",
                                      "priority", "affinity", "limits", "umask", "session", "group", "timeout", "detached",
                                      "no_new_privs", NULL};
  lua_Integer n = (lua_Integer)lua_rawlen(L, WF_EXEC_OPTS);
  lua_pushnil(L);
  while (lua_next(L, WF_EXEC_OPTS)) {
    lua_pop(L, 1);
    int ok = 0;
    lua_Integer i = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &ok) : 0;
    if (ok && i >= 1 && i <= n) continue;
    if (lua_type(L, -1) != LUA_TSTRING) luaL_argerror(L, WF_EXEC_OPTS, "the arguments are not a list without holes");
    const char *key = lua_tostring(L, -1);
    size_t k = 0;
    while (known[k] != NULL && strcmp(known[k], key) != 0) k++;
    if (known[k] == NULL) lx_opts_unknown(L, WF_EXEC_OPTS, key, known);
  }
  if (n < 1) luaL_argerror(L, WF_EXEC_OPTS, "a program and its arguments expected, got an empty list");
  if (n > ARGS_MOST) luaL_argerror(L, WF_EXEC_OPTS, "too many arguments");
  return n;
}

/* argv, byte for byte; numbers as Lua writes them. */
static void read_argv(lua_State *L, wf_exec *e, lua_Integer n) {
  char **argv = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof *argv, 1);
  lua_createtable(L, (int)n, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    size_t len = 0;
    int type = lua_rawgeti(L, WF_EXEC_OPTS, i);
    const char *s = type == LUA_TSTRING || type == LUA_TNUMBER ? lua_tolstring(L, -1, &len) : NULL;
    if (s == NULL) luaL_argerror(L, WF_EXEC_OPTS, lua_pushfstring(L, "argument %d: string expected, got %s", (int)i, luaL_typename(L, -1)));
    if (strlen(s) != len) luaL_argerror(L, WF_EXEC_OPTS, lua_pushfstring(L, "argument %d has a zero in it", (int)i));
    argv[i - 1] = (char *)(uintptr_t)s;
    lua_rawseti(L, -2, i);
  }
  argv[n] = NULL;
  lua_setiuservalue(L, -2, 1);
  lua_setiuservalue(L, WF_EXEC_BOX, 1);
  e->o.argv = argv;
  e->o.file = argv[0];
}

/* Environment --------------------------------------------------------------------------------------------- */

/* Push a table name -> value of this process's environment. */
static void push_environment(lua_State *L) {
  lua_newtable(L);
  for (char **v = environ; v != NULL && *v != NULL; v++) {
    const char *eq = strchr(*v, '=');
    if (eq == NULL || eq == *v) continue;
    lua_pushlstring(L, *v, (size_t)(eq - *v));
    lua_pushstring(L, eq + 1);
    lua_rawset(L, -3);
  }
}

/* env = { K = "v" } replaces; with inherit = true (a boolean, so no variable) it extends, and false removes. */
static void read_env(lua_State *L, wf_exec *e) {
  int type = lua_getfield(L, WF_EXEC_OPTS, "env");
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  if (type != LUA_TTABLE) luaL_argerror(L, WF_EXEC_OPTS, "option 'env': table expected");
  int given = lua_gettop(L);
  lua_getfield(L, given, "inherit");
  bool inherit = lua_isboolean(L, -1) && lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (inherit)
    push_environment(L);
  else
    lua_newtable(L);
  int all = lua_gettop(L);
  lua_Integer n = 0;
  for (lua_pushnil(L); lua_next(L, given); lua_pop(L, 1)) {
    size_t len;
    if (lua_type(L, -2) != LUA_TSTRING) luaL_argerror(L, WF_EXEC_OPTS, "option 'env': its keys are names");
    const char *name = lua_tolstring(L, -2, &len);
    if (lua_isboolean(L, -1) && strcmp(name, "inherit") == 0) continue;
    if (len == 0 || strlen(name) != len || strchr(name, '=') != NULL)
      luaL_argerror(L, WF_EXEC_OPTS, lua_pushfstring(L, "option 'env': '%s' is no name of a variable", name));
    bool removed = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
    int t = lua_type(L, -1);
    if (!removed && t != LUA_TSTRING && t != LUA_TNUMBER)
      luaL_argerror(L, WF_EXEC_OPTS, lua_pushfstring(L, "option 'env': '%s' is a string, or false to remove it", name));
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    if (removed) {
      lua_pop(L, 1);
      lua_pushnil(L);
    }
    lua_rawset(L, all);
  }
  for (lua_pushnil(L); lua_next(L, all); lua_pop(L, 1)) n++;
  char **envp = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof *envp, 1);
  lua_createtable(L, (int)n, 0);
  lua_Integer i = 0;
  for (lua_pushnil(L); lua_next(L, all);) {
    size_t len;
    const char *value = luaL_tolstring(L, -1, &len);
    if (strlen(value) != len) luaL_argerror(L, WF_EXEC_OPTS, lua_pushfstring(L, "option 'env': '%s' has a zero in it", lua_tostring(L, -3)));
    envp[i] = (char *)(uintptr_t)lua_pushfstring(L, "%s=%s", lua_tostring(L, -3), value);
    lua_rawseti(L, -5, ++i);
    lua_pop(L, 2);
  }
  envp[n] = NULL;
  lua_setiuservalue(L, -2, 1);
  lua_setiuservalue(L, WF_EXEC_BOX, 2);
  lua_settop(L, given - 1);
  e->o.envp = envp;
}

/* Options --------------------------------------------------------------------------------------------------- */

static void read_attrs(lua_State *L, wf_exec *e) {
  wf_attrs_check(L, WF_EXEC_OPTS, &e->attrs);
  e->o.has_nice = e->attrs.has_nice;
  e->o.nice = e->attrs.nice;
  e->o.cpus = e->attrs.cpus;
  e->o.ncpus = e->attrs.ncpus;
  e->o.has_policy = e->attrs.has_policy || e->attrs.has_priority;
  e->o.policy = e->attrs.has_policy ? e->attrs.policy : SCHED_OTHER;
  e->o.priority = e->attrs.has_priority ? e->attrs.priority : sched_get_priority_min(e->o.policy);
  int n = wf_limits_check(L, WF_EXEC_OPTS, e->limit_opts);
  for (int i = 0; i < n; i++) {
    const wf_limit_opt *l = &e->limit_opts[i];
    e->limits[i] = (wf_spawn_limit){wf_limit_resource(l->index), l->limit.soft, l->limit.hard};
  }
  e->o.limits = e->limits;
  e->o.nlimits = (size_t)n;
}

static void read_identity(lua_State *L, wf_exec *e) {
  wf_identity id;
  wf_identity_check(L, WF_EXEC_OPTS, &id);
  lua_setiuservalue(L, WF_EXEC_BOX, 3);
  e->o.has_uid = id.has_uid;
  e->o.has_gid = id.has_gid;
  e->o.has_groups = id.has_groups;
  e->o.uid = id.uid;
  e->o.gid = id.gid;
  e->o.groups = id.groups;
  e->o.ngroups = id.ngroups;
}

/* group = true: one of its own; a number: that one. */
static int read_group(lua_State *L) {
  int type = lua_getfield(L, WF_EXEC_OPTS, "group"), group = -1, ok;
  if (type == LUA_TBOOLEAN) {
    if (lua_toboolean(L, -1)) group = 0;
  } else if (type != LUA_TNIL) {
    lua_Integer g = lua_tointegerx(L, -1, &ok);
    if (!ok || g < 1 || g > INT32_MAX) luaL_argerror(L, WF_EXEC_OPTS, "option 'group': true or a process group's number expected");
    group = (int)g;
  }
  lua_pop(L, 1);
  return group;
}

static uint64_t read_timeout(lua_State *L) {
  uint64_t span = WF_NEVER;
  if (lua_getfield(L, WF_EXEC_OPTS, "timeout") != LUA_TNIL) {
    if (lua_type(L, -1) != LUA_TNUMBER || !(lua_tonumber(L, -1) >= 0))
      luaL_argerror(L, WF_EXEC_OPTS, "option 'timeout': seconds >= 0 expected");
    span = wf_check_span(L, lua_gettop(L));
  }
  lua_pop(L, 1);
  return span;
}

static void read_surroundings(lua_State *L, wf_exec *e) {
  read_env(L, e);
  read_attrs(L, e);
  read_identity(L, e);
  e->o.cwd = lx_opt_string(L, WF_EXEC_OPTS, "cwd", NULL);
  e->o.umask = (int)lx_opt_integer(L, WF_EXEC_OPTS, "umask", -1, 0, 0777);
  e->o.no_new_privs = lx_opt_boolean(L, WF_EXEC_OPTS, "no_new_privs", false);
}

int wf_exec_parse_process(lua_State *L) {
  static const char *const known[] = {"name", "memory", "env", "cwd", "uid", "gid", "groups", "nice", "policy", "priority", "affinity", "limits",
                                      "umask", "no_new_privs", NULL};
  lua_settop(L, WF_EXEC_OPTS);
  lx_opts_check(L, WF_EXEC_OPTS, known);
  read_surroundings(L, wf_exec_box_push(L));
  return 1;
}

static void read_options(lua_State *L, wf_exec *e) {
  read_argv(L, e, check_keys(L));
  read_surroundings(L, e);
  e->o.session = lx_opt_boolean(L, WF_EXEC_OPTS, "session", false) || lx_opt_boolean(L, WF_EXEC_OPTS, "detached", false);
  e->o.group = read_group(L);
}

/* core.exec{ program, argument..., option = ... }: a weft.child, or nil, message, code. */
static int lib_exec(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  const char *what;
  if (lua_type(L, WF_EXEC_OPTS) == LUA_TSTRING)
    luaL_argerror(L, WF_EXEC_OPTS, "a list such as { \"ls\", \"-l\" } expected, got a string; a shell is { \"sh\", \"-c\", \"...\" }");
  luaL_checktype(L, WF_EXEC_OPTS, LUA_TTABLE);
  lua_settop(L, WF_EXEC_OPTS);
  if (iso->closing) return luaL_error(L, "cannot start a program: the script is ending");
  if (wf_forked()) return luaL_error(L, "weft does not work in a forked process that has not called exec");
  wf_exec *e = wf_exec_box_push(L);
  lua_newtable(L);
  read_options(L, e);
  uint64_t timeout = read_timeout(L);
  bool detached = lx_opt_boolean(L, WF_EXEC_OPTS, "detached", false);
  int err = wf_io_open(iso);
  if (err != 0) return lx_fail_errno(L, err, e->o.file);
  err = wf_exec_streams(iso, L, e, &what);
  if (err != 0) {
    wf_exec_close(e, false);
    return lx_fail_errno(L, err, what);
  }
  e->o.fds = e->fds;
  e->o.nfds = e->nfds;
  wf_program *p = wf_program_push(iso, L, 1);
  lua_pushvalue(L, WF_EXEC_FIELDS);
  lua_setiuservalue(L, -2, 1);
  wf_program_prepare(iso, L, p);
  p->detached = detached;
  p->own_group = e->o.session || e->o.group == 0;
  wf_process process;
  err = wf_spawn(&process, &e->o, &what);
  if (err != 0) {
    wf_program_failed(iso, p);
    wf_exec_close(e, false);
    return lx_fail_errno(L, err, what);
  }
  wf_program_started(iso, p, process, timeout);
  wf_exec_close(e, true);
  wf_io_label(wf_program_id(p), &p->labelled, "%s %d", e->o.file, (int)p->pid);
  return 1;
}

void wf_lib_exec(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"exec", lib_exec}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
