/* Moving values between two states of one thread: wf_pack + wf_unpack beside a straight copy from state to state in
 * C (as in limit_copy.c: no cycles looked for, no message in between), in turns, in one run.
 *
 *   pack_bench DATA.lua [ROUNDS]     DATA.lua returns a function that makes the records
 *
 * Each line: what, who, the best of the batches, unit. The last line is weft's time for the records alone. */
#include "bench.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "lx/pack.h"

static void copy(lua_State *from, int at, lua_State *to);

static void copy_table(lua_State *from, int at, lua_State *to) {
  int n = (int)lua_rawlen(from, at);
  luaL_checkstack(from, 4, NULL);
  luaL_checkstack(to, 4, NULL);
  lua_createtable(to, n, n ? 0 : 8);
  if (n) {
    for (int i = 1; i <= n; i++) {
      lua_rawgeti(from, at, i);
      copy(from, lua_gettop(from), to);
      lua_rawseti(to, -2, i);
      lua_pop(from, 1);
    }
    return;
  }
  lua_pushnil(from);
  while (lua_next(from, at)) {
    copy(from, lua_gettop(from) - 1, to);
    copy(from, lua_gettop(from), to);
    lua_rawset(to, -3);
    lua_pop(from, 1);
  }
}

static void copy(lua_State *from, int at, lua_State *to) {
  size_t len = 0;
  const char *s = NULL;
  switch (lua_type(from, at)) {
    case LUA_TNIL: lua_pushnil(to); break;
    case LUA_TBOOLEAN: lua_pushboolean(to, lua_toboolean(from, at)); break;
    case LUA_TNUMBER:
      if (lua_isinteger(from, at)) lua_pushinteger(to, lua_tointeger(from, at));
      else lua_pushnumber(to, lua_tonumber(from, at));
      break;
    case LUA_TSTRING:
      s = lua_tolstring(from, at, &len);
      lua_pushlstring(to, s, len);
      break;
    case LUA_TTABLE: copy_table(from, at, to); break;
    default: abort();
  }
}

enum { BATCHES = 40 }; /* short ones: the best is one that nothing disturbed */

static double spent_pack, spent_unpack;

static void by_copy(lua_State *from, lua_State *to, long n) {
  for (long i = 0; i < n; i++) {
    copy(from, 1, to);
    lua_settop(to, 0);
  }
}

static void by_weft(lua_State *from, lua_State *to, long n) {
  for (long i = 0; i < n; i++) {
    wf_msg *m = wf_pack(from, 1, 1, "value");
    if (m == NULL) abort();
    wf_unpack(to, m);
    wf_msg_free(m);
    lua_settop(to, 0);
  }
}

/* The halves of it, for large values. */
static void by_halves(lua_State *from, lua_State *to, long n) {
  spent_pack = spent_unpack = 0;
  for (long i = 0; i < n; i++) {
    double t = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    wf_msg *m = wf_pack(from, 1, 1, "value");
    double u = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    wf_unpack(to, m);
    spent_unpack += clock_ns(CLOCK_THREAD_CPUTIME_ID) - u;
    spent_pack += u - t;
    wf_msg_free(m);
    lua_settop(to, 0);
  }
}

static double batch(void (*f)(lua_State *, lua_State *, long), lua_State *from, lua_State *to, long n) {
  double t = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  f(from, to, n);
  return (clock_ns(CLOCK_THREAD_CPUTIME_ID) - t) / (double)n;
}

static double least(double a, double b) { return a < b ? a : b; }

/* The value on `from`, n times a batch; scale: nanoseconds in the unit. copying: it can be copied straight. Each has a target
 * of its own, so that neither pays for what the other left behind. */
static double compare(const char *what, lua_State *from, long n, double scale, const char *unit, int copying) {
  lua_State *a = luaL_newstate(), *b = luaL_newstate();
  luaL_openlibs(b);
  luaL_openlibs(a);
  lua_gc(a, LUA_GCGEN, 0, 0);
  lua_gc(b, LUA_GCGEN, 0, 0);
  double copied = 1e18, moved = 1e18, packed = 1e18, unpacked = 1e18;
  for (int i = 0; i < BATCHES; i++) {
    if (copying) copied = least(copied, batch(by_copy, from, a, n));
    moved = least(moved, batch(by_weft, from, b, n));
    if (scale < 1e3) continue;
    by_halves(from, b, n);
    packed = least(packed, spent_pack / (double)n);
    unpacked = least(unpacked, spent_unpack / (double)n);
  }
  if (copying) printf("%-9s copy   %10.3f %s\n", what, copied / scale, unit);
  printf("%-9s weft   %10.3f %s\n", what, moved / scale, unit);
  if (scale >= 1e3)
    printf("%-9s pack   %10.3f %s\n%-9s unpack %10.3f %s\n", what, packed / scale, unit, what, unpacked / scale, unit);
  if (copying) printf("%-9s ratio  %10.3f x\n", what, moved / copied);
  lua_close(a);
  lua_close(b);
  return moved;
}

static void push(lua_State *L, const char *code) {
  lua_settop(L, 0);
  if (luaL_dostring(L, code)) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    exit(1);
  }
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  long n = arg_long(argc, argv, 2, 100);
  lua_State *from = luaL_newstate();
  luaL_openlibs(from);
  push(from, "return 42");
  compare("integer", from, n * 200, 1, "ns", 1);
  push(from, "return 'hello'");
  compare("string", from, n * 200, 1, "ns", 1);
  push(from, "return {id = 17, name = 'a name', value = 2.5}");
  compare("fields3", from, n * 200, 1, "ns", 1);
  push(from, "local t = {} for i = 1, 10 do t['key' .. i] = i end return t");
  compare("fields10", from, n * 100, 1, "ns", 1);
  push(from, "local t = {} for i = 1, 100000 do t[i] = i end return t");
  compare("array100k", from, n / 50 + 1, 1e3, "us", 1);
  push(from, "return ('x'):rep(1 << 20)");
  compare("mib", from, n / 10 + 1, 1e3, "us", 1);
  push(from, "local n = 0 return function() n = n + 1 return n end");
  compare("closure", from, n * 20, 1, "ns", 0);
  push(from, "local format = string.format return function(x) return format('%d', x) end");
  compare("library", from, n * 20, 1, "ns", 0);
  lua_settop(from, 0);
  if (luaL_dofile(from, argv[1])) return 1;
  lua_call(from, 0, 1);
  double us = compare("records", from, n / 30 + 1, 1e3, "us", 1) / 1e3;
  printf("us %.3f\n", us);
  lua_close(from);
  return 0;
}
