/*
 * l_recorder.c: the flight recorder for lua/weft/recorder.lua: functions recorder_* of weft.core.
 *
 * What it is: a handle, a userdata that stops its recorder when it is collected, or when the state closes.
 * Thread: the caller's carrier; the recorder has a thread of its own (rt/recorder.h).
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "lib/lib.h"
#include "lx/late.h"
#include "rt/announce.h"
#include "rt/recorder.h"
#include "rt/trace_dump.h"

static const char HANDLE[] = "weft.recorder.handle";

static const struct {
  const char *name;
  int number;
} signals[] = {{"SIGHUP", SIGHUP}, {"SIGQUIT", SIGQUIT}, {"SIGUSR1", SIGUSR1}, {"SIGUSR2", SIGUSR2}, {"SIGTERM", SIGTERM}};

static uint32_t *check_handle(lua_State *L) { return luaL_checkudata(L, 1, HANDLE); }

static int handle_gc(lua_State *L) {
  uint32_t *id = luaL_testudata(L, 1, HANDLE);
  if (id != NULL && *id != 0) wf_recorder_stop(*id, NULL);
  if (id != NULL) *id = 0;
  return 0;
}

static int push_error(lua_State *L, int error) {
  lua_pushnil(L);
  lua_pushstring(L, error == EBUSY ? "a trace is running already" : strerror(error));
  lua_pushinteger(L, error);
  return 3;
}

/* recorder_start(path, stall, pause, signal name | nil, capacity) -> handle | nil, message, errno. Times in seconds;
 * a stall of 0: do not look. */
static int recorder_start(lua_State *L) {
  wf_recorder_opts o = {.path = luaL_checkstring(L, 1),
                        .stall_ns = (uint64_t)(luaL_checknumber(L, 2) * 1e9),
                        .pause_ns = (uint64_t)(luaL_checknumber(L, 3) * 1e9),
                        .capacity = (size_t)luaL_checkinteger(L, 5)};
  const char *name = luaL_optstring(L, 4, NULL);
  for (size_t i = 0; name != NULL && i < sizeof signals / sizeof signals[0]; i++)
    if (strcmp(signals[i].name, name) == 0) o.signo = signals[i].number;
  luaL_argcheck(L, name == NULL || o.signo != 0, 4, "not a signal for this");
  uint32_t *id = lua_newuserdatauv(L, sizeof *id, 0);
  *id = 0;
  lx_finaliser_set(L, HANDLE, handle_gc);
  int error = wf_recorder_start(&o, id);
  if (error != 0) return push_error(L, error);
  wf_iso_announce(wf_iso_up(L), L);
  return 1;
}

/* recorder_stop(handle) -> records | nil when it does not run. */
static int recorder_stop(lua_State *L) {
  uint32_t *id = check_handle(L);
  uint32_t number = *id;
  *id = 0;
  wf_trace_shot *shot = wf_trace_push_box(L);
  if (number == 0 || !wf_recorder_stop(number, shot)) return 0;
  return wf_trace_push_shot(L, shot);
}

/* recorder_dump(handle, path | nil, reason) -> true | nil, message, errno. */
static int recorder_dump(lua_State *L) {
  uint32_t *id = check_handle(L);
  int error = *id == 0 ? EINVAL : wf_recorder_dump(luaL_optstring(L, 2, NULL), luaL_checkstring(L, 3));
  if (error != 0) return push_error(L, error);
  lua_pushboolean(L, 1);
  return 1;
}

void wf_lib_recorder(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"recorder_start", recorder_start},
                                   {"recorder_stop", recorder_stop},
                                   {"recorder_dump", recorder_dump},
                                   {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
