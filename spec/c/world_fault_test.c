/* world_fault_test.c: every call of the C library that weft makes of the system fails in turn, and then every allocation,
 * while scripts start programs, processes and threads, use sockets and files, and look at all of it.
 *
 * For each script: once without a failure, to count the calls; then for each function that it calls (refusal.h) and
 * n = 1, 2, ..., in a new state, the n-th call fails. The script may end or raise. It must not hang; afterwards no task,
 * no memory and no descriptor is left, and weft works. */
#include "faults_world.h"
#include "refusal.h"

/* Globals of a script: weft; dir, an empty folder, which may be left with files. */
static const char *const scripts[] = {
    /* a program, its pipes, its files, its attributes */
    "local c = weft.exec{'cat', stdin = 'pipe', stdout = 'pipe', timeout = 5} c.stdin:write('x') c.stdin:close()\n"
    "c.stdout:read('a') c:wait()\n"
    "weft.exec{'sh', '-c', 'echo a; echo b >&2', stdout = {path = dir..'/o', append = true}, stderr = 'stdout', cwd = "
    "dir}:wait()\n"
    "weft.exec{'true', env = {A = 'x', B = false}, limits = {nofile = 50}, nice = 1, group = true, umask = 18,\n"
    "  stdin = dir..'/o', stdout = 'null'}:wait()",

    "weft.exec{'true', affinity = {weft.info().affinity[1]}, policy = 'batch', session = true}:wait()\n"
    "local c = weft.exec{'sleep', '60'} c:kill() c:wait() weft.exec{'no-such-program'}\n"
    "local p = weft.exec{'tty', pty = true} p.pty:read() p:wait() p.pty:close()\n"
    "local d = weft.exec{'true', detached = true} d:wait()",

    /* processes of weft, which channels and buffers go to */
    "local ch, back, b = weft.channel(2), weft.channel(2), weft.buffer('i32', 8) local s = b:slice(2, 3)\n"
    "local j = weft.process({name = 'p'}, function(ch, back, b, s)\n"
    "  for v in ch do back:send(v) end b[1] = 5 s[1] = 6 return {b[1]}, ch end, ch, back, b, s)\n"
    "for i = 1, 2 do weft.select{{ch, send = {i}}, timeout = 0.3} end for _ = 1, 2 do weft.select{{back}, {j}, timeout "
    "= 0.3} end ch:close() if not j:wait(1) then j:cancel() end\n"
    "local k = weft.process(function() weft.sleep(100) end) weft.yield() k:cancel() k:wait(1)",

    /* threads, isolates, blocking functions */
    "weft.thread({name = 't', stack = 1 << 21, nice = 1, affinity = {weft.info().affinity[1]}}, function() return 1 "
    "end):result()\n"
    "weft.spawn(function() return 1 end):result() weft.blocking(function() return 2 end)\n"
    "local f = weft.blocking.submit(function() return 3 end) f:result()\n"
    "weft.preempt(0.001) local n = 0 for i = 1, 1e6 do n = n + i end weft.preempt(false)",

    /* sockets */
    "local s <close> = weft.net.listen('127.0.0.1', 0, {reuseport = true, backlog = 5}, function(c) c:timeout(2) for l "
    "in c:lines() do c:write(l, '\\n') end end)\n"
    "local c <close> = weft.net.connect(s:sockname()) c:timeout(2) c:nodelay() c:keepalive(5) c:write('a\\n') "
    "c:read('l') c:peername()\n"
    "c:sockname() weft.poll(c:fileno(), 'w', 1) c:shutdown() c:read('a')\n"
    "local rest fd, rest = c:detach() again = weft.net.attach(fd, rest) again:close() s:close()",

    "local s = weft.net.unix.listen(dir..'/s', {mode = 384}) local c = weft.net.unix.connect(dir..'/s', {timeout = "
    "1})\n"
    "local o = s:accept(1) o:write('x') c:read() c:close() o:close() s:close()\n"
    "local a, b = weft.net.udp('127.0.0.1', 0), weft.net.udp('127.0.0.1', 0) a:send('x', b:sockname()) b:recv()\n"
    "a:connect(b:sockname()) a:send('y') b:recv() a:close() b:close() weft.net.connect('localhost', 1)",

    /* sockets and pipes that move */
    "local s = weft.net.listen('::1', 0, {reuseport = true}) fd = s:detach() again = weft.net.attach(fd) "
    "again:close()",

    "local s = weft.net.unix.listen(dir..'/s') fd = s:detach() again = weft.net.attach(fd) again:close()\n"
    "local t = weft.net.unix.listen(dir..'/s', {mode = 384}) t:close()", /* the path was left behind */

    "local u = weft.net.udp('127.0.0.1', 0, {reuseaddr = true, reuseport = true}) u:broadcast() u:multicast_ttl(1) "
    "u:multicast_loop()\n"
    "fd = u:detach() again = weft.net.attach(fd) again:close()",

    "local c = weft.exec{'cat', stdin = 'pipe', stdout = 'pipe'} fd = c.stdin:detach() again = weft.net.attach(fd) "
    "again:close() c:wait()",

    "local s <close> = weft.net.listen('127.0.0.1', 0)\n"
    "local c <close> = weft.net.connect('127.0.0.1', select(2, s:sockname()), {keepalive = 5, timeout = 2})",

    /* files */
    "local f = dir..'/f' weft.fs.write(f, 'x') weft.fs.write(f, ('y'):rep(200000), {sync = true}) weft.fs.read(f) "
    "weft.fs.append(f, 'z')\n"
    "weft.fs.copy(f, dir..'/g') weft.fs.copy('/proc/self/status', dir..'/h') weft.fs.stat(f) weft.fs.lstat(f) "
    "weft.fs.access(f)\n"
    "weft.fs.chmod(f, 384) weft.fs.utime(f, 1, 2) weft.fs.truncate(f, 5) weft.fs.link(f, dir..'/l') "
    "weft.fs.symlink('f', dir..'/s')\n"
    "weft.fs.readlink(dir..'/s') weft.fs.realpath(dir..'/s') weft.fs.rename(dir..'/l', dir..'/k') weft.fs.chown(f, 0, "
    "0)\n"
    "weft.fs.write(f, 'old', {exclusive = true}) weft.fs.remove(f) weft.fs.write(dir..'/s', 'through a link')",

    "local w = weft.fs.open(dir..'/f', 'w+') w:write('line\\n', ('x'):rep(100000)) w:flush() w:seek('set', 0) "
    "w:read('l') w:read('a')\n"
    "w:pread(10, 0) w:pwrite('abc', 3) w:truncate(7) w:sync() w:stat() w:close()\n"
    "for l in weft.fs.open(dir..'/f'):lines() do end",

    "weft.fs.mkdir(dir..'/a/b/c', {parents = true}) weft.fs.write(dir..'/a/b/f', 'x') weft.fs.scandir(dir..'/a/b')\n"
    "for _ in weft.fs.walk(dir) do end weft.fs.remove(dir..'/a', {recursive = true})\n"
    "local t <close> = weft.fs.tempfile{dir = dir} local u <close> = weft.fs.tempdir{dir = dir} "
    "weft.fs.write(u.path..'/x', 'y')",

    "local w <close> = weft.fs.watch(dir) weft.fs.write(dir..'/f', 'x') weft.timeout(0.3, w.recv, w)\n"
    "local s <close> = weft.signal('SIGUSR2') weft.exec{'true'}:wait() local t <close> = weft.ticker(0.001) t:recv()",

    /* what is looked at */
    "local i = weft.info() for _, k in ipairs{'threads', 'limits', 'affinity', 'fds', 'maps', 'memory'} do local _ = "
    "i[k] end\n"
    "weft.set{nice = 0, umask = 18, limits = {core = 0}, name = 'x', affinity = i.affinity, cwd = dir, sigmask = {}}\n"
    "weft.ps() weft.trace(function() weft.go(weft.yield):join() weft.thread(function() end):join() end)\n"
    "local r <close> = weft.trace.recorder{path = dir..'/r', stall = 1} r:dump()",
};

/* Everything works again. */
static const char check[] =
    "pcall(weft.trace.stop)\n"                                   /* a trace is the whole process's */
    "if fd and not again then weft.net.attach(fd):close() end\n" /* until it is attached it is the script's */
    "collectgarbage() collectgarbage()\n" FAULTS_NO_TASK_LEFT
    "assert(weft.exec{'true'}:wait().code == 0) assert(weft.thread(function() return 4 end):join() == 4)\n"
    "local s = assert(weft.net.listen('127.0.0.1', 0)) local c = assert(weft.net.connect(s:sockname()))\n"
    "local o = assert(s:accept()) c:write('x') c:close() assert(o:read('a') == 'x') o:close() s:close()\n"
    "assert(weft.fs.write(dir..'/check', 'y')) assert(weft.fs.read(dir..'/check') == 'y')\n";

static lua_State *state_new(void) {
  lua_State *L = faults_state();
  host_preload(L);
  lua_pushstring(L, folder);
  lua_setglobal(L, "dir");
  lua_settop(L, 0);
  if (luaL_dostring(
          L, "weft = require 'weft' rawset(weft, 'live', require 'weft.core'.live) weft.on_unhandled(function() end)\n"
             "for _, k in ipairs{'net', 'fs', 'trace', 'ps', 'exec', 'blocking', 'info', 'set', 'signal', 'ticker', "
             "'poll'} do local _ = weft[k] end\n"
             "weft.interpreter(os.getenv 'WEFT_LUA' or 'lua5.4') weft.exec{'true'}:wait()") != LUA_OK) {
    printf("cannot load weft: %s\n", lua_tostring(L, -1));
    exit(1);
  }
  return L;
}

static void state_end(lua_State *L, const fault *f, int open) {
  faults_check(L, f, check);
  lua_close(L);
  world_none_left(f, open);
  if (chdir("/") == 0) empty_folder(folder, 0);
}

static int try_allocation(const fault *f) {
  now = f;
  alarm(LIMIT_S);
  int open = descriptors();
  lua_State *L = state_new();
  int hit = faults_run(L, f, NULL);
  state_end(L, f, open);
  return hit;
}

#if REFUSALS
/* The at-th call of `which`; -1 none: then the calls are counted. */
static void try_call(const fault *f, int which) {
  now = f;
  now_what = which < 0 ? "no failure" : refused_names[which];
  alarm(LIMIT_S);
  int open = descriptors();
  lua_State *L = state_new();
  if (luaL_loadstring(L, f->script) != LUA_OK) {
    printf("%s: %s\n", f->script, lua_tostring(L, -1));
    exit(1);
  }
  refuse(which, f->at);
  int failed = lua_pcall(L, 0, 0, 0) != LUA_OK;
  refuse_no_more();
  if (failed && which < 0) wrong_error(L, f, "without a failure");
  lua_settop(L, 0);
  long calls[REFUSED_COUNT];
  for (int i = 0; i < REFUSED_COUNT; i++) calls[i] = atomic_load(&refused_calls[i]);
  state_end(L, f, open);
  for (int i = 0; i < REFUSED_COUNT; i++) atomic_store(&refused_calls[i], calls[i]);
}

static void calls_fail(fault f) {
  long most = getenv("WEFT_QUICK") != NULL ? 3 : 50; /* of one function: the later ones are in a loop */
  long calls[REFUSED_COUNT];
  try_call(&f, -1);
  for (int i = 0; i < REFUSED_COUNT; i++) calls[i] = atomic_load(&refused_calls[i]);
  for (int i = 0; i < REFUSED_COUNT && failures < 20; i++)
    for (f.at = 1; f.at <= calls[i] && f.at <= most; f.at++) {
      int before = failures;
      try_call(&f, i);
      if (failures > before) printf("  by %s %ld\n", refused_names[i], f.at);
    }
}
#endif

static long step(const fault *f) { return getenv("WEFT_QUICK") != NULL ? 1 + f->at / 3 : 1; }

/* world_fault_test [N [a]]: all scripts, or the N-th; allocations only. */
int main(int argc, char **argv) {
#if REFUSALS
  void (*before)(fault) = argc < 3 ? calls_fail : NULL;
#else
  void (*before)(fault) = NULL;
#endif
  return world_main(argc, argv, scripts, sizeof scripts / sizeof *scripts, before, try_allocation, step);
}
