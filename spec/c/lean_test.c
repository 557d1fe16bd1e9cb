/*
** Lean states beside stock ones: what a script can see must be the same, whatever
** it looks at first. Every line of `steps` alone, then random sequences of them,
** run in both kinds of state, and the two logs are compared; the same under a cap
** on memory that cuts every step short at every size first.
**
**   lean_test [SEED]
*/
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lx/lean.h"
#include "lx/release.h"

static int failures;

#define CHECK(cond)                                                          \
  do {                                                                       \
    if (!(cond)) {                                                           \
      if (failures++ < 30) printf("%s:%d: %s\n", __FILE__, __LINE__, #cond); \
    }                                                                        \
  } while (0)

/* ------------------------------------------------------- the system's memory */

static _Atomic long held;
static long calls_left = -1; /* the call that fails; -1 none. Single-threaded parts only */

static void *system_memory(void *ud, void *block, size_t size) {
  (void)ud;
  if (size == 0) {
    held--;
    free(block);
    return NULL;
  }
  if (calls_left >= 0 && calls_left-- == 0) {
    calls_left = 0; /* and for ever */
    return NULL;
  }
  void *p = realloc(block, size);
  if (p && !block) held++;
  return p;
}

/* ------------------------------------------------------------------- the steps */

/* Each is a chunk; what it returns or raises is logged by type, or by value where
   the value has no address in it. */
static const char *const steps[] = {
  "return _VERSION, type(_G), _G == _ENV, _G._G == _G",
  "return type(print), type(string), type(string.upper), type(require)",
  "return ('x'):upper(), ('%d'):format(3), #('abc'):rep(2)",
  "return ('x').nope, ('x').len('abc')",
  "return ('x'):nope()",
  "return '10' + 1, '3' * '4', -'2', 7 // '2', '2' ^ 2",
  "return '10' + {}",
  "return 'abc' + 1",
  "return {} + 'abc'",
  "return -'abc'",
  "return '10' | 'a'",
  "return '10' + setmetatable({}, {__add = function(a, b) return type(a) .. type(b) end})",
  "local s = 'x' s.y = 1",
  "return getmetatable('').__index == string, getmetatable('').__name",
  "local n = 0 for k in pairs(getmetatable('')) do n = n + 1 end return n",
  "return getmetatable(_G)",
  "return getmetatable(_G), getmetatable(package.loaded), getmetatable(package.preload)",
  "return rawget(_G, 'string') == string, rawget(_G, 'nothing'), rawget(_G, 'print') == print",
  "return rawget(_G, 'table') == require 'table'",
  "return type(rawget(_G, 'math'))",
  "local n = 0 for k, v in pairs(_G) do n = n + 1 end return n",
  "local n = 0 for k, v in next, _G do n = n + 1 end return n",
  "local n = 0 for k, v in pairs(package.loaded) do n = n + 1 end return n",
  "local t = {} for k in pairs(_G) do t[#t + 1] = tostring(k) end table.sort(t) return table.concat(t, ' ')",
  "local t = {} for k in pairs(package.loaded) do t[#t + 1] = k end table.sort(t) return table.concat(t, ' ')",
  "return next({}), next({1}), pairs({}) == next, (pairs(_G)) == next",
  "return next()",
  "return next(nil)",
  "for k in pairs(nil) do end",
  "for k in pairs() do end",
  "return setmetatable(1, {})",
  "return setmetatable({}, 1)",
  "return setmetatable({})",
  "return getmetatable()",
  "return rawget(_G)",
  "return rawset(_G, 'a')",
  "return rawset(_G, nil, 1)",
  "_G[nil] = 1",
  "_G[0/0] = 1",
  "_G[1] = 2 _G[1.5] = 3 _G[true] = 4 return _G[1], _G[1.5], _G[true], #_G",
  "setmetatable(_G, {__index = function(_, k) return k .. '!' end}) return anything",
  "setmetatable(_G, {__newindex = function(t, k, v) rawset(t, k, 'set') end}) fresh = 1 return fresh",
  "setmetatable(_G, {__metatable = 'locked'}) return getmetatable(_G)",
  "setmetatable(_G, nil) return getmetatable(_G)",
  "string = nil return string, type(require 'string'), ('x'):upper()",
  "string = 5 return string, package.loaded.string.len 'abc'",
  "print = nil return print",
  "print = 7 return print, rawget(_G, 'print')",
  "rawset(_G, 'io', 1) return io, type(package.loaded.io)",
  "rawset(_G, 'type', nil) return rawget(_G, 'type')",
  "_G.table = nil _G.table = nil return table, rawget(_G, 'table')",
  "package.loaded.utf8 = nil return type(utf8), pcall(require, 'utf8')",
  "package.loaded.string = 'mine' return require 'string', type(string)",
  "package.loaded._G = nil return package.loaded._G",
  "require = nil return require, type(package)",
  "package = nil return package, type(require), type(require 'package')",
  "return require 'string' == string, require 'package' == package, require '_G' == _G",
  "return pcall(require, 'no.such.module')",
  "package.preload.mine = function(...) return {...} end local m = require 'mine' return m[1], m[2]",
  "return package.loadlib('/no/such/library.so', 'f')",
  "return type(package.path), type(package.cpath), package.config, #package.searchers",
  "return select('#', table.unpack({1, 2, 3})), math.type(1), utf8.char(228), os.time {year = 2020, month = 1, day = 1, hour = 12} > 0",
  "return io.type(io.stdout), io.type(1)",
  "return debug.getmetatable(_G), debug.getmetatable('').__index == string",
  "return debug.getregistry()._LOADED == package.loaded, debug.getmetatable(package.loaded)",
  "local n = 0 for k in pairs(debug.getregistry()._LOADED) do n = n + 1 end return n",
  "return debug.traceback('here', 1)",
  "return debug.getinfo(print, 'S').what, debug.getinfo(next, 'u').nups, debug.getinfo(setmetatable, 'u').nups",
  "return debug.getinfo(pairs, 'S').short_src, debug.getupvalue(next, 1), debug.getupvalue(rawget, 1)",
  "local co = coroutine.wrap(function() coroutine.yield(getmetatable(_G)) return math.pi end) return co(), co()",
  "return coroutine.isyieldable(), select(2, coroutine.running())",
  "local co = coroutine.wrap(function() for k in pairs(setmetatable({}, {__pairs = function() coroutine.yield(1) return next, {9} end})) do return k end end) return co(), co()",
  "return load('return _G == _ENV')()",
  "local env = setmetatable({}, {__index = _G}) return load('x = type(math.pi) return x', 'c', 't', env)(), rawget(env, 'x'), x",
  "return xpcall(function() error {} end, function(e) return type(e) end)",
  "return pcall(error)",
  "return select(2, pcall(function() local x = nosuch.field end))",
  "return select(2, pcall(function() nosuch() end))",
  "return select(2, pcall(function() string.nosuch() end))",
  "return select(2, pcall(function() string.rep() end))",
  "return select(2, pcall(function() ('x'):rep({}) end))",
  "return select(2, pcall(function() setmetatable(1) end))",
  "return select(2, pcall(function() math.floor('x') end))",
  "return select(2, pcall(string.rep))",
  "return select(2, pcall(function() return _G < 1 end)), select(2, pcall(function() return _G .. '' end))",
  "return select(2, pcall(function() _G() end)), select(2, pcall(function() return _G + 1 end))",
  "return rawlen(_G), rawequal(_G, _ENV), #_G, next(_G) ~= nil",
  "return tostring(_G):match('^table') , tostring(print):match('^builtin') or tostring(print):match('^function')",
  "local ok, e = pcall(function() local x <close> = _G end) return e",
  "for i = 1, 300 do local x = _G['missing' .. i] end return getmetatable(_G), missing1",
  "for i = 1, 50 do _G['made' .. i] = i end local n = 0 for i = 1, 50 do n = n + _G['made' .. i] end return n",
  "a = 1 b = 2 a = nil return a, b, rawget(_G, 'b')",
  "local saved = next local t = {} for k, v in saved, package.loaded do t[#t + 1] = k end return #t, saved == next",
  "local g, s = getmetatable, setmetatable return g(_G), s(_G, nil) == _G, g == getmetatable",
  "return ('%s'):rep(2, '-'), string.format('%5.1f', 2.25), ('a,b'):find(',', 1, true)",
  "return (('$print $x'):gsub('%$(%w+)', {print = 'P'}))",
  "return tostring(1e15), 10 // 3, 2^53, math.maxinteger, 1 // 0.0",
  "return collectgarbage('count') > 1, collectgarbage(), collectgarbage('isrunning')",
  "return assert(load('return ...'))(1, 2), dofile == nil, loadfile == nil",
  "local t = setmetatable({}, {__index = string}) return t.len('ab')",
  "local t = {} for k, v in pairs(string) do t[#t + 1] = k end table.sort(t) return table.concat(t, ' ')",
  "local t = {} for k, v in pairs(table) do t[#t + 1] = k end table.sort(t) return table.concat(t, ' ')",
  "return table.unpack(_G, 1, 2)",
  "local ok, e = pcall(table.concat, _G) return ok, e",
  "return getmetatable(io.stdout).__name, getmetatable(getmetatable(''))",
};

enum { STEPS = sizeof steps / sizeof *steps };

static void log_value(luaL_Buffer *b, lua_State *L, int i) {
  switch (lua_type(L, i)) {
    case LUA_TNIL: case LUA_TBOOLEAN: case LUA_TNUMBER: case LUA_TSTRING:
      luaL_tolstring(L, i, NULL);
      luaL_addvalue(b);
      break;
    default: luaL_addstring(b, luaL_typename(L, i));
  }
  luaL_addchar(b, '|');
}

/* Argument: a step. Runs it and returns the line for the log. */
static int run_step(lua_State *L) {
  const char *text = lua_touserdata(L, 1);
  int base = lua_gettop(L);
  int status = luaL_loadbuffer(L, text, strlen(text), "=step");
  if (status == LUA_OK) status = lua_pcall(L, 0, LUA_MULTRET, 0);
  int top = lua_gettop(L);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, status == LUA_OK ? "ok " : "raised ");
  for (int i = base + 1; i <= top; i++) log_value(&b, L, i);
  luaL_pushresult(&b);
  return 1;
}

/* Pushes the line, or the error that even logging raised. Allocates nothing unprotected. */
static const char *step(lua_State *L, const char *text) {
  lua_settop(L, 0);
  lua_pushcfunction(L, run_step);
  lua_pushlightuserdata(L, (void *)(uintptr_t)text);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK && !lua_isstring(L, -1)) return "?";
  return lua_tostring(L, -1);
}

static lua_State *stock_open(void) {
  lua_State *L = luaL_newstate();
  if (!L) exit(2);
  luaL_openlibs(L);
  return L;
}

static lua_State *lean_open(void) {
  lua_State *L = wf_state_open(NULL);
  if (!L) exit(2);
  return L;
}

/* ------------------------------------------------------------------- the tests */

static void compare(lua_State *lean, lua_State *stock, int which, const char *context) {
  char *expected = strdup(step(stock, steps[which]));
  const char *got = step(lean, steps[which]);
  if (strcmp(expected, got) != 0 && failures++ < 20)
    printf("%s, step %d: %s\n  stock: %s\n  lean:  %s\n", context, which, steps[which], expected, got);
  free(expected);
}

static void each_step_first(void) {
  for (int i = 0; i < STEPS; i++) {
    lua_State *lean = lean_open(), *stock = stock_open();
    compare(lean, stock, i, "alone");
    lua_close(stock);
    wf_state_close(lean);
  }
}

static uint64_t rng;
static int rnd(int below) {
  rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int)((rng >> 33) % (uint64_t)below);
}

static void random_sequences(uint64_t seed, int rounds) {
  for (int r = 0; r < rounds && failures == 0; r++) {
    rng = seed + (uint64_t)r;
    lua_State *lean = lean_open(), *stock = stock_open();
    char context[60];
    snprintf(context, sizeof context, "sequence %llu", (unsigned long long)(seed + (uint64_t)r));
    for (int n = 2 + rnd(10); n > 0; n--) compare(lean, stock, rnd(STEPS), context);
    lua_close(stock);
    wf_state_close(lean);
  }
}

static bool machinery_gone(lua_State *L) {
  lua_settop(L, 0);
  lua_pushglobaltable(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  bool gone = !lua_getmetatable(L, 1) && !lua_getmetatable(L, 2);
  lua_settop(L, 0);
  return gone;
}

/* How many names _G holds, past the metamethods. */
static int raw_globals(lua_State *L) {
  int n = 0;
  lua_settop(L, 0);
  lua_pushglobaltable(L);
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) n++;
  lua_settop(L, 0);
  return n;
}

static void opens_only_what_is_used(void) {
  lua_State *L = lean_open();
  CHECK(wf_state_is_lean(L) && raw_globals(L) == 0);
  size_t bare = wf_state_memory(L);
  CHECK(bare < 7000);
  step(L, "local x = print, math.pi");
  CHECK(raw_globals(L) == 2 && !machinery_gone(L));
  step(L, "return ('x'):upper()");
  CHECK(raw_globals(L) == 3);
  step(L, "return rawget(_G, 'os'), rawget(_G, 'foo')");
  CHECK(raw_globals(L) == 6 && !machinery_gone(L)); /* rawget, _G, os */
  wf_state_lib(L, "utf8");
  CHECK(lua_istable(L, -1));
  lua_settop(L, 0);
  wf_state_open_all(L);
  wf_state_open_all(L);
  CHECK(machinery_gone(L));
  CHECK(wf_state_peak(L) >= wf_state_memory(L) && wf_state_memory(L) > bare && wf_state_reserved(L) >= bare);
  wf_state_close(L);
  lua_State *stock = stock_open();
  CHECK(!wf_state_is_lean(stock));
  wf_state_open_all(stock);
  wf_state_lib(stock, "utf8");
  CHECK(lua_istable(stock, -1));
  lua_close(stock);
  static const char *const doors[] = {"getmetatable(_G)", "next(_G)", "pairs(_G)", "setmetatable(_G, nil)", "local x = debug",
                                      "package.loadlib('/no', 'f')", "pcall(require, 'no.such')", "pairs(package.loaded)"};
  for (size_t i = 0; i < sizeof doors / sizeof *doors; i++) {
    L = lean_open();
    step(L, doors[i]);
    CHECK(machinery_gone(L));
    wf_state_close(L);
  }
}

/* ---- options */

static char opened_log[200];
static int raise_once;

static void on_opened(lua_State *L, const char *lib, void *ud) {
  CHECK(ud == &raise_once && lua_istable(L, -1));
  if (raise_once) {
    raise_once = 0;
    luaL_error(L, "not now");
  }
  strcat(strcat(opened_log, lib), " ");
  if (strcmp(lib, "coroutine") == 0) {
    lua_pushliteral(L, "ours");
    lua_setfield(L, -2, "running");
  }
}

static void honours_options(void) {
  char path[] = "/a/?.lua", cpath[] = "/b/?.so";
  wf_state_opts o = {.path = path, .cpath = cpath, .generational = true, .opened = on_opened, .ud = &raise_once};
  lua_State *L = wf_state_open(&o);
  CHECK(strcmp(step(L, "return package.path, package.cpath"), "ok /a/?.lua|/b/?.so|") == 0);
  CHECK(strcmp(step(L, "return coroutine.running"), "ok ours|") == 0);
  CHECK(strcmp(step(L, "return collectgarbage 'incremental'"), "ok generational|") == 0);
  CHECK(strcmp(opened_log, "package coroutine ") == 0);
  raise_once = 1;
  CHECK(strcmp(step(L, "return type(table)"), "raised not now|") == 0);
  CHECK(strcmp(step(L, "return type(table), table == require 'table'"), "ok table|true|") == 0);
  wf_state_open_all(L);
  CHECK(strcmp(opened_log, "package coroutine table io os string math utf8 debug ") == 0);
  wf_state_close(L);
  opened_log[0] = '\0';
  L = lean_open();
  CHECK(strcmp(step(L, "return collectgarbage 'generational'"), "ok incremental|") == 0);
  wf_state_close(L);
}

static void warns(bool on, const char *code, const char *expected) {
  int two[2], err = dup(2);
  if (pipe(two) != 0) exit(2);
  fflush(stderr);
  dup2(two[1], 2);
  wf_state_opts o = {.warn = on};
  lua_State *L = wf_state_open(&o);
  step(L, code);
  wf_state_close(L);
  dup2(err, 2);
  close(err);
  close(two[1]);
  char text[256];
  ssize_t n = read(two[0], text, sizeof text - 1);
  text[n < 0 ? 0 : n] = '\0';
  close(two[0]);
  CHECK(strcmp(text, expected) == 0);
}

/* ---- memory */

static void caps_one_state(void) {
  wf_state_opts o = {.memory = 1};
  CHECK(wf_state_open(&o) == NULL);
  o.memory = (size_t)1 << 20;
  lua_State *L = wf_state_open(&o), *other = lean_open();
  CHECK(wf_state_cap(L) == o.memory && wf_state_cap(other) == 0 && !wf_state_hit_cap(L));
  CHECK(strncmp(step(L, "local t = {} for i = 1, 1e9 do t[i] = {i} end"), "raised not enough memory|", 25) == 0);
  CHECK(wf_state_hit_cap(L) && !wf_state_hit_cap(L) && wf_state_peak(L) <= o.memory);
  CHECK(strstr(step(L, "return #string.rep('x', 1e7)"), "not enough memory") != NULL);
  CHECK(strcmp(step(L, "collectgarbage() return #('x'):rep(500000)"), "ok 500000|") == 0);
  CHECK(strcmp(step(other, "return #string.rep('x', 1e7)"), "ok 10000000|") == 0);
  wf_state_set_cap(L, 0);
  CHECK(strcmp(step(L, "return #string.rep('x', 1e7)"), "ok 10000000|") == 0);
  wf_state_close(other);
  wf_state_close(L);
}

/* Steps that leave nothing behind but opened libraries. */
static const char *const pure_steps[] = {
  "return type(print), type(string), type(string.upper), type(require)",
  "return ('x'):upper(), ('%d'):format(3), #('abc'):rep(2)",
  "return getmetatable('').__index == string, getmetatable('').__name",
  "return getmetatable(_G), getmetatable(package.loaded), getmetatable(package.preload)",
  "local t = {} for k in pairs(_G) do t[#t + 1] = tostring(k) end table.sort(t) return table.concat(t, ' ')",
  "local t = {} for k in pairs(package.loaded) do t[#t + 1] = k end table.sort(t) return table.concat(t, ' ')",
  "return type(rawget(_G, 'math')), rawget(_G, 'type') == type, rawget(package.loaded, 'os') == os",
  "return require 'string' == string, require 'package' == package, package.path, #package.searchers",
  "return debug.getregistry()._LOADED == package.loaded, debug.getmetatable(package.loaded)",
  "return io.type(io.stdout), getmetatable(io.stdout).__name",
  "return coroutine.wrap(function() return math.pi, utf8.char(228) end)()",
  "for i = 1, 300 do local x = _G['missing' .. i] end return getmetatable(_G)",
};

/* Each with every cap from what the state has upwards until it succeeds: a library
   that opened half must not show. */
static void steps_under_a_cap(void) {
  for (size_t i = 0; i < sizeof pure_steps / sizeof *pure_steps; i++) {
    lua_State *L = lean_open(), *stock = stock_open();
    char *expected = strdup(step(stock, pure_steps[i]));
    size_t cap = wf_state_memory(L);
    int refusals = 0;
    for (;; cap += 40) {
      wf_state_set_cap(L, cap);
      const char *got = step(L, pure_steps[i]);
      bool refused = wf_state_hit_cap(L);
      if (strcmp(got, expected) == 0) break;
      refusals++;
      if (!refused || strstr(got, "memory") == NULL) {
        printf("cap %zu: %s\n  stock: %s\n  lean:  %s\n", cap, pure_steps[i], expected, got);
        failures++;
        break;
      }
      wf_state_set_cap(L, 0); /* files that io made before it failed wait for their finaliser */
      lua_settop(L, 0);
      lua_gc(L, LUA_GCCOLLECT);
    }
    CHECK(refusals > 10);
    wf_state_set_cap(L, 0);
    for (int j = 0; j < 5; j++) {
      int which = j == 0 ? (int)i : rnd((int)(sizeof pure_steps / sizeof *pure_steps));
      char *want = strdup(step(stock, pure_steps[which]));
      CHECK(strcmp(step(L, pure_steps[which]), want) == 0);
      free(want);
    }
    free(expected);
    lua_close(stock);
    wf_state_close(L);
  }
}

/* The system's memory fails at the n-th call, for every n: nothing is left, and
   what opens at last is whole. */
static int finalised;

static int count_finaliser(lua_State *L) {
  (void)L;
  finalised++;
  return 0;
}

/* At the cap finalisers are called all the same: the call needs memory, on a coroutine that never called anything. */
static void finalises_at_the_cap(void) {
  lua_State *L = wf_state_open(NULL);
  lua_gc(L, LUA_GCSTOP);
  lua_State *co = lua_newthread(L);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, count_finaliser);
  lua_setfield(L, -2, "__gc");
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCCOLLECT);
  for (int i = 0; i < 3; i++) {
    lua_newtable(L);
    lua_pushvalue(L, -2);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
  }
  finalised = 0;
  wf_state_set_cap(L, wf_state_memory(L));
  lua_gc(co, LUA_GCCOLLECT);
  CHECK(finalised == 3 || LX_EARLY);
  CHECK(!wf_state_hit_cap(L) || LX_EARLY);
  wf_state_set_cap(L, 0);
  wf_state_close(L);
}

static void opens_or_leaves_nothing(void) {
  long before = held;
  wf_state_opts o = {.path = "p", .cpath = "c"};
  lua_State *L = NULL;
  for (long n = 0; !L; n++) {
    calls_left = n;
    L = wf_state_open(&o);
    calls_left = -1;
    CHECK(L || held == before);
    CHECK(n < 1000);
  }
  CHECK(strcmp(step(L, "return package.path, package.cpath, ('x'):upper()"), "ok p|c|X|") == 0);
  wf_state_close(L);
  CHECK(held == before);
}

/* ---- threads */

static void *open_at_once(void *arg) {
  (void)arg;
  lua_State *L = lean_open();
  CHECK(strcmp(step(L, "return ('x'):upper(), type(print), next({})"), "ok X|function|nil|") == 0);
  return L;
}

static void *use(void *arg) {
  CHECK(strcmp(step(arg, "local t = {} for i = 1, 2000 do t[i] = {tostring(i)} end return #t, getmetatable(_G)"), "ok 2000|nil|") == 0);
  return arg;
}

static void *close_it(void *arg) {
  wf_state_close(arg);
  return NULL;
}

/* Opened, used and closed on three threads; the first four of the process all
   learn the names at once. */
static void moves_between_threads(void) {
  enum { N = 4 };
  pthread_t t[N];
  void *state[N] = {0};
  static void *(*const stages[])(void *) = {open_at_once, use, close_it};
  for (size_t s = 0; s < 3; s++) {
    for (int i = 0; i < N; i++)
      if (pthread_create(&t[i], NULL, stages[s], state[i]) != 0) exit(2);
    for (int i = 0; i < N; i++) pthread_join(t[i], &state[i]);
  }
}

int main(int argc, char **argv) {
  wf_alloc_set(system_memory, NULL);
  long before = held;
  if (argc > 1) {
    random_sequences(strtoull(argv[1], NULL, 10), 1);
    return failures != 0;
  }
  calls_left = 1; /* learning the names fails, and is tried again */
  CHECK(wf_state_open(NULL) == NULL);
  calls_left = -1;
  CHECK(held == before);
  moves_between_threads();
  each_step_first();
  random_sequences(1, 1000);
  opens_only_what_is_used();
  honours_options();
  warns(true, "warn('a', 'b') warn('@off') warn('c') warn('@on') warn('@', 'on')", "Lua warning: ab\nLua warning: @on\n");
  warns(false, "warn('a') warn('@on') warn('b') warn('@what')", "Lua warning: b\n");
  caps_one_state();
  steps_under_a_cap();
  finalises_at_the_cap();
  opens_or_leaves_nothing();
  CHECK(held == before);
  wf_alloc_set(NULL, NULL);
  if (failures == 0) printf("ok\n");
  return failures != 0;
}
