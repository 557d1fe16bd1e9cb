/* Pressing: stopping code that does not come to a blocking call by itself. On the isolate's carrier.
 *
 * Once an isolate is pressed, for good, every coroutine that runs has a count hook, which raises the
 * cancellation that is due in its task. Two reasons: a child is cancelled by its parent, whose signal may
 * find it in the middle of a loop; and the shutdown of any isolate, whose tasks are all cancelled. A hook
 * does not run inside finalisers and C functions; what loops there is reported as stuck.
 */
#ifndef WF_RT_PRESS_H
#define WF_RT_PRESS_H

#include "rt/iso.h"

/* From now on. At `end` shields give way, whatever time they have left. */
void wf_press_begin(wf_iso *iso, uint64_t end);

/* A coroutine is about to run, or to go on. */
void wf_press_arm(lua_State *co);
static inline void wf_press_check(wf_iso *iso, lua_State *co) {
  if (wf_unlikely(atomic_load_explicit(&iso->pressed, memory_order_relaxed))) wf_press_arm(co);
}

/* This thread carries the isolate from now on (NULL: none): SIGURG presses it if its port says so, or ends a slice
 * (preempt.h). */
void wf_press_by_signal(wf_iso *iso);

/* The isolate that this thread carries and that takes signals, or NULL. */
wf_iso *wf_press_iso(void);

#endif
