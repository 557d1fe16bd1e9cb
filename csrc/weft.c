/* luaopen_weft_core: the C half of weft, as one table of functions for lua/weft/init.lua.
 *
 * The module must never be unmapped while the process lives: threads that weft started may still be in
 * it when the last Lua state closes. It is linked with -z nodelete; a build that did not do so pins
 * itself here. */
#define _GNU_SOURCE /* dladdr */

#include "weft.h"

#include <dlfcn.h>
#include <pthread.h>

#include "lib/lib.h"
#include "lx/error.h"

static void stay_loaded(void) {
  Dl_info info;
  if (dladdr((const void *)luaopen_weft_core, &info) == 0 || info.dli_fname == NULL) return;
  void *self = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  if (self != NULL) dlclose(self);
}

int luaopen_weft_core(lua_State *L) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, stay_loaded);
  luaL_checkversion(L);
  lx_source_home(L);
  wf_iso *iso = wf_iso_open(L, NULL, NULL);
  iso->open_core = luaopen_weft_core;
  wf_lib_push_core(iso, L); /* loaded anew it is the same: objects of before must stay valid */
  return 1;
}
