/* A snapshot of the trace as a file, and the look for a task that hogs its carrier: what the flight recorder
 * (recorder.h) needs of the trace. Any thread. lua/weft/trace_store.lua reads the file, and writes such files. */
#ifndef WF_RT_TRACE_DUMP_H
#define WF_RT_TRACE_DUMP_H

#include "rt/trace.h"

/* Write the snapshot, by way of a second file that is renamed, so that nobody reads half of one. 0 or an errno. */
int wf_trace_shot_write(const wf_trace_shot *shot, const char *path, const char *reason);

typedef struct wf_trace_stall {
  uint64_t tid, task;
  uint64_t begun; /* the tick at which its run began: tells one stall from the next */
  uint64_t ns;    /* how long it has run */
  char name[WF_TRACE_TEXT + 1];
} wf_trace_stall;

/* Has a task run for `ns` without giving way, while its isolate had others? The longest of them. False when
 * there is none, or no trace. */
bool wf_trace_stalled(uint64_t ns, wf_trace_stall *out);

#endif
