/* weft.child: the handle of a program that weft.exec started. User value 1: its streams by name, and "status" once it has
 * ended. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "lib/l_program.h"
#include "lib/lib.h"
#include "lx/error.h"
#include "rt/program.h"
#include "rt/sched.h"
#include "sys/signame.h"

enum { SELF = 1 };

static wf_program *check_program(lua_State *L) {
  wf_program *p = wf_object_test(L, SELF, WF_CLASS_PROGRAM, sizeof *p);
  if (p == NULL) luaL_typeerror(L, SELF, "weft.child");
  return p;
}

static void set_number(lua_State *L, const char *key, double v) {
  lua_pushnumber(L, v);
  lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, int64_t v) {
  lua_pushinteger(L, (lua_Integer)v);
  lua_setfield(L, -2, key);
}

static void set_true(lua_State *L, const char *key) {
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, key);
}

static void push_new_status(lua_State *L, const wf_program *p) {
  const wf_process_end *e = &p->end;
  char buf[16];
  lua_createtable(L, 0, 4);
  if (!e->known) {
    set_true(L, "unknown");
  } else if (e->signal != 0) {
    lua_pushstring(L, wf_signal_text(e->signal, buf, sizeof buf));
    lua_setfield(L, -2, "signal");
  } else {
    set_integer(L, "code", e->code);
  }
  if (e->core) set_true(L, "core");
  if (p->timed_out) set_true(L, "timed_out");
  lua_createtable(L, 0, 7);
  set_number(L, "user", e->user);
  set_number(L, "system", e->system);
  set_integer(L, "peak", (int64_t)e->peak);
  set_integer(L, "minor_faults", e->minor_faults);
  set_integer(L, "major_faults", e->major_faults);
  set_integer(L, "voluntary", e->voluntary);
  set_integer(L, "involuntary", e->involuntary);
  lua_setfield(L, -2, "usage");
}

void wf_program_push_status(lua_State *L, int idx) {
  const wf_program *p = lua_touserdata(L, idx);
  luaL_checkstack(L, 8, NULL);
  lua_getiuservalue(L, idx, 1);
  if (lua_getfield(L, -1, "status") == LUA_TNIL) {
    lua_pop(L, 1);
    push_new_status(L, p);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "status");
  }
  lua_remove(L, -2);
}

static int fail_about(lua_State *L, const wf_program *p, int err) {
  lua_pushfstring(L, "process %d", (int)p->pid);
  return lx_fail_errno(L, err, lua_tostring(L, -1));
}

static int wait_k(lua_State *L, int status, lua_KContext ctx) {
  if (status != LUA_OK) {
    wf_task *t = (wf_task *)ctx;
    if (wf_wait_end(L, t) == WF_TIMEOUT) return fail_about(L, lua_touserdata(L, SELF), ETIMEDOUT);
  }
  wf_program_push_status(L, SELF);
  return 1;
}

static int wait_end(lua_State *L, wf_program *p, uint64_t deadline, lua_KFunction k) {
  wf_iso *iso = p->object.iso;
  wf_cancel_point(iso, L);
  if (p->ended) return k(L, LUA_OK, 0);
  if (deadline != WF_NEVER && wf_task_ext(iso, iso->cur) == NULL) return luaL_error(L, "not enough memory");
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_IO);
  wf_wait_queue(t, &p->waiters);
  wf_wait_world(iso, t);
  wf_wait_until(iso, t, deadline);
  return wf_wait_park(iso, L, t, wf_program_id(p), k);
}

/* child:wait([timeout]): how it ended, or nil, message, "ETIMEDOUT". */
static int program_wait(lua_State *L) {
  wf_program *p = check_program(L);
  uint64_t deadline = wf_opt_deadline(wf_iso_up(L), L, 2);
  lua_settop(L, SELF);
  return wait_end(L, p, deadline, wait_k);
}

/* child:status(): how it ended, nil while it runs. */
static int program_status(lua_State *L) {
  if (check_program(L)->ended)
    wf_program_push_status(L, SELF);
  else
    lua_pushnil(L);
  return 1;
}

static int check_signal(lua_State *L, int arg) {
  if (lua_isnoneornil(L, arg)) return SIGTERM;
  if (lua_type(L, arg) == LUA_TNUMBER) {
    lua_Integer sig = luaL_checkinteger(L, arg);
    luaL_argcheck(L, sig >= 0 && sig <= WF_SIGNALS, arg, "a signal's number from 0 to 64 expected");
    return (int)sig;
  }
  int sig = wf_signal_parse(luaL_checkstring(L, arg));
  if (sig == 0) luaL_argerror(L, arg, lua_pushfstring(L, "no signal is called '%s'", lua_tostring(L, arg)));
  return sig;
}

/* child:kill([signal [, "group"]]): true, or nil, message, code. */
static int program_kill(lua_State *L) {
  wf_program *p = check_program(L);
  int sig = check_signal(L, 2);
  bool group = !lua_isnoneornil(L, 3);
  if (group) {
    static const char *const whom[] = {"group", NULL};
    luaL_checkoption(L, 3, NULL, whom);
    luaL_argcheck(L, p->own_group, 3, "the program was not started with a process group of its own (group = true)");
  }
  int err = wf_program_signal(p, sig, group);
  if (err != 0) return fail_about(L, p, err);
  lua_pushboolean(L, 1);
  return 1;
}

/* child.pid and the streams; everything else is a method. Upvalue 2: the methods. */
static int program_index(lua_State *L) {
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) return 1;
  const wf_program *p = check_program(L);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "pid") == 0) {
    lua_pushinteger(L, p->pid);
    return 1;
  }
  if (strncmp(key, "std", 3) != 0 && strcmp(key, "pty") != 0) return 0;
  lua_getiuservalue(L, SELF, 1);
  lua_getfield(L, -1, key);
  return 1;
}

static int program_tostring(lua_State *L) {
  const wf_program *p = check_program(L);
  char buf[16];
  const char *how = !p->ended ? "running" : p->end.signal != 0 ? wf_signal_text(p->end.signal, buf, sizeof buf) : NULL;
  if (how != NULL)
    lua_pushfstring(L, "weft.child %d (%s)", (int)p->pid, how);
  else if (p->end.known)
    lua_pushfstring(L, "weft.child %d (exit %d)", (int)p->pid, p->end.code);
  else
    lua_pushfstring(L, "weft.child %d (ended)", (int)p->pid);
  return 1;
}

/* local c <close>: SIGTERM, SIGKILL two seconds later, and wait. */
static int close_k(lua_State *L, int status, lua_KContext ctx) {
  if (status != LUA_OK) {
    wf_task *t = (wf_task *)ctx;
    wf_program *p = lua_touserdata(L, SELF);
    if (wf_wait_end(L, t) == WF_TIMEOUT) {
      wf_program_signal(p, SIGKILL, p->own_group);
      return wait_end(L, p, WF_NEVER, close_k);
    }
  }
  return 0;
}

static int program_close(lua_State *L) {
  enum { PATIENCE_NS = 2000000000 };
  wf_program *p = check_program(L);
  lua_settop(L, SELF);
  if (p->ended) return 0;
  wf_program_signal(p, SIGTERM, p->own_group);
  return wait_end(L, p, wf_clock_ns() + PATIENCE_NS, close_k);
}

/* core.program_methods(): for Lua code to add to. */
static int lib_program_methods(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[WF_CLASS_PROGRAM]);
  lua_getfield(L, -1, "__methods");
  return 1;
}

void wf_lib_program(wf_iso *iso, lua_State *L) {
  static const luaL_Reg methods[] = {{"wait", program_wait}, {"status", program_status}, {"kill", program_kill}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__tostring", program_tostring}, {"__close", program_close}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"program_methods", lib_program_methods}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_PROGRAM, "weft.child", NULL, meta);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[WF_CLASS_PROGRAM]);
  lua_pushlightuserdata(L, iso);
  lua_newtable(L);
  lua_pushlightuserdata(L, iso);
  luaL_setfuncs(L, methods, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "__methods");
  lua_pushcclosure(L, program_index, 2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  wf_lib_add(iso, L, funcs);
}
