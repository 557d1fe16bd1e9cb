/* See alarm.h. */
#include "rt/alarm.h"

#include <math.h>

#include "base/clock.h"

uint64_t wf_iso_now(const wf_iso *iso) { return wf_likely(iso->explore == NULL) ? wf_clock_ns() : iso->explore->now; }

/* The lowest bit of `when` tells an alarm from a sleeping task's own timer. */
void wf_alarm_set(wf_iso *iso, wf_alarm *a, wf_task *t, uint64_t when, void (*fire)(wf_iso *, wf_alarm *)) {
  wf_alarm_stop(iso, a);
  a->wheel = wf_wheel_of(iso, t);
  a->task = t;
  a->fire = fire;
  wf_wheel_add(a->wheel, &a->timer, when | 1);
}

void wf_alarm_stop(wf_iso *iso, wf_alarm *a) {
  (void)iso;
  if (a->wheel != NULL) wf_wheel_del(a->wheel, &a->timer);
}

uint64_t wf_check_deadline(const wf_iso *iso, lua_State *L, int arg) {
  lua_Number s = luaL_checknumber(L, arg);
  if (!(s >= 0)) luaL_argerror(L, arg, lua_pushfstring(L, "seconds >= 0 expected, got %f", s));
  uint64_t now = wf_iso_now(iso);
  /* Past 2^62 ns (146 years) is never. */
  if (s >= 4.6e9) return WF_NEVER;
  return now + (uint64_t)ceil(s * 1e9);
}

uint64_t wf_opt_deadline(const wf_iso *iso, lua_State *L, int arg) {
  return lua_isnoneornil(L, arg) ? WF_NEVER : wf_check_deadline(iso, L, arg);
}
