/*
 * wheel.c: the hierarchical timing wheel of wheel.h. Thread, owner, lifetime: see there.
 *
 * Where a timer is, is a function of its time and of the wheel's position alone (slot_of): the
 * highest group of five bits in which its tick differs from the wheel's names the level, its own
 * value of that group the slot. Hence a timer need not store its slot, and deletion finds it again.
 *
 * Invariants:
 *   - the due slot holds exactly the timers of the wheel's tick and earlier;
 *   - slots by rising index hold ever later times (a level's occupied slots are all ahead of the
 *     wheel's own digit there), so the lowest bit of the map is the earliest slot;
 *   - moving the wheel forward to any tick within the earliest slot changes the place of that slot's
 *     timers only; up to its first tick, of none. So only the earliest slot is ever opened;
 *   - timers of the same `when` are always in one slot, in the order in which they were added: an
 *     opened slot is emptied front to back into slots that are empty.
 * While the timers are few the due slot is the only one and holds them all; the first two do not hold then.
 */
#include "base/wheel.h"

#include <string.h>

#include "base/alloc.h"

enum {
  DUE = 0,
  FAR = WF_WHEEL_SLOTS - 1,
  LEVEL_MASK = (1 << WF_WHEEL_LEVEL_BITS) - 1,
  SPAN_BITS = WF_WHEEL_LEVELS * WF_WHEEL_LEVEL_BITS, /* what the levels cover, in ticks */
  CROWD = 32,     /* a slot with more timers is not searched for its earliest, but spread */
  MERGE_BINS = 48 /* sorts up to 2^48 runs, more than there are addresses for timers */
};

static uint64_t tick_of(uint64_t when) { return when >> WF_WHEEL_TICK_BITS; }

static bool is_few(const wf_wheel *w) { return w->slot == &w->few; }

static unsigned slot_of(const wf_wheel *w, uint64_t when) {
  uint64_t tick = tick_of(when);
  if (tick <= w->tick || is_few(w)) return DUE;
  unsigned top = 63u - (unsigned)__builtin_clzll(tick ^ w->tick);
  if (top >= SPAN_BITS) return FAR;
  unsigned level = top / WF_WHEEL_LEVEL_BITS;
  unsigned digit = (unsigned)(tick >> (level * WF_WHEEL_LEVEL_BITS)) & LEVEL_MASK;
  return 1u + (level << WF_WHEEL_LEVEL_BITS) + digit;
}

/* The first tick that can be in slot `s`, which is not the due slot. */
static uint64_t slot_start(const wf_wheel *w, unsigned s) {
  if (s == FAR) return ((w->tick >> SPAN_BITS) + 1) << SPAN_BITS;
  unsigned shift = ((s - 1) >> WF_WHEEL_LEVEL_BITS) * WF_WHEEL_LEVEL_BITS;
  uint64_t digit = (s - 1) & LEVEL_MASK;
  uint64_t above = w->tick >> (shift + WF_WHEEL_LEVEL_BITS);
  return ((above << WF_WHEEL_LEVEL_BITS) | digit) << shift;
}

static unsigned slot_first(const wf_wheel *w) {
  for (unsigned i = 0; i < WF_WHEEL_WORDS; i++)
    if (w->map[i] != 0) return i * 64u + (unsigned)__builtin_ctzll(w->map[i]);
  return WF_WHEEL_SLOTS;
}

static void slot_fill(wf_wheel *w, unsigned s, wf_timer *first) {
  w->slot[s] = first;
  w->map[s / 64] |= UINT64_C(1) << (s % 64);
}

static void slot_clear(wf_wheel *w, unsigned s) {
  w->slot[s] = NULL;
  w->map[s / 64] &= ~(UINT64_C(1) << (s % 64));
}

/* Puts `t` behind the others of its slot. */
static void slot_append(wf_wheel *w, wf_timer *t) {
  unsigned s = slot_of(w, t->when);
  wf_timer *first = w->slot[s];
  if (first == NULL) {
    t->next = t->prev = t;
    slot_fill(w, s, t);
    return;
  }
  wf_timer *last = first->prev;
  if (s == DUE && t->when < last->when) w->unsorted = true;
  t->prev = last;
  t->next = first;
  last->next = t;
  first->prev = t;
}

static void slot_remove(wf_wheel *w, unsigned s, wf_timer *t) {
  if (t->next == t) {
    wf_assert(w->slot[s] == t);
    slot_clear(w, s);
  } else {
    if (w->slot[s] == t) w->slot[s] = t->next;
    t->prev->next = t->next;
    t->next->prev = t->prev;
  }
  t->next = t->prev = NULL;
}

typedef struct survey {
  uint64_t least, most; /* of all the times in a slot */
  bool ascending;
} survey;

/* Reads slot `s`; false, at no more than `limit` timers' cost, when it holds more. */
static bool slot_survey(const wf_wheel *w, unsigned s, size_t limit, survey *v) {
  const wf_timer *first = w->slot[s], *t = first;
  uint64_t last = 0;
  *v = (survey){UINT64_MAX, 0, true};
  do {
    if (limit-- == 0) return false;
    if (t->when < v->least) v->least = t->when;
    if (t->when > v->most) v->most = t->when;
    if (t->when < last) v->ascending = false;
    last = t->when;
    t = t->next;
  } while (t != first);
  return true;
}

/* Two chains that end in NULL; of equals, those of `a` come first. */
static wf_timer *chain_merge(wf_timer *a, wf_timer *b) {
  wf_timer *head = NULL, **end = &head;
  while (a != NULL && b != NULL) {
    wf_timer **least = b->when < a->when ? &b : &a;
    *end = *least;
    end = &(*least)->next;
    *least = *end;
  }
  *end = a != NULL ? a : b;
  return head;
}

/* Cuts the longest ascending run off the front of a chain. */
static wf_timer *chain_run(wf_timer **chain) {
  wf_timer *run = *chain, *t = run;
  while (t->next != NULL && t->next->when >= t->when) t = t->next;
  *chain = t->next;
  t->next = NULL;
  return run;
}

/* Sorts the due slot, stably: a merge sort of the runs that are there, which is linear for the
 * usual few. The bins hold older timers the higher they are. */
static void due_sort(wf_wheel *w) {
  wf_timer *bin[MERGE_BINS] = {NULL}, *rest = w->slot[DUE], *all = NULL;
  rest->prev->next = NULL;
  while (rest != NULL) {
    wf_timer *run = chain_run(&rest);
    unsigned i = 0;
    for (; bin[i] != NULL; i++) {
      run = chain_merge(bin[i], run);
      bin[i] = NULL;
    }
    wf_assert(i < MERGE_BINS);
    bin[i] = run;
  }
  for (unsigned i = 0; i < MERGE_BINS; i++) all = chain_merge(bin[i], all);
  wf_timer *last = all;
  for (; last->next != NULL; last = last->next) last->next->prev = last;
  last->next = all;
  all->prev = last;
  w->slot[DUE] = all;
  w->unsorted = false;
}

static wf_timer *due_first(wf_wheel *w) {
  if (w->unsorted) due_sort(w);
  return w->slot[DUE];
}

static void soon_set(wf_wheel *w, uint64_t when, bool exact) {
  w->soon = when;
  w->exact = exact;
}

/* No timer is before the tick `start`; UINT64_MAX when there is no timer at all. */
static void soon_raise(wf_wheel *w, uint64_t start) {
  if (start == UINT64_MAX) soon_set(w, start, false);
  else if (start << WF_WHEEL_TICK_BITS > w->soon) soon_set(w, start << WF_WHEEL_TICK_BITS, false);
}

/* Moves the wheel into its earliest slot `s`, which starts at or before `now` and is not the due
 * one, and deals that slot's timers out. */
static void slot_open(wf_wheel *w, unsigned s, uint64_t now) {
  uint64_t start = slot_start(w, s);
  wf_assert(w->slot[DUE] == NULL && start > w->tick && start <= now);
  wf_timer *t = w->slot[s];
  wf_assert(t != NULL); /* the map says that the slot is not empty */
  wf_timer *last = t->prev;
  survey v;
  bool one_tick = false;
  /* The slots of level 0 have one tick each. The far slot has no end: only its earliest timer tells
   * how far a jump by years may go at once. */
  if (slot_survey(w, s, s == FAR || s <= LEVEL_MASK + 1 ? SIZE_MAX : CROWD, &v)) {
    soon_set(w, v.least, true);
    one_tick = tick_of(v.least) == tick_of(v.most) && tick_of(v.least) <= now;
  }
  slot_clear(w, s);
  /* The further the wheel moves, the fewer levels are left to go through. */
  uint64_t to = tick_of(w->soon) < now ? tick_of(w->soon) : now;
  w->tick = to > start ? to : start;
  if (one_tick) {
    w->unsorted = !v.ascending;
    slot_fill(w, DUE, t);
    return;
  }
  last->next = NULL;
  while (t != NULL) {
    wf_timer *next = t->next;
    slot_append(w, t);
    t = next;
  }
}

void wf_wheel_init(wf_wheel *w, uint64_t now_ns) {
  memset(w, 0, sizeof *w);
  w->tick = tick_of(now_ns);
  w->soon = UINT64_MAX;
  w->slot = &w->few;
  w->spread_at = WF_WHEEL_FEW + 1;
}

void wf_wheel_fini(wf_wheel *w) {
  if (!is_few(w)) wf_free(w->slot);
  w->slot = &w->few;
}

/* The timers are many now: deal them out to slots. */
static void spread(wf_wheel *w) {
  wf_timer **slot = wf_calloc(WF_WHEEL_SLOTS, sizeof *slot);
  if (slot == NULL) { /* it is slower without */
    w->spread_at *= 2;
    return;
  }
  wf_timer *t = w->few;
  slot_clear(w, DUE);
  w->unsorted = false;
  w->slot = slot;
  w->spread_at = SIZE_MAX;
  t->prev->next = NULL;
  while (t != NULL) {
    wf_timer *next = t->next;
    slot_append(w, t);
    t = next;
  }
}

void wf_wheel_add(wf_wheel *w, wf_timer *t, uint64_t when_ns) {
  wf_assert(!wf_timer_armed(t));
  t->when = when_ns;
  slot_append(w, t);
  if (wf_unlikely(++w->count == w->spread_at)) spread(w);
  if (when_ns <= w->soon) soon_set(w, when_ns, true);
}

bool wf_wheel_del(wf_wheel *w, wf_timer *t) {
  if (!wf_timer_armed(t)) return false;
  slot_remove(w, slot_of(w, t->when), t);
  w->count--;
  if (t->when == w->soon) w->exact = false;
  return true;
}

wf_timer *wf_wheel_pop(wf_wheel *w, uint64_t now_ns) {
  if (now_ns < w->soon) return NULL;
  uint64_t now = tick_of(now_ns);
  for (;;) {
    unsigned s = slot_first(w);
    if (s == DUE) {
      wf_timer *t = due_first(w);
      soon_set(w, t->when, t->when > now_ns);
      if (is_few(w) && now > w->tick) w->tick = now;
      if (t->when > now_ns) return NULL;
      slot_remove(w, DUE, t);
      w->count--;
      return t;
    }
    uint64_t start = s < WF_WHEEL_SLOTS ? slot_start(w, s) : UINT64_MAX;
    if (start > now) {
      /* Keeping up with the clock puts the timers to come on the lowest levels. */
      if (now > w->tick) w->tick = now;
      soon_raise(w, start);
      return NULL;
    }
    slot_open(w, s, now);
  }
}

uint64_t wf_wheel_next(wf_wheel *w) {
  if (w->exact) return w->soon;
  unsigned s = slot_first(w);
  survey v;
  if (s == DUE) soon_set(w, due_first(w)->when, true);
  else if (s == WF_WHEEL_SLOTS) soon_raise(w, UINT64_MAX);
  else if (slot_survey(w, s, CROWD, &v)) soon_set(w, v.least, true);
  else soon_raise(w, slot_start(w, s));
  return w->soon;
}
