/* step_test.c: a host with a loop of its own: weft_backend_fd, weft_timeout and weft_step (weft.h). */
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <poll.h>
#include <string.h>

#include "check.h"
#include "host_state.h"
#include "sys/poller.h"

static void run(lua_State *L, const char *text) {
  if (!host_run(L, text)) failures++;
}

static lua_Integer global(lua_State *L, const char *name) {
  lua_getglobal(L, name);
  lua_Integer i = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return i;
}

/* As the header says; the number of steps, at most `most`. Where there is no descriptor, every few milliseconds. */
static int until_done(lua_State *L, int most) {
  struct pollfd p = {weft_backend_fd(L), POLLIN, 0};
  int steps = 1;
  for (; steps < most && weft_step(L); steps++) {
    int ms = weft_timeout(L);
    CHECK(ms >= -1);
    poll(&p, 1, p.fd < 0 ? 2 : ms);
  }
  return steps;
}

static void not_loaded(void) {
  lua_State *L = luaL_newstate();
  CHECK(weft_backend_fd(L) == -1 && weft_timeout(L) == -1 && weft_step(L) == 0);
  CHECK(lua_gettop(L) == 0);
  lua_close(L);
}

static void timers(void) {
  lua_State *L = host_core();
  int fd = weft_backend_fd(L);
  CHECK(weft_step(L) == 0 && weft_timeout(L) == -1);
  run(L, "n = 0 for i = 1, 50 do weft.go(function() weft.sleep(i / 5000) n = n + 1 end) end");
  CHECK(weft_timeout(L) == 0); /* they have not begun */
  CHECK(weft_step(L) == 1);
  until_done(L, 100000);
  CHECK(global(L, "n") == 50 && weft_timeout(L) == -1);
  run(L, "weft.go(function() weft.sleep(1e9) end):detach()");
  weft_step(L);
  CHECK(weft_timeout(L) > 1000000); /* as far as an int goes */
  CHECK(weft_backend_fd(L) == fd);
  CHECK(lua_gettop(L) == 0);
  lua_close(L);
}

/* Tasks that are always ready: a step ends all the same, and the state is used in between. */
static void never_idle(void) {
  lua_State *L = host_core();
  run(L, "n, stop = 0, false\n"
         "for _ = 1, 3 do weft.go(function() while not stop do n = n + 1 weft.yield() end end) end");
  lua_Integer before = 0;
  for (int i = 0; i < 5; i++) {
    CHECK(weft_step(L) == 1 && weft_timeout(L) == 0);
    CHECK(global(L, "n") > before);
    before = global(L, "n");
  }
  run(L, "stop = true");
  until_done(L, 1000);
  CHECK(weft_step(L) == 0);
  lua_close(L);
}

/* Others wake the descriptor: threads, isolates, sockets. */
static void from_outside(void) {
  lua_State *L = host_core();
  run(L, "sum = 0\n"
         "local c = weft.channel()\n"
         "weft.go(function() for v in c do sum = sum + v end end)\n"
         "local a = weft.thread(function(c) for i = 1, 100 do c:send(i) end end, c)\n"
         "local b = weft.spawn(function(c) for i = 1, 100 do c:send(i) end end, c)\n"
         "weft.go(function() a:join() b:join() c:close() end)");
  until_done(L, 100000);
  CHECK(global(L, "sum") == 10100);
  run(L, "got = 0\n"
         "local server = assert(weft.tcp_listen('127.0.0.1', 0))\n"
         "weft.go(function() local s = assert(server:accept()) for _ = 1, 20 do s:write(assert(s:read(1))) end s:close() server:close() end)\n"
         "weft.go(function() local s = assert(weft.tcp_connect('127.0.0.1', select(2, server:sockname())))\n"
         "  for i = 1, 20 do s:write('x') assert(s:read(1) == 'x') got = got + 1 end s:close() end)");
  until_done(L, 100000);
  CHECK(global(L, "got") == 20);
  lua_close(L);
}

/* What the host itself sends to a task that waits for a channel that has crossed comes by mail: there is something to do. */
static void mail(void) {
  lua_State *L = host_core();
  run(L, "ch = weft.channel() weft.unseal(weft.seal('channel', ch), true) weft.go(function() got = ch:recv() end)");
  CHECK(weft_step(L) == 1);
  run(L, "ch:send(7)");
  CHECK(weft_timeout(L) == 0);
  weft_step(L);
  CHECK(global(L, "got") == 7 && weft_step(L) == 0 && weft_timeout(L) == -1);
  lua_close(L);
}

/* Two states take turns on one thread. */
static void two_states(void) {
  lua_State *a = host_core(), *b = host_core();
  const char *text = "n = 0 weft.go(function() for _ = 1, 20 do weft.sleep(1e-3) n = n + 1 end end)";
  run(a, text);
  run(b, text);
  struct pollfd p[] = {{weft_backend_fd(a), POLLIN, 0}, {weft_backend_fd(b), POLLIN, 0}};
  CHECK(p[0].fd < 0 || p[0].fd != p[1].fd);
  for (int more = 3, i = 0; more != 0 && i < 100000; i++) {
    more = weft_step(a) | weft_step(b) << 1;
    int ta = weft_timeout(a), tb = weft_timeout(b);
    if (more != 0) poll(p, 2, p[0].fd < 0 ? 2 : ta < 0 ? tb : tb < 0 || ta < tb ? ta : tb);
  }
  CHECK(global(a, "n") == 20 && global(b, "n") == 20);
  lua_close(a);
  run(b, "weft.go(weft.sleep, 1e-3):join()");
  lua_close(b);
}

/* Errors of tasks are reported, not raised; a state may close with tasks that wait. */
static void failures_and_the_end(void) {
  lua_State *L = host_core();
  int err = dup(2), null = open("/dev/null", O_WRONLY);
  dup2(null, 2);
  run(L, "weft.go(error, 'nobody looks')  weft.go(function() weft.channel():recv() end)");
  for (int i = 0; i < 20; i++) weft_step(L);
  CHECK(lua_gettop(L) == 0);
  run(L, "ok, message = pcall(function() weft.go(function() weft.sleep(1e-3) end):join() end) assert(ok, message)");
  lua_close(L);
  dup2(err, 2);
  close(err);
  close(null);
}

/* A step from inside: a C function that a task, or the main chunk, calls. */
static int l_step(lua_State *L) {
  lua_pushinteger(L, weft_step(L));
  return 1;
}

static void inside(void) {
  lua_State *L = host_core();
  lua_register(L, "step", l_step);
  run(L, "n = 0 weft.go(function() n = n + 1 weft.yield() n = n + 1 end)");
  run(L, "for _ = 1, 5 do step() end assert(n == 2, n)");
  run(L, "local other = weft.go(function() for _ = 1, 3 do weft.yield() n = n + 1 end end)\n"
         "weft.go(function() for _ = 1, 3 do step() weft.yield() end end):join() other:join() assert(n == 5, n)");
  lua_close(L);
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*test)(void);
  } tests[] = {{"not_loaded", not_loaded}, {"timers", timers}, {"never_idle", never_idle}, {"from_outside", from_outside},
               {"mail", mail}, {"two_states", two_states}, {"failures_and_the_end", failures_and_the_end}, {"inside", inside}};
  alarm(100);
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
    if (argc < 2 || strcmp(argv[1], tests[i].name) == 0) tests[i].test();
  return failures != 0;
}
