/* weft.process: a function in a process of its own; weft.interpreter: what runs there. */
#include <limits.h>
#include <lualib.h>
#include <string.h>
#include <unistd.h>

#include "lib/l_channel.h"
#include "lib/l_child.h"
#include "lib/l_exec.h"
#include "lx/error.h"
#include "rt/process.h"
#include "rt/sched.h"
#include "sys/pin.h"

enum { BOX = 1, PROGRAM = 2 };

static const char INTERPRETER = 0; /* its address is the registry key of the path */
static const char TRACER = 0;      /* and this of the function that core.trace_children was given */

/* Push the path of the interpreter that worker processes run, or nil: the running one, unless the script has named another.
 * [-0, +1, m] */
static const char *push_interpreter(lua_State *L) {
  char path[PATH_MAX];
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &INTERPRETER) == LUA_TSTRING) return lua_tostring(L, -1);
  ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  if (n <= 0 || (size_t)n == sizeof path) return NULL;
  lua_pop(L, 1);
  lua_pushlstring(L, path, (size_t)n);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &INTERPRETER);
  return lua_tostring(L, -1);
}

/* weft.interpreter([path]): the interpreter of worker processes that are started from now on. */
static int lib_interpreter(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) {
    size_t n;
    const char *path = luaL_checklstring(L, 1, &n);
    luaL_argcheck(L, n > 0 && strlen(path) == n, 1, "a path expected");
    lua_pushvalue(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &INTERPRETER);
  }
  push_interpreter(L);
  return 1;
}

/* Push what the worker is to run before it serves: nothing, or while a trace runs what records there too. [-0, +1, e] */
static void push_tracer(lua_State *L) {
  if (wf_trace_on() != 0 && lua_rawgetp(L, LUA_REGISTRYINDEX, &TRACER) == LUA_TFUNCTION)
    lua_call(L, 0, 1);
  else
    lua_pushliteral(L, "");
}

/* core.trace_children(f | nil): f() -> Lua source that each worker process started from now on runs first. */
static int lib_trace_children(lua_State *L) {
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &TRACER);
  return 0;
}

/* The script that the interpreter is given: the same modules are found there as here. weft's own needs no search, as its file is
 * known, unless it is part of the program. [-0, +1, e] */
static const char *push_bootstrap(wf_iso *iso, lua_State *L) {
  const char *file = wf_code_file((void (*)(void))iso->open_core);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, LUA_LOADLIBNAME) != LUA_TTABLE) { /* a thread's, which has not needed it so far */
    lua_pop(L, 1);
    lua_getglobal(L, "package");
  }
  lua_getglobal(L, "string");
  lua_getfield(L, -1, "format");
  lua_pushliteral(L, "package.path=%q package.cpath=%q %s;(package.loadlib(%q,'weft_serve')or require'weft.core'.serve)(3)");
  lua_getfield(L, -4, "path");
  lua_getfield(L, -5, "cpath");
  push_tracer(L);
  lua_pushstring(L, file == NULL ? "" : file);
  lua_call(L, 5, 1);
  return lua_tostring(L, -1);
}

/* argv: interpreter, "-e", the script. Kept by the box. [-0, +0, e] */
static void set_program(wf_iso *iso, lua_State *L, wf_exec *e) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 16, NULL);
  char **argv = lua_newuserdatauv(L, 4 * sizeof *argv, 2);
  const char *interpreter = push_interpreter(L);
  if (interpreter == NULL) luaL_error(L, "cannot start a process: no interpreter is known (weft.interpreter(path) says which)");
  argv[0] = (char *)(uintptr_t)interpreter;
  lua_setiuservalue(L, top + 1, 1);
  argv[1] = "-e";
  argv[2] = (char *)(uintptr_t)push_bootstrap(iso, L);
  lua_setiuservalue(L, top + 1, 2);
  argv[3] = NULL;
  lua_pushvalue(L, top + 1);
  lua_setiuservalue(L, BOX, 1);
  e->o.file = argv[0];
  e->o.argv = argv;
  e->o.death_signal = 9;
  lua_settop(L, top);
}

static void prepare(wf_iso *iso, lua_State *L, void *ud) {
  lua_pushvalue(L, PROGRAM);
  wf_program_prepare(iso, L, ((wf_process_start_opts *)ud)->program);
  lua_pop(L, 1);
}

/* weft.process([opts,] f, ...): a job, or nil, message, code. */
static int lib_process(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_child_args a = wf_child_args_check(L, NULL);
  if (a.has_opts) {
    lua_pushcfunction(L, wf_exec_parse_process);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 4); /* the table, with its strings, lives as long as the box */
    lua_replace(L, BOX);
  } else {
    wf_exec_box_push(L);
    lua_insert(L, BOX);
  }
  wf_exec *e = lua_touserdata(L, BOX);
  set_program(iso, L, e);
  int err = wf_io_open(iso);
  if (err != 0) return lx_fail_errno(L, err, "process");
  wf_program *p = wf_program_push(iso, L, 1);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  lua_insert(L, PROGRAM);
  wf_process_start_opts o = {&e->o, p};
  wf_child_way way = {.noun = "a process", .process = true, .prepare = prepare, .start = wf_process_start, .ud = &o};
  return wf_child_begin(iso, L, a.nargs, a.name, a.memory, &way) != NULL ? 1 : 3;
}

/* core.serve(fd): what the interpreter of a worker process does. */
static int lib_serve(lua_State *L) {
  wf_process_serve(wf_iso_up(L), L, (int)luaL_checkinteger(L, 1));
  return 0;
}

void wf_lib_process(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"process", lib_process}, {"interpreter", lib_interpreter}, {"serve", lib_serve}, {"trace_children", lib_trace_children},
                                   {NULL, NULL}};
  /* What can come from another process. */
  static const wf_transfer *const transfers[] = {&wf_channel_transfer, &wf_buffer_transfer, &wf_sealed_transfer};
  for (size_t i = 0; i < sizeof transfers / sizeof *transfers; i++) iso->transfers[transfers[i]->peer_kind] = transfers[i];
  wf_lib_add(iso, L, funcs);
}
