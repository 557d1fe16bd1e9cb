/* share_fault_test.c: every allocation fails in turn, in several ways (fault_ways.h), while channels become shared and tasks wait
 * for them; and at every allocation another isolate closes them, sends or receives.
 *
 * For each script, both heaps (the state's, ours) and n = 1, 2, ...: a new state, the n-th allocation from then on
 * fails, and then: the script ended, or raised; afterwards, with memory again, no task is left; when the state is closed nothing
 * is. It ends with the n that no allocation reaches any more. */
#include <pthread.h>
#include <string.h>

#include "faults.h"
#include "lx/pack.h"
#include "rt/channel.h"
#include "rt/shchan.h"

/* Globals of a script: weft, the core; share(...): the channels become shared; a to d: private channels with room for 0, 0, 3 and
 * 20 values; go(f): a task whose failure is nobody's concern. */
static const char *const scripts[] = {
    "share(a, b) go(function() weft.select {{a}, {b}} end) go(function() weft.select {{a, send = {1}}, {b}, timeout = "
    "1e-4} end)\n"
    "weft.yield() b:try_send {2} weft.select {{a, send = 'a text of twenty bytes'}, {b, send = {1}}, {c}, timeout = "
    "1e-5}",

    "go(function() weft.select {{a}, {b}} end) go(function() weft.select {{a, send = {1}}, {b, send = {2}}} end)\n"
    "go(function() a:recv() end) go(function() b:send {3} end) weft.yield() share(a) share(b) a:close() b:close()",

    "for i = 1, 12 do go(function() a:send {i} end) end weft.yield() share(a) for i = 1, 12 do a:recv() end",

    "for i = 1, 12 do d:send {i} end share(d) for i = 13, 20 do d:send {i} end go(function() d:send {21} end)\n"
    "weft.yield() for i = 1, 21 do d:recv() end",

    "share(c) for i = 1, 3 do c:send {i} end go(function() c:send {4} end) weft.yield() c:recv_many(3) c:try_recv()\n"
    "go(function() c:recv_many(2) end) weft.yield() c:close()",

    "go(function() a:recv() end) go(function() a:recv() end) weft.yield() share(a) a:send('a text of twenty bytes') "
    "a:send(b)",

    "for i = 1, 20 do d:send {i} end share(d) assert(#weft.drain(d) == 20)",

    "local p <close> = weft.exec {'sleep', '100'} share(a) weft.select {{p}, {a}, timeout = 1e-5}",

    "local j = go(weft.yield) local k = go(weft.yield) weft.watch(j, d, 'j') weft.watch(k, d, 'k') share(d)\n"
    "weft.wait() d:recv() d:recv()",
};

static const char setup[] = "function go(f) return weft.go(f):detach() end\n"
                            "function share(...) weft.unseal(weft.seal('channels', ...), true) end\n"
                            "a, b, c, d = weft.channel(), weft.channel(), weft.channel(3), weft.channel(20)";

/* What waits for channels that nobody else has is ended. */
static const char rest[] = "a:close() b:close() c:close() d:close() weft.wait()";

static const char check[] = "for _, ch in ipairs {a, b, c, d} do ch:close() end\n" FAULTS_NO_TASK_LEFT
                            "local ch = weft.channel(1) share(ch) ch:send {7} assert(ch:recv()[1] == 7)\n"
                            "assert(weft.select {{ch}, {ch, send = 1}} == 2)";

static int try_one(const fault *f) {
  lua_State *L = faults_core(setup);
  int hit = faults_run(L, f, rest);
  faults_check(L, f, check);
  lua_close(L);
  faults_none_left(f);
  return hit;
}

/* ---- others at every allocation ---- */

enum act { CLOSE, SEND, RECEIVE, ACTS };

static struct {
  lua_State *L; /* whose channels they are; NULL: nobody acts */
  enum act act;
  long at, now;
} other;

static wf_shchan *shared_of(lua_State *L, const char *name) {
  lua_getglobal(L, name);
  wf_channel *c = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return c->shared;
}

static wf_shchan *ends[2]; /* a and b, held */

static bool is_locked(int i) {
  if (pthread_mutex_trylock(&ends[i]->shared.lock) != 0) return true;
  pthread_mutex_unlock(&ends[i]->shared.lock);
  return false;
}

/* As another isolate would: it has come between two steps, where no lock is held. It could come to one channel while the other
 * is locked, too; but this is the same thread, and the sanitizer would see it take two locks in any order. */
static void act(void) {
  if (WF_TSAN && (is_locked(0) || is_locked(1))) return;
  for (int i = 0; i < 2; i++) {
    wf_parcel p = {.msg = NULL};
    if (is_locked(i)) continue;
    if (other.act == CLOSE) wf_shchan_close(ends[i]);
    else if (other.act == SEND) wf_shchan_send_now(ends[i], &p); /* nil */
    else if (wf_shchan_recv_now(ends[i], &p) == WF_CHANNEL_OK) wf_parcel_free(&p);
  }
}

static void *heap_with_others(void *ud, void *block, size_t size) {
  if (other.L != NULL && size > 0 && ++other.now == other.at) act();
  return heap_c(ud, block, size);
}

/* Each operation, from a task; what comes in its midst ends it or lets it wait, and then the channels are closed. */
static const char *const operations[] = {
    "b:send {1}",
    "a:recv()",
    "b:try_send {1}",
    "a:recv_many(2)",
    "weft.select {{a}, {b}}",
    "weft.select {{a, send = {1}}, {b, send = {2}}}",
    "weft.select {{a}, {b, send = {2}}, timeout = 1e-5}",
    "b:try_send(0) b:send {1}",
    "a:try_send(0) b:try_send(0) weft.select {{a, send = {1}}, {b, send = {2}}}",
    "local p <close> = weft.exec {'sleep', '100'} weft.select {{p}, {a}} p:kill() p:wait()",
};

static int others_act(const char *operation, enum act what, long at) {
  char script[300];
  heap_reset(&lua_heap);
  heap_reset(&c_heap);
  lua_State *L = faults_core(setup);
  if (luaL_dostring(L, "a, b = weft.channel(1), weft.channel(1) share(a, b)") != LUA_OK) abort();
  ends[0] = shared_of(L, "a");
  ends[1] = shared_of(L, "b");
  for (int i = 0; i < 2; i++) wf_shared_hold(&ends[i]->shared);
  snprintf(script, sizeof script,
           "local ok, err = true go(function() ok, err = pcall(function() %s end) end) weft.yield() weft.yield() "
           "a:close() b:close()\n"
           "weft.wait() assert(ok or weft.is(err, 'closed'), err)",
           operation);
  other.act = what;
  other.at = at;
  other.now = 0;
  if (what == RECEIVE && luaL_dostring(L, "b:send(1)") != LUA_OK) abort(); /* full: it is taken meanwhile */
  other.L = L;
  const fault f = {.name = operation, .at = at, .way = (int)what, .victim = &c_heap};
  if (luaL_dostring(L, script) != LUA_OK) wrong_error(L, &f, "with others");
  other.L = NULL;
  for (int i = 0; i < 2; i++) wf_shared_release(&ends[i]->shared);
  lua_close(L);
  faults_none_left(&f);
  return other.now >= at;
}

static int unpack(lua_State *L) { return wf_unpack(L, lua_touserdata(L, 1)); }

/* Handles come to a Lua state that has no weft: an error, and nothing else. */
static void without_weft(void) {
  lua_State *L = faults_core(""), *plain = luaL_newstate();
  if (luaL_dostring(L, "return weft.channel(), weft.mutex(), weft.seal('value', 1)") != LUA_OK) abort();
  for (int i = 1; i <= 3; i++) {
    wf_msg *m = wf_pack(L, i, 1, "value");
    lua_pushcfunction(plain, unpack);
    lua_pushlightuserdata(plain, m);
    const fault f = {.name = "without weft", .at = i, .victim = &c_heap};
    if (lua_pcall(plain, 1, 0, 0) == LUA_OK) wrong(&f, "it came");
    else if (strstr(lua_tostring(plain, -1), "without weft") == NULL) wrong_error(plain, &f, "another error");
    wf_msg_free(m);
    lua_settop(plain, 0);
  }
  lua_close(L);
  lua_close(plain);
  faults_none_left(&(fault){.name = "without weft", .victim = &c_heap});
}

int main(void) {
  wf_alloc_set(heap_c, &c_heap);
  without_weft();
  faults_all(scripts, sizeof scripts / sizeof *scripts, try_one, faults_step);
  wf_alloc_set(heap_with_others, &c_heap);
  for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
    for (int what = 0; what < ACTS; what++)
      for (long at = 1; others_act(operations[i], (enum act)what, at) && failures < 20; at++) continue;
  wf_alloc_set(heap_c, &c_heap);
  return faults_end();
}
