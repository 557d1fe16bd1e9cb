/* late_fault_test.c: what tasks make while their state closes is finalised, and the world that is in it closed, though each
 * allocation of the end fails in turn. See faults.h.
 *
 *   late_fault_test [N]      only the N-th script */
#include <signal.h>
#include <stdint.h>

#include "faults.h"
#include "folder.h"

enum { LIMIT_S = 60 };

static char folder[300];

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

static const fault *now;

static void on_alarm(int sig) {
  char text[200];
  int n = snprintf(text, sizeof text, "%s: allocation %ld: it hangs\n", now->name, now->at);
  (void)sig;
  if (n > 0 && write(STDOUT_FILENO, text, (size_t)n) < 0) _exit(3);
  abort();
}

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
  for (int i = 0; i < 4000 && (atomic_load(&c_heap.blocks) != 0 || descriptors() != open); i++) usleep(500);
  faults_none_left(f);
  if (descriptors() != open) wrong(f, "%d descriptors are left", descriptors() - open);
  return hit;
}

static long step(const fault *f) { return getenv("WEFT_QUICK") != NULL ? 1 + f->at / 4 : 1; }

int main(int argc, char **argv) {
  enum { N = sizeof scripts / sizeof *scripts };
  size_t only = argc > 1 ? (size_t)atol(argv[1]) : 0;
  signal(SIGALRM, on_alarm);
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (freopen("/dev/null", "w", stderr) == NULL) return 1;
  if (!temporary_folder(folder, sizeof folder)) return 1;
  wf_alloc_set(heap_c, &c_heap);
  for (size_t i = 0; i < N; i++) try_end(&(fault){.name = "warm", .script = scripts[i], .victim = &lua_heap});
  failures = 0; /* what libuv opens once for the process is open now */
  for (size_t i = 0; i < N; i++) {
    char name[40];
    if (only != 0 && only != i + 1) continue;
    snprintf(name, sizeof name, "script %d", (int)i + 1);
    faults_each((fault){.name = name, .script = scripts[i]}, try_end, step);
  }
  char file[320];
  snprintf(file, sizeof file, "%s/f", folder);
  unlink(file);
  if (rmdir(folder) != 0) wrong(&(fault){.name = "the end", .victim = &c_heap}, "a file is left in %s", folder);
  return faults_end();
}
