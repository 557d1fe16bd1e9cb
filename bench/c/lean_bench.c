/*
** lean_bench.c: what a lean state costs, beside stock states of the same Lua.
**
** Opening + closing in microseconds of CPU with the memory that a state holds (as Lua
** counts it, and resident in slope over many open ones); then programs that
** allocate much, on the lean state's heap and on malloc.
*/
#include "bench.h"

#include <lauxlib.h>
#include <malloc.h>
#include <sys/wait.h>
#include <lua.h>
#include <lualib.h>

#include "lx/lean.h"

enum { STATES = 100, BATCHES = 100, OPEN = 3000 };

static lua_State *must(lua_State *L) {
  if (!L) abort();
  return L;
}

static void run(lua_State *L, const char *code) {
  if (luaL_dostring(L, code) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    abort();
  }
}

static lua_State *stock_bare(void) { return must(luaL_newstate()); }

static lua_State *stock_base(void) {
  lua_State *L = stock_bare();
  luaL_requiref(L, "_G", luaopen_base, 1);
  lua_pop(L, 1);
  return L;
}

static lua_State *stock_all(void) {
  lua_State *L = stock_bare();
  luaL_openlibs(L);
  return L;
}

static lua_State *lean(void) { return must(wf_state_open(NULL)); }

static lua_State *lean_print(void) {
  lua_State *L = lean();
  run(L, "local a, b, c = print, ipairs, pcall");
  return L;
}

static lua_State *lean_string(void) {
  lua_State *L = lean();
  run(L, "local a, b = ipairs, ('x'):upper()");
  return L;
}

static lua_State *lean_all(void) {
  lua_State *L = lean();
  wf_state_open_all(L);
  return L;
}

static const struct subject {
  const char *name;
  lua_State *(*open)(void);
  void (*close)(lua_State *);
} subjects[] = {
  {"stock, no library", stock_bare, lua_close},
  {"stock, base", stock_base, lua_close},
  {"stock, all", stock_all, lua_close},
  {"lean", lean, wf_state_close},
  {"lean, 3 base names used", lean_print, wf_state_close},
  {"lean, string used", lean_string, wf_state_close},
  {"lean, all opened", lean_all, wf_state_close},
};

/* In a child of its own: what others have freed is used again. */
static double resident_each(const struct subject *s) {
  int two[2];
  double result = 0;
  fflush(stdout);
  if (pipe(two) != 0) abort();
  pid_t pid = fork();
  if (pid == 0) {
    static lua_State *many[OPEN];
    malloc_trim(0);
    double before = rss_bytes();
    for (int n = 0; n < OPEN; n++) many[n] = s->open();
    result = (rss_bytes() - before) / OPEN;
    _exit(write(two[1], &result, sizeof result) != sizeof result || many[0] == NULL);
  }
  if (pid < 0 || read(two[0], &result, sizeof result) != sizeof result) abort();
  close(two[0]);
  close(two[1]);
  waitpid(pid, NULL, 0);
  return result;
}

static void states(void) {
  for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
    const struct subject *s = &subjects[i];
    double took = 1e18; /* of several batches the best: others use this machine too */
    for (int batch = 0; batch < BATCHES; batch++) {
      double t = cpu_ns();
      for (int n = 0; n < STATES; n++) s->close(s->open());
      t = cpu_ns() - t;
      if (t < took) took = t;
    }
    lua_State *L = s->open();
    int bytes = lua_gc(L, LUA_GCCOUNT) * 1024 + lua_gc(L, LUA_GCCOUNTB);
    s->close(L);
    double resident = resident_each(s);
    printf("%-26s %7.2f us  %6d bytes  %6.0f resident\n", s->name, took / STATES / 1e3, bytes, resident);
  }
}

static const struct program {
  const char *name, *code;
} programs[] = {
  {"small tables kept", "local t = {} for i = 1, 1000000 do t[i] = {i, i + 1} end"},
  {"small tables dropped", "for i = 1, 3000000 do local t = {x = i, y = i} end"},
  {"strings kept", "local t = {} for i = 1, 1000000 do t[i] = 'k' .. i end"},
  {"closures dropped", "local f for i = 1, 3000000 do f = function() return i end end"},
  {"records replaced", "local t = {} for r = 1, 10 do for i = 1, 100000 do t[i] = {a = i, b = {i}} end end"},
  {"strings growing", "for i = 1, 200 do local s = '' for j = 1, 2000 do s = s .. 'x' end end"},
  {"next over a table", "local t = {} for i = 1, 1000 do t['k' .. i] = i end for r = 1, 10000 do for k, v in pairs(t) do end end"},
  {"setmetatable", "local m = {} for i = 1, 3000000 do setmetatable({}, m) end"},
};

static double milliseconds(lua_State *L, const char *code) {
  double t = cpu_ns();
  run(L, code);
  return (cpu_ns() - t) / 1e6;
}

int main(void) {
  states();
  for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
    double best[2] = {1e9, 1e9};
    for (int r = 0; r < 3; r++) {
      lua_State *L = stock_all();
      double ms = milliseconds(L, programs[i].code);
      if (ms < best[0]) best[0] = ms;
      lua_close(L);
      L = lean();
      ms = milliseconds(L, programs[i].code);
      if (ms < best[1]) best[1] = ms;
      wf_state_close(L);
    }
    printf("%-26s malloc %7.0f ms  lean %7.0f ms  %.2f\n", programs[i].name, best[0], best[1], best[1] / best[0]);
  }
  return 0;
}
