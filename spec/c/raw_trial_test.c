/* raw_trial_test.c: the trials of tables read and filled in place (lx/raw_trial.c) and of arguments read in place
 * (lx/raw_args.c) can fail. What Lua's API answers there is the truth that the records are measured by; here it lies once in
 * each run, at every place in turn: the trial must say no. */
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdio.h>

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
  return !lies() ? type : type == LUA_TTABLE ? LUA_TNUMBER : LUA_TTABLE;
}

static const char *lie_tolstring(lua_State *L, int idx, size_t *len) {
  const char *s = lua_tolstring(L, idx, len);
  *len -= lies();
  return s;
}

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
#define wf_raw_reading no_raw_reading
#define wf_raw_filling no_raw_filling
#define wf_raw_try_reading no_raw_try_reading
#define wf_raw_try_filling no_raw_try_filling
void no_args_try(void);
#include "lx/raw_trial.c"
#define trial trial_of_args
#include "lx/raw_args.c"

static bool reading(void) { return try_it(try_reading); }
static bool filling(void) { return try_it(try_filling); }

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
  return failures != 0;
}
