/* Makes the tasks that live already known to a trace that has just begun. On the isolate's carrier. */
#ifndef WF_RT_ANNOUNCE_H
#define WF_RT_ANNOUNCE_H

#include "rt/iso.h"

/* Records each unfinished task of the isolate: that it lives, its name, what it does now. Does nothing
 * when no trace runs or this one knows them already. Needs three free places on the stack of L, which
 * is any coroutine of the state. [-0, +0, -] */
void wf_iso_announce(wf_iso *iso, lua_State *L);

#endif
