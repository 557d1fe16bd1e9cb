/* late_fault_test.c: what tasks make while their state closes is finalised, and the world that is in it closed, though each
 * allocation of the end fails in turn. See faults_world.h.
 *
 *   late_fault_test [N]      only the N-th script */
#include <sys/stat.h>

#include "faults_world.h"

/* What the last task does, once all else has been cancelled. */
static const char *const scripts[] = {
    "local f = weft.fs.open('/dev/null', 'r') local w = weft.fs.watch(dir) local t = weft.fs.tempfile{dir = dir}\n"
    "weft.fs.write(dir..'/f', 'x') weft.fs.scandir(dir) weft.dns.resolve('127.0.0.1')",

    "ch:send(weft.channel()) ch:send(weft.mutex()) ch:send(weft.buffer('i32', 9)) ch:send({function() end, 1})\n"
    "weft.select{{ch, send = {1}}, {weft.channel()}, timeout = 0.001} ch:send(weft.current())",

    "weft.info() weft.ps() weft.ticker(1) weft.signal('SIGUSR2')\n"
    "pcall(pool.submit, pool, function() end, {}) pcall(weft.exec, {'true'}) pcall(weft.spawn, function() end)",

    "local s = weft.net.listen('127.0.0.1', 0) local c = weft.net.connect(s:sockname()) local o = s:accept(1)\n"
    "c:write('x') o:read(1) local u = weft.net.udp('127.0.0.1', 0) weft.timeout(0.001, u.recv, u)",
};

static const char before[] =
    "weft = require 'weft' rawset(weft, 'live', require 'weft.core'.live) weft.on_unhandled(function() end)\n"
    "for _, k in ipairs{'net', 'fs', 'dns', 'ps', 'exec', 'info', 'pool', 'spawn', 'ticker', 'signal'} do local _ = weft[k] end\n"
    "ch = weft.channel(8) weft.thread(function(c) weft.sleep(100) c:recv() end, ch)\n"
    "pool = weft.pool{kind = 'thread', size = 1} pool:submit(weft.now):join()\n"
    "function last(f) weft.go(function() pcall(weft.sleep, 100) weft.shield(pcall, weft.timeout, 0.5, f) end) weft.yield() end";

static int try_end(const fault *f) {
  now = f;
  alarm(LIMIT_S);
  int open = descriptors();
  lua_State *L = faults_state();
  host_preload(L);
  lua_pushstring(L, folder);
  lua_setglobal(L, "dir");
  lua_settop(L, 0);
  if (luaL_dostring(L, before) != LUA_OK || lua_getglobal(L, "last") != LUA_TFUNCTION || luaL_loadstring(L, f->script) != LUA_OK ||
      lua_pcall(L, 1, 0, 0) != LUA_OK) {
    printf("%s: %s\n", f->script, lua_tostring(L, -1));
    exit(1);
  }
  heap_order(f->victim, f->at, f->way);
  lua_close(L);
  int hit = heap_heal(f->victim);
  world_none_left(f, open);
  char file[300];
  snprintf(file, sizeof file, "%s/f", folder);
  unlink(file);
  if (rmdir(folder) != 0 || mkdir(folder, 0700) != 0) wrong(f, "a file is left in %s", folder);
  return hit;
}

static long step(const fault *f) { return getenv("WEFT_QUICK") != NULL ? 1 + f->at / 4 : 1; }

int main(int argc, char **argv) {
  return world_main(argc, argv, scripts, sizeof scripts / sizeof *scripts, NULL, try_end, step);
}
