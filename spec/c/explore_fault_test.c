/* explore_fault_test.c: every allocation fails in turn, in several ways (fault_ways.h), while schedules are explored.
 *
 * For each script, both heaps (the state's, ours) and n = 1, 2, ...: a new state, the n-th allocation from then on
 * fails, and then: the script ended, or raised; afterwards, with memory again, no task is left, the isolate's own tasks
 * run as ever, and a schedule can be explored; when the state is closed nothing is left. It ends with the n that no
 * allocation reaches any more. */
#include "faults.h"

/* Globals of a script: weft, the core; explore(f, policy, ...): one schedule; session: of the last one. */
static const char setup[] =
    "weft.on_unhandled(function() end)\n" /* tasks that run out of memory are nobody's concern */
    "for _ in pairs(weft) do end\n"       /* all parts are there: their opening is not what is tested */
    "function open(points, free) calls = {failed = {}, stuck = {}, holders = {}}\n"
    "  session = weft.explore_new(calls, points or 'operations', 300, free or false, '@nothing') end\n"
    "function explore(f, ...) if not session then open() end return weft.explore_run(session, f, 1, ...) end\n"
    "function plan(...) local t = {} for i, at in ipairs{...} do t[i] = string.pack('=I4I4', at, 1) end return "
    "table.concat(t) end";

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
    "if ch then ch:close() end\n" FAULTS_NO_TASK_LEFT
    "local n = 0 for i = 1, 3 do weft.go(function() weft.yield() n = n + i end) end weft.wait() assert(n == 6)\n"
    "session = nil\n"
    "local verdict, diverged, ok, x = explore(function() local j = weft.go(function() weft.sleep(5) return 7 end) "
    "return j:join() end, 'plan', '')\n"
    "assert(verdict == 'ended' and not diverged and ok and x == 7, ('%s %s %s %s'):format(verdict, diverged, ok, x))";

static int try_one(const fault *f) {
  lua_State *L = faults_core(setup);
  int hit = faults_run(L, f, NULL);
  faults_check(L, f, check);
  lua_close(L);
  faults_none_left(f);
  return hit;
}

int main(void) {
  wf_alloc_set(heap_c, &c_heap);
  faults_all(scripts, sizeof scripts / sizeof *scripts, try_one, faults_step);
  return faults_end();
}
