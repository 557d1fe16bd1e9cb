/* net_fault_test.c: every allocation fails in turn, in several ways (fault_ways.h), while scripts use sockets, signals, clocks and
 * names.
 *
 * For each script, both heaps (the state's, ours; libuv itself aborts without memory) and n = 1, 2, ...: a new state, the n-th allocation from then on
 * fails, and then: the script ended, or raised; what it left works with memory again; when the state is closed no memory
 * and no descriptor is left. It ends with the n that no allocation reaches any more. Threads allocate too, so counts are atomic. */
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    "local s function after() if s then s:close() end end\n"
    "s = assert(weft.tcp_listen('127.0.0.1', 0, {max = 2}, function(c)\n"
    "  c:timeout(0.02) for l in c:lines() do c:write('<', l, '>\\n') end end))\n"
    "local host, port = s:sockname()\n"
    "local function ask(n)\n"
    "  local c = weft.tcp_connect(host, port, {timeout = 0.02}) if not c then return end\n"
    "  c:timeout(0.02) c:write('a', '\\n', ('b'):rep(n), '\\n') c:read('l') c:read(3) c:shutdown() c:read('a') c:close()\n"
    "end\n"
    "for i = 1, 2 do weft.go(ask, i * 40000):detach() end\n"
    "ask(10) tostring(s)",

    "local s, c, o, fd, again\n"
    "function after()\n"
    "  if s then s:close() end if c then c:close() end if o then o:close() end\n"
    "  if fd and not again then weft.attach(fd):close() end\n" /* until it is attached it is ours */
    "end\n"
    "s = weft.tcp_listen('127.0.0.1', 0)\n"
    "c = weft.tcp_connect('127.0.0.1', select(2, s:sockname()))\n"
    "o = s:accept(0.02)\n"
    "if not (c and o) then return end\n"
    "local r = weft.go(function() o:read(100000) end) r:detach()\n"
    "local w = weft.go(function() c:write(big) end) w:detach()\n"
    "local p = weft.go(function() weft.poll(c:fileno(), 'r', 0.01) end) p:detach()\n"
    "weft.sleep(1e-4) r:cancel() w:cancel() weft.yield()\n"
    "local rest fd, rest = o:detach() again = weft.attach(fd, rest or 'kept') again:read() again:close()",

    "local a, b = weft.udp('127.0.0.1', 0), weft.udp('127.0.0.1', 0)\n"
    "function after() if a then a:close() end if b then b:close() end end\n"
    "if not (a and b) then return end\n"
    "a:timeout(0.05) b:timeout(0.05)\n"
    "weft.go(function() b:recv() end):detach() weft.yield()\n"
    "a:send('one', b:sockname()) a:send(('x'):rep(5000), b:sockname()) b:recv() weft.go(function() a:recv() end):cancel()",

    "local s, t = weft.signal('SIGUSR1'), weft.ticker(1e-4)\n"
    "function after() if s then s:close() end t:close() end\n"
    "if not s then return end\n"
    "weft.go(function() s:recv() end):detach() weft.go(function() t:recv() end):detach() weft.yield()\n"
    "weft.select{{s}, {t}, timeout = 0.01} t:recv() s:try_recv()",

    "local r = weft.resolve('127.0.0.1') if r then assert(r[1].address == '127.0.0.1') end\n"
    "local j = weft.go(function() weft.resolve('localhost', {timeout = 1e-5}) end) j:detach() weft.yield() j:cancel()",

    "local r = weft.resolve('localhost', {service = 80}) if r and r[1] then assert(r[1].port == 80) end\n"
    "local j = weft.go(weft.reverse, '127.0.0.1', {port = 1, numeric = true}) j:detach() j:wait()",

    "local j = weft.blocking(function(a) return a + 1 end, 1) if j then local ok, v = j:result() assert(not ok or v == 2) end\n"
    "weft.blocking_pool{limit = 1}\n"
    "local a = weft.blocking(function() while true do end end) local b = weft.blocking(function() end)\n"
    "if b then b:detach() b:cancel('why') end if a then a:detach() a:cancel() a:wait() end if b then b:wait() b:result() end",
};

/* Tasks that could not even be told may be left: they are waited for with a limit of turns. */
static const char check[] =
    "if after then after() end\n"
    "for _ = 1, 3000 do if weft.live() == 0 then break end weft.sleep(1e-4) end\n"
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

/* Open descriptors. */
static int descriptors(void) {
  int n = 0;
  for (int fd = 0; fd < 256; fd++) n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

/* A look-up that the end of the state has left behind frees what it has when it comes back. */
static void settle(int open) {
  for (int i = 0; i < 4000 && (atomic_load(&c_heap.blocks) != 0 || descriptors() != open); i++) usleep(500);
}

static int try_one(const char *script, heap *victim, long at, int way) {
  heap_reset(&lua_heap);
  heap_reset(&c_heap);
  int open = descriptors();
  lua_State *L = lua_newstate(heap_lua, &lua_heap);
  luaL_openlibs(L);
  luaL_requiref(L, "weft.core", luaopen_weft_core, 0);
  lua_setglobal(L, "weft");
  if (luaL_dostring(L, "weft.on_unhandled(function() end) big = ('x'):rep(1 << 22)") != LUA_OK) exit(1);
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
  settle(open);
  if (atomic_load(&lua_heap.blocks) != 0 || atomic_load(&c_heap.blocks) != 0) {
    printf("%s: failure %ld%s leaves %ld + %ld blocks\n", script, at, way ? " and later" : "", atomic_load(&lua_heap.blocks),
           atomic_load(&c_heap.blocks));
    failures++;
  }
  if (descriptors() != open) {
    printf("%s: failure %ld%s leaves %d descriptors\n", script, at, way ? " and later" : "", descriptors() - open);
    failures++;
  }
  steps++;
  return hit;
}

int main(void) {
  heap *const victims[] = {&lua_heap, &c_heap};
  wf_alloc_set(heap_c, &c_heap);
  for (size_t s = 0; s < sizeof scripts / sizeof *scripts; s++) try_one(scripts[s], &lua_heap, 0, 0);
  failures = 0; /* what libuv opens once for the process is open now */
  /* Where memory stays away nothing can be served, and clients wait in vain: that takes time. */
  long step = getenv("WEFT_QUICK") != NULL ? 9 : 1;
  for (size_t s = 0; s < sizeof scripts / sizeof *scripts; s++)
    for (int h = 0; h < 2; h++)
      for (int way = 0; way < fault_ways(); way++)
        for (long at = 1; try_one(scripts[s], victims[h], at, way) && failures < 20; at += way ? 3 * step : step) continue;
  fflush(stdout); printf("%ld failures injected, %d wrong\n", steps, failures);
  return failures != 0;
}
