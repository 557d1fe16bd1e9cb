/* pack_test.c: what travels between states, how it arrives, and what does not travel.
 *
 * Each case is a Lua chunk, run in one state with the functions of pack_util.h; `there` is a second one. At the end
 * both states are closed and nothing may be left of our memory. */
#include "lx/lean.h"
#include "lx/pack_state.h"
#include "lx/raw.h"
#include "lx/release.h"
#include "pack_util.h"

static const struct {
  const char *name, *code;
} cases[] = {
#include "pack_cases.h"
};

/* Helpers of the cases. */
static const char prelude[] =
    "function same(a, b, seen)\n"
    "  seen = seen or {}\n"
    "  if type(a) ~= type(b) or math.type(a) ~= math.type(b) then return false end\n"
    "  if type(a) ~= 'table' then return a == b or (a ~= a and b ~= b) end\n"
    "  if seen[a] then return seen[a] == b end\n"
    "  seen[a] = b\n"
    "  local n = 0\n"
    "  for k, v in pairs(a) do n = n + 1 if not same(v, rawget(b, k), seen) then return false end end\n"
    "  for k in pairs(b) do n = n - 1 end\n"
    "  return n == 0\n"
    "end\n"
    "function refuse(expected, ...)\n"
    "  local ok, err = pcall(cross, ...)\n"
    "  assert(not ok, 'it travelled')\n"
    "  assert(type(err) == 'table' and err.kind == 'transfer', 'not a transfer error: ' .. tostring(err))\n"
    "  if err.message ~= expected then error('said: ' .. err.message .. '\\nnot:  ' .. expected, 2) end\n"
    "end\n";

static void run(lua_State *L, const char *name, const char *code) {
  lua_getglobal(L, "debug");
  lua_getfield(L, -1, "traceback");
  lua_remove(L, 1);
  int bad = luaL_loadbufferx(L, code, strlen(code), name, "t") || lua_pcall(L, 0, 0, 1);
  if (bad) {
    printf("%s: %s\n", name, luaL_tolstring(L, -1, NULL));
    failures++;
  }
  CHECK(lua_gettop(there) == 0, "%s left %d values there", name, lua_gettop(there));
  lua_settop(L, 0);
  lua_settop(there, 0);
}

/* Messages that outlive their state, and go back to a pool in any order. */
static void messages_outlive_states(void) {
  wf_msg *kept[40];
  for (int i = 0; i < 40; i++) {
    lua_State *L = state_new(&here_heap);
    lua_pushinteger(L, i);
    lua_newtable(L);
    kept[i] = wf_pack(L, 1, 2, "value");
    wf_msg *other = wf_pack(L, 1, 1, "value");
    if (i % 2) wf_msg_free(other);
    lua_close(L);
    if (i % 2 == 0) wf_msg_free(other);
  }
  lua_State *L = state_new(&here_heap);
  for (int i = 39; i >= 0; i--) {
    CHECK(wf_unpack(L, kept[i]) == 2 && lua_tointeger(L, 1) == i && lua_istable(L, 2), "message %d", i);
    wf_msg_free(kept[i]);
    lua_settop(L, 0);
  }
  lua_close(L);
}

/* A message is read many times, in several states and coroutines. */
static void messages_are_read_again(void) {
  lua_State *L = state_new(&here_heap);
  luaL_dostring(L, "local t = {1, x = 'y'} t.self = t local n = 0 return t, function() n = n + 1 return n end, box(4)");
  wf_msg *m = wf_pack(L, 1, 3, "value");
  lua_close(L);
  for (int i = 0; i < 3; i++) {
    L = state_new(&here_heap);
    lua_State *co = lua_newthread(L);
    CHECK(wf_unpack(co, m) == 3 && wf_unpack(co, m) == 3, "three values");
    lua_pushvalue(co, 2);
    lua_call(co, 0, 1);
    CHECK(lua_tointeger(co, -1) == 1, "a fresh counter");
    CHECK(!lua_rawequal(co, 1, 4) && lua_rawlen(co, 1) == 1, "two tables");
    lua_close(L);
  }
  wf_msg_free(m);
}

/* After 2^32 messages the marks of the scratch begin anew, and old ones mean nothing. */
static void marks_begin_anew(void) {
  lua_State *L = state_new(&here_heap);
  luaL_dostring(L, "local t = {} for i = 1, 3 do t[i] = {key = 'value', n = i} end t[4] = t[1] return t");
  wf_pack_state *st = wf_pack_state_get(L);
  st->scratch.gen = UINT32_MAX - 3;
  for (int i = 0; i < 8; i++) {
    wf_msg *m = wf_pack(L, 1, 1, "value");
    CHECK(wf_unpack(L, m) == 1 && lua_rawlen(L, -1) == 4, "marks %d", i);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 4);
    CHECK(lua_rawequal(L, -1, -2) && lua_getfield(L, -1, "n") && lua_tointeger(L, -1) == 1, "marks %d", i);
    lua_settop(L, 1);
    wf_msg_free(m);
  }
  lua_close(L);
}

static int take(lua_State *L) {
  wf_unpack_take(L, lua_touserdata(L, 1));
  return 1;
}

static wf_msg *late;      /* for the finaliser */
static bool late_amidst;  /* it was called while another was read */

static int take_late(lua_State *L) {
  late_amidst = wf_pack_state_get(L)->reading != NULL;
  wf_unpack_take(L, late);
  late = NULL;
  return 0;
}

static bool taken(lua_State *L, wf_msg *m) {
  lua_settop(L, 1);
  lua_pushcfunction(L, take);
  lua_pushlightuserdata(L, m);
  return lua_pcall(L, 1, 1, 0) == LUA_OK && lua_istable(L, -1);
}

/* A message that is given up when it has been read; after an error by the next one, or with the state; by a finaliser while another
 * is read. */
static void messages_are_taken(void) {
  lua_State *L = wf_state_open(NULL);
  luaL_dostring(L, "local t = {} for i = 1, 5000 do t[i] = { i } end return t");
  wf_msg *damaged = wf_pack(L, 1, 1, "value");
  damaged->len -= 3;
  CHECK(taken(L, wf_pack(L, 1, 1, "value")), "a good one");
  const wf_pack_state *st = wf_pack_state_get(L);
  CHECK(st->reading == NULL, "nothing is read now");
  CHECK(!taken(L, damaged), "a damaged one");
  CHECK(st->reading == (LX_EARLY ? NULL : damaged), "it lies there");
  CHECK(taken(L, wf_pack(L, 1, 1, "value")) && st->reading == NULL, "it is gone");
  late = wf_pack(L, 1, 1, "value");
  lua_gc(L, LUA_GCINC, 100, 1000, 0);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, take_late);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
  for (int i = 0; i < 100 && late != NULL; i++) CHECK(taken(L, wf_pack(L, 1, 1, "value")), "amidst");
  CHECK(late == NULL && (late_amidst || LX_EARLY) && st->reading == NULL, "by a finaliser, while another is read");
  damaged = wf_pack(L, 1, 1, "value");
  damaged->len -= 3;
  CHECK(!taken(L, damaged), "the last one");
  wf_state_close(L);
}

static void cells(void) {
  lua_State *L = state_new(&here_heap);
  luaL_dostring(L,
                "return nil, true, false, 0, -1, math.maxinteger, 0.5, -0.0, 1/0, 'x', '', 'fourteen bytes', 'a\\0b'");
  int n = lua_gettop(L);
  for (int i = 1; i <= n; i++) {
    wf_cell c;
    CHECK(wf_cell_put(L, i, &c) == 1, "value %d fits", i);
    wf_cell_push(L, &c);
    CHECK(lua_rawequal(L, i, -1) && lua_type(L, i) == lua_type(L, -1) && lua_isinteger(L, i) == lua_isinteger(L, -1),
          "value %d", i);
    lua_pop(L, 1);
  }
  lua_settop(L, 0);
  lua_pushlightuserdata(L, L);
  wf_cell c;
  CHECK(wf_cell_put(L, 1, &c) == 1, "a pointer fits");
  wf_cell_push(L, &c);
  CHECK(lua_touserdata(L, -1) == L, "the pointer");
  luaL_dostring(L, "return 'fifteen bytes..', {}, print, coroutine.create(print), io.stdout");
  for (int i = -5; i < 0; i++) CHECK(wf_cell_put(L, i, &c) == 0, "value %d does not fit", i);
  memset(&c, 0, sizeof c);
  wf_cell_push(L, &c);
  CHECK(lua_isnil(L, -1), "zeroed memory is nil");
  lua_close(L);
}

int main(int argc, char **argv) {
  wf_alloc_set(heap_c, &c_heap);
  CHECK(wf_raw_works() == !LX_EARLY, "the trial of %s fails: tables are read by the API, which is slower and tested less", LUA_RELEASE);
  lua_State *L = state_new(&here_heap);
  there = state_new(&there_heap);
  run(L, "=prelude", prelude);
  luaL_dostring(there, prelude);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (argc > 1 && strstr(cases[i].name, argv[1]) == NULL) continue;
    reach = WF_REACH_PROCESS;
    run(L, cases[i].name, cases[i].code);
  }
  reach = WF_REACH_PROCESS;
  lua_close(L);
  lua_close(there);
  messages_outlive_states();
  messages_are_read_again();
  marks_begin_anew();
  messages_are_taken();
  cells();
  CHECK(box_live == 0, "%ld boxes left", (long)box_live);
  CHECK(c_heap.blocks == 0 && c_heap.bytes == 0, "%ld blocks of ours left", c_heap.blocks);
  CHECK(here_heap.blocks == 0 && there_heap.blocks == 0, "blocks of Lua left");
  printf("%zu cases, %d failures\n", sizeof cases / sizeof *cases, failures);
  return failures != 0;
}
