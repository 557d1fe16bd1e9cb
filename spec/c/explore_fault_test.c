/* explore_fault_test.c: every allocation fails in turn, in several ways (fault_ways.h), while schedules are explored.
 *
 * For each script, both heaps (the state's, ours) and n = 1, 2, ...: a new state, the n-th allocation from then on
 * fails, and then: the script ended, or raised; afterwards, with memory again, no task is left, the isolate's own tasks
 * run as ever, and a schedule can be explored; when the state is closed nothing is left. It ends with the n that no
 * allocation reaches any more. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

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

/* Globals of a script: weft, the core; explore(f, policy, ...): one schedule; session: of the last one. */
static const char setup[] =
    "for _ in pairs(weft) do end\n" /* all parts are there: their opening is not what is tested */
    "function open(points, free) calls = {failed = {}, stuck = {}, holders = {}}\n"
    "  session = weft.explore_new(calls, points or 'operations', 300, free or false, '@nothing') end\n"
    "function explore(f, ...) if not session then open() end return weft.explore_run(session, f, 1, ...) end\n"
    "function plan(...) local t = {} for i, at in ipairs{...} do t[i] = string.pack('=I4I4', at, 1) end return table.concat(t) end";

static const char *const scripts[] = {
    /* tasks that end, that fail, that are left; schedules that deviate */
    "local function f() local ch = weft.channel(1)\n"
    "  weft.go(function() ch:send({}) weft.yield() ch:send(2) end) weft.go(function() error('x') end)\n"
    "  weft.go({name = 'n'}, function(...) return ch:recv(), ... end, 1, 2, 3) weft.sleep(1) return ch:recv() end\n"
    "explore(f, 'plan', '') explore(f, 'plan', plan(0, 2)) explore(f, 'random', 3) explore(f, 'pct', 4, 3, 20)\n"
    "weft.explore_trace(session)",

    /* a deadlock, told in the log */
    "open() calls.log = function() end\n"
    "explore(function() local a, b = weft.mutex(), weft.mutex()\n"
    "  weft.go(function() a:lock() weft.yield() b:lock() end) weft.go(function() b:lock() weft.yield() a:lock() end)\n"
    "  weft.channel():recv() end, 'plan', '')",

    /* lines, an endless loop, a generator, an inline wait */
    "open('lines')\n"
    "explore(function() local g = coroutine.wrap(function() for i = 1, 3 do\n weft.yield()\n coroutine.yield(i) end end)\n"
    "  weft.go(function() table.sort({2, 1}, function(x, y) weft.sleep(1) return x < y end) end)\n"
    "  g() g()\n while true do\n local x = 1\n end end, 'random', 1)",

    /* waits with a limit, scopes, select, with a free clock */
    "open('operations', true)\n"
    "explore(function() local a, b = weft.channel(1), weft.channel(1) a:send(1) b:send(2)\n"
    "  weft.select{{a}, {b}, timeout = 1} pcall(weft.timeout, 1, weft.sleep, 2)\n"
    "  weft.go(function() weft.shield(weft.sleep, 1) end):wait(2) end, 'random', 7)",

    /* what is watched, with wrappers */
    "open()\n"
    "for _, class in ipairs(weft.explore_classes()) do local t = class.__index if type(t) == 'table' and t.lock then\n"
    "  for k, v in pairs(t) do t[k] = weft.explore_wrap(v, k, k == 'with' and 'around' or 'acquire') or v end end end\n"
    "local t = {1, 2, v = 3} local shadow = weft.explore_watch(session, t, 't')\n"
    "explore(function() local m = weft.mutex() local function add() m:with(function() t.v = t.v + 1 t[#t + 1] = 1 end) end\n"
    "  weft.go(add) weft.go(add) for k, v in pairs(t) do end end, 'random', 2)\n"
    "weft.explore_unwatch(t, shadow)",

    /* with tasks of the isolate's own beside it */
    "ch = weft.channel() weft.go(function() weft.sleep(1e-4) end):detach()\n"
    "weft.go(function() ch:recv() end):detach() weft.yield()\n"
    "explore(function() ch:send(1) weft.go(weft.sleep, 1) weft.go(error) end, 'plan', '')",
};

static const char check[] =
    "if ch then ch:close() end\n"
    "for _ = 1, 1000 do if weft.live() == 0 then break end weft.sleep(1e-4) end\n"
    "assert(weft.live() == 0, 'tasks are left')\n"
    "local n = 0 for i = 1, 3 do weft.go(function() weft.yield() n = n + i end) end weft.wait() assert(n == 6)\n"
    "session = nil\n"
    "local verdict, diverged, ok, x = explore(function() local j = weft.go(function() weft.sleep(5) return 7 end) return j:join() end, 'plan', '')\n"
    "assert(verdict == 'ended' and not diverged and ok and x == 7, ('%s %s %s %s'):format(verdict, diverged, ok, x))";

static void report(lua_State *L, const char *script, long at, int way, const char *what) {
  printf("%s\n  failure %ld%s: %s: %s\n", script, at, way ? " and later" : "", what, luaL_tolstring(L, -1, NULL));
  failures++;
}

static int quiet(lua_State *L) {
  (void)L;
  return 0;
}

static int try_one(const char *script, heap *victim, long at, int way) {
  lua_heap = c_heap = (heap){0};
  lua_State *L = lua_newstate(heap_lua, &lua_heap);
  luaL_openlibs(L);
  luaL_requiref(L, "weft.core", luaopen_weft_core, 0);
  lua_getfield(L, -1, "on_unhandled"); /* tasks that run out of memory are nobody's concern */
  lua_pushcfunction(L, quiet);
  lua_call(L, 1, 0);
  lua_setglobal(L, "weft");
  if (luaL_dostring(L, setup) != LUA_OK || luaL_loadstring(L, script) != LUA_OK) {
    printf("%s: %s\n", script, lua_tostring(L, -1));
    exit(1);
  }
  victim->calls = 0;
  victim->fail_at = at;
  victim->way = way;
  int failed = lua_pcall(L, 0, 0, 0) != LUA_OK;
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
