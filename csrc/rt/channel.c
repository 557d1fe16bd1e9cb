/* See channel.h. */
#include "rt/channel.h"

#include <string.h>

#include "rt/sched.h"
#include "rt/shchan.h"

enum { UV_CELLS = 1, UV_REFS = 2, FIRST_ROOM = 8 };

wf_channel *wf_channel_new(wf_iso *iso, lua_State *L, size_t capacity) {
  wf_channel *c = wf_class_push(iso, L, WF_CLASS_CHANNEL, sizeof *c, 2);
  c->object = (wf_object){WF_SEAL(WF_CLASS_CHANNEL), iso};
  wf_list_init(&c->receivers);
  wf_list_init(&c->senders);
  c->capacity = capacity;
  c->seq = ++iso->objects;
  return c;
}

/* Kept values ------------------------------------------------------------------------------- */

static bool fits_cell(int type) { return type <= LUA_TNUMBER; } /* nil, boolean, light userdata, number */

/* Double the cells; the oldest value moves to index 0. Raises with nothing changed; does nothing when the
 * cells have grown while it allocated. */
static void cells_grow(lua_State *L, wf_channel *c, int self) {
  size_t before = c->room, room = before == 0 ? FIRST_ROOM : before * 2;
  bool refs = c->refs;
  int top = lua_gettop(L);
  luaL_checkstack(L, 5, NULL);
  wf_kept *cells = lua_newuserdatauv(L, room * sizeof *cells, 0);
  if (refs) {
    lua_createtable(L, (int)room, 0);
    lua_getiuservalue(L, self, UV_REFS);
    lua_insert(L, -2);
  }
  if (c->room != before || c->refs != refs) {
    lua_settop(L, top);
    return;
  }
  for (size_t i = 0; i < c->count; i++) {
    size_t old = (c->head + i) & (c->room - 1);
    cells[i] = c->cells[old];
    if (cells[i].tag == KEPT_REF) {
      lua_rawgeti(L, -2, (lua_Integer)old + 1);
      lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
  }
  if (refs) {
    lua_setiuservalue(L, self, UV_REFS);
    lua_pop(L, 1);
  }
  lua_setiuservalue(L, self, UV_CELLS);
  c->cells = cells;
  c->room = room;
  c->head = 0;
}

/* Can one more value of this type be kept, now or once there is a place, without a failure? */
static inline bool keep_ready(const wf_channel *c, int type) {
  return (c->count + c->reserved < c->room || c->count == c->capacity) && (fits_cell(type) || c->refs);
}

/* See to it. [-0, +0, m] */
static void keep_prepare(lua_State *L, wf_channel *c, int self, int type) {
  while (!keep_ready(c, type)) {
    if (c->count + c->reserved >= c->room && c->count < c->capacity) {
      cells_grow(L, c, self);
    } else {
      size_t room = c->room;
      lua_createtable(L, (int)room, 0);
      if (c->room != room || c->refs) {
        lua_pop(L, 1);
        continue;
      }
      lua_setiuservalue(L, self, UV_REFS);
      c->refs = true;
    }
  }
}

/* Keep the value at index `value` of L. keep_ready says yes. `sender` is the id of a waiting task whose
 * value it is, or 0. [-0, +0, -] */
static void keep(lua_State *L, wf_channel *c, int self, int value, uint64_t sender) {
  wf_assert(c->count < c->room && c->count < c->capacity && keep_ready(c, lua_type(L, value)));
  wf_trace(WF_TRACE_PUT, WF_WHY_NONE, c->taken + (uint32_t)c->count, sender, wf_channel_id(c->object.iso, c));
  size_t at = (c->head + c->count) & (c->room - 1);
  wf_kept *k = &c->cells[at];
  switch (lua_type(L, value)) {
    case LUA_TNIL: k->tag = KEPT_NIL; break;
    case LUA_TBOOLEAN: k->tag = lua_toboolean(L, value) ? KEPT_TRUE : KEPT_FALSE; break;
    case LUA_TLIGHTUSERDATA:
      k->tag = KEPT_POINTER;
      k->v.p = lua_touserdata(L, value);
      break;
    case LUA_TNUMBER:
      if (lua_isinteger(L, value)) {
        k->tag = KEPT_INTEGER;
        k->v.i = lua_tointeger(L, value);
      } else {
        k->tag = KEPT_FLOAT;
        k->v.n = lua_tonumber(L, value);
      }
      break;
    default:
      k->tag = KEPT_REF;
      lua_pushvalue(L, value);
      lua_getiuservalue(L, self, UV_REFS);
      lua_insert(L, -2);
      lua_rawseti(L, -2, (lua_Integer)at + 1);
      lua_pop(L, 1);
  }
  c->count++;
}

void wf_channel_push_kept(lua_State *L, wf_channel *c, int self, size_t i) {
  size_t at = (c->head + i) & (c->room - 1);
  const wf_kept *k = &c->cells[at];
  switch (k->tag) {
    case KEPT_NIL: lua_pushnil(L); break;
    case KEPT_FALSE: lua_pushboolean(L, 0); break;
    case KEPT_TRUE: lua_pushboolean(L, 1); break;
    case KEPT_INTEGER: lua_pushinteger(L, k->v.i); break;
    case KEPT_FLOAT: lua_pushnumber(L, k->v.n); break;
    case KEPT_POINTER: lua_pushlightuserdata(L, k->v.p); break;
    default:
      lua_getiuservalue(L, self, UV_REFS);
      lua_rawgeti(L, -1, (lua_Integer)at + 1);
      lua_remove(L, -2);
  }
}

/* Push the oldest kept value and forget it there. [-0, +1, -] */
static inline void unkeep(lua_State *L, wf_channel *c, int self) {
  if (wf_unlikely(wf_trace_on() != 0))
    wf_trace_record(WF_TRACE_TAKE, WF_WHY_NONE, c->taken++, 0, wf_channel_id(c->object.iso, c));
  if (wf_channel_unkeep_integer(L, c)) return;
  wf_channel_push_kept(L, c, self, 0);
  if (c->cells[c->head].tag == KEPT_REF) {
    lua_getiuservalue(L, self, UV_REFS);
    lua_pushnil(L);
    lua_rawseti(L, -2, (lua_Integer)c->head + 1);
    lua_pop(L, 1);
  }
  c->head = (c->head + 1) & (c->room - 1);
  c->count--;
}

void wf_channel_forget_kept(lua_State *L, wf_channel *c, int self) {
  for (int uv = UV_CELLS; uv <= UV_REFS; uv++) {
    lua_pushnil(L);
    lua_setiuservalue(L, self, uv);
  }
  c->cells = NULL;
  c->room = c->count = c->head = 0;
}

/* Operations -------------------------------------------------------------------------------- */

/* The first waiter of a queue that the code running on L can serve. A waiter on L itself is one
 * whose C frame lies below a finaliser or hook that runs now: its stack is not in reach. */
static inline bool peer_waits(lua_State *L, wf_link *queue) {
  if (wf_list_empty(queue)) return false;
  const wf_node *n = wf_waitq_peek(queue);
  return n != NULL && wf_likely(wf_task_lua(n->task) != L);
}

static inline wf_node *peer(lua_State *L, wf_link *queue) {
  if (wf_list_empty(queue)) return NULL;
  wf_node *n = wf_list_entry(queue->next, wf_node, link);
  const wf_task *t = n->task;
  if (wf_likely(t->claim == WF_ARMED && !(t->flags & (WF_F_SHARED | WF_F_INNER)) && t->co != L)) return n;
  return peer_waits(L, queue) ? wf_waitq_first(queue) : NULL;
}

bool wf_channel_send_prepare(lua_State *L, wf_channel *c, int self, int value) {
  int type = lua_type(L, value);
  if (c->capacity == 0 || keep_ready(c, type)) return false;
  keep_prepare(L, c, self, type);
  return true;
}

enum wf_channel_now wf_channel_send_now(wf_iso *iso, lua_State *L, wf_channel *c, int self, int value) {
  do {
    if (wf_unlikely(c->closed)) return WF_CHANNEL_CLOSED;
    wf_node *n = peer(L, &c->receivers);
    if (n != NULL) {
      lua_State *to = wf_task_lua(n->task);
      lua_pushvalue(L, value);
      lua_xmove(L, to, 1);
      lua_pushboolean(to, 1);
      n->task->got = 2;
      wf_node_wake(iso, n, WF_GOT);
      return WF_CHANNEL_OK;
    }
    if (wf_likely(c->count < c->capacity && keep_ready(c, lua_type(L, value)))) {
      keep(L, c, self, value, 0);
      return WF_CHANNEL_OK;
    }
    if (wf_likely(!wf_channel_send_prepare(L, c, self, value))) return WF_CHANNEL_WOULD_WAIT;
  } while (c->shared == NULL);
  return WF_CHANNEL_CROSSED;
}

bool wf_channel_can_send(lua_State *L, wf_channel *c) {
  return c->closed || c->count < c->capacity || peer_waits(L, &c->receivers);
}

bool wf_channel_can_recv(lua_State *L, wf_channel *c) {
  return c->closed || c->count > 0 || peer_waits(L, &c->senders);
}

size_t wf_channel_ready(const wf_channel *c) {
  size_t n = c->count;
  for (const wf_link *l = c->senders.next; l != &c->senders; l = l->next) n++;
  return n;
}

/* Push the value of a waiting sender. [-0, +1, -] */
static void sender_value(lua_State *L, wf_node *n) {
  lua_State *from = wf_task_lua(n->task);
  lua_pushvalue(from, wf_node_value(n));
  lua_xmove(from, L, 1);
}

enum wf_channel_now wf_channel_recv_now(wf_iso *iso, lua_State *L, wf_channel *c, int self) {
  if (c->count > 0) {
    unkeep(L, c, self);
    wf_node *n = wf_list_empty(&c->senders) ? NULL : peer(L, &c->senders);
    if (n != NULL) {
      sender_value(L, n);
      keep(L, c, self, lua_gettop(L), wf_task_id(iso, n->task));
      lua_pop(L, 1);
      wf_node_wake(iso, n, WF_GOT);
    }
    return WF_CHANNEL_OK;
  }
  wf_node *n = peer(L, &c->senders);
  if (n != NULL) {
    sender_value(L, n);
    wf_node_wake(iso, n, WF_GOT);
    return WF_CHANNEL_OK;
  }
  return c->closed ? WF_CHANNEL_CLOSED : WF_CHANNEL_WOULD_WAIT;
}

void wf_channel_close(wf_iso *iso, wf_channel *c) {
  if (c->closed) return;
  c->closed = true;
  wf_waitq_wake_all(iso, &c->receivers, WF_CLOSED);
  wf_waitq_wake_all(iso, &c->senders, WF_CLOSED);
}

void wf_channel_reserve(lua_State *L, wf_channel *c, int self, int value) {
  if (c->shared != NULL) return;
  keep_prepare(L, c, self, lua_type(L, value));
  c->reserved++;
}

void wf_channel_offer(wf_iso *iso, lua_State *L, int self) {
  self = lua_absindex(L, self);
  wf_channel *c = lua_touserdata(L, self);
  if (c->shared == NULL) {
    c->reserved--;
    wf_channel_send_now(iso, L, c, self, lua_gettop(L));
    return;
  }
  wf_parcel p;
  wf_parcel_put(L, lua_gettop(L), &p, "value");
  if (wf_shchan_send_now(c->shared, &p) != WF_CHANNEL_OK) wf_parcel_free(&p);
}
