/* What the tests of failing allocations share: for each script, both heaps (the state's, ours; libuv itself aborts without
 * memory) and n = 1, 2, ...: in a new state the n-th allocation from then on fails, in several ways
 * (fault_ways.h); it ends with the n that no allocation reaches any more. A test says what a state is, and what must be true of it afterwards. Include once,
 * in a file with main. */
#ifndef FAULTS_H
#define FAULTS_H

#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "heap.h"
#include "host_state.h"

static heap lua_heap, c_heap;
static int failures;
static long steps;

typedef struct fault {
  const char *name; /* of the script, or NULL: its text */
  const char *script;
  heap *victim;
  long at; /* the number of the allocation that fails; 0 none */
  int way; /* fault_ways.h */
} fault;

__attribute__((format(printf, 2, 3))) static inline void wrong(const fault *f, const char *what, ...) {
  va_list args;
  va_start(args, what);
  printf("%s\n  failure %ld in way %d of the %s heap: ", f->name != NULL ? f->name : f->script, f->at, f->way,
         f->victim == &c_heap ? "C" : "Lua");
  vprintf(what, args);
  printf("\n");
  va_end(args);
  failures++;
}

static inline void wrong_error(lua_State *L, const fault *f, const char *when) {
  wrong(f, "%s: %s", when, luaL_tolstring(L, -1, NULL));
}

/* A new state in lua_heap with Lua's libraries; the heaps count from 0. */
static inline lua_State *faults_state(void) {
  heap_reset(&lua_heap);
  heap_reset(&c_heap);
  lua_State *L = lua_newstate(heap_lua, &lua_heap);
  luaL_openlibs(L);
  return L;
}

/* The same with the core as the global weft, after `setup`. */
static inline lua_State *faults_core(const char *setup) {
  lua_State *L = faults_state();
  host_open_core(L);
  if (luaL_dostring(L, setup) != LUA_OK) {
    printf("%s: %s\n", setup, luaL_tolstring(L, -1, NULL));
    exit(1);
  }
  return L;
}

/* Runs the script, and `rest` unless it raised or rest is NULL, with the fault; whether that was reached. */
static inline int faults_run(lua_State *L, const fault *f, const char *rest) {
  if (luaL_loadstring(L, f->script) != LUA_OK) {
    printf("%s: %s\n", f->script, lua_tostring(L, -1));
    exit(1);
  }
  heap_order(f->victim, f->at, f->way);
  int failed = lua_pcall(L, 0, 0, 0) != LUA_OK;
  if (!failed && rest != NULL) (void)luaL_dostring(L, rest);
  int hit = heap_heal(f->victim);
  if (failed && !hit) wrong_error(L, f, "failed without a failure");
  lua_settop(L, 0);
  return hit;
}

/* With memory again. */
static inline void faults_check(lua_State *L, const fault *f, const char *check) {
  if (luaL_dostring(L, check) != LUA_OK) wrong_error(L, f, "afterwards");
}

/* The state is closed. */
static inline void faults_none_left(const fault *f) {
  steps++;
  if (atomic_load(&lua_heap.blocks) != 0 || atomic_load(&c_heap.blocks) != 0)
    wrong(f, "%ld blocks of Lua's and %ld of ours are left", atomic_load(&lua_heap.blocks),
          atomic_load(&c_heap.blocks));
}

/* For checks: tasks that could not even be told may be left; they are waited for with a limit of turns. */
#define FAULTS_NO_TASK_LEFT                                                      \
  "for _ = 1, 3000 do if weft.live() == 0 then break end weft.sleep(1e-4) end\n" \
  "assert(weft.live() == 0, 'tasks are left')\n"

/* Open descriptors. */
static inline int descriptors(void) {
  int n = 0;
  for (int fd = 0; fd < 256; fd++) n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

/* From one n to the next. */
static inline long faults_step(const fault *f) {
  (void)f;
  return 1;
}

/* f: name and script. try_one: one run; whether the fault was reached. */
static inline void faults_each(fault f, int (*try_one)(const fault *f), long (*step)(const fault *f)) {
  heap *const victims[] = {&lua_heap, &c_heap};
  for (int h = 0; h < 2; h++) {
    f.victim = victims[h];
    for (f.way = 0; f.way < fault_ways(); f.way++)
      for (f.at = 1; try_one(&f) && failures < 20; f.at += step(&f)) continue;
  }
}

static inline void faults_all(const char *const *scripts, size_t n, int (*try_one)(const fault *f),
                              long (*step)(const fault *f)) {
  for (size_t i = 0; i < n; i++) faults_each((fault){.script = scripts[i]}, try_one, step);
}

static inline int faults_end(void) {
  fflush(stdout);
  printf("%ld failures injected, %d wrong\n", steps, failures);
  return failures != 0;
}

#endif
