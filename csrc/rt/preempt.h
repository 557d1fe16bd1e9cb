/* Time slices for the tasks of an isolate (weft.preempt).
 *
 * A timer of the carrier's own CPU time sends it SIGURG when a slice is used up, and none while the carrier
 * sleeps. The handler, on that thread, arms a count hook on the coroutine that runs; the hook, at the next
 * instruction, disarms itself and yields if others are ready. So Lua code runs at full speed between the ticks
 * (an always-on count hook makes it half as fast). Where the coroutine cannot yield (inside table.sort, in a
 * metamethod called from C) the hook tries again a little later. A coroutine on which the script has set a hook
 * of its own is left alone.
 *
 * A task that was cancelled and does not come to a blocking call gets its error from the same hook.
 *
 * The timer belongs to the thread that asked for it: an isolate that moves to another thread has to ask again.
 */
#ifndef WF_RT_PREEMPT_H
#define WF_RT_PREEMPT_H

#include "rt/iso.h"

/* Slice the tasks from now on, on the calling thread; 0 ends it. 0, or an errno (ENOSYS where the system has no
 * such timers). */
int wf_preempt_set(wf_iso *iso, uint64_t slice_ns);

/* The signal handler: a slice of the isolate is over, or it was not for that. */
void wf_preempt_tick(wf_iso *iso);

#endif
