/* The calling thread as the carrier of an isolate, for its signal handler: SIGURG stops what runs, to cancel it
 * (run.c) or because its slice is over (preempt.c). */
#ifndef WF_RT_CARRIER_H
#define WF_RT_CARRIER_H

#include "rt/iso.h"

/* The isolate whose tasks this thread runs; NULL: none that takes signals. Async-signal-safe. */
wf_iso *wf_carrier_iso(void);

/* This thread carries it from now on (NULL: none). */
void wf_carrier_is(wf_iso *iso);

/* Install the process's handler of SIGURG, once. The signal does nothing on threads that carry no isolate. */
void wf_carrier_handle_signals(void);

#endif
