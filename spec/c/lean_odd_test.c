/* lean_odd_test.c: lean states (lx/lean*.c) in what lean_test.c's scripts do not come to: memory that is out while the first one of
 * a process is made, states that no image can be taken of, errors that nobody catches, and what C code finds and does in them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "check.h"
#include "heap.h"
#include "lx/lean.h"
#include "lx/lean_state.h"

static heap ours;

static bool gives(lua_State *L, const char *script, const char *wanted) {
  bool ok = luaL_dostring(L, script) == LUA_OK;
  const char *got = luaL_tolstring(L, -1, NULL);
  bool yes = strcmp(got, wanted) == 0;
  if (!yes) printf("%s: %s, not %s\n", script, got, wanted);
  lua_settop(L, 0);
  return yes && ok;
}

static bool works(lua_State *L) {
  return gives(L, "return ('x'):upper() .. tostring(#{pairs(_G)}) .. type(require 'os') .. type(debug)", "X2tabletable");
}

static lua_State *opened_with(lua_CFunction prepare, size_t memory) {
  wf_state_opts o = {.prepare = prepare, .memory = memory};
  return wf_state_open(&o);
}

static void is_whole(lua_State *L) {
  CHECK(L != NULL);
  if (L == NULL) return;
  CHECK(wf_state_is_lean(L) && works(L));
  wf_state_close(L);
}

/* ---- the first of a process ---- */

/* Each allocation in turn is refused, while the names are learnt and then. */
static void without_memory(void) {
  lua_State *L = NULL;
  long n = 0;
  while (L == NULL && n < 1000) {
    heap_order(&ours, ++n, 1);
    L = wf_state_open(NULL);
    heap_heal(&ours);
    if (L == NULL) CHECK(ours.blocks == 0);
  }
  CHECK(n >= 2);
  is_whole(L);
  CHECK(ours.blocks == 0);
}

static int prepare_nothing(lua_State *L) { return (void)L, 0; }
static int prepare_error(lua_State *L) { return luaL_error(L, "no"); }
static int prepare_flag(lua_State *L) {
  lua_pushboolean(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "flag");
  return 0;
}

/* Larger than a block: what it holds lies in many places. */
static int prepare_large(lua_State *L) {
  lua_newuserdatauv(L, 1 << 20, 0);
  lua_setfield(L, LUA_REGISTRYINDEX, "large");
  return 0;
}
static int prepare_list(lua_State *L, int n) {
  lua_pushboolean(L, 0);
  for (int i = 0; i < n; i++) {
    lua_createtable(L, 1, 0);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 1);
  }
  lua_setfield(L, LUA_REGISTRYINDEX, "list");
  return 0;
}
static int prepare_some(lua_State *L) { return prepare_list(L, 300); }
static int prepare_many(lua_State *L) { return prepare_list(L, 10000); }

/* No image can be taken of the first, so there is none: the others are made by Lua. */
static void too_large_for_an_image(lua_CFunction prepare, const char *field) {
  for (int i = 0; i < 3; i++) {
    lua_State *L = opened_with(prepare, 0);
    CHECK(L != NULL && lua_getfield(L, LUA_REGISTRYINDEX, field) != LUA_TNIL);
    CHECK(!wf_lean_image_ready(prepare));
    lua_settop(L, 0);
    is_whole(L);
  }
  is_whole(opened_with(NULL, 0));
  CHECK(ours.blocks == 0);
}
static void one_large_block(void) { too_large_for_an_image(prepare_large, "large"); }
static void some_blocks(void) { too_large_for_an_image(prepare_some, "list"); }
static void many_blocks(void) { too_large_for_an_image(prepare_many, "list"); }

/* One image a process: who prepares otherwise has its own, made by Lua. */
static void prepared_in_two_ways(void) {
  for (int i = 0; i < 3; i++) {
    lua_State *L = opened_with(prepare_nothing, 0), *other = opened_with(prepare_flag, 0);
    CHECK(lua_getfield(L, LUA_REGISTRYINDEX, "flag") == LUA_TNIL && lua_getfield(other, LUA_REGISTRYINDEX, "flag") == LUA_TBOOLEAN);
    lua_settop(L, 0);
    lua_settop(other, 0);
    is_whole(L);
    is_whole(other);
  }
  CHECK(opened_with(prepare_error, 0) == NULL);
  CHECK(ours.blocks == 0);
}

/* Too little for a state, at every size, with an image and without. */
static void under_a_cap(void) {
  size_t least[2] = {0, 0};
  for (int way = 0; way < 2; way++) {
    lua_State *L = NULL;
    for (size_t cap = 64; L == NULL && cap < 1 << 20; cap += 64) {
      L = opened_with(way ? prepare_flag : prepare_nothing, cap);
      if (L == NULL) CHECK(ours.blocks == 0);
      least[way] = cap;
    }
    CHECK(L != NULL && least[way] > 1000);
    CHECK(wf_state_cap(L) == least[way]);
    wf_state_set_cap(L, 0);
    is_whole(L);
    CHECK(ours.blocks == 0);
  }
}

/* ---- nobody catches it ---- */

static void on_abort(int sig) {
  (void)sig;
  leave_child(failures != 0);
}

static char *said(void (*body)(lua_State *)) {
  static char text[500];
  int two[2];
  CHECK(pipe(two) == 0);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    failures = 0;
    signal(SIGABRT, on_abort);
    dup2(two[1], 2);
    body(wf_state_open(NULL));
    _exit(1);
  }
  close(two[1]);
  ssize_t n = read(two[0], text, sizeof text - 1);
  text[n > 0 ? n : 0] = '\0';
  close(two[0]);
  int status;
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return text;
}

static void raise_text(lua_State *L) { luaL_error(L, "some text"); }
static void raise_table(lua_State *L) {
  lua_newtable(L);
  lua_error(L);
}

static void panics(void) {
  CHECK(strcmp(said(raise_text), "PANIC: unprotected error in call to Lua API (some text)\n") == 0);
  CHECK(strcmp(said(raise_table), "PANIC: unprotected error in call to Lua API (error object is not a string)\n") == 0);
}

/* ---- what C code does in them ---- */

static void stock_states(void) {
  lua_State *L = luaL_newstate();
  wf_state_set_cap(L, 100); /* nothing */
  wf_state_open_all(L);
  CHECK(!wf_state_is_lean(L) && !wf_state_hit_cap(L) && !wf_state_package_closed(L) && wf_lean_preload(L, "x") == 0);
  CHECK(lua_gettop(L) == 0);
  lua_close(L);
}

static int module_of_nothing(lua_State *L) {
  lua_pushnil(L);
  return 1;
}
static int module_that_raises(lua_State *L) { return luaL_error(L, "not now"); }
static int module_of_its_name(lua_State *L) {
  lua_settop(L, 2);
  lua_concat(L, 2);
  return 1;
}

static void put_preload(lua_State *L, const char *name, lua_CFunction f) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, f);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

/* As require would, which `package` brings: but that stays closed. */
static void preloads(void) {
  lua_State *L = wf_state_open(NULL);
  put_preload(L, "a", module_of_nothing);
  put_preload(L, "b", module_that_raises);
  put_preload(L, "c", module_of_its_name);
  CHECK(wf_lean_preload(L, "none") == 0 && lua_gettop(L) == 0);
  CHECK(wf_lean_preload(L, "a") == 1 && lua_gettop(L) == 1 && lua_toboolean(L, 1) && lua_isboolean(L, 1));
  CHECK(wf_lean_preload(L, "b") == -1 && lua_gettop(L) == 2 && strstr(lua_tostring(L, 2), "not now") != NULL);
  CHECK(wf_lean_preload(L, "c") == 1 && lua_gettop(L) == 3 && strcmp(lua_tostring(L, 3), "c:preload:") == 0);
  CHECK(wf_state_package_closed(L));
  lua_settop(L, 0);
  CHECK(gives(L, "return tostring(require 'a') .. require 'c' .. tostring(pcall(require, 'b'))", "truec:preload:false"));
  CHECK(!wf_state_package_closed(L) && wf_lean_preload(L, "c") == 0);
  wf_state_close(L);
}

/* `require` is a name of the globals, not a module. */
static void looks_at_the_modules(void) {
  lua_State *L = wf_state_open(NULL);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  CHECK(lua_getfield(L, -1, "require") == LUA_TNIL && wf_state_package_closed(L));
  CHECK(lua_getfield(L, -2, "print") == LUA_TNIL && lua_getfield(L, -3, "math") == LUA_TTABLE);
  lua_settop(L, 0);
  CHECK(lua_getglobal(L, "require") == LUA_TFUNCTION && !wf_state_package_closed(L));
  lua_settop(L, 0);
  wf_state_lib(L, "table");
  CHECK(lua_istable(L, -1));
  lua_settop(L, 0);
  is_whole(L);
}

/* Strings that have no metatable, because C took it, get none by a library that cannot be opened. */
static void string_metatables(void) {
  lua_State *L = wf_state_open(NULL);
  lua_pushliteral(L, "");
  lua_pushnil(L);
  lua_setmetatable(L, -2);
  lua_settop(L, 0);
  CHECK(gives(L, "return type(io) .. tostring(pcall(function() return ('x'):upper() end))", "tablefalse"));
  CHECK(gives(L, "return string.upper 'x' .. ('x'):upper()", "XX")); /* opening it sets it, as in any state */
  wf_state_close(L);
}

/* A hook that looks at all there is while a library is being opened: the rest comes when that is over. */
static void look_around(lua_State *L, const char *lib, void *ud) {
  (void)lib;
  ++*(int *)ud;
  int n = 0;
  lua_getglobal(L, "pairs");
  lua_pushglobaltable(L);
  lua_call(L, 1, 3);
  lua_pop(L, 3);
  lua_pushglobaltable(L);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) n++;
  CHECK(n > 20);
}

static void looks_while_it_opens(void) {
  static const char *const first[] = {"return type(table)", "return type(string)", "return type(debug)", "return type(io)"};
  for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
    int told = 0;
    wf_state_opts o = {.opened = look_around, .ud = &told};
    lua_State *L = wf_state_open(&o);
    CHECK(gives(L, first[i], "table") && told > 0);
    CHECK(works(L));
    wf_state_open_all(L);
    CHECK(told == WF_LIBS);
    wf_state_close(L);
  }
}

/* ---- scripts: as in any state ---- */

static void as_in_any_state(void) {
  static const char *const scripts[] = {
    "return tostring(_G['']) .. tostring(rawget(_G, ''))",
    "return tostring(select(2, pcall(rawget, _G))) .. tostring(select(2, pcall(rawset, _G, 1)))",
    "return tostring(select(2, pcall(rawget))) .. tostring(select(2, pcall(rawset))) .. tostring(select(2, pcall(pairs)))",
    "local t = setmetatable({}, {__pairs = function() return 1, 2, 3 end}) return table.concat({pairs(t)}, ' ')",
    "local t, n = {5}, 0 for i = 1, 30000 do n = n + rawget(t, 1) end return n", /* often enough for all to be opened */
    "local t, n = {5}, 0 for i = 1, 30000 do rawset(t, i, i) n = n + rawlen(t) end return n",
    "rawset(_G, 'math', 1) return tostring(math) .. type(require 'math')",
    "rawset(_G, 'print', nil) return tostring(print)",
    "return type(getmetatable('').__index) .. tostring(getmetatable('x') == getmetatable('y'))",
    "return tostring(pcall(function() _G[nil] = 1 end)) .. tostring(pcall(function() _G[0/0] = 1 end))",
  };
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    lua_State *stock = luaL_newstate(), *lean = wf_state_open(NULL);
    luaL_openlibs(stock);
    CHECK(luaL_dostring(stock, scripts[i]) == LUA_OK);
    CHECK(gives(lean, scripts[i], luaL_tolstring(stock, -1, NULL)) && works(lean));
    lua_close(stock);
    wf_state_close(lean);
  }
}

int main(void) {
  wf_alloc_set(heap_plain, &ours);
  in_a_child(without_memory);
  in_a_child(one_large_block);
  in_a_child(some_blocks);
  in_a_child(many_blocks);
  in_a_child(prepared_in_two_ways);
  in_a_child(under_a_cap);
  panics();
  stock_states();
  preloads();
  looks_at_the_modules();
  string_metatables();
  looks_while_it_opens();
  as_in_any_state();
  CHECK(ours.blocks == 0);
  return failures != 0;
}
