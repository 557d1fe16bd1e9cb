/* net_fault_test.c: every allocation fails in turn, in several ways (fault_ways.h), while scripts use sockets, signals, clocks and
 * names.
 *
 * For each script, both heaps (the state's, ours; libuv itself aborts without memory) and n = 1, 2, ...: a new state, the n-th allocation from then on
 * fails, and then: the script ended, or raised; what it left works with memory again; when the state is closed no memory
 * and no descriptor is left. It ends with the n that no allocation reaches any more. Threads allocate too, so counts are atomic. */
#include "base/base.h"
#include "faults.h"

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

    /* tasks that have had no limit of time before */
    "local s, a = weft.tcp_listen('127.0.0.1', 0), weft.udp('127.0.0.1', 0)\n"
    "function after() if s then s:close() end if a then a:close() end end\n"
    "if not (s and a) then return end a:timeout(1e-4)\n"
    "for _, f in ipairs{function() s:accept(1e-4) end, function() a:recv() end, function() weft.poll(s:fileno(), 'r', 1e-4) end} do\n"
    "  weft.go(f):detach() end",

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
#if WF_TSAN /* it holds signals back: a tight loop would not be interrupted */
    "local a = weft.blocking(function() require 'weft.core'.sleep(1e6) end) local b"
#else
    "local a = weft.blocking(function() while true do end end) local b"
#endif
    " = weft.blocking(function() end)\n"
    "if b then b:detach() b:cancel('why') end if a then a:detach() a:cancel() a:wait() end if b then b:wait() b:result() end",
};

static const char check[] = "if after then after() end\n" FAULTS_NO_TASK_LEFT;

/* A look-up that the end of the state has left behind frees what it has when it comes back. */
static void settle(int open) {
  for (int i = 0; i < 4000 && (atomic_load(&c_heap.blocks) != 0 || descriptors() != open); i++) usleep(500);
}

static int try_one(const fault *f) {
  int open = descriptors();
  lua_State *L = faults_core("weft.on_unhandled(function() end) big = ('x'):rep(1 << 22)");
  int hit = faults_run(L, f, NULL);
  faults_check(L, f, check);
  lua_close(L);
  settle(open);
  faults_none_left(f);
  if (descriptors() != open) wrong(f, "%d descriptors are left", descriptors() - open);
  return hit;
}

/* Where memory stays away nothing can be served, and clients wait in vain: that takes time. */
static long step(const fault *f) {
  bool quick = getenv("WEFT_QUICK") != NULL;
  return quick && f->at <= 20 ? 1 : (quick ? 9 : 1) * (f->way ? 3 : 1);
}

int main(void) {
  enum { N = sizeof scripts / sizeof *scripts };
  wf_alloc_set(heap_c, &c_heap);
  for (size_t i = 0; i < N; i++) try_one(&(fault){.script = scripts[i], .victim = &lua_heap});
  failures = 0; /* what libuv opens once for the process is open now */
  faults_all(scripts, N, try_one, step);
  return faults_end();
}
