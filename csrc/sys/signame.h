/* Names of all signals, real-time ones too. Pure functions. */
#ifndef WF_SYS_SIGNAME_H
#define WF_SYS_SIGNAME_H

#include <stddef.h>

enum { WF_SIGNALS = 64 }; /* numbers 1..64 */

/* "SIGTERM"; real-time signals are "SIGRTMIN+3", an unknown one is its number. Writes into buf when the name is none of
 * the constant ones. */
const char *wf_signal_text(int sig, char *buf, size_t size);

/* The number of "SIGTERM" or "TERM" or "SIGRTMIN+3", 0 when there is no such signal. */
int wf_signal_parse(const char *name);

#endif
