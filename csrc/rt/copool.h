/* The coroutines of an isolate's tasks. On the isolate's carrier.
 *
 * A coroutine is anchored in the table `anchors` at an index, its slot; slots[i] is the task that has it
 * now. A coroutine without a task is kept for the next one, IDLE_MAX at most; the one used last goes
 * first, while it is in the cache.
 */
#ifndef WF_RT_COPOOL_H
#define WF_RT_COPOOL_H

#include "rt/iso.h"

/* Give the task a coroutine with an empty stack; false when memory is out. [-0, +0, -] */
bool wf_co_take(wf_iso *iso, wf_task *t);

/* The coroutine's task is over. `again`: it may serve another one. [-0, +0, -] */
void wf_co_done(wf_iso *iso, lua_State *co, uint32_t slot, bool again);

/* The task that has this slot, or NULL. */
wf_task *wf_iso_slot(const wf_iso *iso, uint32_t i);

/* A walk over all unfinished tasks but the main chunk; `w` is zeroed at first. A task that is started
 * meanwhile may or may not be met. */
typedef struct wf_walk {
  uint32_t slot;
  wf_task *fresh; /* the last one met in the ready queue */
} wf_walk;
wf_task *wf_iso_walk(const wf_iso *iso, wf_walk *w);

#endif
