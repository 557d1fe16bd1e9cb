/* fault_test.c: every allocation fails in turn, in several ways (fault_ways.h), while a script uses tasks, channels, select,
 * scopes, time-outs and threads, and while weft is being loaded.
 *
 * For each script, both heaps (the state's, ours) and n = 1, 2, ...: in a new state the n-th allocation from then
 * on fails. The script may end or raise; it must not crash or hang. Afterwards, with memory again, the same state
 * must be good for everything; and when it is closed nothing must be left. It ends with the n that no allocation
 * reaches any more. (Locks: sync_fault_test.c; packing: pack_fault_test.c.)
 *
 * Children allocate on threads of their own, so the counters are atomic, and which allocation is the n-th may
 * differ from run to run. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/base.h"
#include "faults.h"

enum { LIMIT_S = 60 };

static const char *now_script;
static long now_at;

/* The thread sanitizer holds signals back until its thread calls what it knows, malloc for one. */
#if WF_TSAN
#define SPIN "while true do local _ = {} end"
#else
#define SPIN "while true do end"
#endif

static const struct script {
  const char *name, *text;
} scripts[] = {
    {"load", "require 'weft'"},

    {"tasks", "local jobs = {}\n"
              "for i = 1, 5 do jobs[i] = weft.go(function(...) weft.yield() return i, ... end, i, 2, 3) end\n"
              "for i = 1, 5 do assert(jobs[i]:join() == i) end"},

    {"many tasks", "for i = 1, 150 do weft.go(weft.yield) end weft.wait()"},

    {"many arguments", "assert(select('#', weft.go(function(...) return ... end, table.unpack({}, 1, 100)):join()) == 100)"},

    {"names and locals", "weft.current():set('k', 'v')\n"
                         "assert(weft.go({name = 'n'}, function() local me = weft.current() me:set('l', 1)\n"
                         "  weft.yield() return me:get 'k' .. me.name end):join() == 'vn')"},

    {"failing tasks", "for i = 1, 4 do local j = weft.go(error, {i}) local ok, e = j:result() assert(not ok) end\n"
                      "weft.go(error, 'unseen') weft.yield() weft.sleep(1e-5)"},

    {"cancel", "local jobs = {}\n"
               "for i = 1, 4 do jobs[i] = weft.go(function()\n"
               "  local _ <close> = setmetatable({}, {__close = function() weft.sleep(1e-6) end}) weft.sleep(1e6) end) end\n"
               "weft.yield()\n"
               "for i = 1, 4 do jobs[i]:cancel {i} end\n"
               "for i = 1, 4 do jobs[i]:wait() end"},

    {"joiners", "local job = weft.go(weft.sleep, 1e-4)\n"
                "for _ = 1, 4 do weft.go(function() job:join() end) weft.go(function() job:wait(1e-5) end) end weft.wait()"},

    {"channels", "local ch = weft.channel(20)\n"
                 "weft.go(function() for i = 1, 60 do ch:send(i % 3 == 0 and {i} or i) end ch:close() end)\n"
                 "local n = 0 for v in ch do n = n + 1 end assert(n == 60)"},

    {"rendezvous", "local ch = weft.channel()\n"
                   "for i = 1, 5 do weft.go(function() ch:send {i} end) end\n"
                   "for i = 1, 5 do assert(ch:recv()[1] == i) end\n"
                   "weft.go(function() ch:recv_many(3) end) weft.yield() ch:send(1) ch:close()"},

    {"select", "local a, b = weft.channel(), weft.channel(2)\n"
               "weft.go(function() for i = 1, 6 do weft.select {{a, send = {i}}, {b, send = {i}}, timeout = 1} end end)\n"
               "for i = 1, 6 do local k, v, ok = weft.select {{a}, {b}} assert(ok) end\n"
               "weft.select {{weft.go(weft.yield)}, {a}} weft.select {{a}, timeout = 1e-5}"},

    {"select on a channel that crossed", "local ch = weft.channel(3) local j = weft.thread(function(c) return 1 end, ch)\n"
                                         "for i = 1, 3 do weft.select {{ch, send = {i}}, timeout = 1e-3} end j:wait()"},

    {"waits on a channel that crossed", "local ch = weft.channel() local t = weft.thread(function(c) return 1 end, ch) t:wait()\n"
                                        "local jobs = {}\n"
                                        "for i = 1, 6 do jobs[i] = weft.go(function() ch:send {i} end) end weft.yield()\n"
                                        "for i = 1, 3 do jobs[i]:cancel() ch:recv() end\n"
                                        "for i = 7, 12 do jobs[i] = weft.go(function() return ch:recv() end) end weft.yield()\n"
                                        "for i = 1, 8 do jobs[#jobs + 1] = weft.go(function() ch:send('a text of twenty bytes') end) end\n"
                                        "weft.go(function() weft.timeout(1e-5, ch.recv, ch) end):wait()\n"
                                        "weft.yield() ch:close() for v in ch do end for i = 1, #jobs do jobs[i]:wait() end"},

    {"scopes", "pcall(weft.scope, function(s) s:go(weft.sleep, 1e6) s:go(function() weft.yield() error 'x' end)\n"
               "  s:go(weft.sleep, 1e-5) end)\n"
               "weft.scope(function(s) for i = 1, 3 do s:go(weft.yield) end end)"},

    {"time-outs", "for i = 1, 3 do local ok, e = pcall(weft.timeout, 1e-5, weft.sleep, 1e6) assert(not ok) end\n"
                  "weft.shield(weft.timeout, 1, weft.yield)\n"
                  "local g = coroutine.wrap(function() weft.timeout(1, function() coroutine.yield(1) end) return 2 end) g() g()"},

    {"groups", "local function jobs() local t = {} for i = 1, 4 do t[i] = weft.go(function() weft.yield() return i end) end return t end\n"
               "weft.all(jobs()) weft.race(jobs()) for j in weft.completed(jobs()) do j:join() end\n"
               "weft.go(weft.yield):on_done(function() end) weft.wait()"},

    {"generators", "local g = coroutine.wrap(function() for i = 1, 5 do weft.sleep(1e-6) coroutine.yield(i) end end)\n"
                   "for i = 1, 5 do g() end\n"
                   "weft.go(function() for v in coroutine.wrap(function() weft.yield() coroutine.yield(1) end) do end end):join()\n"
                   "table.sort({3, 1, 2}, function(a, b) weft.yield() return a < b end)"},

    {"deadlock", "weft.go(function() weft.channel():recv() end) pcall(weft.wait)"},

    {"threads", "local jobs = {}\n"
                "for i = 1, 2 do jobs[i] = weft.thread({name = 't' .. i}, function(t) return {t[1]}, 'x' end, {i}) end\n"
                "for i = 1, 2 do local ok, e = jobs[i]:result() assert(not ok or e[1] == i) end"},

    {"failing threads", "weft.thread(error, {1}):result() weft.thread(error, 'unseen'):wait() weft.thread(error, 'unseen') weft.wait()"},

    {"cancelled threads", "local a = weft.thread(function() require('weft').sleep(1e6) end)\n"
                          "local b = weft.thread(function() " SPIN " end)\n"
                          "a:cancel {1} b:cancel() a:wait() b:wait()"},

    {"isolates", "local jobs = {}\n"
                 "for i = 1, 3 do jobs[i] = weft.spawn({name = 's' .. i}, function(t) require('weft').sleep(1e-5) return {t[1]}, 'x' end, {i}) end\n"
                 "for i = 1, 3 do local ok, e = jobs[i]:result() assert(not ok or e[1] == i) end weft.spawn(error, {1}):wait()"},

    {"cancelled isolates", "local a = weft.spawn(function() require('weft').sleep(1e6) end)\n"
                           "local b = weft.spawn(function() " SPIN " end)\n"
                           "a:cancel {1} b:cancel() a:wait() b:wait()"},

    {"crossing", "local ch, back = weft.channel(2), weft.channel()\n"
                 "ch:send {1} local r = weft.go(function() return back:recv() end)\n"
                 "local t = weft.thread(function(ch, back) for v in ch do back:send {v} end end, ch, back)\n"
                 "ch:send(2) ch:close() r:join() weft.select {{back}, timeout = 1} weft.select {{t}, {back}, timeout = 1}\n"
                 "t:cancel() t:wait()"},

    {"locks that cross", "local m, rw, s, e, g = weft.mutex(), weft.rwlock(), weft.semaphore(1), weft.event(), weft.waitgroup()\n"
                         "g:add(1) m:lock() local w = weft.go(function() m:lock() m:unlock() end) weft.yield()\n"
                         "local t = weft.thread(function(m, rw, s, e, g) if m:try_lock(1e-4) then m:unlock() end\n"
                         "  rw:rlock() s:acquire() e:set() g:done() s:release() rw:runlock() m:with(function() end) end, m, rw, s, e, g)\n"
                         "m:unlock() rw:lock() rw:unlock() s:with(function() end) e:wait(0.1) g:wait(0.1) t:wait() w:wait()"},

    {"jobs that cross", "local j = weft.go(function() weft.sleep(1e-4) return {1} end)\n"
                        "local t = weft.thread(function(j) return j:join(), j:wait() end, j)\n"
                        "local u = weft.thread(function(t) t:cancel('c') return t:result() end, t) j:wait() t:wait() u:wait()"},

    {"trace", "weft.trace.start() weft.go({name = 'n'}, weft.yield):join() weft.thread(function() end):wait() weft.trace.stop()"},
};

/* The script's jobs may hang on what failed: they are found by the shutdown. Everything must work again. */
static const char check[] =
    "local weft = require 'weft'\n"
    "local function eq(a, b) if a ~= b then error(tostring(a) .. ' is not ' .. tostring(b), 2) end end\n"
    "pcall(weft.trace.stop) collectgarbage() collectgarbage()\n" /* a trace is the whole process's */
    "local ch = weft.channel(1)\n"
    "local job = weft.go(function(...) for i = 1, 3 do ch:send {i} end return ... end, 'r')\n"
    "for i = 1, 3 do eq(ch:recv()[1], i) end\n"
    "eq(job:join(), 'r')\n"
    "eq(select(3, weft.select {{ch}, {ch, send = 1}}), nil)\n"
    "local ok, err = pcall(weft.timeout, 1e-5, weft.sleep, 1e6)\n"
    "eq(ok, false) eq(err.kind, 'timeout')\n"
    "job = weft.go(weft.sleep, 1e6) weft.yield() eq(job:cancel 'c', true)\n"
    "ok, err = job:result() eq(ok, false) eq(err.reason, 'c') eq(job:status(), 'cancelled')\n"
    "ok, err = weft.go(error, {1}):result() eq(ok, false) eq(err[1], 1)\n"
    "eq(weft.all {weft.go(function() return 5 end)}[1], 5)\n"
    "eq(weft.scope(function(s) return s:go(function() return 6 end):join() end), 6)\n"
    "eq(weft.thread(function(t) return t[1] end, {7}):join(), 7)\n"
    "eq(weft.spawn(function(t) return t[1] end, {9}):join(), 9)\n"
    "eq(coroutine.wrap(function() weft.sleep(1e-6) return 8 end)(), 8)\n";

static int try_one(const fault *f) {
  now_script = f->name;
  now_at = f->at;
  alarm(LIMIT_S);
  lua_State *L = faults_state();
  host_preload(L);
  int loads = strcmp(f->name, "load") == 0;
  if (!loads && luaL_dostring(L, "weft = require 'weft' weft.trace = weft.trace") != LUA_OK) {
    printf("cannot load weft: %s\n", lua_tostring(L, -1));
    exit(1);
  }
  int hit = faults_run(L, f, NULL);
  faults_check(L, f, check);
  lua_close(L);
  /* On a machine that is busy a worker may be left behind that has not even begun. It frees the pool when it ends. */
  for (int i = 0; i < 40000 && atomic_load(&c_heap.blocks) != 0; i++) usleep(500);
  faults_none_left(f);
  return hit;
}

/* The state is closed while memory of ours is out: what still runs is cancelled and waited for all the same. */
static void ends_without_memory(void) {
  fault f = {.name = "the end without memory", .script = "", .victim = &c_heap, .at = 1, .way = 1};
  now_script = f.name;
  alarm(LIMIT_S);
  lua_State *L = faults_state();
  host_preload(L);
  if (luaL_dostring(L, "local weft = require 'weft' for i = 1, 3 do weft.go(weft.sleep, 1e6) end weft.yield()\n"
                       "weft.go(function() for _ = 1, 5 do pcall(weft.sleep, 1e-4) end end) weft.yield()") != LUA_OK)
    wrong_error(L, &f, "before");
  heap_order(&c_heap, 1, 1);
  lua_close(L);
  heap_heal(&c_heap);
  faults_none_left(&f);
}

static int no_more_memory(lua_State *L) {
  (void)L;
  heap_order(&c_heap, 1, 1);
  return 0;
}

/* In a process of its own: a task ends it then. */
static int exit_without_memory(void) {
  alarm(LIMIT_S);
  lua_State *L = faults_state();
  host_preload(L);
  lua_register(L, "no_more_memory", no_more_memory);
  (void)luaL_dostring(L, "local weft = require 'weft' for i = 1, 3 do weft.go(weft.sleep, 1e6) end\n"
                         "weft.go(function() weft.yield() no_more_memory() os.exit(7, true) end) weft.sleep(1e6)");
  printf("no exit: %s\n", lua_tostring(L, -1));
  return 1;
}

static void task_exits_without_memory(void) {
  fault f = {.name = "os.exit of a task without memory", .script = "", .victim = &c_heap, .at = 1, .way = 1};
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    execl("/proc/self/exe", "fault_test", "exit", (char *)NULL);
    _exit(1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 7) wrong(&f, "it ended with status %x", (unsigned)status);
  steps++;
}

static void on_alarm(int sig) {
  (void)sig;
  char text[200];
  int n = snprintf(text, sizeof text, "%s, failure %ld: it hangs\n", now_script, now_at);
  if (n > 0 && write(STDOUT_FILENO, text, (size_t)n) < 0) _exit(3);
  abort(); /* the stacks are of interest */
}

/* Quick: the first 20, then ever fewer. */
static long sparser(const fault *f) { return f->at > 20 ? 1 + f->at / 8 : 1; }

/* fault_test [script [n]]: all, one script, one failure; "end": the end without memory. */
int main(int argc, char **argv) {
  signal(SIGALRM, on_alarm);
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc < 3 && freopen("/dev/null", "w", stderr) == NULL) return 1; /* reports of failures by the dozen */
  wf_alloc_set(heap_c, &c_heap);
  if (argc == 2 && strcmp(argv[1], "exit") == 0) return exit_without_memory();
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    fault f = {.name = scripts[i].name, .script = scripts[i].text};
    if (argc > 1 && strcmp(argv[1], f.name) != 0) continue;
    if (argc < 3) {
      faults_each(f, try_one, getenv("WEFT_QUICK") != NULL ? sparser : faults_step);
      continue;
    }
    heap *const victims[] = {&lua_heap, &c_heap};
    f.at = atol(argv[2]);
    for (int h = 0; h < 2; h++) {
      f.victim = victims[h];
      for (f.way = 0; f.way < fault_ways(); f.way++) try_one(&f);
    }
  }
  if (argc == 1 || strcmp(argv[1], "end") == 0) {
    task_exits_without_memory();
    ends_without_memory();
  }
  return faults_end();
}
