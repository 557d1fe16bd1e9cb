/* See fork.h. */
#include "sys/fork.h"

#include <pthread.h>

_Atomic unsigned wf_forks;

static void on_fork(void) { atomic_fetch_add_explicit(&wf_forks, 1, memory_order_relaxed); }

static void watch_forks(void) { pthread_atfork(NULL, NULL, on_fork); }

__attribute__((constructor)) static void on_load(void) { watch_forks(); }
