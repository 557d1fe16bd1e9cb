/* buffer_fault_test.c: every allocation fails in turn, in several ways (fault_ways.h), while scripts make buffers, wait for their
 * elements, and send them to threads.
 *
 * For each script, both heaps (the state's, ours) and n = 1, 2, ...: a new state, the n-th allocation from then on
 * fails, and then: the script ended, or raised; what it left works with memory again; when the state is closed nothing
 * is left. It ends with the n that no allocation reaches any more. Threads allocate too, so counts are atomic. */
#include "faults.h"

/* Globals of a script: weft, the core; `after`, if set, is called with memory again. */
static const char *const scripts[] = {
    "local b = weft.buffer('f64', 100, {stride = 16}) local s = b:slice(2, 90):slice(3) s:fill(2):sort():copy('')\n"
    "local c = weft.buffer('i16', 100):copy(b) c:copy{1, 2, 3} c:string() c:string(1, 3) assert(c:sum() >= 6)\n"
    "function after() b[1] = 1 assert(b:sort():max() == 2 and tostring(s)) end",

    "local big = weft.buffer('u8', 5000) local t = big:string() assert(#t == 5000) big:copy(t):sort()\n"
    "for _, v in pairs(weft.buffer('i8', 3)) do assert(v == 0) end assert(weft.atomic(5):add(1, 1) == 5)",

    "local b, woken, sent = weft.buffer('i32', 40), 0, 0\n"
    "function after()\n"
    "  while weft.live() > 0 do weft.yield() for i = 1, 40 do sent = sent + b:wake(i, 100) end weft.yield() end\n"
    "  assert(woken == sent)\n"
    "end\n"
    "for i = 1, 40 do weft.go(function() if b:wait(i % 20 + 1, 0) == 'woken' then woken = woken + 1 end end):detach() end\n"
    "weft.yield() for i = 1, 15 do sent = sent + b:wake(i, 100) end",

    "local a = weft.atomic(0)\n"
    "function after() while weft.live() > 0 do weft.yield() a:wake(1, 9) end assert(a:wake(1) == 0) end\n"
    "for i = 1, 5 do weft.go(function() a:wait(1, 0, i * 1e-5) end):detach() end\n"
    "local j = weft.go(function() a:wait(1, 0) end) j:detach() weft.yield() j:cancel() weft.sleep(1e-4) a:wake(1, 9)",

    "local a, b = weft.atomic(0), weft.buffer('u8', 3, {stride = 2})\n"
    "function after() while weft.live() > 0 do weft.yield() a:wake(1, 9) end assert(a:wake(1) == 0) end\n"
    "local waiter = weft.go(function() a:wait(1, 0) end) waiter:detach() weft.yield()\n"
    "local j = weft.thread(function(x, y) x[1] = 1 x:wake(1) return y:slice(2), x, y end, a, b:slice(2))\n"
    "local s, x, y = j:join() assert(x == a and y ~= b and y == b:slice(2)) s[1] = 3 assert(b[3] == 3)",
};

static const char check[] = "if after then after() end\n" FAULTS_NO_TASK_LEFT;

static int try_one(const fault *f) {
  lua_State *L = faults_core("");
  int hit = faults_run(L, f, NULL);
  faults_check(L, f, check);
  lua_close(L);
  faults_none_left(f);
  return hit;
}

/* Finalisers of buffers that Lua cannot call, for its stack cannot grow: upvalue 1, how full the stack is. What they did not
 * give up the end of the state does. */
static int collect_without_memory(lua_State *L) {
  int n = (int)lua_tointeger(L, 1);
  luaL_checkstack(L, n, NULL);
  for (int i = 0; i < n; i++) lua_pushnil(L);
  heap_order(&lua_heap, 1, 1);
  for (int i = 0; i < 3; i++) lua_gc(L, LUA_GCCOLLECT);
  heap_heal(&lua_heap);
  return 0;
}

static void test_finalisers(void) {
  for (int n = 0; n < 300; n++) {
    fault f = {.script = "finalisers", .victim = &lua_heap, .at = n, .way = 1};
    lua_State *L = faults_core("");
    lua_register(L, "collect", collect_without_memory);
    lua_pushinteger(L, n);
    lua_setglobal(L, "n");
    faults_check(L, &f, "for _ = 1, 5 do weft.buffer('u8', 100):slice(1, 10) end collect(n)\n"
                        "local b = weft.buffer('u8', 10) b[1] = 1 assert(b:sum() == 1)");
    lua_close(L);
    faults_none_left(&f);
  }
}

int main(void) {
  wf_alloc_set(heap_c, &c_heap);
  faults_all(scripts, sizeof scripts / sizeof *scripts, try_one, faults_step);
  test_finalisers();
  return faults_end();
}
