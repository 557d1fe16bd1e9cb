/* The flight recorder: a trace that runs all the time, and a thread of its own that writes what the rings hold to
 * a file when something is wrong: a task that does not give way, a deadlock, or a signal that asks for it.
 *
 * One in the process. Start, stop and dump on any thread; the thread knows no Lua, so it can write while every
 * carrier is stuck. */
#ifndef WF_RT_RECORDER_H
#define WF_RT_RECORDER_H

#include <stdatomic.h>
#include <stdint.h>

#include "rt/trace.h"

typedef struct wf_recorder_opts {
  const char *path;  /* of the file, overwritten by each dump */
  uint64_t stall_ns; /* a task that runs longer without giving way, while others are there; 0: do not look */
  uint64_t pause_ns; /* between two dumps for stalls */
  int signo;         /* 0: none */
  size_t capacity;   /* of the rings, as wf_trace_start's */
} wf_recorder_opts;

/* 0 and the recorder's number in *id; EBUSY: a trace runs already; or the system's errno. */
int wf_recorder_start(const wf_recorder_opts *o, uint32_t *id);

/* Stop that recorder, if it still runs: its thread is joined, its trace over. What the rings held goes to *out, or
 * nowhere when it is NULL. False: it did not run any more. */
bool wf_recorder_stop(uint32_t id, wf_trace_shot *out);

/* Write the file now; `path` NULL is the recorder's. 0, EINVAL when none runs, or an errno. */
int wf_recorder_dump(const char *path, const char *reason);

/* Written by start and stop; read, relaxed, by who wants to report a deadlock: a lost race is a report without file. */
extern __attribute__((visibility("hidden"))) _Atomic(bool) wf_recorder_on;

/* Called where a deadlock is reported: write the file, and say so on stderr. */
void wf_recorder_deadlock(void);

#endif
