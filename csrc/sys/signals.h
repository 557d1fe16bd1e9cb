/* Signals by name, and whose a signal's handler is. Any thread.
 *
 * libuv leaves a signal at its default when the last watcher of it goes. What was there before (a host's handler for
 * Ctrl-C) is kept here meanwhile, for the whole process, as dispositions are the process's. */
#ifndef WF_SYS_SIGNALS_H
#define WF_SYS_SIGNALS_H

/* "SIGINT": the number, 0: there is no such signal; and back, NULL for none. */
int wf_signal_number(const char *name);
const char *wf_signal_name(int number);

/* Before a watcher of the signal starts, and after it has stopped. */
void wf_signal_hold(int number);
void wf_signal_release(int number);

#endif
