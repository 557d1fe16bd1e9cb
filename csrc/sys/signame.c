/* See signame.h. */
#define _GNU_SOURCE
#include "sys/signame.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  int sig;
  const char *name;
} names[] = {
  {SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},       {SIGQUIT, "SIGQUIT"}, {SIGILL, "SIGILL"},   {SIGTRAP, "SIGTRAP"},
  {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},       {SIGFPE, "SIGFPE"},   {SIGKILL, "SIGKILL"}, {SIGUSR1, "SIGUSR1"},
  {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},     {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"},
  {SIGCHLD, "SIGCHLD"}, {SIGCONT, "SIGCONT"},     {SIGSTOP, "SIGSTOP"}, {SIGTSTP, "SIGTSTP"}, {SIGTTIN, "SIGTTIN"},
  {SIGTTOU, "SIGTTOU"}, {SIGURG, "SIGURG"},       {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"}, {SIGVTALRM, "SIGVTALRM"},
  {SIGPROF, "SIGPROF"}, {SIGWINCH, "SIGWINCH"},   {SIGSYS, "SIGSYS"},
#ifdef SIGIO
  {SIGIO, "SIGIO"},
#endif
#ifdef SIGPWR
  {SIGPWR, "SIGPWR"},
#endif
#ifdef SIGSTKFLT
  {SIGSTKFLT, "SIGSTKFLT"},
#endif
};

enum { NAMES = sizeof names / sizeof *names };

const char *wf_signal_name(int sig, char *buf, size_t size) {
  for (size_t i = 0; i < NAMES; i++)
    if (names[i].sig == sig) return names[i].name;
#ifdef SIGRTMIN
  if (sig >= SIGRTMIN && sig <= SIGRTMAX) {
    if (sig == SIGRTMIN) return "SIGRTMIN";
    snprintf(buf, size, "SIGRTMIN+%d", sig - SIGRTMIN);
    return buf;
  }
#endif
  snprintf(buf, size, "%d", sig);
  return buf;
}

int wf_signal_parse(const char *name) {
  const char *bare = strncmp(name, "SIG", 3) == 0 ? name + 3 : name;
  for (size_t i = 0; i < NAMES; i++)
    if (strcmp(names[i].name + 3, bare) == 0) return names[i].sig;
#ifdef SIGRTMIN
  if (strncmp(bare, "RTMIN", 5) == 0) {
    if (bare[5] == '\0') return SIGRTMIN;
    char *end;
    long n = bare[5] == '+' ? strtol(bare + 6, &end, 10) : -1;
    if (n > 0 && *end == '\0' && n <= SIGRTMAX - SIGRTMIN) return SIGRTMIN + (int)n;
  }
#endif
  return 0;
}
