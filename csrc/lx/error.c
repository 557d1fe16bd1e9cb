/* See error.h. Runs on the thread of the state it is given; keeps nothing but the metatable
 * in that state's registry. */
#include "lx/error.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sys/uv.h"

static const char META[] = "weft.error";

static int error_tostring(lua_State *L) {
  lua_settop(L, 1);
  if (lua_getfield(L, 1, "message") != LUA_TSTRING) {
    lua_settop(L, 1);
    lua_pushliteral(L, "weft error");
  }
  if (lua_getfield(L, 1, "where") == LUA_TSTRING) {
    lua_pushliteral(L, ": ");
    lua_pushvalue(L, 2);
    lua_concat(L, 3);
    return 1;
  }
  lua_settop(L, 2);
  return 1;
}

/* a == b for two errors that say the same: an error that crossed isolates equals its origin. */
static int error_eq(lua_State *L) {
  static const char *const fields[] = {"kind", "message", "reason"};
  int same = 1;
  for (size_t i = 0; same && i < 3; i++) {
    if (lua_type(L, 1) != LUA_TTABLE || lua_type(L, 2) != LUA_TTABLE) return 0;
    lua_getfield(L, 1, fields[i]);
    lua_getfield(L, 2, fields[i]);
    same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  lua_pushboolean(L, same);
  return 1;
}

void lx_error_meta(lua_State *L) {
  if (luaL_newmetatable(L, META)) {
    static const luaL_Reg meta[] = {{"__tostring", error_tostring}, {"__eq", error_eq}, {NULL, NULL}};
    luaL_setfuncs(L, meta, 0);
  }
}

void lx_error_new(lua_State *L, const char *kind, const char *fmt, ...) {
  va_list ap;
  luaL_checkstack(L, 6, NULL);
  lua_createtable(L, 0, 3);
  lua_pushstring(L, kind);
  lua_setfield(L, -2, "kind");
  va_start(ap, fmt);
  lua_pushvfstring(L, fmt, ap);
  va_end(ap);
  lua_setfield(L, -2, "message");
  lx_error_meta(L);
  lua_setmetatable(L, -2);
}

/* The folder of the Lua half, with the slash: of the process, written once. "": not known. */
static struct {
  _Atomic int state; /* 0 not known, 1 being written, 2 written */
  size_t len;
  char text[512];
} home;

void lx_source_home(lua_State *L) {
  static const char FILE_NAME[] = "weft/init.lua";
  const size_t tail = sizeof "init.lua" - 1;
  lua_Debug ar;
  if (atomic_load_explicit(&home.state, memory_order_relaxed) != 0) return;
  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "S", &ar);
    size_t len = strlen(ar.source);
    if (ar.source[0] != '@' || len < sizeof FILE_NAME || strcmp(ar.source + len - (sizeof FILE_NAME - 1), FILE_NAME) != 0) continue;
    int none = 0;
    if (len - tail >= sizeof home.text || !atomic_compare_exchange_strong(&home.state, &none, 1)) return;
    home.len = len - tail;
    memcpy(home.text, ar.source, home.len);
    atomic_store_explicit(&home.state, 2, memory_order_release);
    return;
  }
}

static bool home_known(void) { return atomic_load_explicit(&home.state, memory_order_acquire) == 2; }

bool lx_source_is_ours(const char *source) { return home_known() && strncmp(source, home.text, home.len) == 0; }

bool lx_source_may_be_ours(const char *source) {
  if (home_known()) return lx_source_is_ours(source);
  const char *file = source[0] == '@' ? strrchr(source, '/') : NULL;
  return file != NULL && file - source > 4 && strncmp(file - 4, "weft", 4) == 0;
}

void lx_place_push(lua_State *co, lua_State *L, int level) {
  lua_Debug ar;
  for (; lua_getstack(co, level, &ar); level++) {
    lua_getinfo(co, "Sl", &ar);
    if (ar.currentline <= 0 || lx_source_is_ours(ar.source)) continue;
    lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
    return;
  }
  lua_pushnil(L);
}

void lx_error_place(lua_State *L) {
  luaL_checkstack(L, 3, NULL);
  lx_place_push(L, L, 0);
  lua_setfield(L, -2, "where");
}

int lx_raise_memory(lua_State *L) {
  lx_error_new(L, "memory", "not enough memory");
  lua_error(L);
  __builtin_unreachable();
}

int lx_error_is(lua_State *L, int idx, const char *kind) {
  int top = lua_gettop(L), yes = 0;
  idx = lua_absindex(L, idx);
  if (lua_type(L, idx) == LUA_TTABLE && lua_getmetatable(L, idx)) {
    lua_pushstring(L, META);
    lua_rawget(L, LUA_REGISTRYINDEX);
    yes = lua_rawequal(L, -1, -2);
    if (yes && kind != NULL) {
      lua_pushliteral(L, "kind");
      yes = lua_rawget(L, idx) == LUA_TSTRING && strcmp(lua_tostring(L, -1), kind) == 0;
    }
  }
  lua_settop(L, top);
  return yes;
}

/* What libuv has no name for, because it never comes across it, or cannot be loaded for. */
static bool other_error(int err, const char **code, const char **text) {
  static const struct {
    int err;
    const char *code, *text;
  } others[] = {
    {ENOEXEC, "ENOEXEC", "exec format error"}, {ECHILD, "ECHILD", "no child processes"}, {EDEADLK, "EDEADLK", "resource deadlock avoided"},
    {EDQUOT, "EDQUOT", "disk quota exceeded"}, {ESTALE, "ESTALE", "stale file handle"},
    {EMFILE, "EMFILE", "too many open files"}, {ENFILE, "ENFILE", "file table overflow"}, {ENOMEM, "ENOMEM", "not enough memory"},
  };
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (others[i].err != err) continue;
    *code = others[i].code;
    *text = others[i].text;
    return true;
  }
  return false;
}

/* Where libuv cannot be loaded either. */
static void plain_error(int err, char code[64], char text[128]) {
  snprintf(code, 64, "E%d", err);
  snprintf(text, 128, "%s", err == ELIBACC ? wf_uv_trouble() : strerror(err));
}

int lx_fail_uv(lua_State *L, int err, const char *what) {
  char code_room[64], text_room[128];
  const char *code = code_room, *text = text_room;
  if (!other_error(-err, &code, &text)) {
    if (wf_uv_load() == 0) {
      wf_uv.err_name_r(err, code_room, sizeof code_room);
      wf_uv.strerror_r(err, text_room, sizeof text_room);
    } else {
      plain_error(-err, code_room, text_room);
    }
  }
  lua_pushnil(L);
  if (what != NULL)
    lua_pushfstring(L, "%s: %s: %s", code, text, what);
  else
    lua_pushfstring(L, "%s: %s", code, text);
  lua_pushstring(L, code);
  return 3;
}

int lx_fail_errno(lua_State *L, int err, const char *what) { return lx_fail_uv(L, -err, what); }

int lx_fail_closed(lua_State *L, const char *what) {
  lua_pushfstring(L, "%s (closed)", what);
  lx_fail_errno(L, EBADF, lua_tostring(L, -1));
  lua_remove(L, -4);
  return 3;
}
