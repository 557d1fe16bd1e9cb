/* The trial of raw_args.h: a C function with an upvalue is called with arguments of every type and looks at them both ways, from
 * the main thread and from a coroutine, at several depths and after the stack has moved. */
#include "lx/raw_args.h"

#include <stdlib.h>

#include "base/base.h"
#include "lx/raw_blocks.h"

enum { MANY = 50 }; /* more than a stack has at first */

/* Is the userdata at that index this one? */
static bool same_userdata(lua_State *L, const wf_raw_blocks *b, int idx, const wf_raw_userdata *u) {
  const char *p = lua_touserdata(L, idx);
  size_t size = lua_rawlen(L, idx);
  if (!wf_raw_blocks_hold(b, u, sizeof *u) || u->size != size || u->values > 4) return false;
  const void *metatable = NULL;
  if (lua_getmetatable(L, idx)) {
    metatable = lua_topointer(L, -1);
    lua_pop(L, 1);
  }
  if (u->metatable != metatable) return false;
  return wf_raw_memory(u) == p && wf_raw_blocks_hold(b, u, (size_t)(p - (const char *)u) + size);
}

static bool same_argument(lua_State *L, const wf_raw_blocks *b, int idx) {
  const wf_raw_value *v = wf_raw_arg_read(L, idx);
  if (v == NULL || !wf_raw_blocks_hold(b, v, sizeof *v)) return false;
  int type = lua_type(L, idx);
  if (type == LUA_TUSERDATA) return v->tag == WF_RAW_USERDATA && same_userdata(L, b, idx, v->v.p);
  if (type == LUA_TNUMBER && lua_isinteger(L, idx)) return v->tag == WF_RAW_INTEGER && v->v.i == lua_tointeger(L, idx);
  return (v->tag & 15) == type && v->tag != WF_RAW_INTEGER;
}

/* Is that pointer the first upvalue of the function that runs? `on`: its slot, which is there. */
static bool same_upvalue(lua_State *L, const wf_raw_blocks *b, const wf_raw_value *on, const void *p) {
  wf_assert(on != NULL); /* it lies in a block of theirs */
  if (on->tag != WF_RAW_CLOSURE || !wf_raw_blocks_hold(b, on->v.p, sizeof(wf_raw_closure))) return false;
  return wf_raw_upvalue_read(L) == p;
}

/* The function with the arguments; upvalue: the blocks. */
static int look(lua_State *L) {
  const wf_raw_blocks *b = lua_touserdata(L, lua_upvalueindex(1));
  const wf_raw_thread *t = (const void *)L;
  int n = lua_gettop(L);
  bool ok = wf_raw_blocks_hold(b, t, sizeof *t) && wf_raw_blocks_hold(b, t->call, sizeof *t->call) &&
            wf_raw_blocks_hold(b, t->call->function, sizeof(wf_raw_value)) && wf_raw_arg_read(L, n + 1) == NULL &&
            same_upvalue(L, b, t->call->function, b);
  for (int i = 1; ok && i <= n; i++) ok = same_argument(L, b, i);
  lua_pushboolean(L, ok);
  return 1;
}

static bool call_it(lua_State *L, const wf_raw_blocks *b, int nargs) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)b);
  lua_pushcclosure(L, look, 1);
  lua_insert(L, -nargs - 1);
  lua_call(L, nargs, 1);
  bool ok = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return ok;
}

static int nothing(lua_State *L) { return lua_gettop(L); }

enum { ALL = 17 };

/* Push one of each type. */
static void push_all(lua_State *L, const wf_raw_blocks *b) {
  for (int values = 0; values <= 2; values++) {
    lua_newuserdatauv(L, (size_t)values * 24, values);
    lua_newuserdatauv(L, 100, values);
    lua_newtable(L);
    lua_setmetatable(L, -2);
  }
  lua_pushinteger(L, -7);
  lua_pushinteger(L, LUA_MAXINTEGER);
  lua_pushnumber(L, 7);
  lua_pushnil(L);
  lua_pushboolean(L, 0);
  lua_pushboolean(L, 1);
  lua_pushlightuserdata(L, (void *)(uintptr_t)b);
  lua_pushliteral(L, "7");
  lua_newtable(L);
  lua_pushcfunction(L, nothing);
  lua_pushthread(L);
}

static bool calls_read(lua_State *L, const wf_raw_blocks *b) {
  bool ok = call_it(L, b, 0);
  push_all(L, b);
  ok = call_it(L, b, ALL) && ok;
  lua_newuserdatauv(L, 40, 2);
  ok = call_it(L, b, 1) && call_it(L, b, 0) && ok; /* what was an argument lies there still, and is none */
  if (!lua_checkstack(L, MANY + 2)) return false;
  for (int i = 0; i < MANY; i++) lua_pushinteger(L, i);
  ok = call_it(L, b, MANY) && ok;
  push_all(L, b);
  return call_it(L, b, ALL) && ok;
}

typedef struct trial {
  wf_raw_blocks blocks;
  int depth; /* calls to go */
} trial;

/* The same, a call deeper each time. Argument: the trial. Gives a boolean. */
static int try_deep(lua_State *L) {
  trial *t = lua_touserdata(L, 1);
  bool ok = calls_read(L, &t->blocks);
  if (t->depth-- > 0) {
    lua_pushcfunction(L, try_deep);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    ok = lua_toboolean(L, -1) && ok;
  }
  lua_pushboolean(L, ok);
  return 1;
}

static int try_args(lua_State *L) {
  trial *t = lua_touserdata(L, 1);
  bool ok = true;
  for (int i = 0; i < 2; i++) {
    lua_State *in = i == 0 ? L : lua_newthread(L);
    int nres;
    t->depth = 1;
    lua_pushcfunction(in, try_deep);
    lua_pushlightuserdata(in, t);
    if (in == L) lua_call(L, 1, 1);
    else if (lua_resume(in, L, 1, &nres) != LUA_OK || nres != 1) return 0;
    ok = lua_toboolean(in, -1) && ok;
  }
  lua_pushboolean(L, ok);
  return 1;
}

static bool args_hold(void) {
  trial *t = calloc(1, sizeof *t);
  bool ok = t != NULL && wf_raw_blocks_run(&t->blocks, try_args, t);
  free(t);
  return ok;
}

atomic_int wf_raw_args_work;

void wf_raw_args_try(void) {
  static atomic_flag tried = ATOMIC_FLAG_INIT;
  if (atomic_flag_test_and_set_explicit(&tried, memory_order_relaxed)) return;
  if (args_hold()) atomic_store_explicit(&wf_raw_args_work, 1, memory_order_relaxed);
}
