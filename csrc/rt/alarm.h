/* An isolate's time: its clock, deadlines, and alarms, which are timers that do something to a task. */
#ifndef WF_RT_ALARM_H
#define WF_RT_ALARM_H

#include "rt/explore.h"
#include "rt/iso.h"

/* Where the timers of the task are. */
static inline wf_wheel *wf_wheel_of(wf_iso *iso, const wf_task *t) {
  if (wf_likely(iso->explore == NULL) || t == NULL || !(t->flags & WF_F_EXPLORED)) return &iso->wheel;
  return &iso->explore->wheel;
}

/* The isolate's time: the monotonic clock, but for a schedule that is explored. */
uint64_t wf_iso_now(const wf_iso *iso);

/* Arm and disarm an alarm of a task. */
void wf_alarm_set(wf_iso *iso, wf_alarm *a, wf_task *t, uint64_t when, void (*fire)(wf_iso *, wf_alarm *));
void wf_alarm_stop(wf_iso *iso, wf_alarm *a);

/* A relative time in seconds as a deadline; negative and NaN are errors that name the argument,
 * nil (where allowed) and infinity are WF_NEVER. [-0, +0, e] */
uint64_t wf_check_deadline(const wf_iso *iso, lua_State *L, int arg);
uint64_t wf_opt_deadline(const wf_iso *iso, lua_State *L, int arg);

#endif
