/* Whether to look around for a while before a sleep.
 *
 * Being put to sleep and woken costs both sides more than a short answer takes (DESIGN.md D4): a sleeper whose sleeps are short had
 * better spin, for as long as it takes to wake the other side: what it is woken for answers within the spin then, and from there on
 * neither sleeps. How long that is depends on the machine; a sleep for an answer is two such wakes, so somewhat more than half of the
 * last one will do. Whether sleeps are short is learnt: after a spin in vain a number of short ones
 * must come before the next, twice as many each time, so that who waits for something slower pays little. Where there is one
 * processor nobody spins.
 *
 * One for each sleeper; the carrier alone. */
#ifndef WF_SYS_SPIN_H
#define WF_SYS_SPIN_H

#include "base/base.h"
#include "sys/thread.h"

#define WF_SPIN_NS ((uint64_t)20000)   /* at least so long */
#define WF_SHORT_NS ((uint64_t)120000) /* a sleep that a spin might have spared */

typedef struct wf_spin {
  uint32_t after;   /* so many short sleeps until the next spin */
  uint32_t pause;   /* and as it was last set */
  uint32_t ns;      /* how long */
  bool alone;       /* there is one processor */
} wf_spin;

enum { WF_SPIN_PAUSE = 255 }; /* short sleeps between two spins, at most */

static inline void wf_spin_init(wf_spin *s) { *s = (wf_spin){.after = 1, .pause = 1, .ns = WF_SPIN_NS, .alone = wf_cpus_at_first() == 1}; }

/* Is it time to, before a sleep that begins now and may last until the deadline? */
static inline bool wf_spin_due(const wf_spin *s, uint64_t now, uint64_t deadline_ns) {
  return s->after == 0 && deadline_ns > now + s->ns;
}

/* It was long enough: something has come; or it was not. */
static inline void wf_spin_ended(wf_spin *s, bool came) {
  if (came) {
    s->pause = 1;
    return;
  }
  s->pause = s->pause < WF_SPIN_PAUSE / 2 ? s->pause * 2 + 1 : WF_SPIN_PAUSE;
  s->after = s->pause;
}

/* A sleep was ended by what was waited for, after so long. */
static inline void wf_spin_slept(wf_spin *s, uint64_t ns) {
  if (ns >= WF_SHORT_NS || s->alone) return;
  uint64_t wake = ns * 5 / 8;
  s->ns = (uint32_t)(wake > WF_SPIN_NS ? wake : WF_SPIN_NS);
  if (s->after > 0) s->after--;
}

#endif
