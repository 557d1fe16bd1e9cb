/* The monotonic clock, in nanoseconds. Never goes back; unrelated to the time of day.
 * Any thread. */
#ifndef WF_CLOCK_H
#define WF_CLOCK_H

#include <stdint.h>
#include <time.h>

#define WF_NEVER UINT64_MAX

static inline uint64_t wf_clock_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#endif
