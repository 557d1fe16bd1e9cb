/* weft.thread: a function on an OS thread of its own. */
#include <string.h>

#include "lib/l_attr.h"
#include "lib/l_child.h"
#include "lib/lib.h"
#include "lx/error.h"
#include "lx/opts.h"
#include "rt/child.h"
#include "sys/loop.h"
#include "sys/thread.h"

enum { OPTS = 1 };

/* On the new thread. */
static int take_identity(void *arg, const char **what) { return wf_identity_take(arg, what); }

/* weft.thread([opts,] f, ...): a job, or nil, message, code. */
static int lib_thread(lua_State *L) {
  static const char *const known[] = {"name", "stack", "nice", "policy", "priority", "affinity", "sigmask", "memory", "uid", "gid", "groups", NULL};
  wf_iso *iso = wf_iso_up(L);
  wf_thread_opts o;
  wf_attrs attrs;
  wf_identity identity;
  wf_child_args a = wf_child_args_check(L, known);
  memset(&o, 0, sizeof o);
  if (a.has_opts) {
    o.stack = (size_t)lx_opt_integer(L, OPTS, "stack", 0, 1, (lua_Integer)1 << 40);
    wf_attrs_check(L, OPTS, &attrs);
    o.has_nice = attrs.has_nice;
    o.nice = attrs.nice;
    o.has_policy = attrs.has_policy;
    o.policy = attrs.policy;
    o.has_priority = attrs.has_priority;
    o.priority = attrs.priority;
    o.ncpus = attrs.ncpus;
    if (o.ncpus > 0) o.cpus = attrs.cpus;
    o.has_sigmask = attrs.has_sigmask;
    o.sigmask = attrs.sigmask;
    wf_identity_check(L, OPTS, &identity);
    lua_insert(L, OPTS); /* the groups live as long as the call */
    if (wf_identity_any(&identity)) {
      wf_loop_start_pool(); /* with our rights: if that fails, somebody else starts it later */
      o.setup = take_identity;
      o.setup_arg = &identity;
    }
  }
  o.name = a.name;
  return wf_child_start(iso, L, a.nargs, a.name, a.memory, &o) != NULL ? 1 : 3;
}

void wf_lib_thread(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"thread", lib_thread}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
