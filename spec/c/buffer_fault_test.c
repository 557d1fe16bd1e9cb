/* buffer_fault_test.c: every allocation fails in turn, in several ways (fault_ways.h), while scripts make buffers, wait for their
 * elements, and send them to threads.
 *
 * For each script, both heaps (the state's, ours) and n = 1, 2, ...: a new state, the n-th allocation from then on
 * fails, and then: the script ended, or raised; what it left works with memory again; when the state is closed nothing
 * is left. It ends with the n that no allocation reaches any more. Threads allocate too, so counts are atomic. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fault_ways.h"
#include "weft.h"

typedef struct heap {
  atomic_long blocks;
  atomic_long calls;   /* allocations so far */
  atomic_long fail_at; /* the number of the one that fails; 0 none */
  int way;        /* fault_ways.h */
} heap;

static heap lua_heap, c_heap;
static int failures;
static long steps;

static int heap_fails(heap *h) {
  long call = atomic_fetch_add(&h->calls, 1) + 1, at = atomic_load(&h->fail_at);
  return fault_hits(call, at, h->way);
}

static void *heap_lua(void *ud, void *block, size_t old, size_t size) {
  heap *h = ud;
  if (size == 0) {
    atomic_fetch_sub(&h->blocks, block != NULL);
    free(block);
    return NULL;
  }
  if ((block == NULL || size > old) && heap_fails(h)) return NULL;
  atomic_fetch_add(&h->blocks, block == NULL);
  return realloc(block, size);
}

static void *heap_c(void *ud, void *block, size_t size) {
  return heap_lua(ud, block, block == NULL ? 0 : size == 0 ? 1 : size - 1, size);
}

/* Globals of a script: weft, the core; `after`, if set, is called with memory again. */
static const char *const scripts[] = {
    "local b = weft.buffer('f64', 100, {stride = 16}) local s = b:slice(2, 90):slice(3) s:fill(2):sort():copy('')\n"
    "local c = weft.buffer('i16', 100):copy(b) c:copy{1, 2, 3} c:string() c:string(1, 3) assert(c:sum() >= 6)\n"
    "function after() b[1] = 1 assert(b:sort():max() == 2 and tostring(s)) end",

    "local big = weft.buffer('u8', 5000) local t = big:string() assert(#t == 5000) big:copy(t):sort()\n"
    "for _, v in pairs(weft.buffer('i8', 3)) do assert(v == 0) end assert(weft.atomic(5):add(1, 1) == 5)",

    "local b, woken, sent = weft.buffer('i32', 40), 0, 0\n"
    "function after()\n"
    "  while weft.live() > 0 do weft.yield() for i = 1, 40 do sent = sent + b:wake(i, 100) end weft.yield() end\n"
    "  assert(woken == sent)\n"
    "end\n"
    "for i = 1, 40 do weft.go(function() if b:wait(i % 20 + 1, 0) == 'woken' then woken = woken + 1 end end):detach() end\n"
    "weft.yield() for i = 1, 15 do sent = sent + b:wake(i, 100) end",

    "local a = weft.atomic(0)\n"
    "function after() while weft.live() > 0 do weft.yield() a:wake(1, 9) end assert(a:wake(1) == 0) end\n"
    "for i = 1, 5 do weft.go(function() a:wait(1, 0, i * 1e-5) end):detach() end\n"
    "local j = weft.go(function() a:wait(1, 0) end) j:detach() weft.yield() j:cancel() weft.sleep(1e-4) a:wake(1, 9)",

    "local a, b = weft.atomic(0), weft.buffer('u8', 3, {stride = 2})\n"
    "function after() while weft.live() > 0 do weft.yield() a:wake(1, 9) end assert(a:wake(1) == 0) end\n"
    "local waiter = weft.go(function() a:wait(1, 0) end) waiter:detach() weft.yield()\n"
    "local j = weft.thread(function(x, y) x[1] = 1 x:wake(1) return y:slice(2), x, y end, a, b:slice(2))\n"
    "local s, x, y = j:join() assert(x == a and y ~= b and y == b:slice(2)) s[1] = 3 assert(b[3] == 3)",
};

/* Tasks that could not even be told may be left: they are waited for with a limit of turns. */
static const char check[] =
    "if after then after() end\n"
    "for _ = 1, 1000 do if weft.live() == 0 then break end weft.sleep(1e-4) end\n"
    "assert(weft.live() == 0, 'tasks are left')\n";

static void report(lua_State *L, const char *script, long at, int way, const char *what) {
  printf("%s\n  failure %ld%s: %s: %s\n", script, at, way ? " and later" : "", what, luaL_tolstring(L, -1, NULL));
  failures++;
}

static void heap_reset(heap *h) {
  atomic_store(&h->blocks, 0);
  atomic_store(&h->calls, 0);
  atomic_store(&h->fail_at, 0);
}

static int try_one(const char *script, heap *victim, long at, int way) {
  heap_reset(&lua_heap);
  heap_reset(&c_heap);
  lua_State *L = lua_newstate(heap_lua, &lua_heap);
  luaL_openlibs(L);
  luaL_requiref(L, "weft.core", luaopen_weft_core, 0);
  lua_setglobal(L, "weft");
  if (luaL_loadstring(L, script) != LUA_OK) {
    printf("%s: %s\n", script, lua_tostring(L, -1));
    exit(1);
  }
  victim->way = way;
  atomic_store(&victim->calls, 0);
  atomic_store(&victim->fail_at, at);
  int failed = lua_pcall(L, 0, 0, 0) != LUA_OK;
  int hit = atomic_load(&victim->calls) >= at;
  atomic_store(&victim->fail_at, 0);
  if (failed && !hit) report(L, script, at, way, "failed without a failure");
  lua_settop(L, 0);
  if (luaL_dostring(L, check) != LUA_OK) report(L, script, at, way, "afterwards");
  lua_close(L);
  if (atomic_load(&lua_heap.blocks) != 0 || atomic_load(&c_heap.blocks) != 0) {
    printf("%s: failure %ld%s leaves %ld + %ld blocks\n", script, at, way ? " and later" : "", atomic_load(&lua_heap.blocks),
           atomic_load(&c_heap.blocks));
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
