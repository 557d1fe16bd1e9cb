/* pack_fault_test.c: every allocation fails in turn, in several ways (fault_ways.h), while values move between states.
 *
 * For each value, each of the three heaps (ours, the source's, the target's) and n = 1, 2, ...: new states, the n-th
 * allocation fails, and then: the call succeeded, or gave one error value, or raised; the stack is what it was; the same
 * value moves without trouble afterwards; when the states are closed nothing is left. It ends with the n that no
 * allocation reaches any more. */
#include "pack_util.h"

static const char *const values[] = {
    "return 1, nil, true, 2.5, 'text'",
    "return {1, 2, {3, x = 'y', [2.5] = false}}",
    "local t = {} for i = 1, 40 do t[i] = {id = i, name = 'name ' .. i, kind = 'same'} end return t",
    "local t = {} t.t = t local s = {} t[1], t[2], t[s] = s, s, {t} return t, s",
    "local n = 0 return function() n = n + 1 return n end, function() return n end",
    "local function f(k) return k == 0 and 1 or k * f(k - 1) end return f, {f}",
    "local s, f, t = string, string.format, table.concat return function() return s, f, t, print, _G end",
    "return string, print, _G, {math.floor, io.stdout}",
    "return ('x'):rep(70000), {('y'):rep(70000)}",
    "return box(1), {box(2), box(3)}",
    "local b = box(4) return b, {b}, function() return #b end",
    "local P = {} register('fault', P) return setmetatable({1}, P), setmetatable({2, setmetatable({}, P)}, P)",
    "return hidden(), {hidden()}",
    "local t = {} for i = 1, 150 do t[i] = {} for j = 1, 2 do t[i]['key ' .. i] = 'key ' .. i end end return t, t",
    "local t = {} for i = 1, 5 do t = {t} end return t",
    "local t = {} for i = 1, 1500 do t[i] = i * 1000 end return t",
    "local a, b, c, d, e, f, g, h, i = 1, 2, 3, 4, 5, 6, 7, 8, 9\n"
    "local j, k, l, m, n, o, p, q, r = 1, 2, 3, 4, 5, 6, 7, 8, 9\n"
    "return function() return a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r end",
    "reach(1) local n = 0 return function() n = n + 1 return n end, {io.stdout, ('y'):rep(300)}, ('x'):rep(70000)",
    "reach(2) return {key = 'value', other = 'value', [1000] = 2.5}, 'value', {}",
    /* what cannot travel */
    "return {1, {a = coroutine.create(print)}}",
    "return box(5), function() return 1 end, {x = setmetatable({}, {})}",
    "return box(6), box(13)",
    "return hidden(1)",
    "local t = {} for i = 1, 201 do t = {t} end return t",
    "reach(2) return setmetatable({}, {})",
};

static long steps;

/* Light userdata: where to put the message. The values are the rest. */
static int pack_protected(lua_State *L) {
  wf_msg **m = lua_touserdata(L, 1);
  int top = lua_gettop(L);
  *m = wf_pack_for(L, 2, top - 1, "arg", reach);
  CHECK(lua_gettop(L) == top + (*m == NULL), "the stack went from %d to %d", top, lua_gettop(L));
  return *m == NULL ? 1 : 0;
}

static int unpack_it(lua_State *L) {
  wf_msg *m = lua_touserdata(L, 1);
  lua_settop(L, 0);
  int n = reach == WF_REACH_PROCESS ? wf_unpack(L, m)
          : reach == WF_REACH_PEERS ? wf_unpack_peer(L, m->data, m->len)
                                    : wf_unpack_untrusted(L, m->data, m->len);
  if (n < 0) return lua_error(L);
  CHECK(lua_gettop(L) == n, "%d values, the stack has %d", n, lua_gettop(L));
  return n;
}

/* Both ways under lua_pcall. 1: packed; 2: and unpacked. */
static int transfer(lua_State *L, lua_State *to, int n) {
  wf_msg *m = NULL;
  int reached = 0;
  lua_pushcfunction(L, pack_protected);
  lua_pushlightuserdata(L, &m);
  for (int i = 1; i <= n; i++) lua_pushvalue(L, i);
  int raised = lua_pcall(L, n + 1, LUA_MULTRET, 0);
  CHECK(lua_gettop(L) == n + (raised || m == NULL), "packing left %d of %d", lua_gettop(L), n);
  CHECK(!raised || m == NULL, "it raised with a message");
  lua_settop(L, n);
  if (m == NULL) return 0;
  reached++;
  lua_pushcfunction(to, unpack_it);
  lua_pushlightuserdata(to, m);
  if (lua_pcall(to, 1, LUA_MULTRET, 0) == LUA_OK) {
    reached++;
    CHECK(lua_gettop(to) == n, "%d values of %d", lua_gettop(to), n);
  }
  lua_settop(to, 0);
  wf_msg_free(m);
  return reached;
}

/* False when the n-th allocation was not reached. warm: the value has moved once before. */
static int try_one(const char *value, heap *victim, long at, int way, int warm) {
  heap_reset(&c_heap);
  heap_reset(&here_heap);
  heap_reset(&there_heap);
  box_live = 0;
  reach = WF_REACH_PROCESS; /* unless the value says another */
  lua_State *L = state_new(&here_heap);
  there = state_new(&there_heap);
  luaL_dostring(there, "register('fault', {})");
  if (luaL_dostring(L, value) != LUA_OK) {
    printf("%s: %s\n", value, lua_tostring(L, -1));
    exit(1);
  }
  int n = lua_gettop(L);
  luaL_checkstack(L, 20, NULL);
  luaL_checkstack(there, 20, NULL);
  if (warm) transfer(L, there, n);
  heap_order(victim, at, way);
  int reached = transfer(L, there, n);
  int hit = heap_heal(victim);
  int after = transfer(L, there, n);
  CHECK(hit || reached == after, "%s: without a failure %d, then %d", value, reached, after);
  CHECK(reached <= after, "%s: better with a failure: %d, %d", value, reached, after);
  lua_close(L);
  lua_close(there);
  CHECK(c_heap.blocks == 0 && here_heap.blocks == 0 && there_heap.blocks == 0,
        "%s: failure %ld leaves %ld + %ld + %ld blocks", value, at, c_heap.blocks, here_heap.blocks, there_heap.blocks);
  CHECK(box_live == 0, "%s: failure %ld leaves %ld boxes", value, at, (long)box_live);
  steps++;
  return hit;
}

/* Each of these behind a string of so many bytes that the message has to grow in every part of it, and cannot. */
static const char *const growing[] = {
    "local n = 0 return pad, function() n = n + 1 return n end, function() return n end",
    "return pad, print, string.format, math, _G, {string.rep}",
    "return pad, io.stdout, hidden(), {hidden()}, box(1), {box(2)}",
    "local P = {} register('a name of more than sixteen bytes', P) return pad, setmetatable({1}, P), {setmetatable({}, P)}",
    "local P = {} register('fault', P) return pad, setmetatable({1, print}, P), {setmetatable({}, P)}",
    "return pad, 2.5, 1 << 40, {1.5, [3] = 1, [5] = 1 << 50, key = 'value', [true] = 'key'}, 'some text', ('y'):rep(300)",
    "return pad, {1, 2, 3, 1 << 40, 5, 6, {7}}, {x = 1, y = {2}}, {x = 'x', y = 'y'}, {x = 'x', y = 'y', 'x', 'y'}",
    "local s = ('s'):rep(20) return pad, s, s, s, s, s, s",
    "return pad, {1, 2, nil, 4, 1 << 40, nil, 7, {8}}, {table.unpack({1, [60] = 60}, 1, 60)}, nil, true, {key = 1}",
    "return pad, {print, {{one = 1, two = 2}, {one = 1, two = 2}, {one = 'some text of it', two = 'another text of it'}}}",
    "reach(1) return pad, function() return pad end, ('y'):rep(70000), print, ('y'):rep(70000)",
    "reach(2) return pad, {1, 2, nil, 4, key = 'value', [1000] = {}, value = 'value', [3.5] = 1}, 'value', 7",
    "local f = load('return function() end', '@lua/weft/sub.lua')() package.loaded['weft.some_long_name'] = {f = f} return pad, f",
};

static void growth_fails(void) {
  enum { FROM = 20, TO = 200 }; /* the room of the first block, and the values behind */
  char text[400];
  for (size_t v = 0; v < sizeof growing / sizeof *growing; v++)
    for (int pad = FROM; pad < TO && failures < 20; pad++) {
      snprintf(text, sizeof text, "local pad = ('x'):rep(%d) %s", pad, growing[v]);
      for (long at = 1; try_one(text, &c_heap, at, 0, 0) && failures < 20; at++) continue;
    }
}

int main(void) {
  heap *const victims[] = {&c_heap, &here_heap, &there_heap};
  wf_alloc_set(heap_c, &c_heap);
  for (size_t v = 0; v < sizeof values / sizeof *values; v++)
    for (int h = 0; h < 3; h++)
      for (int mode = 0; mode < 2 * fault_ways(); mode++)
        for (long at = 1; try_one(values[v], victims[h], at, mode >> 1, mode & 1) && failures < 20; at++) continue;
  growth_fails();
  printf("%ld failures injected, %d wrong\n", steps, failures);
  return failures != 0;
}
