/* See signame.h. */
#define _GNU_SOURCE
#include "sys/signame.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/signals.h"

const char *wf_signal_text(int sig, char *buf, size_t size) {
  const char *name = wf_signal_name(sig);
  if (name != NULL) return name;
#ifdef SIGRTMIN
  if (sig == SIGRTMIN) return "SIGRTMIN";
  if (sig > SIGRTMIN && sig <= SIGRTMAX) {
    snprintf(buf, size, "SIGRTMIN+%d", sig - SIGRTMIN);
    return buf;
  }
#endif
  snprintf(buf, size, "%d", sig);
  return buf;
}

int wf_signal_parse(const char *name) {
  char full[32];
  int n = snprintf(full, sizeof full, "%s%s", strncmp(name, "SIG", 3) == 0 ? "" : "SIG", name);
  if ((size_t)n >= sizeof full) return 0; /* a failure, below 0, is that too */
  int sig = wf_signal_number(full);
  if (sig != 0) return sig;
#ifdef SIGRTMIN
  if (strncmp(full, "SIGRTMIN", 8) == 0) {
    if (full[8] == '\0') return SIGRTMIN;
    char *end;
    long k = full[8] == '+' ? strtol(full + 9, &end, 10) : -1;
    if (k > 0 && *end == '\0' && k <= SIGRTMAX - SIGRTMIN) return SIGRTMIN + (int)k;
  }
#endif
  return 0;
}
