/* See signals.h. */
#include "sys/signals.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const struct {
  const char *name;
  int number;
} names[] = {
    {"SIGHUP", SIGHUP},   {"SIGINT", SIGINT},   {"SIGQUIT", SIGQUIT}, {"SIGILL", SIGILL},       {"SIGTRAP", SIGTRAP},
    {"SIGABRT", SIGABRT}, {"SIGBUS", SIGBUS},   {"SIGFPE", SIGFPE},   {"SIGKILL", SIGKILL},     {"SIGUSR1", SIGUSR1},
    {"SIGSEGV", SIGSEGV}, {"SIGUSR2", SIGUSR2}, {"SIGPIPE", SIGPIPE}, {"SIGALRM", SIGALRM},     {"SIGTERM", SIGTERM},
    {"SIGCHLD", SIGCHLD}, {"SIGCONT", SIGCONT}, {"SIGSTOP", SIGSTOP}, {"SIGTSTP", SIGTSTP},     {"SIGTTIN", SIGTTIN},
    {"SIGTTOU", SIGTTOU}, {"SIGURG", SIGURG},   {"SIGXCPU", SIGXCPU}, {"SIGXFSZ", SIGXFSZ},     {"SIGVTALRM", SIGVTALRM},
    {"SIGPROF", SIGPROF}, {"SIGSYS", SIGSYS},
#ifdef SIGWINCH
    {"SIGWINCH", SIGWINCH},
#endif
#ifdef SIGIO
    {"SIGIO", SIGIO},
#endif
#ifdef SIGPWR
    {"SIGPWR", SIGPWR},
#endif
#ifdef SIGSTKFLT
    {"SIGSTKFLT", SIGSTKFLT},
#endif
};

enum { COUNT = sizeof names / sizeof *names, NUMBERS = 65 };

int wf_signal_number(const char *name) {
  for (size_t i = 0; i < COUNT; i++)
    if (strcmp(names[i].name, name) == 0) return names[i].number;
  return 0;
}

const char *wf_signal_name(int number) {
  for (size_t i = 0; i < COUNT; i++)
    if (names[i].number == number) return names[i].name;
  return NULL;
}

/* Guarded by the lock: how many watch the signal, and what was there before the first of them. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
  uint32_t watchers;
  struct sigaction before;
} held[NUMBERS];

void wf_signal_hold(int number) {
  if (number <= 0 || number >= NUMBERS) return;
  pthread_mutex_lock(&lock);
  if (held[number].watchers++ == 0) sigaction(number, NULL, &held[number].before);
  pthread_mutex_unlock(&lock);
}

void wf_signal_release(int number) {
  if (number <= 0 || number >= NUMBERS) return;
  pthread_mutex_lock(&lock);
  if (--held[number].watchers == 0) sigaction(number, &held[number].before, NULL);
  pthread_mutex_unlock(&lock);
}
