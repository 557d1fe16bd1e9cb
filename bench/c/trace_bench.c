/*
 * trace_bench.c: what an event of the trace costs, in ns: off, on in a ring that still fits the cache,
 * on in the default ring (whose first lap also touches its pages), and the timestamp alone.
 * Prints lines of `case subject value unit`.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/tsc.h"
#include "rt/trace.h"

enum { ROUNDS = 9, EVENTS = 2000000 };

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double events_ns(void) {
  double took[ROUNDS];
  for (int r = 0; r < ROUNDS; r++) {
    uint64_t begin = wf_clock_ns();
    for (uint64_t i = 0; i < EVENTS; i += 2) {
      wf_trace(WF_TRACE_RUN, WF_WHY_NONE, 1, i, 0);
      wf_trace(WF_TRACE_STOP, WF_WHY_YIELD, 1, i, 0);
    }
    took[r] = (double)(wf_clock_ns() - begin) / EVENTS;
  }
  qsort(took, ROUNDS, sizeof *took, by_value);
  return took[ROUNDS / 2];
}

static double traced_ns(size_t capacity) {
  if (wf_trace_start(capacity) != 0) exit(1);
  double ns = events_ns();
  wf_trace_stop(NULL);
  return ns;
}

/* One lap of a new ring, pages touched for the first time. */
static double first_lap_ns(void) {
  double took[ROUNDS];
  for (int r = 0; r < ROUNDS; r++) {
    if (wf_trace_start(0) != 0) exit(1);
    wf_trace(WF_TRACE_RUN, WF_WHY_NONE, 1, 1, 0);
    uint64_t begin = wf_clock_ns();
    for (uint64_t i = 0; i < WF_TRACE_CAPACITY; i++) wf_trace(WF_TRACE_STOP, WF_WHY_YIELD, 1, i, 0);
    took[r] = (double)(wf_clock_ns() - begin) / WF_TRACE_CAPACITY;
    wf_trace_stop(NULL);
  }
  qsort(took, ROUNDS, sizeof *took, by_value);
  return took[ROUNDS / 2];
}

static double stamp_ns(bool tsc) {
  uint64_t sum = 0, begin = wf_clock_ns();
  for (uint64_t i = 0; i < EVENTS; i++) sum += wf_tsc_now(tsc);
  double ns = (double)(wf_clock_ns() - begin) / EVENTS;
  volatile uint64_t keep = sum;
  (void)keep;
  return ns;
}

static double snapshot_ns(void) {
  if (wf_trace_start(0) != 0) exit(1);
  for (uint64_t i = 0; i < WF_TRACE_CAPACITY; i++) wf_trace(WF_TRACE_STOP, WF_WHY_YIELD, 1, i, 0);
  wf_trace_shot shot;
  uint64_t begin = wf_clock_ns();
  if (wf_trace_stop(&shot) != 0) exit(1);
  double ns = (double)(wf_clock_ns() - begin) / (double)shot.nevents;
  wf_trace_shot_free(&shot);
  return ns;
}

int main(void) {
  printf("trace_event off %.2f ns\n", events_ns());
  printf("trace_event on-cached %.2f ns\n", traced_ns(1024));
  printf("trace_event on %.2f ns\n", traced_ns(0));
  printf("trace_event on-first-lap %.2f ns\n", first_lap_ns());
  printf("trace_stamp used %.2f ns\n", stamp_ns(wf_tsc_usable()));
  printf("trace_stamp clock_gettime %.2f ns\n", stamp_ns(false));
  printf("trace_snapshot an-event %.2f ns\n", snapshot_ns());
  return 0;
}
