/* See carrier.h. */
#include "rt/carrier.h"

#include <pthread.h>
#include <signal.h>

#include "rt/port.h"
#include "rt/preempt.h"
#include "rt/run.h"

/* Written and read by this thread alone, also in its signal handler: hence volatile. The TLS model makes the
 * access async-signal-safe in a loaded library. */
static __thread wf_iso *volatile here __attribute__((tls_model("initial-exec")));

wf_iso *wf_carrier_iso(void) { return here; }

void wf_carrier_is(wf_iso *iso) { here = iso; }

static void on_signal(int sig) {
  (void)sig;
  wf_iso *iso = here;
  if (iso == NULL) return;
  if (atomic_load(&iso->port->interrupt))
    wf_run_interrupt(iso);
  else
    wf_preempt_tick(iso);
}

static void install(void) {
  struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigemptyset(&sa.sa_mask);
  sigaction(SIGURG, &sa, NULL);
}

void wf_carrier_handle_signals(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install);
}
