/* weft.ticker: the beats of a clock, received like values of a channel. The clock keeps its beat whatever the
 * receivers do: a late one gets one tick for all that it has missed. The timer is armed only while somebody waits. */
#include <math.h>

#include "lib/l_notifier.h"

enum { SELF = 1 };

typedef struct ticker {
  wf_notifier source;
  wf_alarm alarm;
  uint64_t start, period;
  uint64_t beat; /* number of the last one that was told */
} ticker;

static ticker *check_ticker(lua_State *L) {
  ticker *k = wf_object_test(L, SELF, WF_CLASS_TICKER, sizeof *k);
  if (wf_unlikely(k == NULL)) luaL_typeerror(L, SELF, "weft.ticker");
  return k;
}

static uint64_t beat_now(const ticker *k) { return (wf_clock_ns() - k->start) / k->period; }

static void look(wf_notifier *s) {
  ticker *k = wf_container_of(s, ticker, source);
  uint64_t now = beat_now(k);
  if (now <= k->beat) return;
  k->beat = now;
  s->pending = 1;
}

static void arm(wf_notifier *s);

static void on_beat(wf_iso *iso, wf_alarm *a) {
  (void)iso;
  ticker *k = wf_container_of(a, ticker, alarm);
  look(&k->source);
  if (k->source.pending > 0) {
    k->source.pending = 0;
    wf_notifier_tell(&k->source);
  }
  if (wf_waitq_peek(&k->source.waiters) != NULL) arm(&k->source);
}

static void arm(wf_notifier *s) {
  ticker *k = wf_container_of(s, ticker, source);
  wf_alarm_set(s->object.iso, &k->alarm, NULL, k->start + (k->beat + 1) * k->period, on_beat);
}

static void push_beat(lua_State *L, wf_notifier *s, int idx) {
  (void)idx;
  lua_pushinteger(L, (lua_Integer)wf_container_of(s, ticker, source)->beat);
}

static const wf_notifier_ops ops = {"ticker", look, arm, push_beat};

static void ticker_shut(ticker *k) {
  if (k->source.closed) return;
  wf_alarm_stop(k->source.object.iso, &k->alarm);
  wf_notifier_close(&k->source);
}

static int ticker_close(lua_State *L) {
  ticker_shut(check_ticker(L));
  return 0;
}

/* A ticker that is waited for is on the waiter's stack; else its alarm is that of a wait that ended early. */
static int ticker_gc(lua_State *L) {
  ticker *k = wf_object_test(L, SELF, WF_CLASS_TICKER, sizeof *k);
  if (k != NULL && !k->source.object.iso->closed) wf_alarm_stop(k->source.object.iso, &k->alarm);
  return 0;
}

static int ticker_tostring(lua_State *L) {
  const ticker *k = check_ticker(L);
  lua_pushfstring(L, "weft.ticker %d (%f s%s)", (int)k->source.seq, (lua_Number)k->period * 1e-9, k->source.closed ? ", closed" : "");
  return 1;
}

/* weft.ticker(seconds). */
static int ticker_new(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_Number s = luaL_checknumber(L, 1);
  luaL_argcheck(L, s >= 1e-6 && s <= 1e9, 1, "a period from 0.000001 to 1e9 seconds expected");
  ticker *k = wf_class_push(iso, L, WF_CLASS_TICKER, sizeof *k, 0);
  wf_notifier_init(iso, &k->source, WF_CLASS_TICKER, &ops);
  k->period = (uint64_t)ceil(s * 1e9);
  k->start = wf_clock_ns();
  return 1;
}

void wf_lib_ticker(wf_iso *iso, lua_State *L) {
  static const luaL_Reg methods[] = {{"recv", wf_notifier_recv}, {"try_recv", wf_notifier_try_recv}, {"close", ticker_close}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", ticker_gc},
                                  {"__close", ticker_close},
                                  {"__call", wf_notifier_recv},
                                  {"__tostring", ticker_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"ticker", ticker_new}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_TICKER, "weft.ticker", methods, meta);
  wf_lib_add(iso, L, funcs);
}
