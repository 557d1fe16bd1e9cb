/* error_test.c: weft's errors and options as C makes and reads them (lx/error.c, lx/opts.c), where libuv cannot be loaded, too. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "lx/error.h"
#include "lx/opts.h"
#include "sys/uv.h"

static lua_State *L;

/* ---- errors ---- */

static bool shows(const char *wanted) {
  bool yes = strcmp(luaL_tolstring(L, -1, NULL), wanted) == 0;
  if (!yes) printf("%s, not %s\n", lua_tostring(L, -1), wanted);
  lua_pop(L, 2);
  return yes;
}

static void put(const char *field, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, field);
}

static void errors_as_texts(void) {
  lx_error_new(L, "kind", "number %d", 5);
  CHECK(shows("number 5"));
  lx_error_new(L, "kind", "text");
  put("where", "file.lua:3");
  CHECK(shows("file.lua:3: text"));
  lua_newtable(L); /* somebody else's table with that metatable */
  lx_error_meta(L);
  lua_setmetatable(L, -2);
  CHECK(shows("weft error"));
  lx_error_new(L, "kind", "text");
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, "message");
  put("where", "file.lua:3");
  CHECK(shows("file.lua:3: weft error"));
  lx_error_new(L, "kind", "text");
  lx_error_place(L); /* no script runs */
  CHECK(shows("text"));
}

static bool equal(void) {
  bool yes = lua_compare(L, -1, -2, LUA_OPEQ);
  lua_pop(L, 2);
  return yes;
}

static void errors_that_are_equal(void) {
  lx_error_new(L, "kind", "text");
  lx_error_new(L, "kind", "text");
  CHECK(equal());
  lx_error_new(L, "kind", "text");
  lx_error_new(L, "other", "text");
  CHECK(!equal());
  lx_error_new(L, "kind", "text");
  lx_error_new(L, "kind", "other");
  CHECK(!equal());
  lx_error_new(L, "kind", "text");
  lx_error_new(L, "kind", "text");
  put("reason", "why");
  CHECK(!equal());
  for (int i = 0; i < 2; i++) { /* the metamethod alone, with what is no table */
    lx_error_meta(L);
    lua_getfield(L, -1, "__eq");
    lua_newtable(L);
    lua_pushinteger(L, 1);
    if (i) lua_insert(L, -2);
    CHECK(lua_pcall(L, 2, 1, 0) == LUA_OK && lua_isnil(L, -1));
    lua_pop(L, 2);
  }
}

static void errors_of_a_kind(void) {
  lx_error_new(L, "kind", "text");
  CHECK(lx_error_is(L, -1, "kind") && lx_error_is(L, 1, NULL) && !lx_error_is(L, -1, "other"));
  lua_pushnil(L);
  lua_setfield(L, -2, "kind");
  CHECK(!lx_error_is(L, -1, "kind") && lx_error_is(L, -1, NULL));
  lua_newtable(L);
  CHECK(!lx_error_is(L, -1, NULL));
  lua_newtable(L);
  lua_setmetatable(L, -2);
  CHECK(!lx_error_is(L, -1, NULL));
  lua_pushinteger(L, 1);
  CHECK(!lx_error_is(L, -1, NULL) && lua_gettop(L) == 3);
  lua_settop(L, 0);
}

static int raise_memory(lua_State *T) { return lx_raise_memory(T); }

static void errors_of_memory(void) {
  lua_pushcfunction(L, raise_memory);
  CHECK(lua_pcall(L, 0, 0, 0) == LUA_ERRRUN && lx_error_is(L, -1, "memory"));
  lua_settop(L, 0);
}

/* ---- where a script is ---- */

static int look_for_home(lua_State *T) {
  lx_source_home(T);
  return 0;
}

static void called_from(const char *chunk) {
  lua_pushcfunction(L, look_for_home);
  lua_setglobal(L, "look");
  CHECK(luaL_loadbuffer(L, "look()", 6, chunk) == LUA_OK && lua_pcall(L, 0, 0, 0) == LUA_OK);
}

static void the_home_of_the_lua_half(void) {
  static char far[700];
  called_from("=weft/init.lua");
  called_from("weft/init.lua");
  called_from("@init.lua");
  called_from("@/lib/weft/other.lua");
  memset(far, 'x', sizeof far - 1);
  memcpy(far, "@/", 2);
  memcpy(far + 600, "/weft/init.lua", sizeof "/weft/init.lua");
  called_from(far); /* there is no room for that */
  CHECK(!lx_source_is_ours("@/lib/weft/init.lua") && lx_source_may_be_ours("@/lib/weft/init.lua"));
  CHECK(!lx_source_may_be_ours("@/lib/other.lua") && !lx_source_may_be_ours("/lib/weft/init.lua") && !lx_source_may_be_ours("@/x.lua"));
  called_from("@/lib/weft/init.lua");
  CHECK(lx_source_is_ours("@/lib/weft/task.lua") && !lx_source_is_ours("@/lib/other.lua"));
  called_from("@/elsewhere/weft/init.lua"); /* once a process */
  CHECK(!lx_source_is_ours("@/elsewhere/weft/task.lua") && !lx_source_may_be_ours("@/elsewhere/weft/task.lua"));
  CHECK(lx_source_may_be_ours("@/lib/weft/task.lua"));
}

/* ---- failures of the world ---- */

static bool fails_as(int results, const char *text, const char *code) {
  bool yes = results == 3 && lua_isnil(L, -3) && strcmp(lua_tostring(L, -2), text) == 0 && strcmp(lua_tostring(L, -1), code) == 0;
  if (!yes) printf("%s (%s), not %s (%s)\n", lua_tostring(L, -2), lua_tostring(L, -1), text, code);
  lua_settop(L, 0);
  return yes;
}

static void failures_by_name(void) {
  CHECK(fails_as(lx_fail_errno(L, ENOENT, "x"), "ENOENT: no such file or directory: x", "ENOENT"));
  CHECK(fails_as(lx_fail_errno(L, ENOENT, NULL), "ENOENT: no such file or directory", "ENOENT"));
  CHECK(fails_as(lx_fail_uv(L, UV_EOF, NULL), "EOF: end of file", "EOF"));
  CHECK(fails_as(lx_fail_errno(L, ESTALE, "x"), "ESTALE: stale file handle: x", "ESTALE"));
  CHECK(fails_as(lx_fail_closed(L, "x"), "EBADF: bad file descriptor: x (closed)", "EBADF"));
}

#ifndef WF_UV_LINKED
static bool no_library = true;

void *dlopen(const char *file, int how) {
  void *(*theirs)(const char *, int) = (void *(*)(const char *, int))(uintptr_t)dlsym(RTLD_NEXT, "dlopen");
  if (!no_library) return theirs(file, how);
  errno = ENOENT;
  return NULL;
}

char *dlerror(void) {
  static char text[] = "no such library";
  return text;
}

/* Then the number must do, with what the system says of it; what libuv itself lacks is known anyway. */
static void failures_without_libuv(void) {
  char wanted[200], code[20];
  snprintf(code, sizeof code, "E%d", EACCES);
  snprintf(wanted, sizeof wanted, "E%d: %s: x", EACCES, strerror(EACCES));
  CHECK(fails_as(lx_fail_errno(L, EACCES, "x"), wanted, code));
  CHECK(fails_as(lx_fail_errno(L, ECHILD, NULL), "ECHILD: no child processes", "ECHILD"));
  snprintf(code, sizeof code, "E%d", ELIBACC);
  snprintf(wanted, sizeof wanted, "E%d: no such library", ELIBACC);
  CHECK(fails_as(lx_fail_errno(L, ELIBACC, NULL), wanted, code));
  no_library = false;
}
#endif

/* ---- options ---- */

static int check_none(lua_State *T) {
  static const char *const known[] = {NULL};
  lx_opts_check(T, 1, known);
  return 0;
}

static int check_many(lua_State *T) {
  static char name[12][300];
  const char *known[13] = {NULL};
  for (int i = 0; i < 12; i++) {
    memset(name[i], 'a' + i, sizeof name[i] - 1);
    known[i] = name[i];
  }
  lx_opts_check(T, 1, known);
  return 0;
}

static void options(void) {
  lua_pushcfunction(L, check_none);
  lua_newtable(L);
  CHECK(lua_pcall(L, 1, 0, 0) == LUA_OK);
  lua_pushcfunction(L, check_none);
  lua_newtable(L);
  put("x", "y");
  CHECK(lua_pcall(L, 1, 0, 0) == LUA_ERRRUN && strstr(lua_tostring(L, -1), "unknown option 'x': none is known") != NULL);
  lua_pushcfunction(L, check_none);
  lua_newtable(L);
  lua_pushboolean(L, 1);
  lua_rawseti(L, -2, 1);
  CHECK(lua_pcall(L, 1, 0, 0) == LUA_ERRRUN && strstr(lua_tostring(L, -1), "option names are strings, got a number") != NULL);
  lua_pushcfunction(L, check_many); /* a text of any length */
  lua_newtable(L);
  put("x", "y");
  CHECK(lua_pcall(L, 1, 0, 0) == LUA_ERRRUN);
  const char *text = lua_tostring(L, -1), *first = strstr(text, "one of aaaa");
  CHECK(first != NULL && strlen(first) > 12 * 300 && strstr(first, "llll expected") != NULL);
  lua_settop(L, 0);
}

int main(void) {
  L = luaL_newstate();
  luaL_openlibs(L);
  errors_as_texts();
  errors_that_are_equal();
  errors_of_a_kind();
  errors_of_memory();
  the_home_of_the_lua_half();
  options();
#ifndef WF_UV_LINKED
  failures_without_libuv();
#endif
  failures_by_name();
  lua_close(L);
  return failures != 0;
}
