/*
 * trace.c: the rings behind trace.h: recording, start and stop. trace_shot.c reads them.
 *
 * What it is: a process-wide list of rings, one for each thread that recorded (trace_ring.h).
 * Thread: recording on the owner's; list, start, stop and snapshot under trace.mutex on any.
 * Owner: the list owns the rings. A thread's ring is freed by its own exit when no trace runs, else by
 * the stop that collects it (rings of ended threads), else reused by the thread for the next trace; in between it
 * has no pages.
 * Invariants: a ring belongs to the trace whose number it carries; only its owner renews it, so nobody
 * frees or resizes a lane that a thread may be writing. No allocation while recording but the ring's.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_getname_np */
#endif
#include "rt/trace.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/tsc.h"
#include "rt/trace_ring.h"
#include "sys/pages.h"
#include "sys/thread.h"

enum { CAPACITY_MIN = 16 };

_Atomic(uint32_t) wf_trace_switch;

/* All of it under the mutex but for lost. */
static struct {
  pthread_mutex_t mutex;
  wf_ring *first;
  wf_ring **last; /* where the next ring is linked, NULL when the list is empty: first to record, first listed */
  uint32_t number;
  size_t capacity;
  bool tsc;
  wf_tsc_pair start;
  uint64_t cpu;
  _Atomic(uint64_t) lost; /* events without a ring: added by any recorder, relaxed, for it is a count alone */
} trace = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_error;

/* What a thread knows of itself. Its own thread alone touches it. */
static _Thread_local struct {
  wf_ring *ring;
  uint32_t refused; /* the trace for which no ring could be made */
  bool over;        /* the thread is past its destructor: no new ring */
  char name[sizeof((wf_ring *)0)->name];
} own;

static uint64_t cpu_ns(void) {
  struct timespec ts;
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) != 0) return 0;
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- Lanes ---- */

static bool lane_open(wf_lane *l, size_t capacity) {
  if (l->words != NULL && l->mask + 1 == capacity) {
    atomic_store_explicit(&l->head, 0, memory_order_relaxed);
    return true;
  }
  wf_free(l->words);
  /* Zeroed pages come from the system untouched: a short trace pays for the pages it fills. */
  l->words = wf_calloc(capacity, WF_LANE_WORDS * sizeof *l->words);
  l->mask = l->words != NULL ? capacity - 1 : 0;
  atomic_store_explicit(&l->head, 0, memory_order_relaxed);
  return l->words != NULL;
}

/* Gives back the tail of a lane that no thread writes any more. */
static void lane_shrink_locked(wf_lane *l) {
  uint64_t used = atomic_load_explicit(&l->head, memory_order_relaxed);
  if (used > l->mask) return;
  size_t capacity = CAPACITY_MIN;
  while (capacity <= used) capacity *= 2; /* strictly more, as a full lane drops its oldest record */
  if (capacity > l->mask) return;
  void *words = wf_realloc(l->words, capacity * WF_LANE_WORDS * sizeof *l->words);
  if (words == NULL) return;
  l->words = words;
  l->mask = capacity - 1;
}

/* The trace is over, but the thread may be writing a last record still: the lane stays, empty, and its pages go. */
static void lane_empty_locked(const wf_lane *l) {
  if (l->words != NULL) wf_pages_give_back(l->words, (size_t)(l->mask + 1) * WF_LANE_WORDS * sizeof *l->words);
}

/* ---- Rings ---- */

static void ring_free(wf_ring *r) {
  wf_free(r->facts.words);
  wf_free(r->moves.words);
  wf_free(r);
}

static void ring_link_locked(wf_ring *r) {
  r->next = NULL;
  if (trace.last == NULL) trace.last = &trace.first;
  *trace.last = r;
  trace.last = &r->next;
}

/* Frees the rings that `drop` chooses. */
static void rings_sweep_locked(bool (*drop)(const wf_ring *r)) {
  wf_ring **at = &trace.first;
  while (*at != NULL) {
    wf_ring *r = *at;
    if (drop(r)) {
      *at = r->next;
      ring_free(r);
    } else {
      at = &r->next;
    }
  }
  trace.last = at;
}

static bool is_ended(const wf_ring *r) { return r->ended; }
static bool is_own(const wf_ring *r) { return r == own.ring; }
/* The thread that stops a trace writes nothing meanwhile; other living threads may be writing still. */
static bool is_ended_or_own(const wf_ring *r) { return r->ended || r == own.ring; }

/* The key's destructor, on the ending thread: its records stay for the trace that runs. */
static void on_thread_end(void *p) {
  wf_ring *r = p;
  pthread_mutex_lock(&trace.mutex);
  own.ring = NULL;
  own.over = true;
  r->ended = true;
  if (r->trace == wf_trace_on()) {
    lane_shrink_locked(&r->facts);
    lane_shrink_locked(&r->moves);
  } else {
    rings_sweep_locked(is_ended);
  }
  pthread_mutex_unlock(&trace.mutex);
}

static void key_make(void) { key_error = pthread_key_create(&key, on_thread_end); }

static void ring_identify(wf_ring *r) {
  memcpy(r->name, own.name, sizeof r->name);
  r->tid = (uint64_t)wf_thread_self_tid();
#if defined(__linux__) || defined(__APPLE__)
  if (r->name[0] == 0) pthread_getname_np(pthread_self(), r->name, sizeof r->name);
#endif
}

/* Makes this thread's ring, or turns its old one over to the trace that runs now. NULL: no memory; then
 * the thread has no ring. */
static wf_ring *ring_renew_locked(uint32_t number) {
  wf_ring *r = own.ring;
  if (r == NULL) {
    r = wf_calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    own.ring = r;
    ring_link_locked(r);
  }
  if (!lane_open(&r->moves, trace.capacity) || !lane_open(&r->facts, trace.capacity) ||
      pthread_setspecific(key, r) != 0) {
    rings_sweep_locked(is_own);
    pthread_setspecific(key, NULL);
    own.ring = NULL;
    return NULL;
  }
  ring_identify(r);
  r->tsc = trace.tsc;
  r->trace = number;
  return r;
}

/* The slow path: the first event of a trace, or one that raced with its end. NULL: not to be recorded.
 * A thread that got no memory does not ask again in this trace; its events are counted as lost. */
static __attribute__((noinline)) wf_ring *ring_renew(void) {
  uint32_t number = wf_trace_on();
  if (number == 0) return NULL;
  wf_ring *r = NULL;
  if (!own.over && own.refused != number) {
    pthread_mutex_lock(&trace.mutex);
    number = wf_trace_on();
    if (number != 0) r = ring_renew_locked(number);
    pthread_mutex_unlock(&trace.mutex);
    if (number == 0) return NULL;
    if (r == NULL) own.refused = number;
  }
  if (r == NULL) atomic_fetch_add_explicit(&trace.lost, 1, memory_order_relaxed);
  return r;
}

static inline wf_ring *ring_own(void) {
  wf_ring *r = own.ring;
  return wf_likely(r != NULL && r->trace == wf_trace_on()) ? r : ring_renew();
}

/* ---- Recording ---- */

static inline void put(wf_ring *r, enum wf_trace_ev ev, enum wf_trace_why why, uint32_t iso, uint64_t task, uint64_t arg) {
  wf_assert(ev > 0 && ev < WF_TRACE_EV_COUNT && why < WF_WHY_COUNT);
  wf_lane_what kind = {.ev = (uint8_t)ev, .why = (uint8_t)why, .iso = iso};
  uint64_t word;
  memcpy(&word, &kind, sizeof word);
  wf_lane_put(wf_trace_is_fact(ev) ? &r->facts : &r->moves, r->last, word, task, arg);
}

void wf_trace_record(enum wf_trace_ev ev, enum wf_trace_why why, uint32_t iso, uint64_t task,
                     uint64_t arg) {
  wf_ring *r = ring_own();
  if (wf_unlikely(r == NULL)) return;
  r->last = wf_tsc_now(r->tsc);
  put(r, ev, why, iso, task, arg);
}

void wf_trace_record_then(enum wf_trace_ev ev, enum wf_trace_why why, uint32_t iso, uint64_t task, uint64_t arg) {
  wf_ring *r = ring_own();
  if (wf_unlikely(r == NULL)) return;
  if (wf_unlikely(atomic_load_explicit(&r->moves.head, memory_order_relaxed) == 0)) r->last = wf_tsc_now(r->tsc);
  put(r, ev, why, iso, task, arg);
}

static bool within_char(const char *at) { return ((unsigned char)*at & 0xC0) == 0x80; }

/* What is too long keeps its beginning and its end, where names that belong together differ. */
static void shorten(char to[WF_TRACE_TEXT], const char *text, size_t n) {
  enum { TAIL = 8, HEAD = WF_TRACE_TEXT - 3 - TAIL };
  size_t head = HEAD, tail = n - TAIL;
  while (head > 0 && within_char(text + head)) head--;
  while (tail < n && within_char(text + tail)) tail++;
  memcpy(to, text, head);
  memcpy(to + head, "\u2026", 3);
  memcpy(to + head + 3, text + tail, n - tail);
}

void wf_trace_text(enum wf_trace_ev ev, uint64_t id, const char *text) {
  wf_assert(ev == WF_TRACE_NAME || ev == WF_TRACE_LABEL || wf_trace_is_moment(ev));
  wf_ring *r = ring_own();
  if (wf_unlikely(r == NULL)) return;
  char bytes[1 + WF_TRACE_TEXT] = {0};
  size_t n = strlen(text);
  bytes[0] = (char)ev;
  if (n <= WF_TRACE_TEXT)
    memcpy(bytes + 1, text, n);
  else
    shorten(bytes + 1, text, n);
  uint64_t words[WF_LANE_WORDS - 1];
  memcpy(words, bytes, sizeof words);
  bool moment = wf_trace_is_moment(ev);
  wf_lane_put(moment ? &r->moves : &r->facts, moment ? wf_tsc_now(r->tsc) : id, words[0], words[1], words[2]);
}

void wf_trace_thread_name(const char *name) {
  size_t n = strlen(name);
  if (n >= sizeof own.name) n = sizeof own.name - 1;
  memset(own.name, 0, sizeof own.name);
  memcpy(own.name, name, n);
}

/* ---- Start and stop ---- */

/* Fills the shot with everything up to now. */
static int shot_take_locked(wf_trace_shot *shot) {
  wf_tsc_pair end = wf_tsc_pair_read(trace.tsc);
  *shot = (wf_trace_shot){.start_ns = trace.start.ns,
                          .wall_ns = end.ns - trace.start.ns,
                          .cpu_ns = cpu_ns() - trace.cpu,
                          .lost = atomic_load_explicit(&trace.lost, memory_order_relaxed)};
  return wf_trace_shot_take_locked(shot, trace.first, trace.number, trace.start, end);
}

int wf_trace_start(size_t capacity) {
  if (capacity == 0) capacity = WF_TRACE_CAPACITY;
  if (capacity > SIZE_MAX / (4 * WF_LANE_WORDS * sizeof(uint64_t))) return EINVAL;
  pthread_once(&key_once, key_make);
  if (key_error != 0) return key_error;
  int error = EBUSY;
  pthread_mutex_lock(&trace.mutex);
  if (wf_trace_on() == 0) {
    trace.capacity = CAPACITY_MIN;
    while (trace.capacity < capacity) trace.capacity *= 2;
    trace.tsc = wf_tsc_usable();
    if (++trace.number == 0) trace.number = 1;
    atomic_store_explicit(&trace.lost, 0, memory_order_relaxed);
    trace.cpu = cpu_ns();
    trace.start = wf_tsc_pair_read(trace.tsc);
    atomic_store_explicit(&wf_trace_switch, trace.number, memory_order_relaxed);
    error = 0;
  }
  pthread_mutex_unlock(&trace.mutex);
  return error;
}

int wf_trace_snapshot(wf_trace_shot *out) {
  int error = EINVAL;
  *out = (wf_trace_shot){0};
  pthread_mutex_lock(&trace.mutex);
  if (wf_trace_on() != 0) error = shot_take_locked(out);
  pthread_mutex_unlock(&trace.mutex);
  return error;
}

int wf_trace_stop(wf_trace_shot *out) {
  int error = EINVAL;
  if (out != NULL) *out = (wf_trace_shot){0};
  pthread_mutex_lock(&trace.mutex);
  if (wf_trace_on() != 0) {
    atomic_store_explicit(&wf_trace_switch, 0, memory_order_relaxed);
    error = out != NULL ? shot_take_locked(out) : 0;
    rings_sweep_locked(is_ended_or_own);
    for (const wf_ring *r = trace.first; r != NULL; r = r->next) {
      lane_empty_locked(&r->facts);
      lane_empty_locked(&r->moves);
    }
    if (own.ring != NULL) pthread_setspecific(key, NULL);
    own.ring = NULL;
  }
  pthread_mutex_unlock(&trace.mutex);
  return error;
}

bool wf_trace_stalled(uint64_t ns, wf_trace_stall *out) {
  pthread_mutex_lock(&trace.mutex);
  bool found = wf_trace_on() != 0 &&
               wf_trace_stalled_locked(trace.first, trace.number, trace.start, wf_tsc_pair_read(trace.tsc), ns, out);
  pthread_mutex_unlock(&trace.mutex);
  return found;
}
