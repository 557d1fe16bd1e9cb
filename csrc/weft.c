/* luaopen_weft_core: the C half of weft, as one table of functions for lua/weft/init.lua.
 *
 * The module must never be unmapped while the process lives: threads that weft started may still be in
 * it when the last Lua state closes. It is linked with -z nodelete; a build that did not do so pins
 * itself here. */
#include "weft.h"

#include <pthread.h>

#include "lib/lib.h"
#include "lx/error.h"
#include "sys/pin.h"

static void stay_loaded(void) { wf_pin_code((void (*)(void))luaopen_weft_core); }

/* Loaded anew it is the same: objects of before must stay valid. [-0, +1, e] */
static void push_core(lua_State *L) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, stay_loaded);
  luaL_checkversion(L);
  wf_iso *iso = wf_iso_open(L, NULL, NULL);
  iso->open_core = luaopen_weft_core;
  wf_lib_push_core(iso, L);
}

int luaopen_weft_core(lua_State *L) {
  wf_lib_need_uv(L);
  lx_source_home(L);
  push_core(L);
  return 1;
}

int weft_serve(lua_State *L) {
  push_core(L);
  lua_getfield(L, -1, "serve");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  return 0;
}
