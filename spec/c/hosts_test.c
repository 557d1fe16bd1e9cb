/*
** Several hosts' states in one process that use the worker pool: they share its workers and nothing else, come and go at
** any time, on several threads of the host, and close while their isolates wait, compute and start others. What one leaves
** behind does not run on in another.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "host_state.h"
#include "sys/workers.h"
#include "thread_gate.h"

static _Atomic int errors;

/* The functions of the script find weft in an upvalue: it travels by its name. */
static void run(lua_State *L, const char *script) {
  lua_pushfstring(L, "local weft = weft %s", script);
  if (luaL_dostring(L, lua_tostring(L, -1)) == LUA_OK) {
    lua_settop(L, 0);
    return;
  }
  printf("%s\n%s\n", script, lua_tostring(L, -1));
  lua_settop(L, 0);
  atomic_fetch_add(&errors, 1);
}

/* What is left running when a state closes. Detached: nobody is told of them. */
static const char *const left[] = {
    "for _ = 1, 10 do weft.spawn(weft.sleep, 1e6):detach() end weft.sleep(1e-3)",
    "for _ = 1, 10 do weft.spawn(weft.sleep, 1e6):detach() end",
    "for _ = 1, 3 do weft.spawn(function() while true do local _ = {} end end):detach() end weft.sleep(1e-3)",
    "for _ = 1, 3 do weft.spawn(table.sort, {2, 1}, function() weft.sleep(1e6) end):detach() end weft.sleep(1e-3)",
    "local ch = weft.channel(2)\n"
    "for _ = 1, 3 do\n"
    "  weft.spawn(function(c) for i = 1, math.huge do c:send(i) end end, ch):detach()\n"
    "  weft.spawn(function(c) while true do c:recv() end end, ch):detach()\n"
    "end\n"
    "weft.sleep(1e-3)",
    "local function f(g, n) if n > 0 then weft.spawn(g, g, n - 1):join() end weft.sleep(1e6) end\n"
    "weft.spawn(f, f, 4):detach() weft.sleep(1e-3)",
    "weft.go(function() weft.spawn(weft.sleep, 1e6):detach():join() end):detach() weft.thread(function() "
    "weft.spawn(weft.sleep, "
    "1e6):join() end):detach()\n"
    "weft.sleep(1e-3)",
};
enum { LEFT = sizeof left / sizeof *left };

static const char works[] = "local jobs, sum = {}, 0\n"
                            "for i = 1, 20 do jobs[i] = weft.spawn(function(k) weft.yield() return k end, i) end\n"
                            "for i = 1, 20 do sum = sum + jobs[i]:join() end\n"
                            "assert(sum == 210)";

static void closes_whatever_runs(void) {
  lua_State *other = host_core(); /* keeps the pool */
  run(other, works);
  for (int i = 0; i < LEFT; i++) {
    lua_State *L = host_core();
    run(L, works);
    run(L, left[i]);
    lua_close(L);
    run(other, works);
  }
  lua_close(other);
  wf_worker_facts f;
  CHECK(!wf_workers_facts(1, &f)); /* the last one has ended the workers */
  wait_for_no_tasks();
}

/* The pool of the next state is a new one. */
static void comes_and_goes(void) {
  for (int i = 0; i < 20; i++) {
    lua_State *L = host_core();
    if (i % 3 != 0) run(L, works);
    run(L, left[i % LEFT]);
    lua_close(L);
  }
  wait_for_no_tasks();
}

typedef struct host {
  pthread_t thread;
  int number;
} host;

static void *host_main(void *arg) {
  host *h = arg;
  for (int i = 0; i < 10; i++) {
    lua_State *L = host_core();
    run(L, works);
    run(L, left[(i + h->number) % LEFT]);
    lua_close(L);
  }
  return NULL;
}

static void live_side_by_side(void) {
  enum { HOSTS = 4 };
  host hosts[HOSTS];
  for (int i = 0; i < HOSTS; i++) {
    hosts[i].number = i;
    if (pthread_create(&hosts[i].thread, NULL, host_main, &hosts[i]) != 0) exit(2);
  }
  for (int i = 0; i < HOSTS; i++) pthread_join(hosts[i].thread, NULL);
  wait_for_no_tasks();
}

/* A deadlock is of one family: another host's isolates, busy or asleep, have nothing to do with it. */
static void have_deadlocks_of_their_own(void) {
  lua_State *busy = host_core(), *quiet = host_core();
  run(busy, "weft.spawn(function() while true do weft.sleep(1e-3) end end):detach()");
  run(quiet, "local ch = weft.channel() weft.spawn(function(c) c:recv() end, ch):detach()\n"
             "local ok, err = pcall(ch.recv, ch)\n"
             "assert(not ok and err.kind == 'deadlock' and err.message:find('all 2 tasks'), tostring(err))");
  lua_close(quiet);
  lua_close(busy);
  wait_for_no_tasks();
}

int main(void) {
  alarm(300);
  count_first_tasks();
  closes_whatever_runs();
  comes_and_goes();
  live_side_by_side();
  have_deadlocks_of_their_own();
  return failures != 0 || errors != 0;
}
