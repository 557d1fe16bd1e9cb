/*
 * trace_ring.h: the memory that trace.c writes and trace_shot.c reads; nobody else includes it.
 *
 * What it is: a ring is what one thread recorded for one trace. It has two lanes; a lane is an array of
 * four-word records that its owner alone writes and that anyone who holds trace.c's mutex may read.
 * Thread: wf_lane_put on the owner's; the rest under the mutex.
 * Owner: trace.c's list.
 *
 * Memory order of a lane. The writer of record k stores its four words into slot k mod n, each with
 * release, then head = k + 1 with release. The reader loads head (acquire) = h, copies slots below h
 * with acquire loads, then loads head again = h2. Records below h are complete, by the first load. May
 * a copied word of record i be one of a later record i + n? If it is, the acquire load that read it
 * synchronises with a release store that follows head = i + n in its thread, so the second load gives
 * h2 >= i + n: every i <= h2 - n is thrown away, and nothing torn survives. On x86-64 all of these are
 * plain moves. No bare fence is used, because ThreadSanitizer does not follow them.
 */
#ifndef WF_RT_TRACE_RING_H
#define WF_RT_TRACE_RING_H

#include <assert.h>

#include "base/tsc.h"
#include "rt/trace.h"
#include "rt/trace_dump.h"

enum { WF_LANE_WORDS = 4 };

typedef struct wf_lane {
  _Atomic(uint64_t) head;   /* records ever written: stored by the owner, read by snapshots; order above */
  _Atomic(uint64_t) *words; /* changed by the owner alone, under the mutex */
  uint64_t mask;            /* capacity - 1; as words */
} wf_lane;

typedef struct wf_ring {
  struct wf_ring *next; /* in order of first recording */
  wf_lane facts;        /* NEW LIVE NAME LABEL SAME */
  wf_lane moves;        /* RUN STOP READY PUT TAKE POST SHIP LAND, and MARK ENTER LEAVE */
  uint64_t last;        /* time of the last move: the owner's alone */
  uint32_t trace;       /* the trace it records for; stored by the owner, under the mutex */
  bool tsc;             /* a copy for the owner of whether the counter can be used */
  bool ended;           /* its thread is gone; under the mutex */
  uint64_t tid;
  char name[sizeof((wf_trace_thread *)0)->name];
} wf_ring;

/* A record's words: time, what, task, arg. Of a text: time (MARK, ENTER) or id, then 24 bytes of which the
 * first is the event's number as in `what`, the rest text. */
typedef struct wf_lane_what {
  uint8_t ev;
  uint8_t why;
  uint16_t unused;
  uint32_t iso;
} wf_lane_what;
static_assert(sizeof(wf_lane_what) == sizeof(uint64_t), "one word");

static inline void wf_lane_put(wf_lane *l, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  uint64_t at = atomic_load_explicit(&l->head, memory_order_relaxed);
  _Atomic(uint64_t) *slot = l->words + (at & l->mask) * WF_LANE_WORDS;
  atomic_store_explicit(&slot[0], a, memory_order_release);
  atomic_store_explicit(&slot[1], b, memory_order_release);
  atomic_store_explicit(&slot[2], c, memory_order_release);
  atomic_store_explicit(&slot[3], d, memory_order_release);
  atomic_store_explicit(&l->head, at + 1, memory_order_release);
}

/* How many records below head a lane can still hold intact: the slot of the oldest may be in writing. */
static inline uint64_t wf_lane_held(const wf_lane *l, uint64_t head) {
  return head < l->mask ? head : l->mask;
}

/* Copies the rings of trace number `number` in the list. 0 or ENOMEM, then the shot is empty.
 * The caller holds the mutex and sets the shot's times. */
int wf_trace_shot_take_locked(wf_trace_shot *shot, const wf_ring *first, uint32_t number,
                              wf_tsc_pair start, wf_tsc_pair end);

/* wf_trace_stalled, for the rings of trace number `number` in the list (trace_stall.c). */
bool wf_trace_stalled_locked(const wf_ring *first, uint32_t number, wf_tsc_pair start, wf_tsc_pair now, uint64_t ns,
                             wf_trace_stall *out);

#endif
