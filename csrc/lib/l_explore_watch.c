/* Watched tables and variables of explored code: each access is a switch point, and looked at for races (rt/race.h).
 * See l_explore.h.
 *
 * A watched table is empty: what was in it is in its shadow, a table in the upvalues of the metamethods that it has got.
 * So the table stays the same object, and every access but the raw ones comes here. An access goes on to the shadow,
 * which has the metatable of before. Outside a run it does nothing else. */
#include <string.h>

#include "lib/l_buffer.h"
#include "lib/l_explore.h"
#include "rt/mutex.h"
#include "rt/sched.h"

enum { UP_SHADOW = 2, UP_NAME = 3 };

/* What operations order ------------------------------------------------------------------------------ */

/* Both sides of a channel, or of a read-write lock, are objects: its address and the one after it. */
static uint64_t far_side(const void *channel) { return wf_race_object(channel) + 1; }

static void sync_element(lua_State *L, wf_session *s, uint32_t task, enum wf_sync_mode mode) {
  const wf_buffer *b = wf_object_test(L, 1, WF_CLASS_BUFFER, sizeof *b);
  const char *at = b == NULL ? NULL : wf_buffer_at(L, 2, b);
  if (at == NULL || (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "relaxed") == 0)) return;
  if (mode != WF_SYNC_LOAD) wf_race_release(s->race, task, wf_race_object(at));
  if (mode != WF_SYNC_STORE) wf_race_acquire(s->race, task, wf_race_object(at));
}

/* First all releases: what is acquired is there only when one of the cases has come. */
static void sync_select(lua_State *L, wf_session *s, uint32_t task) {
  if (!lua_istable(L, 1)) return;
  luaL_checkstack(L, 4, NULL);
  for (int acquire = 0; acquire <= 1; acquire++) {
    void (*const act)(wf_race *, uint32_t, uint64_t) = acquire ? wf_race_acquire : wf_race_release;
    for (lua_Integer i = 1; lua_rawgeti(L, 1, i) == LUA_TTABLE; i++) {
      lua_rawgeti(L, -1, 1);
      const void *object = lua_touserdata(L, -1);
      if (object != NULL) {
        act(s->race, task, wf_race_object(object));
        act(s->race, task, far_side(object));
      }
      lua_pop(L, 2);
    }
    lua_pop(L, 1);
  }
}

void wf_session_sync(wf_iso *iso, lua_State *L, wf_session *s, enum wf_sync_mode mode) {
  uint32_t task = wf_explore_number(&s->e, iso->cur);
  const void *object = lua_touserdata(L, 1);
  wf_race *r = s->race;
  if (task == 0) return;
  switch (mode) {
    case WF_SYNC_SELECT: sync_select(L, s, task); return;
    case WF_SYNC_ALL: wf_race_acquire(r, task, wf_race_object(&iso->waiting_all)); return;
    default: break;
  }
  if (object == NULL) return;
  switch (mode) {
    case WF_SYNC_ACQUIRE:
    case WF_SYNC_AROUND:
      wf_race_acquire(r, task, wf_race_object(object));
      wf_race_acquire(r, task, far_side(object)); /* what readers have released */
      break;
    case WF_SYNC_READ:
    case WF_SYNC_READING: wf_race_acquire(r, task, wf_race_object(object)); break;
    case WF_SYNC_UNREAD: wf_race_release(r, task, far_side(object)); break;
    case WF_SYNC_RELEASE: wf_race_release(r, task, wf_race_object(object)); break;
    case WF_SYNC_BOTH:
      wf_race_release(r, task, wf_race_object(object));
      wf_race_acquire(r, task, wf_race_object(object));
      break;
    case WF_SYNC_SEND:
      wf_race_release(r, task, wf_race_object(object));
      wf_race_acquire(r, task, far_side(object));
      break;
    case WF_SYNC_RECEIVE:
      wf_race_release(r, task, far_side(object));
      wf_race_acquire(r, task, wf_race_object(object));
      break;
    case WF_SYNC_GUARD: {
      lua_getiuservalue(L, 1, 1); /* a mutex has guards that scripts see; the others are part of a call */
      const void *lock = wf_object_test(L, -1, WF_CLASS_MUTEX, sizeof(wf_mutex));
      lua_pop(L, 1);
      if (lock != NULL) wf_race_release(r, task, wf_race_object(lock));
      break;
    }
    case WF_SYNC_CONDITION: {
      const void *mutex = lua_touserdata(L, 2);
      if (mutex == NULL) break;
      wf_race_release(r, task, wf_race_object(mutex));
      wf_race_acquire(r, task, wf_race_object(mutex));
      wf_race_acquire(r, task, wf_race_object(object));
      break;
    }
    case WF_SYNC_LOAD:
    case WF_SYNC_STORE:
    case WF_SYNC_CHANGE: sync_element(L, s, task, mode); break;
    default: break;
  }
}

/* Accesses --------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t x) {
  h = (h ^ x) * UINT64_C(0xFF51AFD7ED558CCD);
  return h ^ h >> 32;
}

/* A number for the variable: the table, and the key at idx. */
static uint64_t variable_of(lua_State *L, const void *table, int idx) {
  uint64_t h = mix(wf_race_object(table), (uint64_t)lua_type(L, idx) + 1);
  if (lua_type(L, idx) == LUA_TSTRING) {
    size_t len;
    const char *text = lua_tolstring(L, idx, &len);
    for (size_t i = 0; i < len; i++) h = mix(h, (unsigned char)text[i]);
    return h;
  }
  if (lua_isinteger(L, idx)) return mix(h, (uint64_t)lua_tointeger(L, idx));
  if (lua_type(L, idx) == LUA_TNUMBER) {
    lua_Number n = lua_tonumber(L, idx);
    uint64_t bits = 0;
    memcpy(&bits, &n, sizeof n < sizeof bits ? sizeof n : sizeof bits);
    return mix(h, bits);
  }
  if (lua_isboolean(L, idx)) return mix(h, (uint64_t)lua_toboolean(L, idx));
  return mix(h, wf_race_object(lua_topointer(L, idx)));
}

/* Push "name.key", "name[3]". [-0, +1, m] */
static void push_variable(lua_State *L, int name, int key) {
  if (lua_isnil(L, key)) lua_pushvalue(L, name);
  else if (lua_type(L, key) == LUA_TSTRING) lua_pushfstring(L, "%s.%s", lua_tostring(L, name), lua_tostring(L, key));
  else lua_pushfstring(L, "%s[%s]", lua_tostring(L, name), luaL_tolstring(L, key, NULL));
}

/* The line that accesses. */
static wf_site site_here(lua_State *L, wf_session *s, uint32_t task, int level) {
  lua_Debug ar;
  wf_site site = {.task = (uint16_t)task};
  if (!lua_getstack(L, level, &ar) || !lua_getinfo(L, "Sl", &ar)) return site;
  site.source = wf_race_source(s->race, ar.short_src);
  site.line = ar.currentline;
  return site;
}

/* Tell the Lua side of a race and end the run. The variable's name is on top. [-1, +0, m] */
static void report(wf_iso *iso, lua_State *L, wf_session *s, bool writes, wf_site here, wf_site other,
                   bool other_writes) {
  const wf_race *r = s->race;
  lua_pushfstring(
      L, "unsynchronised accesses to %s: task %d %s it at %s:%d, task %d %s it at %s:%d, and nothing orders the two",
      lua_tostring(L, -1), (int)other.task, other_writes ? "wrote" : "read", wf_race_source_text(r, other.source),
      other.line, (int)here.task, writes ? "writes" : "reads", wf_race_source_text(r, here.source), here.line);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->calls);
  lua_insert(L, -2);
  lua_setfield(L, -2, "race");
  lua_pop(L, 2);
  wf_explore_stop(iso, WF_EXPLORE_STOPPED);
}

/* Look at an access of the key at `key`. [-0, +0, m] */
static void look(wf_iso *iso, lua_State *L, wf_session *s, const void *table, int name, int key, bool writes,
                 int level) {
  uint32_t task = wf_explore_number(&s->e, iso->cur);
  if (s->race == NULL || task == 0 || s->e.draining) return;
  luaL_checkstack(L, 10, NULL);
  wf_site here = site_here(L, s, task, level), other;
  bool other_writes = false;
  if (s->logging) {
    push_variable(L, name, key);
    lua_pushstring(L, writes ? "write" : "read");
    wf_session_log(iso, L, "access", 2);
  }
  if (wf_race_access(s->race, variable_of(L, table, key), writes, here, &other, &other_writes)) return;
  push_variable(L, name, key);
  report(iso, L, s, writes, here, other, other_writes);
}

static void look_here(lua_State *L, int key, bool writes) {
  wf_iso *iso = wf_iso_up(L);
  wf_session *s = (wf_session *)iso->explore;
  if (s != NULL)
    look(iso, L, s, lua_topointer(L, lua_upvalueindex(UP_SHADOW)), lua_upvalueindex(UP_NAME), key, writes, 1);
}

/* A switch point before an access, but where the hook makes them. */
static bool switches(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_session *s = (wf_session *)iso->explore;
  return s != NULL && s->points == WF_POINTS_OPERATIONS && wf_explore_point(iso, L);
}

/* Metamethods of a watched table. Stack: table, key[, value]. */
static int index_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  look_here(L, 2, false);
  lua_pushvalue(L, 2);
  lua_gettable(L, lua_upvalueindex(UP_SHADOW));
  return 1;
}

static int watched_index(lua_State *L) {
  lua_settop(L, 2);
  if (switches(L)) return lua_yieldk(L, 0, 0, index_k);
  return index_k(L, LUA_OK, 0);
}

static int newindex_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  look_here(L, 2, true);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_settable(L, lua_upvalueindex(UP_SHADOW));
  return 0;
}

static int watched_newindex(lua_State *L) {
  lua_settop(L, 3);
  if (switches(L)) return lua_yieldk(L, 0, 0, newindex_k);
  return newindex_k(L, LUA_OK, 0);
}

static int len_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  lua_pushinteger(L, luaL_len(L, lua_upvalueindex(UP_SHADOW)));
  lua_pushinteger(L, lua_tointeger(L, -1)); /* reads the last element */
  look_here(L, lua_gettop(L), false);
  lua_pop(L, 1);
  return 1;
}

static int watched_len(lua_State *L) {
  lua_settop(L, 1);
  if (switches(L)) return lua_yieldk(L, 0, 0, len_k);
  return len_k(L, LUA_OK, 0);
}

/* Upvalues as the metamethods'. */
static int watched_next(lua_State *L) {
  lua_settop(L, 2);
  if (!lua_next(L, lua_upvalueindex(UP_SHADOW))) {
    lua_pushnil(L);
    return 1;
  }
  look_here(L, lua_gettop(L) - 1, false);
  return 2;
}

static int watched_pairs(lua_State *L) {
  for (int i = 1; i <= UP_NAME; i++) lua_pushvalue(L, lua_upvalueindex(i));
  lua_pushcclosure(L, watched_next, UP_NAME);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

static void move_all(lua_State *L, int from, int to) {
  for (lua_pushnil(L); lua_next(L, from); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, to);
  }
  for (lua_pushnil(L); lua_next(L, from);) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, from);
  }
}

/* Accesses are looked at from now on. In the middle of a run there was none before, so nothing is ordered by what the
 * tasks have done so far. */
static wf_session *check_session(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_session *s = wf_iso_check(iso, L, 1, WF_CLASS_EXPLORE);
  if (s->race != NULL) return s;
  s->race = wf_race_new();
  if (s->race == NULL) luaL_error(L, "not enough memory");
  for (uint32_t i = 1; iso->explore == &s->e && i <= s->e.tasks; i++) wf_race_started(s->race, i, 0);
  return s;
}

/* core.explore_lines(session): tell calls.line() of every line; where it says true is a switch point. */
static int explore_lines(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_session *s = check_session(L);
  s->lines = true;
  wf_session_hook(s);
  if (iso->explore != &s->e) return 0;
  for (uint32_t i = 1; i <= s->e.tasks; i++) {
    const wf_task *t = s->e.info[i].task;
    if (t != NULL && t->co != NULL) lua_sethook(t->co, s->e.hook, s->e.hook_mask, s->e.hook_count);
  }
  return 0;
}

/* core.explore_watch(session, table, name): the shadow. */
static int explore_watch(lua_State *L) {
  static const luaL_Reg meta[] = {{"__index", watched_index},
                                  {"__newindex", watched_newindex},
                                  {"__len", watched_len},
                                  {"__pairs", watched_pairs},
                                  {NULL, NULL}};
  check_session(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checkstring(L, 3);
  lua_settop(L, 3);
  lua_newtable(L);
  move_all(L, 2, 4);
  if (lua_getmetatable(L, 2)) lua_setmetatable(L, 4);
  lua_newtable(L);
  lua_pushlightuserdata(L, wf_iso_up(L));
  lua_pushvalue(L, 4);
  lua_pushvalue(L, 3);
  luaL_setfuncs(L, meta, 3);
  lua_setmetatable(L, 2);
  lua_pushvalue(L, 4);
  return 1;
}

/* core.explore_unwatch(table, shadow): as it was before, but for what was changed since. */
static int explore_unwatch(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  if (!lua_getmetatable(L, 2)) lua_pushnil(L);
  lua_setmetatable(L, 1);
  move_all(L, 2, 1);
  return 0;
}

/* core.explore_access(name, id, writes, level): the running task accesses what `id`, any value, stands for. */
static int explore_access(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_session *s = (wf_session *)iso->explore;
  luaL_checkstring(L, 1);
  luaL_checkany(L, 2);
  bool writes = lua_toboolean(L, 3);
  int level = (int)luaL_checkinteger(L, 4);
  const void *id = lua_topointer(L, 2);
  lua_settop(L, 1);
  lua_pushnil(L);
  if (s != NULL) look(iso, L, s, id, 1, 2, writes, level);
  return 0;
}

const luaL_Reg wf_explore_watch_funcs[] = {{"explore_lines", explore_lines},
                                           {"explore_watch", explore_watch},
                                           {"explore_unwatch", explore_unwatch},
                                           {"explore_access", explore_access},
                                           {NULL, NULL}};
