/*
** The parker: where the carrier of an isolate sleeps when nothing is ready.
**
** One parker belongs to one isolate. Only its present carrier waits on it, one
** at a time; any thread may wake it. Its memory must last until every waker has
** passed the exchange inside wf_parker_wake: after that a waker no longer
** touches it, and wf_parker_destroy waits for wakers still in their system call
** before it closes the descriptor that they write to.
**
** Notifications are sticky and never lost: a wake that comes before the wait
** makes the next wait return at once, any number of wakes are one. So the user's
** order is: make the work visible, then wake; and on the other side: look for
** work, wait, look again.
*/
#ifndef WF_SYS_PARKER_H
#define WF_SYS_PARKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WF_PARK_FOREVER UINT64_MAX

enum {
  WF_PARK_WOKEN,    /* notified; the notification is consumed */
  WF_PARK_TIMEOUT,  /* the deadline has passed */
  WF_PARK_FD,       /* extra_fd is readable (or broken: read it to see) */
  WF_PARK_EINTR     /* a signal handler ran on this thread: run Lua's hooks */
};

typedef struct wf_parker {
  /* The park word; parker.c says who writes and reads what. */
  _Atomic uint32_t word;
  /* The rest belongs to the waiting carrier alone. */
  int rfd, wfd;          /* eventfd (both the same) or pipe; -1 until needed */
  int64_t owed;          /* writes that wakers have promised less those read */
  /* Asked with all signals blocked just before the sleep, if set: true makes
     the wait return WF_PARK_EINTR. Closes the gap between a look at a flag that
     a signal handler sets and the sleep. For carriers that take signals (a
     host's own thread); set it between init and the first wait. */
  bool (*interrupted)(void *ud);
  void *ud;
} wf_parker;

void wf_parker_init(wf_parker *p);
void wf_parker_destroy(wf_parker *p);

/*
** Sleeps until woken, until deadline_ns (CLOCK_MONOTONIC, WF_PARK_FOREVER none),
** until extra_fd (-1 none) is readable, or until a signal handler has run.
** Returns WF_PARK_*; a notification wins over the others. Never fails: where no
** descriptor can be had it looks at the word every few milliseconds instead.
*/
int wf_parker_wait(wf_parker *p, int extra_fd, uint64_t deadline_ns);

/* From any thread; makes a system call only if the carrier sleeps. */
void wf_parker_wake(wf_parker *p);

/* Consumes a notification if there is one. The carrier's. */
bool wf_parker_take(wf_parker *p);

/*
** For a carrier that sleeps in something else than wf_parker_wait, its event
** loop (loop.c): the steps of a sleep, one by one. It watches the descriptor
** (-1: none can be had, only look now and then); between doze, which says false
** when there was a notification (consumed then), and rouse, which says whether
** one has come, wakers write to it. Every doze that said true has its rouse.
*/
int wf_parker_fd(wf_parker *p);
bool wf_parker_doze(wf_parker *p);
bool wf_parker_rouse(wf_parker *p);

/* Reads what wakers have written to the descriptor; for those who watch its
   level, not its edges. */
void wf_parker_drain(wf_parker *p);

/* Spins up to ns nanoseconds for a notification and consumes it. */
bool wf_parker_spin(wf_parker *p, uint64_t ns);

#endif
