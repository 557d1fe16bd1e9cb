/*
** Seats (rt/seat.h) by what only C can see: which isolates have them, who sits, who is asked to leave and who is not, what
** happens where there is no memory for one or where its end is reached, and that a state closes with tasks on them, from
** its own stack or from one of theirs. What a script sees, which is no difference: spec/seat_spec.lua.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "check.h"
#include "host_state.h"
#include "rt/iso.h"
#include "rt/seat.h"

/* With all of weft. */
static lua_State *host_all(void) {
  lua_State *L = host_whole();
  CHECK(host_run(L, "weft = require 'weft'"));
  return L;
}

static void run(lua_State *L, const char *script) {
  if (!host_run(L, script)) failures++;
}

static int sitting(lua_State *L) {
  const wf_iso *iso = wf_iso_of(L);
  int n = 0;
  for (uint32_t i = 0; iso->seats != NULL && i < iso->seats->made; i++) n += iso->seats->seat[i].task != NULL;
  return n;
}

static int lua_sitting(lua_State *L) {
  lua_pushinteger(L, sitting(L));
  return 1;
}

static int lua_on_seat(lua_State *L) {
  lua_pushboolean(L, wf_iso_of(L)->seat != NULL);
  return 1;
}

static int made(lua_State *L) {
  const wf_iso *iso = wf_iso_of(L);
  return iso->seats == NULL ? 0 : (int)iso->seats->made;
}

static int lua_made(lua_State *L) {
  lua_pushinteger(L, made(L));
  return 1;
}

static int unused(lua_State *L) {
  const wf_iso *iso = wf_iso_of(L);
  int n = 0;
  for (const wf_seat *s = iso->seats == NULL ? NULL : iso->seats->free; s != NULL; s = s->next) n++;
  return n;
}

/* Tasks that take turns: as many seats as there are tasks, and no more than there may be. */
static const char turns[] = "local n, rounds = ...\n"
                            "local done = 0\n"
                            "for i = 1, n do weft.go(function() for _ = 1, rounds do weft.yield() end done = done + 1 end) end\n"
                            "weft.wait()\n"
                            "assert(done == n)";

static void take_turns(lua_State *L, int n, int rounds) {
  CHECK(luaL_loadstring(L, turns) == LUA_OK);
  lua_pushinteger(L, n);
  lua_pushinteger(L, rounds);
  CHECK(lua_pcall(L, 2, 0, 0) == LUA_OK);
  lua_settop(L, 0);
}

static void test_number(void) {
  lua_State *L = host_core();
  take_turns(L, 3, 3);
  CHECK(made(L) == 0 && atomic_load(&wf_raw_args_work) == 0); /* nine waits are not many */
  take_turns(L, 5, WF_SEATS_AFTER);
  CHECK(made(L) == 5 && atomic_load(&wf_raw_args_work) == 1);
  take_turns(L, 200, 20);
  CHECK(made(L) == WF_SEATS);
  CHECK(sitting(L) == 0);
  lua_close(L);
}

/* More than WF_SEATS tasks wait for something far, on seats: two that switch often get theirs all the same. */
static void test_leaves(void) {
  lua_State *L = host_core();
  lua_register(L, "sitting", lua_sitting);
  run(L, "gate = weft.channel(0)\n"
         "got = 0\n"
         "for i = 1, 100 do weft.go(function()\n"
         "  for _ = 1, 50 do weft.yield() end\n"
         "  local v <const> = i\n"
         "  local x = gate:recv()\n"
         "  assert(x == 'go' and v == i)\n"
         "  got = got + 1\n"
         "end) end\n"
         "for _ = 1, 200 do weft.yield() end\n"
         "before = sitting()\n"
         "weft.go(function() for _ = 1, 20000 do weft.yield() end end)\n"
         "local j = weft.go(function() for _ = 1, 20000 do weft.yield() end end)\n"
         "j:join()\n"
         "after = sitting()\n"
         "for i = 1, 100 do gate:send('go') end\n"
         "weft.wait()\n"
         "assert(got == 100)");
  lua_getglobal(L, "before");
  lua_getglobal(L, "after");
  CHECK(lua_tointeger(L, -2) == WF_SEATS);
  CHECK(lua_tointeger(L, -1) < WF_SEATS);
  lua_close(L);
}

/* A task that waits inside a generator is not asked to leave: to yield through that is not its own to do. When it is so with
 * all who sit, others have no seat, and run all the same. */
static void test_stays(void) {
  lua_State *L = host_core();
  lua_register(L, "sitting", lua_sitting);
  lua_register(L, "on_seat", lua_on_seat);
  run(L, "gate = weft.channel(0)\n"
         "local got = 0\n"
         "for i = 1, 60 do weft.go(function()\n"
         "  local g = coroutine.wrap(function() for _ = 1, 50 do weft.yield() end coroutine.yield(gate:recv()) end)\n"
         "  local v = g()\n"
         "  got = got + v\n"
         "end) end\n"
         "for _ = 1, 200 do weft.yield() end\n"
         "before = sitting()\n"
         "local seated = 0\n"
         "local function turns() for _ = 1, 5000 do weft.yield() if on_seat() then seated = seated + 1 end end return 'done' end\n"
         "local a, b = weft.go(turns), weft.go(turns)\n"
         "assert(a:join() == 'done' and b:join() == 'done')\n"
         "assert(seated == 0, seated)\n"
         "after = sitting()\n"
         "for i = 1, 60 do gate:send(i) end\n"
         "weft.wait()\n"
         "assert(got == 1830, got)\n"
         "assert(weft.go(turns):join() == 'done' and seated > 0)");
  lua_getglobal(L, "before");
  lua_getglobal(L, "after");
  CHECK(lua_tointeger(L, -2) == WF_SEATS);
  CHECK(lua_tointeger(L, -1) == WF_SEATS);
  CHECK(sitting(L) == 0);
  lua_close(L);
}

/* However a task ends, its seat is the next one's. */
static void test_given_back(void) {
  lua_State *L = host_core();
  run(L, "local function turns(how)\n"
         "  for _ = 1, 20 do weft.yield() end\n"
         "  if how == 1 then error 'wanted' elseif how == 2 then weft.sleep(1e6) end\n"
         "end\n"
         "for round = 1, 100 do\n"
         "  local jobs = {}\n"
         "  for how = 1, 3 do jobs[how] = weft.go(turns, how) end\n"
         "  for _ = 1, 25 do weft.yield() end\n"
         "  jobs[2]:cancel()\n"
         "  assert(not jobs[1]:result() and not jobs[2]:result() and jobs[3]:result())\n"
         "end");
  CHECK(made(L) > 0 && made(L) <= 3);
  CHECK(unused(L) == made(L) && sitting(L) == 0);
  lua_close(L);
}

/* The main isolate and threads have seats; isolates of the pool have none, for they change threads; tasks of an explored
 * run have none, whatever the others have. */
static void test_where(void) {
  lua_State *L = host_all();
  lua_register(L, "made", lua_made);
  lua_register(L, "on_seat", lua_on_seat);
  run(L, "local made, on_seat = _G.made, _G.on_seat\n"
         "_G.made, _G.on_seat = nil, nil\n" /* they cross as what they are, not by their names */
         "local function work()\n"
         "  local weft = require 'weft'\n"
         "  local sat = false\n"
         "  local function turns() for _ = 1, 50 do weft.yield() sat = sat or on_seat() end end\n"
         "  local jobs = {}\n"
         "  for i = 1, 3 do jobs[i] = weft.go(turns) end\n"
         "  weft.all(jobs)\n"
         "  return made(), sat\n"
         "end\n"
         "local function says(n, sat, have, did) assert(n == have and sat == did, tostring(n) .. ' ' .. tostring(sat)) end\n"
         "says(3, true, work())\n"
         "says(3, true, weft.thread(work):join())\n"
         "says(0, false, weft.spawn(work):join())\n"
         "local runs = 0\n"
         "weft.explore(function()\n"
         "  runs = runs + 1\n"
         "  says(3, false, work())\n"
         "end, {schedules = 3}):assert()\n"
         "assert(runs >= 1)\n"
         "says(3, true, work())");
  lua_close(L);
}

/* A task keeps its seat through generators and protected calls; its stack may grow, and others may look at it. */
static void test_frames(void) {
  lua_State *L = host_core();
  run(L, "local wrap = coroutine.wrap\n"
         "local function deep(n) if n == 0 then weft.yield() return 0 end return 1 + deep(n - 1) end\n"
         "local jobs = {}\n"
         "for i = 1, 8 do jobs[i] = weft.go(function()\n"
         "  local sum = 0\n"
         "  for r = 1, 60 do\n"
         "    for v in wrap(function() for k = 1, 3 do weft.yield() coroutine.yield(k) end end) do sum = sum + v end\n"
         "    local ok, e = pcall(function() weft.yield() error{r} end)\n"
         "    assert(not ok and e[1] == r)\n"
         "    assert(deep(r * 3) == r * 3)\n"
         "    if r % 20 == i then collectgarbage() end\n"
         "    assert(select('#', table.unpack({}, 1, 100 + r)) == 100 + r)\n"
         "  end\n"
         "  return sum\n"
         "end) end\n"
         "weft.go(function() for r = 1, 40 do\n"
         "  weft.yield()\n"
         "  for i = 1, 8 do assert(type(jobs[i]:traceback()) == 'string') end\n"
         "  collectgarbage 'step'\n"
         "end end)\n"
         "for i = 1, 8 do assert(jobs[i]:join() == 360) end");
  CHECK(made(L) >= 8);
  lua_close(L);
}

/* Who waits hands over to the next who sits: whoever goes back to the scheduler in the end, it is that one's end that counts; mail
 * and timers have their turn; and a task that is ready again itself, as the next, hands over to nobody. */
static void test_hands_over(void) {
  lua_State *L = host_core();
  run(L, "local function pair(rounds, ends_a, ends_b)\n"
         "  local a, b = weft.channel(), weft.channel()\n"
         "  return weft.go(function() for i = 1, rounds do a:send(i) assert(b:recv() == i) end return ends_a(a) end),\n"
         "         weft.go(function() for i = 1, rounds do b:send((a:recv())) end return ends_b(a) end)\n"
         "end\n"
         "local function fine() return 'fine' end\n"
         "local function fails() error('wanted', 0) end\n"
         "local function waits(ch) ch:recv() end\n"
         "for round = 1, 70 do\n" /* the look at timers falls on each place of the pairs */
         "  local j1, j2 = pair(round, fine, fails)\n"
         "  local j3, j4 = pair(round + 1, fails, fine)\n"
         "  local j5, j6 = pair(round + 2, waits, fine)\n"
         "  assert(j1:join() == 'fine' and j4:join() == 'fine' and j6:join() == 'fine')\n"
         "  for _, j in ipairs {j2, j3} do local ok, e = j:result() assert(not ok and e == 'wanted') end\n"
         "  j5:cancel()\n"
         "  local ok, e = j5:result()\n"
         "  assert(not ok and weft.is(e, 'cancelled'))\n"
         "end\n"
         "local j1, j2 = pair(math.huge, fine, fine)\n"
         "weft.sleep(1e-3)\n"
         "local up = 0\n"
         "table.sort({1, 2, 3, 4}, function(x, y) weft.sleep(1e-4) up = up + 1 return x < y end)\n" /* the loop of an inline wait */
         "assert(up > 0)\n"
         "local alone\n"
         "alone = weft.go(function()\n"
         "  for _ = 1, 3 do weft.yield() end\n"
         "  alone:cancel()\n"
         "  for _ = 1, 200 do assert(weft.is(select(2, pcall(weft.yield)), 'cancelled')) end\n"
         "end)\n"
         "j1:cancel() j2:cancel()\n"
         "assert(not j1:result() and not j2:result())\n"
         "alone:wait()\n"
         "assert(alone:result())");
  CHECK(sitting(L) == 0);
  lua_close(L);
}

/* Lua's own limit for nested C calls is reached before the end of the stack. */
static void test_depth(void) {
  lua_State *L = host_core();
  lua_register(L, "on_seat", lua_on_seat);
  run(L, "local function nest(n) return (('x'):rep(2000):gsub('^x', function() depth = n return nest(n + 1) end)) end\n"
         "local function sort(n) table.sort({1, 2}, function() depth = n return sort(n + 1) end) end\n"
         "local function index(n) return setmetatable({}, {__index = function() depth = n return index(n + 1).x end}) end\n"
         "for _, f in ipairs { nest, sort, function(n) return index(n).x end } do\n"
         "  local other = weft.go(function() while true do weft.yield() end end)\n"
         "  local j = weft.go(function()\n"
         "    for _ = 1, 20 do weft.yield() end\n"
         "    assert(on_seat())\n"
         "    local ok, e = pcall(f, 1)\n"
         "    assert(not ok and tostring(e):find 'stack overflow', e)\n"
         "    assert(depth > 60)\n"
         "    weft.yield()\n"
         "  end)\n"
         "  j:join()\n"
         "  other:cancel()\n"
         "end");
  lua_close(L);
}

/* Inline waits nest on the seat as they do on a thread's stack: one too many raises. */
static void test_inline_depth(void) {
  lua_State *L = host_core();
  lua_register(L, "on_seat", lua_on_seat);
  run(L, "local refused, depth, seated = 0, 0, 0\n"
         "local function nest(k)\n"
         "  local job = weft.go(function()\n"
         "    for _ = 1, 3 do weft.yield() end\n"
         "    if on_seat() then seated = seated + 1 end\n"
         "    local ok, err = pcall(string.gsub, 'x', '.', function()\n"
         "      if refused == 0 then depth = k nest(k + 1) end\n"
         "      weft.sleep(1e-3)\n"
         "    end)\n"
         "    if not ok then assert(weft.is(err, 'deadlock'), err) refused = refused + 1 end\n"
         "    weft.yield()\n"
         "    return k\n"
         "  end)\n"
         "  return job\n"
         "end\n"
         "assert(nest(1):join() == 1)\n"
         "weft.wait()\n"
         "assert(refused > 0 and depth > 20 and seated > 0, depth)");
  CHECK(sitting(L) == 0);
  lua_close(L);
}

/* They end by a cancellation, an error, a time-out; what is to be closed is. */
static void test_ends(void) {
  lua_State *L = host_core();
  run(L, "local closed = 0\n"
         "local function waiter(ch) return function()\n"
         "  local x <close> = setmetatable({}, {__close = function() weft.yield() closed = closed + 1 end})\n"
         "  for _ = 1, 100 do weft.yield() end\n"
         "  ch:recv()\n"
         "end end\n"
         "for round = 1, 20 do\n"
         "  local ch, jobs = weft.channel(0), {}\n"
         "  for i = 1, 12 do jobs[i] = weft.go(waiter(ch)) end\n"
         "  for _ = 1, 110 do weft.yield() end\n"
         "  for i = 1, 12, 2 do jobs[i]:cancel('enough') end\n"
         "  for i = 1, 12, 2 do assert(not pcall(jobs[i].join, jobs[i])) end\n"
         "  ch:close()\n"
         "  for i = 2, 12, 2 do jobs[i]:join() end\n"
         "end\n"
         "assert(closed == 240, closed)\n"
         "local j = weft.go(function() for i = 1, 200 do weft.yield() end error 'here' end)\n"
         "local ok, e = pcall(j.join, j)\n"
         "assert(not ok and tostring(e):find 'here')");
  CHECK(sitting(L) == 0);
  lua_close(L);
}

/* The state closes with tasks on seats, which shield themselves from its end or only wait. */
static void test_close(void) {
  for (int i = 0; i < 10; i++) {
    lua_State *L = host_core();
    run(L, "local ch = weft.channel(0)\n"
           "for i = 1, 40 do weft.go(function() for _ = 1, 20 do weft.yield() end pcall(ch.recv, ch) end):detach() end\n"
           "for i = 1, 40 do weft.yield() end");
    CHECK(sitting(L) > 0);
    lua_close(L);
  }
}

#if !WF_ASAN && !WF_TSAN
/* No address space for one: everything goes on without. Not under a sanitizer, which needs it for itself. */
static void body_no_memory(void) {
  lua_State *L = host_core();
  run(L, "weft.yield()");
  struct rlimit none = {1 << 20, RLIM_INFINITY};
  CHECK(setrlimit(RLIMIT_AS, &none) == 0);
  take_turns(L, 4, 5 * WF_SEATS_AFTER);
  CHECK(made(L) == 0);
  struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
  CHECK(setrlimit(RLIMIT_AS, &all) == 0);
  take_turns(L, 4, 10);
  CHECK(made(L) == (WF_CSTACKS ? 4 : 0));
  lua_close(L);
}
#endif

/* os.exit closes the state on the seat of the task that calls it. */
static void body_exit(void) {
  lua_State *L = host_core();
  run(L, "weft.go(function() for _ = 1, 1000 do weft.yield() end os.exit(0, true) end)\n"
         "weft.go(function() for _ = 1, 10000 do weft.yield() end end)\n"
         "weft.wait()");
  CHECK(false); /* it has ended */
}

#if !WF_ASAN && !WF_TSAN
/* C that goes deeper than its stack reaches the page below the seat, and not the memory of somebody else. */
static const char *guard_low, *guard_high;

static void on_segv(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)context;
  const char *at = info->si_addr;
  _exit(at >= guard_low && at < guard_high ? 0 : 3);
}

static __attribute__((noinline)) int deeper(volatile char *above) {
  volatile char frame[512];
  if (*above == 0) return 0; /* never, which the compiler does not know */
  frame[0] = *above;
  return deeper(frame) + frame[0];
}

static int lua_overflow(lua_State *L) {
  const wf_iso *iso = wf_iso_of(L);
  if (iso->seat == NULL) return luaL_error(L, "not on a seat");
  volatile char here = 1;
  guard_high = iso->seat->stack.low;
  guard_low = guard_high - sysconf(_SC_PAGESIZE);
  lua_pushinteger(L, deeper(&here));
  return 1;
}

static void body_guard(void) {
  if (!WF_CSTACKS) return;
  static char other[1 << 16];
  stack_t alt = {.ss_sp = other, .ss_size = sizeof other};
  struct sigaction act = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  CHECK(sigaltstack(&alt, NULL) == 0 && sigaction(SIGSEGV, &act, NULL) == 0);
  lua_State *L = host_core();
  lua_register(L, "overflow", lua_overflow);
  run(L, "weft.go(function() for _ = 1, 100 do weft.yield() end overflow() end)\n"
         "weft.go(function() for _ = 1, 200 do weft.yield() end end)\n"
         "weft.wait()");
  CHECK(false); /* it has ended */
}
#endif

/* Test builds: from the first wait on. */
static void body_always(void) {
  setenv("WEFT_CSTACK", "always", 1);
  lua_State *L = host_core();
  take_turns(L, 3, 3);
  CHECK(made(L) == (WF_CSTACKS ? 3 : 0));
  lua_close(L);
}

static void body_off(void) {
  setenv("WEFT_CSTACK", "off", 1);
  lua_State *L = host_core();
  take_turns(L, 4, 5 * WF_SEATS_AFTER);
  CHECK(made(L) == 0);
  lua_close(L);
}

/* weft does not work in a process that was forked: what spoils its process runs in this program called anew. */
static const struct {
  const char *name;
  void (*body)(void);
} bodies[] = {
    {"off", body_off},
    {"exit", body_exit},
    {"always", body_always},
#if !WF_ASAN && !WF_TSAN
    {"guard", body_guard},
    {"no memory", body_no_memory},
#endif
};

static void elsewhere(const char *program, const char *name) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    alarm(60);
    execl(program, program, name, (char *)NULL);
    _exit(127);
  }
  int status = 1;
  waitpid(pid, &status, 0);
  if (status != 0) printf("%s: status %d\n", name, status);
  CHECK(status == 0);
}

int main(int argc, char **argv) {
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    if (argc == 1) {
      elsewhere(argv[0], bodies[i].name);
    } else if (strcmp(argv[1], bodies[i].name) == 0) {
      bodies[i].body();
      return failures != 0;
    }
  }
  if (WF_CSTACKS) {
    unsetenv("WEFT_CSTACK");
    test_number();
    test_leaves();
    test_stays();
    test_given_back();
    test_where();
    test_frames();
    test_hands_over();
    test_depth();
    test_inline_depth();
    test_ends();
    test_close();
  }
  if (failures == 0) printf("seat: ok\n");
  return failures != 0;
}
