/* raw_trial_test.c: the trials of tables read and filled in place (lx/raw_trial.c) and of arguments read in place
 * (lx/raw_args.c) can fail. What Lua's API answers there is the truth that the records are measured by; here it lies once in
 * each run, at every place in turn: the trial must say no. So do, each in its turn, what reads the records, what knows where they
 * lie, what makes and collects tables, and memory that is out. */
/* Answers of its own: before anything says what they are called. */
#define wf_raw_reading no_raw_reading
#define wf_raw_filling no_raw_filling
#define wf_raw_try_reading no_raw_try_reading
#define wf_raw_try_filling no_raw_try_filling
#include <lauxlib.h>
#include <lua.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/base.h"
#include "lx/raw.h"
#include "lx/raw_args.h"
#include "lx/raw_blocks.h"
#include "lx/release.h"
#include "lx/shape.h"

static long asked, lie_at; /* answers so far, and the one that is a lie; 0: none is */

static bool lies(void) { return ++asked == lie_at; }

static int lie_next(lua_State *L, int idx) {
  int more = lua_next(L, idx);
  if (!lies()) return more;
  if (more) lua_pop(L, 2);
  else for (int i = 0; i < 2; i++) lua_pushinteger(L, 77);
  return !more;
}

static const void *lie_topointer(lua_State *L, int idx) {
  const void *p = lua_topointer(L, idx);
  return lies() ? lua_topointer(L, LUA_REGISTRYINDEX) : p;
}

static int lie_getfield(lua_State *L, int idx, const char *key) {
  int type = lua_getfield(L, idx, key);
  if (!lies()) return type;
  lua_pop(L, 1);
  lua_pushboolean(L, 1);
  return LUA_TBOOLEAN;
}

static int lie_rawgetp(lua_State *L, int idx, const void *key) {
  int type = lua_rawgetp(L, idx, key);
  return lies() ? LUA_TNIL : type;
}

static lua_Integer lie_tointeger(lua_State *L, int idx) { return lua_tointeger(L, idx) ^ lies(); }
static lua_Number lie_tonumber(lua_State *L, int idx) { return lua_tonumber(L, idx) + lies(); }
static int lie_toboolean(lua_State *L, int idx) { return lua_toboolean(L, idx) ^ lies(); }

/* Not of the pointer that a trial finds its way by: its first argument, its upvalue. */
static void *lie_touserdata(lua_State *L, int idx) {
  char *p = lua_touserdata(L, idx);
  bool known = idx < LUA_REGISTRYINDEX || (idx == 1 && lua_islightuserdata(L, idx));
  return known || !lies() ? p : p + 1;
}

static int lie_getmetatable(lua_State *L, int idx) {
  int has = lua_getmetatable(L, idx);
  if (!lies()) return has;
  if (has) lua_pop(L, 1);
  else lua_pushvalue(L, LUA_REGISTRYINDEX);
  return !has;
}

static int lie_gettop(lua_State *L) { return lua_gettop(L) + lies(); }
static lua_Unsigned lie_rawlen(lua_State *L, int idx) { return lua_rawlen(L, idx) + lies(); }
static int lie_isinteger(lua_State *L, int idx) { return lua_isinteger(L, idx) ^ lies(); }

/* Another type than it has. */
static int lie_type(lua_State *L, int idx) {
  int type = lua_type(L, idx);
  return !lies() ? type : type == LUA_TTABLE ? LUA_TNUMBER : type == LUA_TSTRING ? LUA_TFUNCTION : LUA_TTABLE;
}

static const char *lie_tolstring(lua_State *L, int idx, size_t *len) {
  const char *s = lua_tolstring(L, idx, len);
  *len -= lies();
  return s;
}

/* There is no room; it has not ended, or gives too much. */
static int lie_checkstack(lua_State *L, int n) { return lua_checkstack(L, n) && !lies(); }
static int lie_resume(lua_State *L, lua_State *from, int nargs, int *nres) {
  int status = lua_resume(L, from, nargs, nres);
  *nres += lies();
  return lies() ? LUA_YIELD : status;
}

/* It is left out. */
static int lie_gc(lua_State *L, int what, ...) {
  if (lies()) return 0;
  return what == LUA_GCGEN ? lua_gc(L, what, 0, 0) : lua_gc(L, what);
}

/* A new table that is not as it should be, where that must show. */
static void lie_createtable(lua_State *L, int array, int hash) {
  lua_createtable(L, array, hash);
  bool of_all_kinds = array == 4, of_array = array == 3;
  if ((!of_all_kinds && !of_array) || !lies()) return;
  if (of_all_kinds) lua_pushvalue(L, -1), lua_setmetatable(L, -2);
  else lua_pushinteger(L, 5), lua_rawseti(L, -2, 2);
}

/* ---- of the records ---- */

static size_t lie_block_size(const wf_raw_blocks *b, const void *at) { return lies() ? 1 : wf_raw_block_size(b, at); }
static bool lie_hold(const wf_raw_blocks *b, const void *at, size_t size) { return wf_raw_blocks_hold(b, at, size) && !lies(); }
static size_t lie_array_size(const wf_raw_table *t) { return wf_raw_array_size(t) + lies(); }
static size_t lie_nodes(const wf_raw_table *t) { return lies() ? wf_raw_nodes(t) * 2 + 1 : wf_raw_nodes(t); }
static bool lie_is_black(const wf_raw_table *t) { return wf_raw_is_black(t) ^ lies(); }
static bool lie_is_nil(uint8_t tag) { return wf_raw_is_nil(tag) ^ lies(); }
static uint8_t lie_tag(const void *object) { return wf_raw_tag(object) ^ lies(); }

static const char *lie_text(uint8_t tag, const void *string, size_t *len) {
  const char *text = wf_raw_text(tag, string, len);
  *len += lies();
  return text + lies();
}

static const wf_raw_value *lie_arg_read(const lua_State *L, int n) {
  static wf_raw_value other;
  const wf_raw_value *v = wf_raw_arg_read(L, n);
  if (lies()) return v == NULL ? &other : NULL;
  return lies() ? &other : v;
}

static void *lie_upvalue_read(const lua_State *L) { return lies() ? NULL : wf_raw_upvalue_read(L); }
static char *lie_memory(const wf_raw_userdata *u) { return (char *)wf_raw_memory(u) + lies(); }

/* There is none; it does not fit; it is not there, though it is said to be (which in the first table, without a field, is no lie). */
static int laid;
static wf_shape *lie_shape_new(const wf_raw_table *t, const void *const *key, uint32_t keys) {
  laid = 0;
  return lies() ? NULL : wf_shape_new(t, key, keys);
}
static bool lie_shape_lay(const wf_shape *shape, wf_raw_table *t) {
  return !lies() && ((laid++ > 0 && lies()) || wf_shape_lay(shape, t));
}

/* No memory for the trial itself. */
static void *lie_calloc(size_t n, size_t size) { return lies() ? NULL : calloc(n, size); }

#define lua_checkstack lie_checkstack
#define lua_resume lie_resume
#define lua_gc lie_gc
#define lua_createtable lie_createtable
#define wf_raw_block_size lie_block_size
#define wf_raw_blocks_hold lie_hold
#define wf_raw_array_size lie_array_size
#define wf_raw_nodes lie_nodes
#define wf_raw_is_black lie_is_black
#define wf_raw_is_nil lie_is_nil
#define wf_raw_tag lie_tag
#define wf_raw_text lie_text
#define wf_raw_arg_read lie_arg_read
#define wf_raw_upvalue_read lie_upvalue_read
#define wf_raw_memory lie_memory
#define wf_shape_new lie_shape_new
#define wf_shape_lay lie_shape_lay
#define calloc lie_calloc
#undef lua_tointeger
#undef lua_tonumber
#define lua_next lie_next
#define lua_topointer lie_topointer
#define lua_getfield lie_getfield
#define lua_rawgetp lie_rawgetp
#define lua_tointeger lie_tointeger
#define lua_tonumber lie_tonumber
#define lua_toboolean lie_toboolean
#define lua_touserdata lie_touserdata
#define lua_rawlen lie_rawlen
#define lua_isinteger lie_isinteger
#define lua_type lie_type
#define lua_tolstring lie_tolstring
#define lua_gettop lie_gettop
#define lua_getmetatable lie_getmetatable
#define wf_raw_args_try no_args_try
#define wf_raw_args_work no_args_work
extern atomic_int no_args_work;
void no_args_try(void);
#include "lx/raw_trial.c"
#define trial trial_of_args
#include "lx/raw_args.c"

static bool reading(void) { return try_it(try_reading); }
static bool filling(void) { return try_it(try_filling); }

#undef wf_raw_block_size
#undef wf_raw_blocks_hold

/* ---- the blocks themselves ---- */

static int too_many(lua_State *L) {
  lua_settop(L, 0);
  lua_pushboolean(L, 1);
  for (int i = 0; i < 2 * WF_RAW_BLOCKS; i++) lua_newuserdatauv(L, 1, 0), lua_insert(L, 1), luaL_checkstack(L, 10, NULL);
  return 1;
}

static int too_much(lua_State *L) {
  if (WF_ASAN || WF_TSAN) return luaL_error(L, "a sanitizer reports what is asked for here");
  lua_newuserdatauv(L, SIZE_MAX / 4, 0);
  lua_pushboolean(L, 1);
  return 1;
}

static int says_no(lua_State *L) {
  lua_pushboolean(L, 0);
  return 1;
}

static int raises(lua_State *L) { return luaL_error(L, "no"); }

static int all_is_known(lua_State *L) {
  const wf_raw_blocks *b = lua_touserdata(L, 1);
  const char *p = lua_newuserdatauv(L, 100, 0);
  bool ok = wf_raw_blocks_hold(b, p, 100) && wf_raw_blocks_hold(b, p + 99, 1) && !wf_raw_blocks_hold(b, p, 101) &&
            !wf_raw_blocks_hold(b, p + 100, 1) && !wf_raw_blocks_hold(b, &p, 1) && !wf_raw_blocks_hold(b, NULL, 1);
  ok = ok && wf_raw_block_size(b, L) == 0 && wf_raw_block_size(b, NULL) == 0 && wf_raw_block_size(b, &p) == 0;
  lua_newtable(L);
  const void *table = lua_topointer(L, -1);
  lua_pushboolean(L, ok && wf_raw_block_size(b, table) == sizeof(wf_raw_table));
  return 1;
}

/* Was it all as it should be? */
static bool blocks_hold(void) {
  static const struct {
    lua_CFunction f;
    bool holds;
  } tries[] = {{too_many, false}, {too_much, false}, {says_no, false}, {raises, false}, {all_is_known, true}};
  bool ok = true;
  for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
    static wf_raw_blocks b, none;
    b = none;
    ok = wf_raw_blocks_run(&b, tries[i].f, &b) == tries[i].holds && ok;
    for (size_t k = 0; k < b.used; k++) ok = ok && b.block[k].at == NULL; /* nothing is left */
  }
  static wf_raw_blocks full; /* no state can be made */
  full.used = WF_RAW_BLOCKS;
  for (size_t k = 0; k < WF_RAW_BLOCKS; k++) full.block[k].at = &full;
  return ok && !wf_raw_blocks_run(&full, says_no, NULL);
}

/* What is found out once for the process, by a trial that fails. */
static bool stays_no(void) {
  asked = 0;
  lie_at = 1;
  no_args_try();
  no_args_try();
  bool ok = no_args_work == 0;
  asked = 0;
  ok = !wf_raw_works() && ok;
  lie_at = 0;
  return ok && !wf_raw_works() && !wf_raw_fills();
}

int main(void) {
  static const struct {
    const char *what;
    bool (*holds)(void);
    bool early; /* it may hold for a Lua before 5.4.4, too */
  } part[] = {{"reading", reading, false}, {"filling", filling, false}, {"arguments", args_hold, true}};
  int failures = 0;
  for (int i = 0; i < 3; i++) {
    if (LX_EARLY && !part[i].early) continue;
    asked = lie_at = 0;
    if (!part[i].holds()) printf("%s: the truth is refused\n", part[i].what), failures++;
    long all = asked, believed = 0;
    for (lie_at = 1; lie_at <= all; lie_at++) {
      asked = 0;
      if (!part[i].holds()) continue;
      printf("%s: lie %ld of %ld is believed\n", part[i].what, lie_at, all);
      believed++;
    }
    if (all < 100 || believed > 0) failures++;
    printf("%s: %ld lies\n", part[i].what, all);
  }
  if (!LX_EARLY && !blocks_hold()) printf("the blocks are not what they are\n"), failures++;
  if (!stays_no()) printf("a trial that failed is believed\n"), failures++;
  return failures != 0;
}
