/* sync_fault_test.c: every allocation fails in turn, in several ways (fault_ways.h), while tasks use locks.
 *
 * For each script, both heaps (the state's, ours) and n = 1, 2, ...: a new state, the n-th allocation from then on
 * fails, and then: the script ended, or raised; afterwards, with memory again, every lock it used is free, or was left
 * locked by a task that ended, which is told; and works; when the state is closed nothing is left. It ends with the n
 * that no allocation reaches any more. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fault_ways.h"
#include "weft.h"

typedef struct heap {
  long blocks;
  long calls;   /* allocations so far */
  long fail_at; /* the number of the one that fails; 0 none */
  int way; /* fault_ways.h */
} heap;

static heap lua_heap, c_heap;
static int failures;
static long steps;

static int heap_fails(heap *h) {
  h->calls++;
  return fault_hits(h->calls, h->fail_at, h->way);
}

static void *heap_lua(void *ud, void *block, size_t old, size_t size) {
  heap *h = ud;
  if (size == 0) {
    h->blocks -= block != NULL;
    free(block);
    return NULL;
  }
  if ((block == NULL || size > old) && heap_fails(h)) return NULL;
  h->blocks += block == NULL;
  return realloc(block, size);
}

static void *heap_c(void *ud, void *block, size_t size) {
  return heap_lua(ud, block, block == NULL ? 0 : size == 0 ? 1 : size - 1, size);
}

/* Globals of a script: weft, the core; go(f): a task whose failure is nobody's concern; locks: what it uses. */
static const char *const scripts[] = {
    "local m = weft.mutex() locks = {m}\n"
    "for _ = 1, 5 do go(function() m:with(weft.yield) m:with(weft.yield) end) end",

    "local m = weft.mutex() locks = {m}\n"
    "for i = 1, 5 do go(function() local _ <close> = m:guard() weft.sleep(i * 1e-5) end) end\n"
    "for _ = 1, 5 do go(function() if m:try_lock(1e-5) then m:unlock() end end) end",

    "local m, c, n = weft.mutex(), weft.condition(), 0 locks = {m}\n"
    "for _ = 1, 3 do go(function() m:with(function() for _ = 1, 5 do if n == 0 then c:wait(m, 1e-4) end end end) end) end\n"
    "go(function() m:with(function() n = 1 end) c:broadcast() end)\n"
    "weft.yield() n = 1 c:broadcast()",

    "local rw = weft.rwlock() locks = {rw}\n"
    "for _ = 1, 20 do go(function() rw:reading(weft.yield) end) end\n"
    "go(function() rw:writing(weft.yield) end)\n"
    "for _ = 1, 20 do go(function() rw:reading(weft.sleep, 0) if rw:try_rlock(1e-5) then rw:runlock() end end) end",

    "local s = weft.semaphore(2) locks = {s}\n"
    "for _ = 1, 6 do go(function() s:with(weft.yield) end) end",

    "local o = weft.once(function() weft.yield() return 1, 2, 3 end) locks = {}\n"
    "for _ = 1, 4 do go(function() o() end) end\n"
    "after = function() assert(not pcall(o) or o() == 1) end",

    "local e, g, b = weft.event(), weft.waitgroup(), weft.barrier(2) locks = {}\n"
    "for _ = 1, 3 do go(function() e:wait(0.001) end) end e:set()\n"
    "g:add(2) for _ = 1, 2 do go(function() g:wait(0.001) end) end g:add(-2)\n"
    "go(function() weft.timeout(0.001, b.wait, b) end) weft.yield() weft.timeout(0.001, b.wait, b)",

    "local m = weft.mutex() locks = {m}\n"
    "go(function() m:lock() weft.yield() end) weft.yield()\n"
    "for _ = 1, 3 do go(function() m:lock() m:unlock() end) end",
};

static const char setup[] = "function go(f) return weft.go(f):detach() end";

/* Tasks that could not even be told may be left: they are waited for with a limit of turns. */
static const char check[] =
    "for _ = 1, 1000 do if weft.live() == 0 then break end weft.sleep(1e-4) end\n"
    "assert(weft.live() == 0, 'tasks are left')\n"
    "for _, x in ipairs(locks or {}) do\n"
    "  local text = tostring(x)\n"
    "  if text:find('which has ended', 1, true) then\n"
    "    local ok, err = pcall(x.lock, x)\n"
    "    assert(not ok and weft.is(err, 'deadlock'), text)\n"
    "    if not pcall(x.unlock, x) then while pcall(x.runlock, x) do end end\n"
    "  elseif x.acquire then assert(text:find('(2 free, 0 waiting)', 1, true), text)\n"
    "  else assert(text:find('(free)', 1, true), text) end\n"
    "  if x.lock then x:lock() x:unlock() end\n"
    "end\n"
    "if after then after() end";

static void report(lua_State *L, const char *script, long at, int way, const char *what) {
  printf("%s\n  failure %ld%s: %s: %s\n", script, at, way ? " and later" : "", what, lua_tostring(L, -1));
  failures++;
}

static int try_one(const char *script, heap *victim, long at, int way) {
  lua_heap = c_heap = (heap){0};
  lua_State *L = lua_newstate(heap_lua, &lua_heap);
  luaL_openlibs(L);
  luaL_requiref(L, "weft.core", luaopen_weft_core, 0);
  lua_setglobal(L, "weft");
  if (luaL_dostring(L, setup) != LUA_OK || luaL_loadstring(L, script) != LUA_OK) {
    printf("%s: %s\n", script, lua_tostring(L, -1));
    exit(1);
  }
  victim->calls = 0;
  victim->fail_at = at;
  victim->way = way;
  int failed = lua_pcall(L, 0, 0, 0) != LUA_OK;
  if (!failed) {
    luaL_dostring(L, "weft.wait()");
  }
  int hit = victim->calls >= at;
  victim->fail_at = 0;
  if (failed && !hit) report(L, script, at, way, "failed without a failure");
  lua_settop(L, 0);
  if (luaL_dostring(L, check) != LUA_OK) report(L, script, at, way, "afterwards");
  lua_close(L);
  if (lua_heap.blocks != 0 || c_heap.blocks != 0) {
    printf("%s: failure %ld leaves %ld + %ld blocks\n", script, at, lua_heap.blocks, c_heap.blocks);
    failures++;
  }
  steps++;
  return hit;
}

int main(void) {
  heap *const victims[] = {&lua_heap, &c_heap};
  wf_alloc_set(heap_c, &c_heap);
  for (size_t s = 0; s < sizeof scripts / sizeof *scripts; s++)
    for (int h = 0; h < 2; h++)
      for (int way = 0; way < fault_ways(); way++)
        for (long at = 1; try_one(scripts[s], victims[h], at, way) && failures < 20; at++) continue;
  printf("%ld failures injected, %d wrong\n", steps, failures);
  return failures != 0;
}
