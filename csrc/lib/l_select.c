/* weft.select: wait for the first of several things. After Go's select: look at all cases, take
 * one of the ready ones at random; else queue on all of them, and unlink the losers on wake-up.
 *
 * The stack of the function: 1 the list of cases, 2 the block, then for case i its object at 2i + 1 and its
 * value at 2i + 2. The block has the cases' nodes and lives as long as the call; its finaliser frees what was
 * encoded for shared channels when an error leaves the function.
 */
#include <string.h>

#include "base/alloc.h"
#include "lib/l_channel.h"
#include "lib/l_program.h"
#include "lib/lib.h"
#include "lx/error.h"
#include "rt/explore.h"
#include "rt/job.h"
#include "rt/program.h"
#include "rt/sched.h"
#include "rt/shchan.h"
#include "rt/notifier.h"

enum { LIST = 1, BLOCK = 2, CASES_MAX = 30000 };

enum case_kind { CASE_RECV, CASE_SEND, CASE_JOB, CASE_NOTIFIER, CASE_PROGRAM };

typedef struct block {
  int n;
  struct select_case {
    wf_case wait;
    wf_parcel parcel; /* encoded value of a send to a shared channel, until a node takes it */
    uint8_t kind;
    bool encoded;
  } cases[];
} block;

static int object_at(int i) { return 2 * i + 1; }
static int value_at(int i) { return 2 * i + 2; }

static int block_gc(lua_State *L) {
  block *b = wf_iso_test(wf_iso_up(L), L, 1, WF_CLASS_SELECT);
  for (int i = 0; b != NULL && i < b->n; i++) wf_parcel_free(&b->cases[i].parcel);
  return 0;
}

static int bad_case(lua_State *L, int i, const char *what) {
  return luaL_argerror(L, LIST, lua_pushfstring(L, "case %d: %s", i, what));
}

/* Put object and value of case i in their places; returns its kind. [-0, +2, e] */
static enum case_kind case_parse(wf_iso *iso, lua_State *L, int i) {
  wf_job j;
  if (lua_rawgeti(L, LIST, i) != LUA_TTABLE) bad_case(L, i, "a table {channel}, {channel, send = value}, {job} or {child} expected");
  int t = lua_gettop(L);
  lua_rawgeti(L, t, 1);
  if (wf_object_test(L, -1, WF_CLASS_CHANNEL, sizeof(wf_channel)) != NULL) {
    if (lua_getfield(L, t, "send") != LUA_TNIL) {
      lua_remove(L, t);
      return CASE_SEND;
    }
    lua_rawgeti(L, t, 2);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      lua_remove(L, t);
      return CASE_RECV;
    }
    if (!lua_rawequal(L, -1, lua_upvalueindex(2))) bad_case(L, i, "the second item can only be \"send\"");
    lua_pop(L, 2);
    lua_rawgeti(L, t, 3);
    lua_remove(L, t);
    return CASE_SEND;
  }
  if (wf_object_test(L, -1, WF_CLASS_PROGRAM, sizeof(wf_program)) != NULL) {
    lua_pushnil(L);
    lua_remove(L, t);
    return CASE_PROGRAM;
  }
  if (wf_notifier_test(L, -1) != NULL) {
    lua_pushnil(L);
    lua_remove(L, t);
    return CASE_NOTIFIER;
  }
  if (!wf_job_test(iso, L, -1, &j)) bad_case(L, i, lua_pushfstring(L, "a channel, a job or a child expected, got %s", luaL_typename(L, -1)));
  if (j.task != NULL && j.task == iso->cur) bad_case(L, i, "a job cannot wait for itself");
  lua_pushnil(L);
  lua_remove(L, t);
  return CASE_JOB;
}

static wf_notifier *case_notifier(lua_State *L, int i) { return lua_touserdata(L, object_at(i)); }

/* Nothing but channels are shared between isolates, or need a value to be made ready. */
static bool is_channel(const struct select_case *sc) { return sc->kind == CASE_RECV || sc->kind == CASE_SEND; }

static wf_channel *case_channel(lua_State *L, int i) { return lua_touserdata(L, object_at(i)); }

static wf_program *case_program(lua_State *L, int i) { return lua_touserdata(L, object_at(i)); }

static bool case_ready(wf_iso *iso, lua_State *L, int i, int kind) {
  if (kind == CASE_PROGRAM) return case_program(L, i)->ended;
  if (kind == CASE_JOB) return wf_job_finished(wf_job_check(iso, L, object_at(i)));
  if (kind == CASE_NOTIFIER) return wf_notifier_ready(case_notifier(L, i));
  wf_channel *c = case_channel(L, i);
  if (c->shared != NULL) return wf_shchan_ready(c->shared, kind == CASE_SEND);
  return kind == CASE_SEND ? wf_channel_can_send(L, c) : wf_channel_can_recv(L, c);
}

/* One of them as the schedule that is explored says. */
static int choose_explored(wf_iso *iso, lua_State *L, const block *b) {
  uint32_t ready = 0;
  for (int i = 1; i <= b->n; i++) ready += case_ready(iso, L, i, b->cases[i - 1].kind);
  if (ready == 0) return 0;
  uint32_t skip = wf_explore_value(iso, ready);
  for (int i = 1; i <= b->n; i++)
    if (case_ready(iso, L, i, b->cases[i - 1].kind) && skip-- == 0) return i;
  return 0;
}

/* One of the cases that are ready, at random; 0: none is. */
static int choose(wf_iso *iso, lua_State *L, const block *b) {
  uint32_t ready = 0;
  int chosen = 0;
  if (wf_unlikely(iso->explore != NULL)) return choose_explored(iso, L, b);
  for (int i = 1; i <= b->n; i++)
    if (case_ready(iso, L, i, b->cases[i - 1].kind) && wf_iso_random(iso, ++ready) == 0) chosen = i;
  return chosen;
}

static int raise_closed(lua_State *L, int i) {
  lx_error_new(L, "closed", "cannot send: channel %d of select case %d is closed", (int)case_channel(L, i)->seq, i);
  lx_error_place(L);
  return lua_error(L);
}

static int push_job(wf_iso *iso, lua_State *L, int i) {
  wf_job j = wf_job_check(iso, L, object_at(i));
  wf_job_looked(iso, j);
  lua_pushinteger(L, i);
  lua_pushboolean(L, wf_job_state(j) == WF_DONE);
  int n = wf_job_results(iso, L, j, object_at(i));
  return 2 + (n < 0 ? 1 : n);
}

static int push_program(lua_State *L, int i) {
  lua_pushinteger(L, i);
  wf_program_push_status(L, object_at(i));
  return 2;
}

static int push_sent(lua_State *L, int i) {
  lua_pushinteger(L, i);
  lua_pushboolean(L, 1);
  return 2;
}

/* The value of a receive is on top, unless the channel was closed. */
static int push_received(lua_State *L, int i, bool closed) {
  if (closed) lua_pushnil(L);
  lua_pushinteger(L, i);
  lua_insert(L, -2);
  lua_pushboolean(L, !closed);
  return 3;
}

/* What a signal or a ticker gives. */
static int push_notifier(lua_State *L, int i, bool closed) {
  wf_notifier *s = case_notifier(L, i);
  if (!closed) s->ops->push(L, s, object_at(i));
  return push_received(L, i, closed);
}

static int push_nothing(lua_State *L, const char *why) {
  lua_pushnil(L);
  lua_pushstring(L, why);
  return 2;
}

/* What is encoded for shared channels must be freed when an error leaves the function. */
static void needs_finaliser(wf_iso *iso, lua_State *L) {
  wf_class_finalised(iso, L, BLOCK);
  lua_pushvalue(L, BLOCK);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[WF_CLASS_SELECT]);
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

/* Do the case that seems ready; 0 when it is not any more (another isolate was faster), or when its only peer
 * is out of reach. */
static int case_do(wf_iso *iso, lua_State *L, block *b, int i) {
  struct select_case *sc = &b->cases[i - 1];
  wf_channel *c = case_channel(L, i);
  enum wf_channel_now now;
  if (sc->kind == CASE_JOB) return push_job(iso, L, i);
  if (sc->kind == CASE_PROGRAM) return push_program(L, i);
  if (sc->kind == CASE_NOTIFIER) return push_notifier(L, i, !wf_notifier_take(case_notifier(L, i)));
  if (sc->kind == CASE_SEND) {
    if (c->shared == NULL) {
      now = wf_channel_send_now(iso, L, c, object_at(i), value_at(i));
    } else {
      if (!sc->encoded) {
        needs_finaliser(iso, L);
        wf_parcel_put_for(L, value_at(i), &sc->parcel, "value", wf_shchan_for_peers(c->shared));
        sc->encoded = true;
      }
      now = wf_shchan_send_now(c->shared, &sc->parcel); /* else it stays for the next attempt */
    }
    if (now == WF_CHANNEL_WOULD_WAIT || now == WF_CHANNEL_CROSSED) return 0;
    return now == WF_CHANNEL_OK ? push_sent(L, i) : raise_closed(L, i);
  }
  if (c->shared == NULL) {
    now = wf_channel_recv_now(iso, L, c, object_at(i));
  } else {
    wf_parcel p;
    now = wf_shchan_recv_now(c->shared, &p);
    if (now == WF_CHANNEL_OK) wf_parcel_push(L, &p);
  }
  if (now == WF_CHANNEL_WOULD_WAIT) return 0;
  return push_received(L, i, now == WF_CHANNEL_CLOSED);
}

static int select_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_iso *iso = wf_iso_up(L);
  wf_task *t = (wf_task *)ctx;
  block *b = lua_touserdata(L, BLOCK);
  for (int i = 0; i < b->n; i++) wf_list_unlink(&b->cases[i].wait.node.link);
  int how = wf_wait_end(L, t);
  if (how == WF_TIMEOUT) return push_nothing(L, "timeout");
  int i = t->won;
  switch (b->cases[i - 1].kind) {
    case CASE_SEND: return how == WF_CLOSED ? raise_closed(L, i) : push_sent(L, i);
    case CASE_RECV:
      if (how != WF_CLOSED) lua_pop(L, 1); /* the true of a receive */
      return push_received(L, i, how == WF_CLOSED);
    case CASE_PROGRAM: return push_program(L, i);
    case CASE_NOTIFIER: return push_notifier(L, i, how == WF_CLOSED);
    default: return push_job(iso, L, i);
  }
}

/* Everything about the wait that may fail. False when a finaliser may have run, or a value that was encoded may
 * have made one of the channels shared: then look and prepare again. [-0, +0, e] */
static bool prepare_wait(wf_iso *iso, lua_State *L, block *b) {
  bool settled = true;
  for (int i = 1; i <= b->n; i++) {
    struct select_case *sc = &b->cases[i - 1];
    if (sc->kind == CASE_JOB) {
      if (wf_job_joiners(iso, wf_job_check(iso, L, object_at(i))) == NULL) lx_raise_memory(L);
      continue;
    }
    if (sc->kind != CASE_SEND || sc->encoded) continue;
    wf_channel *c = case_channel(L, i);
    if (c->shared == NULL) {
      if (wf_channel_send_prepare(L, c, object_at(i), value_at(i))) settled = false;
    } else {
      needs_finaliser(iso, L);
      wf_parcel_put_for(L, value_at(i), &sc->parcel, "value", wf_shchan_for_peers(c->shared));
      sc->encoded = true;
      settled = false;
    }
  }
  return settled;
}

static int count_shared(lua_State *L, const block *b) {
  int n = 0;
  for (int i = 1; i <= b->n; i++)
    if (is_channel(&b->cases[i - 1]) && case_channel(L, i)->shared != NULL) n++;
  return n;
}

/* Queue the armed task on the private channels and the jobs. */
static void queue_private(wf_iso *iso, lua_State *L, block *b, wf_task *t) {
  for (int i = 1; i <= b->n; i++) {
    struct select_case *sc = &b->cases[i - 1];
    sc->wait.node.task = t;
    sc->wait.index = i;
    sc->wait.value = value_at(i);
    if (sc->kind == CASE_JOB) {
      wf_job_wait(iso, wf_job_check(iso, L, object_at(i)), t, &sc->wait);
    } else if (sc->kind == CASE_PROGRAM) {
      wf_list_append(&case_program(L, i)->waiters, &sc->wait.node.link);
      if (!(t->flags & WF_F_WORLD)) wf_wait_world(iso, t);
    } else if (sc->kind == CASE_NOTIFIER) {
      wf_notifier *s = case_notifier(L, i);
      wf_list_append(&s->waiters, &sc->wait.node.link);
      if (s->ops->arm != NULL) s->ops->arm(s);
    } else if (case_channel(L, i)->shared == NULL) {
      wf_channel *c = case_channel(L, i);
      wf_list_append(sc->kind == CASE_SEND ? &c->senders : &c->receivers, &sc->wait.node.link);
    }
  }
}

/* Queue it on the shared channels, or do one of those cases: *done then. False when memory is out. */
static bool queue_shared(wf_iso *iso, lua_State *L, block *b, int shared, wf_task *t, enum wf_channel_now *now, int *done) {
  size_t n = (size_t)shared;
  wf_shcase *cases = wf_malloc(n * (sizeof *cases + sizeof(wf_shchan *)));
  wf_swait *w = wf_swait_of(iso, t);
  bool ok = cases != NULL && w != NULL;
  int k = 0;
  for (int i = 1; i <= b->n && ok; i++) {
    struct select_case *sc = &b->cases[i - 1];
    wf_channel *c = is_channel(sc) ? case_channel(L, i) : NULL;
    if (c == NULL || c->shared == NULL) continue;
    cases[k].chan = c->shared;
    cases[k].send = sc->kind == CASE_SEND;
    cases[k].node = wf_swait_add(w, &c->shared->shared, (uint16_t)i);
    if (cases[k].node == NULL) {
      ok = false;
    } else if (cases[k].send) {
      cases[k].node->parcel = sc->parcel;
      sc->parcel.msg = NULL;
    }
    k++;
  }
  if (ok) {
    *now = wf_shchan_select(cases, k, (wf_shchan **)(void *)(cases + n), done);
    if (*now == WF_CHANNEL_OK && !cases[*done].send) { /* what was received */
      wf_snode *got = cases[*done].node;
      *done = got->index;
      b->cases[*done - 1].parcel = got->parcel;
      got->parcel.msg = NULL;
    } else if (*now != WF_CHANNEL_WOULD_WAIT) {
      *done = cases[*done].node->index;
    }
  }
  wf_free(cases);
  return ok;
}

/* The armed task does not wait after all. */
static void wait_undo(wf_iso *iso, block *b, wf_task *t) {
  for (int i = 0; i < b->n; i++) wf_list_unlink(&b->cases[i].wait.node.link);
  if (t->flags & WF_F_SHARED) wf_swait_end(t);
  if (t->flags & WF_F_OUTSIDE) {
    t->flags &= ~(uint32_t)WF_F_OUTSIDE;
    iso->outside--;
  }
  if (t->flags & WF_F_WORLD) {
    t->flags &= ~(uint32_t)WF_F_WORLD;
    iso->world--;
  }
  t->claim = WF_IDLE;
}

static int select_wait(wf_iso *iso, lua_State *L, block *b, uint64_t deadline) {
  int shared = count_shared(L, b);
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_SELECT);
  queue_private(iso, L, b, t);
  if (shared > 0) {
    enum wf_channel_now now = WF_CHANNEL_WOULD_WAIT;
    int done = 0;
    if (!queue_shared(iso, L, b, shared, t, &now, &done)) {
      wait_undo(iso, b, t);
      return lx_raise_memory(L);
    }
    if (now != WF_CHANNEL_WOULD_WAIT) {
      wait_undo(iso, b, t);
      struct select_case *sc = &b->cases[done - 1];
      if (sc->kind == CASE_SEND) return now == WF_CHANNEL_OK ? push_sent(L, done) : raise_closed(L, done);
      if (now == WF_CHANNEL_OK) wf_parcel_push(L, &sc->parcel);
      return push_received(L, done, now == WF_CHANNEL_CLOSED);
    }
    wf_wait_outside(iso, t);
  }
  wf_wait_until(iso, t, deadline);
  return wf_wait_park(iso, L, t, 0, select_k);
}

/* The options of the list: does it wait, until when? Returns what to say if it does not. [-0, +0, e] */
static const char *check_options(const wf_iso *iso, lua_State *L, uint64_t *deadline) {
  const char *dont_wait = NULL;
  *deadline = WF_NEVER;
  if (lua_getfield(L, LIST, "timeout") != LUA_TNIL) {
    int ok;
    lua_Number s = lua_tonumberx(L, -1, &ok);
    if (!ok || !(s >= 0)) luaL_argerror(L, LIST, "timeout: seconds >= 0 expected");
    *deadline = wf_check_deadline(iso, L, lua_gettop(L));
    if (s == 0) dont_wait = "timeout";
  }
  lua_getfield(L, LIST, "default");
  if (lua_toboolean(L, -1)) dont_wait = "default";
  lua_settop(L, LIST);
  return dont_wait;
}

/* A case has its subject, at most two items more, and "send". [-0, +0, e] */
static void refuse_unknown_in_case(lua_State *L, int i) {
  lua_rawgeti(L, LIST, i);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TNUMBER) continue;
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
    if (strcmp(key, "send") != 0) bad_case(L, i, lua_pushfstring(L, "unknown field '%s' ('send' expected)", key));
  }
  lua_pop(L, 1);
}

/* Before it waits: nothing but the cases and the options may be in the list. [-0, +0, e] */
static void refuse_unknown(lua_State *L, int n) {
  for (lua_pushnil(L); lua_next(L, LIST); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TNUMBER) {
      lua_Integer i = lua_tointeger(L, -2);
      if (i < 1 || i > n) luaL_argerror(L, LIST, "the cases are not a list without holes");
      refuse_unknown_in_case(L, (int)i);
      continue;
    }
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
    if (strcmp(key, "timeout") != 0 && strcmp(key, "default") != 0)
      luaL_argerror(L, LIST, lua_pushfstring(L, "unknown option '%s' ('timeout' or 'default' expected)", key));
  }
}

/* weft.select(cases): index, what came[, true]. */
static int lib_select(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  uint64_t deadline;
  luaL_checktype(L, LIST, LUA_TTABLE);
  lua_settop(L, LIST);
  lua_Integer len = (lua_Integer)lua_rawlen(L, LIST);
  luaL_argcheck(L, len <= CASES_MAX, LIST, "too many cases");
  int n = (int)len;
  luaL_checkstack(L, 2 * n + LUA_MINSTACK, "too many cases");
  wf_cancel_point(iso, L);
  const char *dont_wait = check_options(iso, L, &deadline);
  if (dont_wait == NULL && wf_turn_over(iso, L)) return wf_turn_give(iso, L);
  block *b = lua_newuserdatauv(L, sizeof *b + (size_t)n * sizeof *b->cases, 0);
  memset(b, 0, sizeof *b + (size_t)n * sizeof *b->cases);
  b->n = n;
  for (int i = 1; i <= n; i++) b->cases[i - 1].kind = (uint8_t)case_parse(iso, L, i);
  for (bool settled = false, checked = false;;) { /* until nothing was ready after the last that may run a finaliser */
    int chosen = choose(iso, L, b);
    if (chosen != 0) {
      int pushed = case_do(iso, L, b, chosen);
      if (pushed > 0) return pushed;
      continue;
    }
    if (!checked) refuse_unknown(L, n);
    checked = true;
    if (dont_wait != NULL) return push_nothing(L, dont_wait);
    if (settled) return select_wait(iso, L, b, deadline);
    settled = prepare_wait(iso, L, b);
  }
}

void wf_lib_select(wf_iso *iso, lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", block_gc}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_SELECT, "weft.select", NULL, meta);
  lua_pushlightuserdata(L, iso);
  lua_pushliteral(L, "send");
  lua_pushcclosure(L, lib_select, 2);
  lua_setfield(L, -2, "select");
}
