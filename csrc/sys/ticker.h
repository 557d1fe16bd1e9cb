/*
** A timer of a thread's own CPU time that sends it SIGURG with every slice that it has used up, and none while it
** sleeps. Only threads that run no foreign signal handlers for SIGURG should have one (rt/press.c has the handler).
*/
#ifndef WF_SYS_TICKER_H
#define WF_SYS_TICKER_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef struct wf_ticker {
  timer_t id;
  bool on;
} wf_ticker;

/* For the calling thread; 0 or an errno (ENOSYS where the system has no such timers). */
int wf_ticker_start(wf_ticker *t, uint64_t slice_ns);
/* Harmless when it is not on. */
void wf_ticker_stop(wf_ticker *t);

#endif
