/* The event loop of a carrier: everything that a sleeping carrier may be woken by, in one system call.
 *
 * A poller (poller.h) watches the descriptors of sockets and pipes, the parker's own, and libuv's. libuv does
 * what is no readiness: files and names on its thread pool, signals, child processes, file watches. Its loop is
 * made at its first use, and run, without blocking, when its descriptor is ready, its timers are due or somebody
 * has used it.
 *
 * Why not sleep in uv_run: its time-outs are whole milliseconds; it begins again after EINTR, so Ctrl-C would not
 * come through; it sets a descriptor's interest anew with system calls of their own. One call here does all that:
 * nanoseconds, the signal mask, edges that need no new order.
 *
 * A loop belongs to a carrier: a worker's is used by all the isolates that it runs, a host's or a thread's by its
 * only one. Nothing here is thread-safe, but any thread may wake the parker. Callbacks of watches and of libuv
 * run in wf_loop_wait and wf_loop_poll; they must not call Lua functions that may raise, nor run tasks.
 */
#ifndef WF_SYS_LOOP_H
#define WF_SYS_LOOP_H

#include "base/list.h"
#include "sys/parker.h"
#include "sys/poller.h"
#include "sys/uv.h"

enum { WF_BLOCK_SIZE = 64 * 1024, WF_BLOCKS_KEPT = 16 };

typedef struct wf_loop {
  wf_poller poller;
  wf_parker *parker;      /* the one whose descriptor is watched, or NULL */
  wf_watch parker_watch;
  uv_loop_t *uv;          /* NULL: not used yet */
  wf_watch uv_watch;
  bool uv_dirty;          /* libuv must look at what has been asked of it before the carrier sleeps */
  uint32_t own_watches;   /* of those in the poller: not somebody's descriptor */
  uint64_t looked;        /* when the descriptors were looked at last */
  void *blocks[WF_BLOCKS_KEPT]; /* memory to read into: the one used last comes first */
  uint32_t nblocks;
} wf_loop;

/* NULL, and *err is an errno. */
wf_loop *wf_loop_new(int *err);

/* Everything that was opened on it is closed by now, but libuv may still have to say so. */
void wf_loop_free(wf_loop *loop);

/* libuv's loop, to ask something of it: call this anew each time before a uv_*_start, a request or a uv_close.
 * NULL, and *err is an errno. */
uv_loop_t *wf_loop_uv(wf_loop *loop, int *err);

/* Start libuv's thread pool, if that was not done yet: its threads have the rights and the signal mask of the one that
 * starts them, so it is to be one with the process's rights, with all signals blocked. 0 or an errno. Any thread. */
int wf_loop_start_pool(void);

/* The number of threads in that pool; `wanted` > 0 sets it, unless the pool has been started (EBUSY). */
int wf_loop_pool_size(int wanted, int *size);

/* As wf_parker_wait, and the descriptors and libuv are served. WF_PARK_FD: something of these has happened, or
 * nothing at all; WF_PARK_WOKEN the parker's notification. */
int wf_loop_wait(wf_loop *loop, wf_parker *p, uint64_t deadline_ns);

/* Look again and again, without a sleep, for so long: what wf_loop_wait gives. */
int wf_loop_spin(wf_loop *loop, wf_parker *p, uint64_t ns);

/* The parker's descriptor is watched from now on; false when there is none. For those who sleep elsewhere, on the
 * poller's descriptor. */
bool wf_loop_watch(wf_loop *loop, wf_parker *p);

/* No parker is any more. To be called before a parker that the loop has slept with is destroyed. */
void wf_loop_unwatch(wf_loop *loop);

/* Serve what is ready; never blocks. */
void wf_loop_poll(wf_loop *loop);

/* For a carrier that is busy: is it time to look again? */
static inline bool wf_loop_due(const wf_loop *loop, uint64_t now) {
  enum { EVERY_NS = 50000 };
  return (loop->uv_dirty || loop->poller.count > loop->own_watches || loop->uv != NULL) && now - loop->looked > EVERY_NS;
}

/* Until when libuv's own timers let the carrier sleep (WF_NEVER: for ever). */
uint64_t wf_loop_next(const wf_loop *loop);

/* A block of WF_BLOCK_SIZE bytes to read into (NULL: no memory), and back. */
void *wf_loop_take_block(wf_loop *loop);
void wf_loop_give_block(wf_loop *loop, void *block);

#endif
