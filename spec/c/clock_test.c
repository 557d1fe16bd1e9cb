/* clock_test.c: the clock of the wall jumps, by seconds and by centuries, forward and back, at each look at it. Whatever waits
 * for a time waits for the other clock: nothing is early, late for ever, or out of order.
 *
 * The program's own clock_gettime, gettimeofday and time stand before libc's, for weft and for libuv. CLOCK_MONOTONIC is what the
 * kernel says. A wait for a moment of the wall's clock would be for a moment that never comes: the alarm ends it. */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <lualib.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "host_state.h"


static atomic_uint looks;

static long long jump(void) {
  static const long long by[] = {0, 86400, -86400, 3155760000, -1000000000, 1, -1, 604800, -604800};
  return by[atomic_fetch_add(&looks, 1) % (sizeof by / sizeof *by)];
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *t) {
  long r = syscall(SYS_clock_gettime, clock, t);
  if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) t->tv_sec += jump();
  return (int)r;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict t, void *restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  t->tv_sec = now.tv_sec;
  t->tv_usec = now.tv_nsec / 1000;
  return 0;
}

__attribute__((visibility("default"))) time_t time(time_t *t) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (t != NULL) *t = now.tv_sec;
  return now.tv_sec;
}

static const char script[] =
    "weft = require 'weft'\n"
    "local a, b = os.time(), os.time() assert(math.abs(a - b) > 1000 or math.abs(b - os.time()) > 1000, 'the clock "
    "does not jump')\n"
    "for _, start in ipairs { weft.go, weft.spawn, weft.thread } do\n"
    "  local out = weft.channel(10)\n"
    "  for i = 5, 1, -1 do start(function(i, out) require('weft').sleep(i * 0.002) out:send(i) end, i, out) end\n"
    "  for i = 1, 5 do local got = out:recv() assert(start ~= weft.go or got == i, 'out of order') end\n"
    "end\n"
    "local before = weft.now()\n"
    "for _ = 1, 1000 do local now = weft.now() assert(now >= before and now < before + 60) before = now end\n"
    "local ok, err = pcall(weft.timeout, 0.01, weft.sleep, 1e6) assert(not ok and err.kind == 'timeout')\n"
    "assert(not weft.go(weft.sleep, 0.05):wait(0.001))\n"
    "local t = weft.ticker(0.002) for _ = 1, 5 do t:recv() end t:close()\n"
    "assert(weft.select { { weft.channel() }, timeout = 0.01 } == nil)\n"
    "local m = weft.mutex() m:lock()\n"
    "weft.thread(function(m) assert(not m:try_lock(0.01)) end, m):join() m:unlock()\n"
    "local word = weft.buffer('i64', 1)\n"
    "assert(weft.thread(function(b) return b:wait(1, 0, 0.01) end, word):join() ~= true)\n"
    "local server = assert(weft.net.listen('127.0.0.1', 0))\n"
    "local conn = assert(weft.net.connect(server:sockname()))\n"
    "assert(select(3, conn:timeout(0.01):read 'l') == 'ETIMEDOUT') conn:close() server:close()\n"
    "assert(weft.exec { 'sleep', '60', timeout = 0.02 }:wait().signal ~= nil)\n"
    "assert(weft.exec { 'true', timeout = 60 }:wait().code == 0)\n"
    "assert(weft.blocking(function() return 1 end) == 1)\n"
    "local trace = weft.trace(function() weft.go(weft.sleep, 0.001):join() end)\n"
    "assert(trace.wall > 0 and trace.wall < 60, trace.wall)\n";

int main(void) {
  alarm(60);
  lua_State *L = host_whole();
  int wrong = luaL_dostring(L, script) != LUA_OK;
  if (wrong) printf("%s\n", lua_tostring(L, -1));
  lua_close(L);
  printf("%u looks at a clock that jumped, %d wrong\n", atomic_load(&looks), wrong);
  return wrong;
}
