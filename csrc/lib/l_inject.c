/* core.inject, in test builds: faults of system calls to order (sys/inject.h). */
#include "sys/inject.h"

#ifdef WF_DEBUG
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/lib.h"
#include "lx/opts.h"
#include "sys/file.h"

static const char *const kinds[] = {"open", "read", "write", "sync", "rename", "close", "link", "recv", "send", "accept", "connect", NULL};

static int errno_of(const char *name) {
  static const struct {
    const char *name;
    int err;
  } all[] = {{"EINTR", EINTR}, {"ENOSPC", ENOSPC}, {"EIO", EIO}, {"EMFILE", EMFILE}, {"ENOMEM", ENOMEM}, {"EDQUOT", EDQUOT}, {"EACCES", EACCES},
             {"EAGAIN", EAGAIN}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (strcmp(all[i].name, name) == 0) return all[i].err;
  return 0;
}

/* core.inject(kind, {after=, times=, code=, most=}): the next calls of a kind; core.inject(kind): nothing any more. How
 * many calls there have been since the last order. */
static int lib_inject(lua_State *L) {
  static const char *const known[] = {"after", "times", "code", "most", NULL};
  enum wf_inject_call call = (enum wf_inject_call)luaL_checkoption(L, 1, NULL, kinds);
  long count = wf_inject_count(call), after = 0, times = 0;
  int err = 0;
  size_t most = 0;
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    lx_opts_check(L, 2, known);
    const char *code = lx_opt_string(L, 2, "code", NULL);
    if (code != NULL && (err = errno_of(code)) == 0) luaL_argerror(L, 2, "no such code here");
    after = (long)lx_opt_integer(L, 2, "after", 0, 0, LONG_MAX);
    times = (long)lx_opt_integer(L, 2, "times", 1, 0, LONG_MAX);
    most = (size_t)lx_opt_integer(L, 2, "most", 1, 1, LUA_MAXINTEGER);
  }
  wf_inject_order(call, after, times, err, most);
  lua_pushinteger(L, count);
  return 1;
}

/* core.injected(): how many calls have gone wrong by order. */
static int lib_injected(lua_State *L) {
  lua_pushinteger(L, wf_inject_total());
  return 1;
}

/* core.at_once([kind]): how many file calls were answered at once; file systems of this kind are servers from now on. */
static int lib_at_once(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) wf_quick_pretend(luaL_checkstring(L, 1));
  lua_pushinteger(L, (lua_Integer)wf_iso_up(L)->at_once);
  return 1;
}

void wf_lib_inject(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"inject", lib_inject}, {"injected", lib_injected}, {"at_once", lib_at_once}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
#else
typedef int wf_lib_inject_is_for_test_builds;
#endif
