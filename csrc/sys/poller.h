/* The poller: which descriptors are ready. Linux's epoll, edge-triggered; poll(2) elsewhere, or with
 * -DWF_POLLER_POLL.
 *
 * One poller belongs to one carrier; nothing here is thread-safe, and on_ready runs inside wf_poller_wait. A
 * watch lies in whatever owns the descriptor, and is taken out (wf_poller_del) before the descriptor is closed
 * and before its memory goes. on_ready may arm watches; it must not take any out.
 *
 * The contract, which both ways of waiting can keep: read or write first. Who is told EAGAIN (or got less than it
 * asked for) arms the watch for that direction, and is told once, at the next change. What is told of a direction
 * that is not armed is true, and is told at most once a change.
 */
#ifndef WF_SYS_POLLER_H
#define WF_SYS_POLLER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#if defined(__linux__) && !defined(WF_POLLER_POLL)
#define WF_POLLER_EPOLL 1
#else
#define WF_POLLER_EPOLL 0
#endif

enum {
  WF_IO_READ = 1,
  WF_IO_WRITE = 2,
  WF_IO_HUP = 4,   /* told with the others: the peer will send no more, or the descriptor is broken */
  WF_IO_LEVEL = 8, /* to arm: stays armed, and is told as long as it is ready */
};

typedef struct wf_watch {
  int fd;
  uint8_t armed;  /* WF_IO_* that somebody waits for */
  uint8_t listed; /* WF_IO_* that the system knows of; 0: it does not know the watch */
  uint32_t index; /* place in the poller's list, for poll(2) */
  void (*on_ready)(struct wf_watch *w, unsigned events);
} wf_watch;

typedef struct wf_poller {
  uint32_t count;    /* watches that are listed */
#if WF_POLLER_EPOLL
  int fd;
  unsigned forks;    /* wf_fork_number of the process that it belongs to */
  bool no_pwait2;    /* the kernel has no epoll_pwait2: milliseconds only */
#else
  struct wf_watch **watches;
  struct pollfd *fds;
  uint32_t room;
#endif
} wf_poller;

/* 0 or an errno. */
int wf_poller_open(wf_poller *p);
void wf_poller_close(wf_poller *p);

static inline void wf_watch_init(wf_watch *w, int fd, void (*on_ready)(wf_watch *, unsigned)) {
  *w = (wf_watch){.fd = fd, .on_ready = on_ready};
}

/* Tell once when the descriptor is ready. 0, or an errno: EPERM for what is always ready, such as a file. */
int wf_poller_arm(wf_poller *p, wf_watch *w, unsigned what);

/* Take the watch out; harmless when it is not in. */
void wf_poller_del(wf_poller *p, wf_watch *w);

/* Sleep until something is ready, for `ns` nanoseconds at most (WF_NEVER: for ever; 0: only look), with the signal
 * mask `mask` (NULL: as it is). The number of watches that were told, or a negative errno: -EINTR. */
int wf_poller_wait(wf_poller *p, uint64_t ns, const sigset_t *mask);

/* A descriptor that is readable when something is ready, for a host's own loop; -1: there is none here. */
int wf_poller_fd(const wf_poller *p);

#endif
