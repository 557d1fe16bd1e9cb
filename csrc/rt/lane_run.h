/* Children on lanes (sys/lanes.h): isolates for calls that block, each on a thread that has run others before and will run
 * others after. Everything here runs on the parent's carrier. */
#ifndef WF_RT_LANE_RUN_H
#define WF_RT_LANE_RUN_H

#include "rt/run.h"

/* As wf_child_start (child.h), on a lane. EPERM from a thread that has an identity of its own: lanes have that of the
 * process. [-(nargs+1), +1|+3, e] */
wf_child *wf_lane_run_start(wf_iso *iso, lua_State *L, int nargs, const char *name, size_t memory);

/* It has been marked as cancelled; `first` time, and its isolate is `open`. */
void wf_lane_run_cancel(wf_run *r, bool first, bool open);

/* The kernel's number of the thread that runs it, 0: none does. */
int64_t wf_lane_run_tid(wf_run *r);

#endif
