/* shape_test.c: tables that are filled in place (lx/shape.h, lx/unpack_table.c) are the tables that were sent, whatever the
 * collector does meanwhile, and serve as any others afterwards.
 *
 *   shape_test [MESSAGES [SEED]]
 *
 * Records of a few random shapes, in random company, go to another state and back. Every first attempt of an allocation
 * fails in the hard rounds, so that Lua collects all there is at each of them. Then messages of a peer whose bytes are not
 * what they were, between good ones. */
#include "lx/pack_format.h"
#include "lx/pack_state.h"
#include "lx/release.h"
#include "pack_util.h"

static const char script[] =
    "local messages, seed, mode = ...\n"
    "math.randomseed(seed)\n"
    "local rnd = math.random\n"
    "local function word(least, most) local b = {} for i = 1, rnd(least, most) do b[i] = string.char(rnd(97, 100)) end return table.concat(b) end\n"
    "local lists = {}\n"
    "for i = 1, 14 do\n"
    "  local keys, seen = {}, {}\n"
    "  for _ = 1, i < 3 and 40 or rnd(1, 12) do\n"
    "    local k = word(0, rnd(4) == 1 and 45 or 9)\n"
    "    if rnd(30) == 1 then k = rnd(-5, 5) end\n"
    "    if not seen[k] then keys[#keys + 1], seen[k] = k, true end\n"
    "  end\n"
    "  lists[i] = keys\n"
    "end\n"
    "lists[15], lists[16] = {'__index', '__len', 'name'}, {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}\n"
    "local words = {} for i = 1, 12 do words[i] = word(1, 20) end\n"
    "local record\n"
    "local function value(depth)\n"
    "  local k = rnd(14)\n"
    "  if k == 1 then return rnd(0, 63) elseif k == 2 then return rnd(-128, 127) elseif k == 3 then return rnd(-32768, 32767)\n"
    "  elseif k == 4 then return rnd(-2147483648, 2147483647) elseif k == 5 then return rnd(0) elseif k == 6 then return rnd() * 100\n"
    "  elseif k == 7 then return rnd(2) == 1 elseif k <= 10 then return words[rnd(#words)] elseif k == 11 then return word(1, 60)\n"
    "  elseif k == 12 and depth < 4 then return record(depth + 1)\n"
    "  elseif k == 13 and depth < 3 then local t = {} for i = 1, rnd(0, 6) do t[i] = value(depth + 1) end return t\n"
    "  elseif k == 14 and rnd(8) == 1 then return print end\n"
    "  return 'x'\n"
    "end\n"
    "local last\n"
    "function record(depth)\n"
    "  local keys, t = lists[rnd(#lists)], {}\n"
    "  for i = 1, rnd(4) == 1 and rnd(0, 3) or 0 do t[i] = value(depth) end\n"
    "  for i = 1, #keys do if rnd(40) > 1 then t[keys[i]] = value(depth) end end\n"
    "  if rnd(9) == 1 then t.last = last end\n"
    "  last = rnd(2) == 1 and t or nil\n"
    "  return t\n"
    "end\n"
    "local function same(a, b, seen)\n"
    "  if type(a) ~= 'table' or type(b) ~= 'table' then return a == b and math.type(a) == math.type(b) end\n"
    "  if seen[a] then return seen[a] == b end\n"
    "  seen[a] = b\n"
    "  for k, v in next, a do if not same(v, rawget(b, k), seen) then return false end end\n"
    "  for k in next, b do if rawget(a, k) == nil then return false end end\n"
    "  return true\n"
    "end\n"
    "local held = {}\n"
    "for i = 1, messages do\n"
    "  local t = {}\n"
    "  last = nil\n"
    "  for j = 1, rnd(5) == 1 and 30 or 2 do t[j] = record(0) end\n"
    "  local slot = rnd(20)\n"
    "  if held[slot] then\n" /* some time later it is still what it was; then it is used */
    "    local a, b = held[slot][1], held[slot][2]\n"
    "    assert(same(a, b, {}), 'another table, later')\n"
    "    for _, r in ipairs(b) do\n"
    "      local n = 0\n"
    "      for k, v in pairs(r) do n = n + 1 if rnd(2) == 1 then r[k] = nil end end\n"
    "      for j = 1, rnd(0, 30) do r['new' .. j] = j end\n"
    "      for k, v in pairs(r) do assert(r[k] == v) end\n"
    "      for j = 1, 30 do assert(r['new' .. j] == nil or r['new' .. j] == j) end\n"
    "    end\n"
    "    local proxy = setmetatable({}, b[1])\n" /* a table filled in place as a metatable */
    "    assert(getmetatable(proxy) == b[1])\n"
    "    b[1].__index = {name = 'by index'}\n"
    "    assert(proxy.name == 'by index')\n"
    "  end\n"
    "  local ok, back = pcall(cross, t)\n"
    "  if ok then\n"
    "    assert(same(t, back, {}), 'another table')\n"
    "    held[slot] = {t, back}\n"
    "  else\n"
    "    assert(mode == 'hard' and tostring(back):find 'memory', back)\n"
    "  end\n"
    "  if rnd(50) == 1 then collectgarbage(rnd(2) == 1 and 'step' or 'collect') end\n"
    "end\n";

static bool hard; /* allocations fail once, then succeed */

static void *heap_twice(void *ud, void *block, size_t old, size_t size) {
  static bool again;
  if (hard && size > (block == NULL ? 0 : old)) {
    again = !again;
    if (again) return NULL;
  }
  return heap_lua(ud, block, old, size);
}

/* The messages of one round, with the collector in that mode. */
static void round_of(const char *mode, int what, long messages, long seed) {
  lua_State *L = state_new(&here_heap);
  there = state_new(&there_heap);
  lua_State *both[] = {L, there};
  for (int i = 0; i < 2; i++) {
    lua_gc(both[i], what, 0, 0, 0);
    lua_setallocf(both[i], heap_twice, i == 0 ? &here_heap : &there_heap);
  }
  int bad = luaL_loadstring(L, script);
  lua_pushinteger(L, messages);
  lua_pushinteger(L, seed);
  lua_pushstring(L, mode);
  hard = strcmp(mode, "hard") == 0;
  bad = bad || lua_pcall(L, 3, 0, 0);
  hard = false;
  CHECK(!bad, "%s, seed %ld: %s", mode, seed, lua_tostring(L, -1));
  int shapes = 0;
  if (!bad) {
    wf_known *known = wf_pack_state_learn(there, 1 << 20);
    for (int i = 0; known != NULL && i < WF_SHAPES; i++) shapes += known->shapes.at[i].shape != NULL;
    CHECK(LX_EARLY || messages < 100 || shapes > 0, "%s: no shape was learned", mode);
  }
  printf("%s: %ld messages, %d shapes\n", mode, messages, shapes);
  lua_close(L);
  lua_close(there);
}

/* Records of functions. What makes a function allocates without looking at the collector, which then runs where its key is read
 * again: in the midst of a table, whose other keys it may forget. */
static void functions(const char *mode, int what, long messages) {
  static const char code[] =
      "local messages = ...\n"
      "local keys\n"
      "for i = 0, messages do\n"
      "  if i % 10 == 0 then keys = {} for k = 1, 16 do keys[k] = 'the name of field number ' .. i * 100 + k end end\n"
      "  local t = {}\n"
      "  for j = 1, 8 do t[j] = {} for k = 1, #keys do t[j][keys[k]] = function() return j * 100 + k end end end\n"
      "  t = cross(t)\n"
      "  for j = 1, 8 do\n"
      "    local n = 0 for _ in pairs(t[j]) do n = n + 1 end assert(n == #keys, n)\n"
      "    for k = 1, #keys do assert(t[j][keys[k]]() == j * 100 + k) end\n"
      "  end\n"
      "end\n";
  lua_State *L = state_new(&here_heap);
  there = state_new(&there_heap);
  for (int i = 0; i < 2; i++) {
    lua_State *at = i == 0 ? L : there;
    if (what == LUA_GCGEN) lua_gc(at, LUA_GCGEN, 1, 100); /* a collection after each few hundred bytes */
    else lua_gc(at, LUA_GCINC, 1, 1000, 8); /* a cycle at once, a step every 256 bytes */
  }
  int bad = luaL_loadstring(L, code);
  lua_pushinteger(L, messages);
  bad = bad || lua_pcall(L, 1, 0, 0);
  CHECK(!bad, "functions, %s: %s", mode, lua_tostring(L, -1));
  lua_close(L);
  lua_close(there);
}

/* Decode, protected. Stack: the bytes. Gives whether they were a message. */
static int unpack_bytes(lua_State *L) {
  size_t len;
  const char *bytes = lua_tolstring(L, 1, &len);
  lua_pushboolean(L, wf_unpack_peer(L, bytes, len) >= 0);
  return 1;
}

/* Records of two shapes as a peer sends them. Damaged ones are refused, or are other data; good ones are read as ever. No
 * message has a byte that is the tag of a function: bytecode of peers is not checked. */
static void damaged(long mutants, unsigned seed) {
  static const char records[] =
      "local t = {}\n"
      "for i = 1, 6 do t[i] = {id = i, name = 'number' .. i, price = i / 7, a_rather_long_name_of_a_field = true, of = {x = i, y = -i}} end\n"
      "return bytes(t, {id = 7, name = 'alone', price = 0.5, a_rather_long_name_of_a_field = false, of = {x = 1, y = 2}})\n";
  static const char is_whole[] =
      "local t, last = ...\n"
      "for i = 1, 6 do assert(t[i].id == i and t[i].name == 'number' .. i and t[i].of.y == -i and t[i].price == i / 7) end\n"
      "assert(last.name == 'alone' and last.of.x == 1 and last.a_rather_long_name_of_a_field == false)\n";
  lua_State *L = state_new(&here_heap);
  reach = WF_REACH_PEERS;
  luaL_loadstring(L, is_whole);
  CHECK(luaL_dostring(L, records) == 0, "%s", lua_tostring(L, -1));
  reach = WF_REACH_PROCESS;
  size_t len;
  const char *good = lua_tolstring(L, 2, &len);
  for (int i = 0; i < 100; i++) { /* until the shapes and the strings are known */
    lua_settop(L, 2);
    CHECK(wf_unpack_peer(L, good, len) == 2, "as it is");
  }
  for (size_t cut = 0; cut < len; cut++) {
    lua_settop(L, 2);
    CHECK(wf_unpack_peer(L, good, cut) == -1, "cut at %zu it is accepted", cut);
  }
  char *bad = malloc(len);
  long refusals = 0, tried = 0;
  for (long i = 0; i < mutants; i++) {
    lua_settop(L, 2);
    if (i % 16 == 0) {
      lua_pushvalue(L, 1);
      CHECK(wf_unpack_peer(L, good, len) == 2 && lua_pcall(L, 2, 0, 0) == 0, "after %ld: %s", i, lua_tostring(L, -1));
      continue;
    }
    size_t cut = rand_r(&seed) % 8 == 0 ? (size_t)rand_r(&seed) % len : len;
    memcpy(bad, good, len);
    for (int k = rand_r(&seed) % 4; k >= 0; k--) {
      size_t at = (size_t)rand_r(&seed) % len;
      bad[at] = rand_r(&seed) % 2 ? (char)rand_r(&seed) : bad[(size_t)rand_r(&seed) % len];
    }
    if (memchr(bad, TAG_FUNC, cut) != NULL || memchr(bad, TAG_FUNC_SHARED, cut) != NULL) continue;
    tried++;
    lua_pushcfunction(L, unpack_bytes);
    lua_pushlstring(L, bad, cut);
    refusals += lua_pcall(L, 1, 1, 0) != 0 || !lua_toboolean(L, -1);
  }
  CHECK(refusals > mutants / 10, "only %ld of %ld were refused", refusals, mutants);
  printf("damaged: %ld messages, %ld of them refused\n", tried, refusals);
  free(bad);
  lua_close(L);
}

/* What has no shape. */
static void refused(void) {
  lua_State *L = state_new(&here_heap);
  const void *keys[WF_SHAPE_KEYS + 1];
  luaL_dostring(L, "return {a = 1, b = 2}, 'a', 'b', 'c'");
  const wf_raw_table *t = lua_topointer(L, 1);
  for (int i = 0; i < 3; i++) keys[i] = lua_topointer(L, i + 2);
  wf_shape *s = wf_shape_new(t, keys, 2);
  CHECK(s != NULL && s->keys == 2, "it has one");
  wf_free(s);
  const void *none[] = {keys[0], NULL};
  CHECK(wf_shape_new(t, keys, 3) == NULL, "a key that it does not have");
  CHECK(wf_shape_new(t, keys, 1) == NULL, "a key more than was said");
  CHECK(wf_shape_new(t, keys, 0) == NULL && wf_shape_new(t, keys, WF_SHAPE_KEYS + 1) == NULL, "too few, too many");
  CHECK(wf_shape_new(t, none, 2) == NULL, "a key that is no string");
  lua_close(L);
}

int main(int argc, char **argv) {
  long messages = argc > 1 ? atol(argv[1]) : 2000, seed = argc > 2 ? atol(argv[2]) : 1;
  wf_alloc_set(heap_c, &c_heap);
  CHECK(wf_raw_fills() == !LX_EARLY, "the trial of %s fails: tables are filled by the API, which is slower", LUA_RELEASE);
  round_of("incremental", LUA_GCINC, messages, seed);
  round_of("generational", LUA_GCGEN, messages, seed + 1);
  round_of("hard", LUA_GCINC, messages / 400, seed + 2);
  round_of("hard", LUA_GCGEN, messages / 400, seed + 3);
  functions("incremental", LUA_GCINC, messages / 10);
  functions("generational", LUA_GCGEN, messages / 10);
  if (!LX_EARLY) refused();
  damaged(messages * 10, (unsigned)seed);
  CHECK(c_heap.blocks == 0 && here_heap.blocks == 0 && there_heap.blocks == 0, "blocks left");
  return failures != 0;
}
