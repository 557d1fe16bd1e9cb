/* luaopen_weft_core: the C half of weft, as one table of functions for lua/weft/init.lua.
 *
 * The module must never be unmapped while the process lives: threads that weft started may still be in
 * it when the last Lua state closes. It is linked with -z nodelete; a build that did not do so pins
 * itself here. */
#define _GNU_SOURCE /* dladdr */

#include "weft.h"

#include <dlfcn.h>
#include <uv.h>

#include "lib/lib.h"
#include "rt/report.h"

static void stay_loaded(void) {
  Dl_info info;
  if (dladdr((const void *)luaopen_weft_core, &info) == 0 || info.dli_fname == NULL) return;
  void *self = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  if (self != NULL) dlclose(self);
}

int luaopen_weft_core(lua_State *L) {
  stay_loaded();
  luaL_checkversion(L);
  wf_iso *iso = wf_iso_open(L, NULL, NULL);
  iso->open_core = luaopen_weft_core;
  if (iso->module != 0) { /* loaded anew: objects of before must stay valid */
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->module);
    return 1;
  }
  lua_newtable(L);
  wf_report_open(iso, L);
  wf_lib_core(iso, L);
  wf_lib_job(iso, L);
  wf_lib_task(iso, L);
  wf_lib_channel(iso, L);
  wf_lib_buffer(iso, L);
  wf_lib_select(iso, L);
  wf_lib_sync(iso, L);
  wf_lib_scope(iso, L);
  wf_lib_thread(iso, L);
  wf_lib_spawn(iso, L);
  wf_lib_ps(iso, L);
  wf_lib_pool(iso, L);
  lua_pushlightuserdata(L, iso);
  wf_lib_trace(L);
  lua_pushlightuserdata(L, iso);
  lua_setfield(L, -2, "isolate");
  lua_pushfstring(L, "%s, libuv %s", LUA_RELEASE, uv_version_string());
  lua_setfield(L, -2, "versions");
  lua_pushvalue(L, -1);
  iso->module = luaL_ref(L, LUA_REGISTRYINDEX);
  return 1;
}
