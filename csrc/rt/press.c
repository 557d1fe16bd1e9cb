/* See press.h.
 *
 * Whoever cancels a child sets port->interrupt, then sends SIGURG to its thread. The handler runs there, and
 * marks the isolate and the coroutine that runs; if it comes in the moment of a switch, the mark of the
 * isolate makes up for it at the next one.
 */
#include "rt/press.h"

#include <pthread.h>
#include <signal.h>

#include "rt/cancel.h"
#include "rt/port.h"
#include "rt/preempt.h"
#include "rt/sched.h"

enum {
  HOOK_NOW = 1,     /* instructions until the hook: at the next one */
  HOOK_SOON = 1000, /* between two strikes */
  STRIKES_SPACED = 3, /* strikes with a pause for cleaning up in between; then at every instruction */
  STRIKE_PAUSE_NS = 20 * 1000 * 1000,
};

/* The isolate whose carrier this thread is: written by the thread, read by the signal handler on it. The TLS
 * model makes the access async-signal-safe in a loaded library. */
static __thread wf_iso *volatile here __attribute__((tls_model("initial-exec")));

/* What the process did on SIGURG before; written once, before our handler is in place. */
static struct sigaction before;

static void on_count(lua_State *L, lua_Debug *ar) {
  (void)ar;
  wf_iso *iso = wf_iso_of(L);
  if (iso == NULL || iso->closed || !atomic_load_explicit(&iso->pressed, memory_order_relaxed)) {
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_SOON);
  wf_task *t = iso->cur;
  if (iso->on_press != NULL && !(t->flags & WF_F_ASKED) && atomic_load(&iso->port->interrupt)) iso->on_press(iso);
  uint64_t now = wf_clock_ns();
  wf_cancel_look(iso, t, now >= iso->press_end);
  if (!(t->flags & WF_F_CANCEL) || now < iso->quiet_until) return; /* shielded for now, or cleaning up */
  if (!wf_press_strike(iso)) lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_NOW);
  wf_cancel_raise(iso, L, t);
}

bool wf_press_strike(wf_iso *iso) {
  if (iso->strikes >= STRIKES_SPACED) return false;
  uint64_t now = wf_clock_ns();
  if (now < iso->quiet_until) return true;
  iso->strikes++;
  iso->quiet_until = now + STRIKE_PAUSE_NS;
  return true;
}

/* At the next instruction. Set also where it seems to be set: the handler may come in the middle of a change of the hook, which then
 * is completed with the count, or the mask, of the other one. (In the middle of this one it writes the same.) And it may come while
 * Lua counts down for the hook of a script, and writes its count over this one's: so the hook also comes with the next line. */
void wf_press_arm(lua_State *co) { lua_sethook(co, on_count, LUA_MASKCOUNT | LUA_MASKLINE, HOOK_NOW); }

void wf_press_begin(wf_iso *iso, uint64_t end) {
  if (!atomic_load_explicit(&iso->pressed, memory_order_relaxed) || end < iso->press_end) iso->press_end = end;
  iso->strikes = 0;
  iso->quiet_until = 0;
  atomic_store_explicit(&iso->pressed, true, memory_order_relaxed);
}

/* lua_sethook is what lua.c calls in its handler too. */
static void on_signal(int sig, siginfo_t *info, void *context) {
  wf_iso *iso = here;
  if (iso != NULL) {
    /* From another process: that of a worker's starter, which says by its connection what it wants. */
    if (iso->by_process && info != NULL && info->si_code == SI_USER) atomic_store(&iso->port->interrupt, 1);
    if (!atomic_load(&iso->port->interrupt)) {
      wf_preempt_tick(iso);
      return;
    }
    atomic_store_explicit(&iso->pressed, true, memory_order_relaxed);
    wf_press_arm(iso->running);
  } else if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(sig, info, context);
  } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(sig);
  }
}

wf_iso *wf_press_iso(void) { return here; }

static void install_handler(void) {
  struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_RESTART | SA_SIGINFO};
  sigemptyset(&sa.sa_mask);
  sigaction(SIGURG, NULL, &before);
  sigaction(SIGURG, &sa, NULL);
}

void wf_press_by_signal(wf_iso *iso) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (iso != NULL) pthread_once(&once, install_handler);
  here = iso;
}
