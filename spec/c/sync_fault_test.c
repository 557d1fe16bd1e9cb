/* sync_fault_test.c: every allocation fails in turn, in several ways (fault_ways.h), while tasks use locks.
 *
 * For each script, both heaps (the state's, ours) and n = 1, 2, ...: a new state, the n-th allocation from then on
 * fails, and then: the script ended, or raised; afterwards, with memory again, every lock it used is free, or was left
 * locked by a task that ended, which is told; and works; when the state is closed nothing is left. It ends with the n
 * that no allocation reaches any more. */
#include "faults.h"

/* Globals of a script: weft, the core; go(f): a task whose failure is nobody's concern; locks: what it uses. */
static const char *const scripts[] = {
    "local m = weft.mutex() locks = {m}\n"
    "for _ = 1, 5 do go(function() m:with(weft.yield) m:with(weft.yield) end) end",

    "local m = weft.mutex() locks = {m}\n"
    "for i = 1, 5 do go(function() local _ <close> = m:guard() weft.sleep(i * 1e-5) end) end\n"
    "for _ = 1, 5 do go(function() if m:try_lock(1e-5) then m:unlock() end end) end",

    "local m, c, n = weft.mutex(), weft.condition(), 0 locks = {m}\n"
    "for _ = 1, 3 do go(function() m:with(function() for _ = 1, 5 do if n == 0 then c:wait(m, 1e-4) end end end) end) end\n"
    "go(function() m:with(function() n = 1 end) c:broadcast() end)\n"
    "weft.yield() n = 1 c:broadcast()",

    "local rw = weft.rwlock() locks = {rw}\n"
    "for _ = 1, 20 do go(function() rw:reading(weft.yield) end) end\n"
    "go(function() rw:writing(weft.yield) end)\n"
    "for _ = 1, 20 do go(function() rw:reading(weft.sleep, 0) if rw:try_rlock(1e-5) then rw:runlock() end end) end",

    "local s = weft.semaphore(2) locks = {s}\n"
    "for _ = 1, 6 do go(function() s:with(weft.yield) end) end",

    "local o = weft.once(function() weft.yield() return 1, 2, 3 end) locks = {}\n"
    "for _ = 1, 4 do go(function() o() end) end\n"
    "after = function() assert(not pcall(o) or o() == 1) end",

    "local e, g, b = weft.event(), weft.waitgroup(), weft.barrier(2) locks = {}\n"
    "for _ = 1, 3 do go(function() e:wait(0.001) end) end e:set()\n"
    "g:add(2) for _ = 1, 2 do go(function() g:wait(0.001) end) end g:add(-2)\n"
    "go(function() weft.timeout(0.001, b.wait, b) end) weft.yield() weft.timeout(0.001, b.wait, b)",

    "local m = weft.mutex() locks = {m}\n"
    "go(function() m:lock() weft.yield() end) weft.yield()\n"
    "for _ = 1, 3 do go(function() m:lock() m:unlock() end) end",

    /* the same, of locks that have crossed */
    "locks = {shared.m}\n"
    "for _ = 1, 4 do go(function() shared.m:with(weft.yield) if shared.m:try_lock(1e-5) then shared.m:unlock() end end) end",

    "local rw = shared.rw locks = {rw}\n"
    "for _ = 1, 3 do go(function() rw:reading(weft.yield) end) go(function() rw:writing(weft.yield) end) end\n"
    "for _ = 1, 3 do go(function() if rw:try_rlock(1e-5) then rw:runlock() end end) end",

    "local s = shared.s locks = {s}\n"
    "for _ = 1, 6 do go(function() s:with(weft.yield) end) end",

    "local e, g, b, m, c = shared.e, shared.g, shared.b, shared.m, shared.c locks = {m}\n"
    "for _ = 1, 2 do go(function() e:wait(0.001) end) end e:set() g:add(2)\n"
    "for _ = 1, 2 do go(function() g:wait(0.001) end) end g:add(-2)\n"
    "go(function() weft.timeout(0.001, b.wait, b) end) weft.yield() pcall(weft.timeout, 0.001, b.wait, b)\n"
    "go(function() m:with(function() c:wait(m, 1e-4) end) end) weft.yield() c:broadcast()",

    "local o, bad = shared.o, shared.bad\n"
    "for _ = 1, 3 do go(function() o() end) go(function() bad() end) end weft.wait() tostring(o)\n"
    "after = function() assert(not pcall(o) or o() == 1) assert(not pcall(bad)) end",

    "locks = {shared.m}\n"
    "go(function() shared.m:lock() weft.yield() end) weft.yield()\n"
    "for _ = 1, 3 do go(function() shared.m:lock() shared.m:unlock() end) end",

    /* the crossing itself, by a channel that has crossed: of locks that are held and waited for, of jobs */
    "local m, ch = weft.mutex(), shared.ch locks = {m} after = function() pcall(m.unlock, m) weft.wait() end m:lock()\n"
    "for _ = 1, 2 do go(function() m:lock() m:unlock() end) end weft.yield()\n"
    "ch:send(m) m:unlock() ch:recv()",

    "local rw, ch = weft.rwlock(), shared.ch locks = {rw}\n"
    "go(function() rw:rlock() weft.sleep(1e-5) rw:runlock() end) go(function() rw:writing(weft.yield) end) weft.yield()\n"
    "ch:send(rw) ch:recv()",

    "local o, done, ch = weft.once(function() weft.yield() return 1, 2 end), weft.once(function() return 3, 4 end), shared.ch done()\n"
    "for _ = 1, 2 do go(o) end weft.yield() ch:send(o) ch:send(done) ch:recv() ch:recv()",

    "local ch, j, k = shared.ch, weft.go({name = 'n'}, weft.yield), weft.go(error, {1}) k:wait()\n"
    "ch:send(j) ch:send(k) j:wait() ch:recv() ch:recv() ch:send(j) ch:send(weft.go(weft.yield)) ch:recv() ch:recv()",
};

static const char setup[] =
    "function go(f) return weft.go(f):detach() end\n"
    "weft.on_unhandled(function() end)\n"
    "shared = {m = weft.mutex(), rw = weft.rwlock(), s = weft.semaphore(2), e = weft.event(), g = weft.waitgroup(), b = weft.barrier(2),\n"
    "  c = weft.condition(), ch = weft.channel(9), o = weft.once(function() return 1, 2, 3 end), bad = weft.once(function() error {} end)}\n"
    "crossing = weft.thread(function() end, shared) crossing:wait()"; /* kept: without memory Lua loses finalisers */

static const char check[] =
    "if after then after() end\n" FAULTS_NO_TASK_LEFT "for _, x in ipairs(locks or {}) do\n"
                        "  local text = tostring(x)\n"
                        "  if text:find('which has ended', 1, true) then\n"
                        "    local ok, err = pcall(x.lock, x)\n"
                        "    assert(not ok and weft.is(err, 'deadlock'), text)\n"
                        "    if not pcall(x.unlock, x) then while pcall(x.runlock, x) do end end\n"
                        "  elseif x.acquire then assert(text:find('(2 free, 0 waiting)', 1, true), text)\n"
                        "  else assert(text:find('(free)', 1, true), text) end\n"
                        "  if x.lock then x:lock() x:unlock() end\n"
                        "end";

static int try_one(const fault *f) {
  lua_State *L = faults_core(setup);
  int hit = faults_run(L, f, "weft.wait()");
  faults_check(L, f, check);
  lua_close(L);
  for (int i = 0; i < 4000 && atomic_load(&c_heap.blocks) != 0; i++) usleep(500); /* the thread of the set-up is on its way out */
  faults_none_left(f);
  return hit;
}

int main(void) {
  wf_alloc_set(heap_c, &c_heap);
  faults_all(scripts, sizeof scripts / sizeof *scripts, try_one, faults_step);
  return faults_end();
}
