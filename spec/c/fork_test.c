/* fork_test.c: a process made by fork() without exec has none of the threads and shares the parent's descriptors. Nothing
 * of weft starts or waits there: each call that would says so, and what has been waiting is told too. Calls that need
 * neither go on working. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "host_state.h"

/* forked(f): f runs in a forked child; true when it returned true there. The child ends without closing the state. */
static int forked(lua_State *L) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    alarm(20);
    lua_settop(L, 1);
    int ok = lua_pcall(L, 0, 1, 0) == LUA_OK && lua_toboolean(L, -1);
    if (!ok) printf("in the child: %s\n", luaL_tolstring(L, -1, NULL));
    fflush(NULL);
    leave_child(!ok);
  }
  int status = 1;
  waitpid(pid, &status, 0);
  lua_pushboolean(L, pid > 0 && status == 0);
  return 1;
}

/* split(): 0 in the child, 1 in the parent once the child has ended with status 7. */
static int split(lua_State *L) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) alarm(20);
  int status = 0;
  if (pid > 0) waitpid(pid, &status, 0);
  lua_pushinteger(L, pid == 0 ? 0 : WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  return 1;
}

static int leave(lua_State *L) {
  leave_child((int)luaL_checkinteger(L, 1));
  return 0;
}

static const char script[] =
    "local weft = require 'weft'\n"
    "local gate = weft.channel()\n" /* is kept: a thread that nobody can send to would not wait for ever */
    "local thread = weft.thread(function(c) return c:recv() end, gate)\n"
    "local done = weft.go(function() return 7 end) done:wait()\n"
    "local kept = weft.channel(2) kept:send(1)\n"
    "local m = weft.mutex()\n"
    "weft.spawn(function() end):wait()\n"
    "local function refuses(what, f, ...)\n"
    "  local ok, err = pcall(f, ...)\n"
    "  if ok or not weft.is(err, 'closed') or not tostring(err):find('forked', 1, true) then\n"
    "    error(what .. ': ' .. tostring(err), 0)\n"
    "  end\n"
    "end\n"
    "local function body()\n"
    "  refuses('go', weft.go, print)\n"
    "  refuses('thread', weft.thread, print)\n"
    "  refuses('spawn', weft.spawn, print)\n"
    "  refuses('sleep', weft.sleep, 1e-3)\n"
    "  refuses('yield', weft.yield)\n"
    "  refuses('recv', function() weft.channel():recv() end)\n"
    "  refuses('send', function() weft.channel():send(1) end)\n"
    "  refuses('select', weft.select, {{weft.channel()}, timeout = 1})\n"
    "  refuses('join', thread.join, thread)\n"
    "  refuses('wait', weft.wait)\n"
    "  refuses('event', function() weft.event():wait() end)\n"
    "  assert(done:join() == 7 and kept:recv() == 1 and kept:try_send(2))\n"
    "  m:with(function() end)\n"
    "  assert(#weft.buffer('u8', 3) == 3)\n"
    "  return true\n"
    "end\n"
    "assert(forked(body), 'from the main chunk')\n"
    "assert(weft.go(function() return forked(body) end):join(), 'from a task')\n"
    "thread:cancel() thread:wait() gate:close()\n";

/* A task forks, and returns in the child too: who waits for it there is told, and the script goes on. */
static const char within[] =
    "local weft = require 'weft'\n"
    "local job = weft.go(function() return split() end)\n"
    "local never = weft.go(function() weft.channel():recv() end)\n"
    "local code = job:join()\n"
    "if code == 0 then\n"
    "  local ok, err = pcall(never.join, never)\n"
    "  leave(not ok and weft.is(err, 'closed') and 7 or 1)\n"
    "end\n"
    "never:cancel() never:wait()\n"
    "assert(code == 7, code)\n";

/* Another task forks while the main chunk waits for what never comes: the main chunk is told, in the child. */
static const char beside[] =
    "local weft = require 'weft'\n"
    "local never, code = weft.go(function() weft.channel():recv() end), nil\n"
    "weft.go(function() code = split() if code ~= 0 then never:cancel() end end)\n"
    "local ok, err = pcall(never.join, never)\n"
    "if code == 0 then leave(not ok and weft.is(err, 'closed') and tostring(err):find('forked', 1, true) and 7 or 1) end\n"
    "assert(code == 7 and weft.is(err, 'cancelled'), code)\n";

/* The child closes its state: it waits for nobody, and says nothing of what ran in the parent. */
static const char ends[] =
    "local weft = require 'weft'\n"
    "local thread = weft.thread(function() require('weft').sleep(1e6) end)\n"
    "local task = weft.go(weft.sleep, 1e6)\n"
    "local ch, m = weft.channel(), weft.mutex() weft.thread(function() end, ch, m):wait() m:lock()\n"
    "weft.go(function() assert(ch:recv() == 'a text of twenty bytes') end) weft.go(function() m:with(weft.yield) end) weft.yield()\n"
    "ch:send 'a text of twenty bytes' m:unlock()\n" /* which both tasks have not heard of when the fork comes */
    "local code = split() if code ~= 0 then assert(code == 7, code) thread:cancel() task:cancel() weft.wait() end\n";

/* It closes what both have open; the parent goes on being told of it. */
static const char outside[] =
    "local weft = require 'weft'\n"
    "local server = assert(weft.net.listen('127.0.0.1', 0))\n"
    "local a = assert(weft.net.connect(server:sockname()))\n"
    "local b = assert(server:accept(20))\n"
    "local reader = weft.go(b.read, b, 'l')\n"
    "local child = weft.exec { 'sleep', '0.2' }\n"
    "weft.yield()\n"
    "local code = split()\n"
    "if code ~= 0 then\n"
    "  assert(code == 7, code)\n"
    "  a:write 'line\\n'\n"
    "  assert(weft.timeout(20, reader.join, reader) == 'line')\n"
    "  assert(child:wait(20).code == 0)\n"
    "end\n";

static int run(const char *name, const char *text) {
  pid_t self = getpid();
  lua_State *L = host_whole();
  lua_register(L, "forked", forked);
  lua_register(L, "split", split);
  lua_register(L, "leave", leave);
  int failed = luaL_dostring(L, text) != LUA_OK;
  if (failed) printf("%s: %s\n", name, luaL_tolstring(L, -1, NULL));
  lua_close(L);
  if (getpid() != self) leave_child(failed ? 1 : 7);
  return failed;
}

int main(void) {
  alarm(60);
  failures = run("calls", script) + run("within a task", within) + run("beside one", beside) + run("the end", ends) +
             run("what is open", outside);
  return failures != 0;
}
