/*
 * wheel.h: timers of one isolate, in the order in which they are due.
 *
 * What it is: a hierarchical timing wheel over intrusive timers. Adding and deleting take constant
 * time whatever the number of timers; a timer is moved at most once per level before it fires.
 * Thread: the isolate's carrier alone; nothing here is atomic.
 * Owner: the wheel sits in its isolate, a timer in whatever waits (a task's waiter). Adding cannot fail: up to WF_WHEEL_FEW
 * timers, and more where there is no memory for slots, are kept in one list.
 * Kept alive by: a timer's owner, who deletes it from the wheel before its memory goes.
 *
 * Times are nanoseconds of one monotonic clock, any uint64_t. Promises:
 *   - a timer never fires early, and timers fire in the order of `when`, to the nanosecond; those
 *     with the same `when` fire in the order in which they were added;
 *   - a timer added with a time that has passed is due at once, before all that are later than it;
 *   - between two pops, timers may be added and deleted freely, due ones too.
 *
 * Geometry. A tick is 1024 ns. Seven levels of 32 slots cover 2^45 ns (9.8 hours) from the wheel's
 * position, one list holds what is further away, one list what is due: 226 slots of a pointer each.
 * 64 slots a level would take 1.3 KB more and save a fifth of the time where a million timers are armed, nothing else.
 * Every parked isolate has a wheel and may weigh 10 KB in all, and most have few timers: until there are more, all are in
 * the due list, which is sorted when it is asked for its first.
 */
#ifndef WF_BASE_WHEEL_H
#define WF_BASE_WHEEL_H

#include "base/base.h"

/* All zero is a disarmed timer. The owner reads `when`; everything is written by the wheel. */
typedef struct wf_timer {
  struct wf_timer *next, *prev; /* a ring of the timers in one slot; NULL when disarmed */
  uint64_t when;                /* as given to wf_wheel_add, also after it has fired */
} wf_timer;

enum {
  WF_WHEEL_TICK_BITS = 10,
  WF_WHEEL_LEVEL_BITS = 5,
  WF_WHEEL_LEVELS = 7,
  WF_WHEEL_SLOTS = 2 + (WF_WHEEL_LEVELS << WF_WHEEL_LEVEL_BITS), /* due, levels, far */
  WF_WHEEL_WORDS = (WF_WHEEL_SLOTS + 63) / 64,
  WF_WHEEL_FEW = 16
};

typedef struct wf_wheel {
  uint64_t soon;  /* no timer is earlier than this */
  uint64_t tick;  /* position: timers of this tick and before are in the due slot */
  size_t count;   /* armed timers */
  bool exact;     /* `soon` is the time of an armed timer */
  bool unsorted;  /* the due slot must be sorted before its first timer is taken */
  uint64_t map[WF_WHEEL_WORDS];       /* which slots are not empty */
  wf_timer **slot;                    /* the first of each ring; the index order is the time order */
  wf_timer *few;                      /* while they are few: the only slot, of all timers */
  size_t spread_at;                   /* the number of timers that calls for slots */
} wf_wheel;

/* Empties `w` without looking at it. `now_ns` need only be near the truth. */
void wf_wheel_init(wf_wheel *w, uint64_t now_ns);

/* Frees what the wheel holds; armed timers are left as they are. */
void wf_wheel_fini(wf_wheel *w);

/* Arms `t`, which must be disarmed. */
void wf_wheel_add(wf_wheel *w, wf_timer *t, uint64_t when_ns);

/* Disarms `t`; false when it was not armed. Constant time, wherever the timer is. */
bool wf_wheel_del(wf_wheel *w, wf_timer *t);

/* The earliest timer with `when <= now_ns`, disarmed, or NULL. Call until NULL. A `now_ns` that is
 * smaller than an earlier one is harmless. */
wf_timer *wf_wheel_pop(wf_wheel *w, uint64_t now_ns);

/* When to call wf_wheel_pop again: never later than the earliest timer, and exactly its time unless
 * it shares its slot with a crowd, which the pop at the returned time then spreads out. UINT64_MAX
 * when the wheel is empty. */
uint64_t wf_wheel_next(wf_wheel *w);

static inline bool wf_timer_armed(const wf_timer *t) { return t->next != NULL; }

static inline size_t wf_wheel_count(const wf_wheel *w) { return w->count; }

/* False: wf_wheel_pop would return NULL. For the scheduler's every turn: one load, one compare. */
static inline bool wf_wheel_maybe_due(const wf_wheel *w, uint64_t now_ns) {
  return now_ns >= w->soon;
}

#endif
