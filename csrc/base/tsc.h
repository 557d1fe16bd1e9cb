/*
 * tsc.h: a timestamp cheap enough to take at every task switch.
 *
 * What it is: wf_tsc_now() counts ticks. On x86-64 whose time stamp counter runs at one rate in every
 * power state (invariant) a tick is a cycle of that counter; elsewhere it is a nanosecond of
 * CLOCK_MONOTONIC. Any thread; no memory but one flag that the first user sets.
 * Ticks become nanoseconds between two pairs of (tick, clock) taken at the ends of the span: there is no
 * frequency to measure beforehand, and the error stays that of reading a pair (some 20 ns) for any span.
 */
#ifndef WF_BASE_TSC_H
#define WF_BASE_TSC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <cpuid.h>
#include <x86intrin.h>
#define WF_TSC_HARDWARE 1
#else
#define WF_TSC_HARDWARE 0
#endif

/* Whether this machine's counter can serve as a clock: bit 8 of CPUID leaf 0x80000007, EDX. */
static inline bool wf_tsc_usable(void) {
#if WF_TSC_HARDWARE
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(0x80000007u, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
#else
  return false;
#endif
}

/* The counter itself, for a caller that asked wf_tsc_usable once and kept the answer. */
static inline uint64_t wf_tsc_now(bool usable) {
#if WF_TSC_HARDWARE
  if (usable) return __rdtsc();
#else
  (void)usable;
#endif
  return wf_clock_ns();
}

typedef struct wf_tsc_pair {
  uint64_t tick;
  uint64_t ns;
} wf_tsc_pair;

/* Reads counter and clock at one moment: the narrowest of several tries, so that being descheduled
 * between the two readings does not count. */
static inline wf_tsc_pair wf_tsc_pair_read(bool usable) {
  wf_tsc_pair best = {0, 0};
  uint64_t narrowest = UINT64_MAX;
  for (int i = 0; i < 8; i++) {
    uint64_t before = wf_tsc_now(usable);
    uint64_t ns = wf_clock_ns();
    uint64_t width = wf_tsc_now(usable) - before;
    if (width < narrowest) {
      narrowest = width;
      best.tick = before + width / 2;
      best.ns = usable ? ns : best.tick;
    }
  }
  return best;
}

/* Nanoseconds from `from` to `tick`, by the rate between the two pairs. A tick outside the span (a
 * counter read a hair early on another core) is moved to its end. */
static inline uint64_t wf_tsc_span_ns(wf_tsc_pair from, wf_tsc_pair to, uint64_t tick) {
  if (tick <= from.tick || to.tick <= from.tick) return 0;
  uint64_t span = to.ns - from.ns;
  if (tick >= to.tick) return span;
  return (uint64_t)((double)(tick - from.tick) * ((double)span / (double)(to.tick - from.tick)));
}

#endif
