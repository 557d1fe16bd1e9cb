/* See l_child.h. */
#include "lib/l_child.h"

#include "lx/opts.h"

wf_child_args wf_child_args_check(lua_State *L, const char *const *known) {
  wf_child_args a = {.nargs = lua_gettop(L) - 1};
  a.has_opts = lua_type(L, 1) == LUA_TTABLE && !lx_callable(L, 1);
  if (a.has_opts && known != NULL) lx_opts_check(L, 1, known);
  lx_check_callable(L, a.has_opts ? 2 : 1);
  if (!a.has_opts) return a;
  a.nargs--;
  a.name = lx_opt_string(L, 1, "name", NULL);
  a.memory = (size_t)lx_opt_integer(L, 1, "memory", 0, 1, LUA_MAXINTEGER);
  return a;
}
