/* weft.channel: the methods of channels. */
#include "lib/l_channel.h"

#include "lib/lib.h"
#include "lx/error.h"
#include "rt/sched.h"
#include "rt/shchan.h"
#include "rt/shutdown.h"

enum { SELF = WF_CHANNEL_SELF, VALUE = WF_CHANNEL_VALUE, LIST = 3, LIST_MAX = 1 << 26 };

static inline wf_channel *check_channel(lua_State *L) {
  wf_channel *c = wf_object_test(L, SELF, WF_CLASS_CHANNEL, sizeof *c);
  if (wf_unlikely(c == NULL)) luaL_typeerror(L, SELF, "weft.channel");
  return c;
}

/* The number that it has in the isolate where it was made; one of another process has one here. */
static const char *number_of(const wf_channel *c, char buf[WF_NUMBER_ROOM]) {
  const wf_iso *iso = c->object.iso;
  return wf_object_number(iso, c->shared != NULL && !c->shared->mirror ? c->shared->id : wf_channel_id(iso, c), buf);
}

int wf_channel_raise_closed(lua_State *L, const wf_channel *c) {
  lx_error_new(L, "closed", "cannot send: channel %s is closed", number_of(c, (char[WF_NUMBER_ROOM]){0}));
  lx_error_place(L);
  return lua_error(L);
}

int wf_channel_send_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  if (wf_unlikely(wf_wait_end(L, (wf_task *)ctx) == WF_CLOSED)) return wf_channel_raise_closed(L, lua_touserdata(L, SELF));
  return 0;
}

static int channel_send(lua_State *L) {
  wf_channel *c = check_channel(L);
  wf_iso *iso = c->object.iso;
  int top = lua_gettop(L);
  if (top > VALUE)
    lua_settop(L, VALUE);
  else if (wf_unlikely(top < VALUE))
    luaL_checkany(L, VALUE);
  wf_cancel_point(iso, L);
  if (wf_turn_over(iso, L)) return wf_turn_give(iso, L);
  if (wf_channel_hand_over(iso, L, c)) return 0;
  if (wf_trace_on() == 0 && wf_list_empty(&c->receivers) && wf_channel_keep_integer(L, c, VALUE)) return 0;
  if (wf_unlikely(c->shared != NULL)) return wf_channel_shared_send(L, c);
  switch (wf_channel_send_now(iso, L, c, SELF, VALUE)) {
    case WF_CHANNEL_OK: return 0;
    case WF_CHANNEL_CLOSED: return wf_channel_raise_closed(L, c);
    case WF_CHANNEL_CROSSED: return wf_channel_shared_send(L, c);
    default: break;
  }
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_SEND);
  wf_wait_queue(t, &c->senders);
  return wf_wait_park(iso, L, t, wf_channel_id(iso, c), wf_channel_send_k);
}

static int channel_try_send(lua_State *L) {
  wf_channel *c = check_channel(L);
  wf_iso *iso = c->object.iso;
  luaL_checkany(L, VALUE);
  lua_settop(L, VALUE);
  enum wf_channel_now now = c->shared == NULL ? wf_channel_send_now(iso, L, c, SELF, VALUE) : WF_CHANNEL_CROSSED;
  if (now == WF_CHANNEL_CROSSED) now = wf_channel_shared_try_send(L, c);
  lua_pushboolean(L, now == WF_CHANNEL_OK);
  if (now == WF_CHANNEL_OK) return 1;
  lua_pushstring(L, now == WF_CHANNEL_CLOSED ? "closed" : "full");
  return 2;
}

static int push_end(lua_State *L) {
  lua_pushnil(L);
  lua_pushboolean(L, 0);
  return 2;
}

int wf_channel_recv_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  if (wf_unlikely(wf_wait_end(L, (wf_task *)ctx) == WF_CLOSED)) return push_end(L);
  return 2;
}

/* Nothing is there yet. */
static inline int recv_wait(wf_iso *iso, lua_State *L, wf_channel *c) {
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_RECV);
  wf_wait_queue(t, &c->receivers);
  return wf_wait_park(iso, L, t, wf_channel_id(iso, c), wf_channel_recv_k);
}

/* ch:recv(), and ch() as the iterator of a for loop. */
static int channel_recv(lua_State *L) {
  wf_channel *c = check_channel(L);
  wf_iso *iso = c->object.iso;
  if (wf_channel_is_bare(c)) return recv_wait(iso, L, c);
  wf_cancel_point(iso, L);
  if (wf_turn_over(iso, L)) return wf_turn_give(iso, L);
  if (wf_trace_on() == 0 && wf_list_empty(&c->senders) && wf_channel_unkeep_integer(L, c)) {
    lua_pushboolean(L, 1);
    return 2;
  }
  if (wf_unlikely(c->shared != NULL)) return wf_channel_shared_recv(L, c, wf_channel_recv_k);
  switch (wf_channel_recv_now(iso, L, c, SELF)) {
    case WF_CHANNEL_OK: lua_pushboolean(L, 1); return 2;
    case WF_CHANNEL_CLOSED: return push_end(L);
    default: return recv_wait(iso, L, c);
  }
}

/* Push the next value if there is one now. */
static enum wf_channel_now recv_now(lua_State *L, wf_channel *c) {
  return c->shared != NULL ? wf_channel_shared_try_recv(L, c) : wf_channel_recv_now(c->object.iso, L, c, SELF);
}

static int channel_try_recv(lua_State *L) {
  wf_channel *c = check_channel(L);
  lua_settop(L, SELF);
  enum wf_channel_now now = recv_now(L, c);
  if (now == WF_CHANNEL_OK) {
    lua_pushboolean(L, 1);
    return 2;
  }
  push_end(L);
  lua_pushstring(L, now == WF_CHANNEL_CLOSED ? "closed" : "empty");
  return 3;
}

/* Push the list that recv_many fills, with room for what may come: nothing may fail once a value has been
 * taken. Its room is the list's n until it is filled. [-0, +1, m] */
static void push_list(lua_State *L, const wf_channel *c, lua_Integer max) {
  lua_Integer room = (lua_Integer)(c->shared != NULL ? wf_shchan_count(c->shared) : wf_channel_ready(c));
  if (room > max) room = max;
  if (room < 1) room = 1;
  lua_createtable(L, (int)room, 1);
  lua_pushinteger(L, room);
  lua_setfield(L, -2, "n");
}

/* Fill the list, which is at LIST, with the value on top and what else there is. [-1, +0, -] */
static int recv_list(lua_State *L, wf_channel *c) {
  lua_Integer n = 1;
  lua_getfield(L, LIST, "n");
  lua_Integer room = lua_tointeger(L, -1);
  lua_pop(L, 1);
  lua_rawseti(L, LIST, 1);
  while (n < room && recv_now(L, c) == WF_CHANNEL_OK) lua_rawseti(L, LIST, ++n);
  lua_pushinteger(L, n);
  lua_setfield(L, LIST, "n");
  lua_settop(L, LIST);
  return 1;
}

static int recv_many_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  if (wf_wait_end(L, (wf_task *)ctx) == WF_CLOSED) return push_end(L);
  lua_pop(L, 1); /* the true of recv */
  return recv_list(L, lua_touserdata(L, SELF));
}

/* A value may have come since the look: then it is there at once, with the true of recv above it. */
static int recv_many_shared(lua_State *L, wf_channel *c) {
  int n = wf_channel_shared_recv(L, c, recv_many_k);
  if (n != 2 || !lua_toboolean(L, -1)) return n;
  lua_pop(L, 1);
  return recv_list(L, c);
}

static int channel_recv_many(lua_State *L) {
  wf_channel *c = check_channel(L);
  wf_iso *iso = c->object.iso;
  lua_Integer max = luaL_checkinteger(L, VALUE);
  luaL_argcheck(L, max >= 1 && max <= LIST_MAX, VALUE, "a number of values from 1 to 2^26 expected");
  lua_settop(L, VALUE);
  wf_cancel_point(iso, L);
  if (wf_turn_over(iso, L)) return wf_turn_give(iso, L);
  push_list(L, c, max);
  switch (recv_now(L, c)) {
    case WF_CHANNEL_OK: return recv_list(L, c);
    case WF_CHANNEL_CLOSED: return push_end(L);
    default: break;
  }
  if (c->shared != NULL) return recv_many_shared(L, c);
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_RECV);
  wf_wait_queue(t, &c->receivers);
  return wf_wait_park(iso, L, t, wf_channel_id(iso, c), recv_many_k);
}

static int channel_close(lua_State *L) {
  wf_channel *c = check_channel(L);
  if (c->shared != NULL)
    wf_shchan_close(c->shared);
  else
    wf_channel_close(c->object.iso, c);
  return 0;
}

static bool is_closed(const wf_channel *c) { return c->shared != NULL ? wf_shchan_closed(c->shared) : c->closed; }

static size_t count_of(const wf_channel *c) { return c->shared != NULL ? wf_shchan_count(c->shared) : c->count; }

static int channel_is_closed(lua_State *L) {
  lua_pushboolean(L, is_closed(check_channel(L)));
  return 1;
}

static int channel_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)count_of(check_channel(L)));
  return 1;
}

/* More than size_t holds, on 32-bit systems, is any number. */
static size_t capacity_from(lua_Integer n) { return (lua_Unsigned)n > SIZE_MAX ? SIZE_MAX : (size_t)n; }
static lua_Integer capacity_of(const wf_channel *c) {
  return sizeof(size_t) < sizeof(lua_Integer) && c->capacity == SIZE_MAX ? LUA_MAXINTEGER : (lua_Integer)c->capacity;
}

static int channel_capacity(lua_State *L) {
  lua_pushinteger(L, capacity_of(check_channel(L)));
  return 1;
}

static int channel_tostring(lua_State *L) {
  const wf_channel *c = check_channel(L);
  const char *closed = is_closed(c) ? ", closed" : "", *number = number_of(c, (char[WF_NUMBER_ROOM]){0});
  lua_Integer count = (lua_Integer)count_of(c), capacity = capacity_of(c);
  if (capacity == LUA_MAXINTEGER)
    lua_pushfstring(L, "weft.channel %s (%I of any number%s)", number, count, closed);
  else
    lua_pushfstring(L, "weft.channel %s (%I of %I%s)", number, count, capacity, closed);
  return 1;
}

/* Finaliser of a channel that has crossed. A finaliser that runs later, when the state closes, finds it closed. */
static int channel_gc(lua_State *L) {
  wf_channel *c = wf_object_test(L, SELF, WF_CLASS_CHANNEL, sizeof *c);
  if (c == NULL) return 0; /* a script can get hold of this function, and call it */
  wf_shchan *s = c->shared;
  wf_iso *iso = c->object.iso;
  if (s != NULL) wf_iso_maybe_closing(iso, L, iso->shared_handles, s);
  c->shared = NULL;
  c->closed = true;
  if (s != NULL) wf_shared_release(&s->shared);
  return 0;
}

/* weft.channel([capacity]): 0 (default) is a rendezvous. */
static int channel_new(lua_State *L) {
  lua_Integer capacity = luaL_optinteger(L, 1, 0);
  luaL_argcheck(L, capacity >= 0, 1, "capacity >= 0 expected");
  wf_channel_new(wf_iso_up(L), L, capacity_from(capacity));
  return 1;
}

/* core.channel_for(use[, capacity]): one of weft's own; the script is told of the use, not of the channel. */
static int channel_for(lua_State *L) {
  static const char *const uses[] = {"script", "all", "race", "completed", "scope", "pool", NULL};
  int use = luaL_checkoption(L, 1, NULL, uses);
  lua_Integer capacity = luaL_optinteger(L, 2, LUA_MAXINTEGER);
  wf_channel_new(wf_iso_up(L), L, capacity_from(capacity))->use = (uint8_t)use;
  return 1;
}

void wf_lib_channel(wf_iso *iso, lua_State *L) {
  static const luaL_Reg methods[] = {{"send", channel_send},
                                     {"recv", channel_recv},
                                     {"try_send", channel_try_send},
                                     {"try_recv", channel_try_recv},
                                     {"recv_many", channel_recv_many},
                                     {"close", channel_close},
                                     {"is_closed", channel_is_closed},
                                     {"capacity", channel_capacity},
                                     {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__len", channel_len},
                                  {"__call", channel_recv},
                                  {"__close", channel_close},
                                  {"__tostring", channel_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"channel", channel_new}, {"channel_for", channel_for}, {NULL, NULL}};
  static const luaL_Reg gc[] = {{"__gc", channel_gc}, {NULL, NULL}};
  wf_class_push_table(L, methods, 0); /* one for both classes */
  luaL_setfuncs(L, methods, 0);
  for (int c = WF_CLASS_CHANNEL; c <= WF_CLASS_SHARED_CHANNEL; c++) {
    wf_class_new_light(iso, L, (enum wf_class)c, "weft.channel", NULL, meta);
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[c]);
    lua_pushlightuserdata(L, (void *)(uintptr_t)&wf_channel_transfer);
    lua_setfield(L, -2, "__weft_transfer");
    if (c == WF_CLASS_SHARED_CHANNEL) luaL_setfuncs(L, gc, 0);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  wf_lib_add(iso, L, funcs);
}
