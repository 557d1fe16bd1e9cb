/* Receiving from signals, tickers and watched files, as from a channel. */
#include "lib/l_notifier.h"

#include "rt/sched.h"

enum { SELF = 1 };

static wf_notifier *check_notifier(lua_State *L) {
  wf_notifier *s = wf_notifier_test(L, SELF);
  if (wf_unlikely(s == NULL)) luaL_typeerror(L, SELF, "weft.signal, weft.ticker or weft.watch");
  return s;
}

static int push_taken(lua_State *L, wf_notifier *s, bool taken) {
  if (taken)
    s->ops->push(L, s, SELF);
  else
    lua_pushnil(L);
  lua_pushboolean(L, taken);
  return 2;
}

static int recv_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_notifier *s = lua_touserdata(L, SELF);
  return push_taken(L, s, wf_wait_end(L, (wf_task *)ctx) == WF_GOT);
}

/* s:recv(): what is received, true; nil, false once it is closed. s() in a for loop. */
int wf_notifier_recv(lua_State *L) {
  wf_notifier *s = check_notifier(L);
  wf_iso *iso = s->object.iso;
  lua_settop(L, SELF);
  wf_cancel_point(iso, L);
  if (wf_turn_over(iso, L)) return wf_turn_give(iso, L);
  if (wf_notifier_ready(s)) return push_taken(L, s, wf_notifier_take(s));
  wf_io_label(wf_notifier_id(s), &s->labelled, "%s %u", s->ops->kind, s->seq);
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_RECV);
  wf_wait_queue(t, &s->waiters);
  if (s->ops->arm != NULL) s->ops->arm(s);
  return wf_wait_park(iso, L, t, wf_notifier_id(s), recv_k);
}

/* s:try_recv(): the same, or nil, false, "empty" | "closed". */
int wf_notifier_try_recv(lua_State *L) {
  wf_notifier *s = check_notifier(L);
  lua_settop(L, SELF);
  if (wf_notifier_ready(s) && wf_notifier_take(s)) return push_taken(L, s, true);
  push_taken(L, s, false);
  lua_pushstring(L, s->closed ? "closed" : "empty");
  return 3;
}
