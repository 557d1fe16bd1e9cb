/* What belongs to no type: errors, registered metatables, reports, os.exit, task-locals. */
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "lib/lib.h"
#include "lx/error.h"
#include "lx/opts.h"
#include "lx/pack.h"
#include "rt/cancel.h"
#include "rt/io.h"
#include "rt/run.h"
#include "rt/sched.h"
#include "rt/shutdown.h"
#include "rt/task.h"

/* weft.is(value[, kind]): is it one of weft's errors, of this kind? A kind that there is not would never be found. */
static int lib_is(lua_State *L) {
  static const char *const kinds[] = {"cancelled", "timeout", "closed", "deadlock", "transfer", "memory", "process", "item", "init", NULL};
  luaL_checkany(L, 1);
  const char *kind = lua_isnoneornil(L, 2) ? NULL : kinds[luaL_checkoption(L, 2, NULL, kinds)];
  lua_pushboolean(L, lx_error_is(L, 1, kind));
  return 1;
}

/* core.error(kind, message[, reason]): an error value of weft's. */
static int lib_error(lua_State *L) {
  const char *kind = luaL_checkstring(L, 1), *message = luaL_checkstring(L, 2);
  lx_error_new(L, kind, "%s", message);
  if (!lua_isnoneornil(L, 3)) {
    lua_pushvalue(L, 3);
    lua_setfield(L, -2, "reason");
  }
  return 1;
}

/* core.cancelled([reason]): the error that a cancelled task raises. */
static int lib_cancelled(lua_State *L) {
  lua_settop(L, 1);
  wf_cancel_error(L, 1);
  return 1;
}

/* weft.on_unhandled(fn | nil): who is told of failures that nobody looked at. Returns the one before. */
static int lib_on_unhandled(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  if (!lua_isnoneornil(L, 1)) lx_check_callable(L, 1);
  lua_settop(L, 1);
  if (iso->unhandled == LUA_NOREF)
    lua_pushnil(L);
  else
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->unhandled);
  luaL_unref(L, LUA_REGISTRYINDEX, iso->unhandled);
  iso->unhandled = LUA_NOREF;
  if (!lua_isnil(L, 1)) {
    lua_pushvalue(L, 1);
    iso->unhandled = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  return 1;
}

/* core.identity(): id, name, kind of the running task. */
static int lib_identity(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_pushinteger(L, (lua_Integer)wf_task_id(iso, iso->cur));
  wf_task_push_name(iso, L, iso->cur);
  const char *kind = "main";
  if (iso->parent_task != 0) kind = iso->pooled ? "isolate" : "thread";
  if (iso->run != NULL && iso->run->process) kind = "process";
  lua_pushstring(L, iso->cur->flags & WF_F_MAIN ? kind : "task");
  return 3;
}

/* core.handle(): the running task's job, or nil in the main chunk. */
static int lib_handle(lua_State *L) {
  wf_task_push_handle(L, wf_iso_up(L)->cur);
  return 1;
}

/* core.get(key): a task-local of the running task. */
static int lib_get(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  luaL_checkany(L, 1);
  if (!(iso->cur->flags & WF_F_LOCALS)) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->locals);
  lua_rawgetp(L, -1, iso->cur);
  lua_pushvalue(L, 1);
  lua_rawget(L, -2);
  return 1;
}

/* core.set(key, value). The table of locals is shared with the tasks that this one has started: it is
 * copied, never changed. */
static int lib_set(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  luaL_checkany(L, 1);
  luaL_argcheck(L, !lua_isnil(L, 1) && !(lua_type(L, 1) == LUA_TNUMBER && lua_tonumber(L, 1) != lua_tonumber(L, 1)), 1,
                "nil and NaN cannot be keys");
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  lua_newtable(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->locals);
  if (iso->cur->flags & WF_F_LOCALS) {
    lua_rawgetp(L, 4, iso->cur);
    lua_pushnil(L);
    while (lua_next(L, 5)) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, 3);
    }
  }
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_rawset(L, 3);
  lua_pushvalue(L, 3);
  lua_rawsetp(L, 4, iso->cur);
  iso->cur->flags |= WF_F_LOCALS;
  return 0;
}

/* os.exit([code[, close]]), orderly. Upvalue 2: Lua's own. */
static int os_exit(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  if (lua_type(L, 1) != LUA_TBOOLEAN) luaL_optinteger(L, 1, 0);
  int code = lua_isnoneornil(L, 1) ? EXIT_SUCCESS
             : lua_isboolean(L, 1) ? (lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE)
                                   : (int)lua_tointeger(L, 1);
  if (iso->exit != NULL) return iso->exit(iso, L, code); /* a child: it is for the main isolate to do */
  wf_iso_shutdown_quietly(iso, L);
  if (!lua_toboolean(L, 2)) wf_io_settle(iso); /* else lua_close does it */
  lua_settop(L, 2);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, 2, 0);
  return 0;
}

/* debug.sethook as it is. Upvalue 2: Lua's own. A cancellation that comes meanwhile, for who computes, is to strike by a hook, which
 * this one may have replaced. */
static int debug_sethook(lua_State *L) {
  lua_CFunction own = lua_tocfunction(L, lua_upvalueindex(2));
  if (own != NULL) {
    own(L); /* in this frame, so that its errors have this function's name; it returns nothing */
  } else {
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 0);
  }
  wf_press_check(wf_iso_up(L), L);
  return 0;
}

/* Replace that function in the table on top, unless that was done. [-0, +0, m] */
static void replace(wf_iso *iso, lua_State *L, const char *name, lua_CFunction f) {
  lua_pushlightuserdata(L, iso);
  if (lua_getfield(L, -2, name) != LUA_TFUNCTION || lua_tocfunction(L, -1) == f) {
    lua_pop(L, 2);
    return;
  }
  lua_pushcclosure(L, f, 2);
  lua_setfield(L, -2, name);
}

static void on_library(wf_iso *iso, lua_State *L, const char *lib) {
  if (strcmp(lib, LUA_COLIBNAME) == 0) {
    wf_lib_coroutine(iso, L);
  } else if (strcmp(lib, LUA_OSLIBNAME) == 0) {
    replace(iso, L, "exit", os_exit);
  } else if (strcmp(lib, LUA_DBLIBNAME) == 0) {
    replace(iso, L, "sethook", debug_sethook);
  }
}

void wf_lib_core(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"is", lib_is},   {"error", lib_error}, {"on_unhandled", lib_on_unhandled},
                                   {"get", lib_get}, {"set", lib_set},     {"identity", lib_identity}, {"handle", lib_handle}, {"cancelled", lib_cancelled},
                                   {"register", wf_register}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}

void wf_lib_libraries(wf_iso *iso, lua_State *L) {
  static const char *const libs[] = {LUA_COLIBNAME, LUA_OSLIBNAME, LUA_DBLIBNAME};
  iso->on_library = on_library;
  if (iso->is_child) return; /* there they are replaced when they open (run.c) */
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (size_t i = 0; i < sizeof libs / sizeof *libs; i++) {
    if (lua_getfield(L, -1, libs[i]) == LUA_TTABLE) on_library(iso, L, libs[i]);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}
