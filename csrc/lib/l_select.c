/* weft.select: wait for the first of several things. After Go's select: look at all cases, take
 * one of the ready ones at random; else queue on all of them, and unlink the losers on wake-up.
 *
 * The stack of the function: 1 the list of cases, 2 room for the kinds of many cases, then for case i
 * its object at 2i + 1 and its value at 2i + 2, then, when it waits, the block of wf_cases, which
 * lives as long as the call. */
#include "lib/lib.h"
#include "lx/error.h"
#include "rt/channel.h"
#include "rt/job.h"
#include "rt/sched.h"

enum { LIST = 1, CASES_MAX = 30000, FEW = 64 };

enum case_kind { CASE_RECV, CASE_SEND, CASE_JOB };

typedef struct block {
  int n;
  wf_case cases[];
} block;

static int object_at(int i) { return 2 * i + 1; }
static int value_at(int i) { return 2 * i + 2; }

static int bad_case(lua_State *L, int i, const char *what) {
  return luaL_argerror(L, LIST, lua_pushfstring(L, "case %d: %s", i, what));
}

/* Put object and value of case i in their places; returns its kind. [-0, +2, e] */
static enum case_kind case_parse(wf_iso *iso, lua_State *L, int i) {
  wf_job j;
  if (lua_rawgeti(L, LIST, i) != LUA_TTABLE) bad_case(L, i, "a table {channel}, {channel, send = value} or {job} expected");
  int t = lua_gettop(L);
  lua_rawgeti(L, t, 1);
  if (wf_iso_test(iso, L, -1, WF_CLASS_CHANNEL) != NULL) {
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
    if (!lua_rawequal(L, -1, lua_upvalueindex(2)))
      bad_case(L, i, "the second item can only be \"send\"");
    lua_pop(L, 2);
    lua_rawgeti(L, t, 3);
    lua_remove(L, t);
    return CASE_SEND;
  }
  if (!wf_job_test(iso, L, -1, &j)) bad_case(L, i, lua_pushfstring(L, "a channel or a job expected, got %s", luaL_typename(L, -1)));
  if (j.task != NULL && j.task == iso->cur) bad_case(L, i, "a job cannot wait for itself");
  lua_pushnil(L);
  lua_remove(L, t);
  return CASE_JOB;
}

static bool case_ready(wf_iso *iso, lua_State *L, int i, enum case_kind kind) {
  if (kind == CASE_JOB) return wf_job_finished(wf_job_check(iso, L, object_at(i)));
  wf_channel *c = lua_touserdata(L, object_at(i));
  return kind == CASE_SEND ? wf_channel_can_send(L, c) : wf_channel_can_recv(L, c);
}

/* One of the cases that are ready, at random; 0: none is. */
static int choose(wf_iso *iso, lua_State *L, int n, const unsigned char *kinds) {
  uint32_t ready = 0;
  int chosen = 0;
  for (int i = 1; i <= n; i++)
    if (case_ready(iso, L, i, kinds[i - 1]) && wf_iso_random(iso, ++ready) == 0) chosen = i;
  return chosen;
}

static int raise_closed(lua_State *L, int i, const wf_channel *c) {
  lx_error_new(L, "closed", "cannot send: channel %d of select case %d is closed", (int)c->seq, i);
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

/* Do the case that is ready. 0 when it is not any more: making room for a value took the place. */
static int case_do(wf_iso *iso, lua_State *L, int i, enum case_kind kind) {
  wf_channel *c = lua_touserdata(L, object_at(i));
  switch (kind) {
    case CASE_SEND:
      switch (wf_channel_send_now(iso, L, c, object_at(i), value_at(i))) {
        case WF_CHANNEL_CLOSED: return raise_closed(L, i, c);
        case WF_CHANNEL_WOULD_WAIT: return 0;
        default: break;
      }
      lua_pushinteger(L, i);
      lua_pushboolean(L, 1);
      return 2;
    case CASE_RECV:
      lua_pushinteger(L, i);
      switch (wf_channel_recv_now(iso, L, c, object_at(i))) {
        case WF_CHANNEL_CLOSED: lua_pushnil(L); break;
        case WF_CHANNEL_WOULD_WAIT: lua_pop(L, 1); return 0;
        default: lua_pushboolean(L, 1); return 3;
      }
      lua_pushboolean(L, 0);
      return 3;
    default: return push_job(iso, L, i);
  }
}

static int push_nothing(lua_State *L, const char *why) {
  lua_pushnil(L);
  lua_pushstring(L, why);
  return 2;
}

static enum case_kind kind_of(const wf_case *c) { return (enum case_kind)(c->value < 0 ? CASE_JOB : c->value == 0 ? CASE_RECV : CASE_SEND); }

static int select_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_iso *iso = wf_iso_up(L);
  wf_task *t = (wf_task *)ctx;
  /* The block lies under the values that were delivered. */
  int at = lua_gettop(L) - (t->claim == WF_RAISE ? 1 : t->got);
  block *b = lua_touserdata(L, at);
  for (int i = 0; i < b->n; i++) wf_list_unlink(&b->cases[i].node.link);
  int how = wf_wait_end(L, t);
  if (how == WF_TIMEOUT) return push_nothing(L, "timeout");
  int i = t->won;
  switch (kind_of(&b->cases[i - 1])) {
    case CASE_SEND:
      if (how == WF_CLOSED) return raise_closed(L, i, lua_touserdata(L, object_at(i)));
      lua_pushinteger(L, i);
      lua_pushboolean(L, 1);
      return 2;
    case CASE_RECV:
      if (how == WF_CLOSED) {
        lua_pushnil(L);
        lua_pushboolean(L, 0);
      }
      lua_pushinteger(L, i);
      lua_insert(L, -3);
      return 3;
    default: return push_job(iso, L, i);
  }
}

/* weft.select(cases): index, what came[, true]. */
static int lib_select(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  luaL_checktype(L, LIST, LUA_TTABLE);
  lua_settop(L, LIST);
  lua_Integer len = (lua_Integer)lua_rawlen(L, LIST);
  luaL_argcheck(L, len <= CASES_MAX, LIST, "too many cases");
  int n = (int)len;
  luaL_checkstack(L, 2 * n + LUA_MINSTACK, "too many cases");
  wf_cancel_point(iso, L);
  lua_getfield(L, LIST, "default");
  bool dont_wait = lua_toboolean(L, -1);
  lua_getfield(L, LIST, "timeout");
  uint64_t deadline = WF_NEVER;
  if (!lua_isnil(L, -1)) {
    int ok;
    lua_Number s = lua_tonumberx(L, -1, &ok);
    if (!ok || !(s >= 0)) return luaL_argerror(L, LIST, "timeout: seconds >= 0 expected");
    deadline = wf_check_deadline(L, lua_gettop(L));
    if (s == 0) dont_wait = true;
  }
  bool by_default = lua_toboolean(L, -2);
  lua_settop(L, LIST);
  unsigned char few[FEW], *kinds = few;
  if (n > FEW)
    kinds = lua_newuserdatauv(L, (size_t)n, 0);
  else
    lua_pushnil(L);
  for (int i = 1; i <= n; i++) kinds[i - 1] = (unsigned char)case_parse(iso, L, i);
  block *b = NULL;
  for (bool settled = false; !settled;) { /* until nothing was ready after the last that may run a finaliser */
    int chosen = choose(iso, L, n, kinds);
    if (chosen != 0) {
      int pushed = case_do(iso, L, chosen, kinds[chosen - 1]);
      if (pushed > 0) return pushed;
      continue;
    }
    if (dont_wait) return push_nothing(L, by_default ? "default" : "timeout");
    settled = b != NULL;
    if (b == NULL) {
      b = lua_newuserdatauv(L, sizeof *b + (size_t)n * sizeof *b->cases, 0);
      b->n = n;
    }
    for (int i = 1; i <= n; i++) {
      if (kinds[i - 1] == CASE_JOB) {
        if (wf_job_joiners(iso, wf_job_check(iso, L, object_at(i))) == NULL) return luaL_error(L, "not enough memory");
      } else if (kinds[i - 1] == CASE_SEND) {
        if (wf_channel_send_prepare(L, lua_touserdata(L, object_at(i)), object_at(i), value_at(i))) settled = false;
      }
    }
  }
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_SELECT);
  for (int i = 1; i <= n; i++) {
    wf_case *c = &b->cases[i - 1];
    c->node.task = t;
    c->index = i;
    c->value = kinds[i - 1] == CASE_JOB ? -1 : kinds[i - 1] == CASE_SEND ? value_at(i) : 0;
    if (kinds[i - 1] == CASE_JOB) {
      wf_job_wait(iso, wf_job_check(iso, L, object_at(i)), t, c);
    } else {
      wf_channel *ch = lua_touserdata(L, object_at(i));
      wf_list_append(kinds[i - 1] == CASE_SEND ? &ch->senders : &ch->receivers, &c->node.link);
    }
  }
  wf_wait_until(iso, t, deadline);
  return wf_wait_park(iso, L, t, 0, select_k);
}

void wf_lib_select(wf_iso *iso, lua_State *L) {
  lua_pushlightuserdata(L, iso);
  lua_pushliteral(L, "send");
  lua_pushcclosure(L, lib_select, 2);
  lua_setfield(L, -2, "select");
}
