/*
 * wheel_bench.c: what a timer costs: created, fired, deleted, asked for.
 *
 * Prints CPU nanoseconds a timer for 1e3 to 1e6 timers, beside the limits of the machine in the same
 * run: touching as many timers out of order, and a binary heap, the usual peer.
 * Small sizes are repeated until a million timers have gone through. `gap` is the distance of two
 * timers in memory: 24 is timers alone, 1344 timers inside parked tasks.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/wheel.h"

static uint64_t cpu_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

typedef struct field {
  char *memory;
  size_t n, gap;
} field;

static wf_timer *timer_at(const field *f, size_t i) { return (wf_timer *)(void *)(f->memory + i * f->gap); }

/* When timer `i` fires: `distinct` times a millisecond apart, or each its own within a second. */
static uint64_t when_of(size_t i, size_t distinct) {
  if (distinct > 0) return (i % distinct) * 1000000u;
  return (i * UINT64_C(2654435761)) % 1000000007u;
}

static void fire_all(const field *f, size_t distinct) {
  wf_wheel w;
  wf_wheel_init(&w, 0);
  for (size_t i = 0; i < f->n; i++) wf_wheel_add(&w, timer_at(f, i), when_of(i, distinct));
  size_t fired = 0;
  uint64_t now = 0;
  while (fired < f->n) {
    now = wf_wheel_next(&w);
    while (wf_wheel_pop(&w, now) != NULL) fired++;
  }
}

/* Time-outs that never come: the life of nearly all of them. */
static void add_delete(const field *f, size_t distinct) {
  wf_wheel w;
  wf_wheel_init(&w, 0);
  for (size_t i = 0; i < f->n; i++) wf_wheel_add(&w, timer_at(f, i), when_of(i, distinct));
  for (size_t i = 0; i < f->n; i++) wf_wheel_del(&w, timer_at(f, i));
}

/* The limit: write each timer once, then read it twice in an order such as that of firing. */
static uint64_t touched;
static void touch(const field *f, size_t distinct) {
  for (size_t i = 0; i < f->n; i++) timer_at(f, i)->when = when_of(i, distinct);
  size_t at = 0, step = 7919 % f->n;
  for (size_t i = 0; i < 2 * f->n; i++) {
    touched += timer_at(f, at)->when;
    at = at + step < f->n ? at + step : at + step - f->n;
  }
}

/* The peer: a binary heap of pointers, which knows each timer's place. */
static void heap_all(const field *f, size_t distinct) {
  wf_timer **heap = malloc((f->n + 1) * sizeof(*heap));
  size_t n = 0;
  for (size_t i = 0; i < f->n; i++) {
    wf_timer *t = timer_at(f, i);
    t->when = when_of(i, distinct);
    size_t hole = ++n;
    for (; hole > 1 && heap[hole / 2]->when > t->when; hole /= 2) heap[hole] = heap[hole / 2];
    heap[hole] = t;
  }
  while (n > 0) {
    wf_timer *t = heap[n--];
    size_t hole = 1, child;
    for (; (child = hole * 2) <= n; hole = child) {
      if (child < n && heap[child + 1]->when < heap[child]->when) child++;
      if (heap[child]->when >= t->when) break;
      heap[hole] = heap[child];
    }
    heap[hole] = t;
  }
  free(heap);
}

typedef void run_fn(const field *f, size_t distinct);

static void report(const char *what, run_fn *run, const field *f, size_t distinct) {
  size_t rounds = 1000000 / f->n;
  uint64_t best = UINT64_MAX;
  for (int again = 0; again < 3; again++) {
    uint64_t start = cpu_ns();
    for (size_t r = 0; r < rounds; r++) run(f, distinct);
    uint64_t spent = cpu_ns() - start;
    if (spent < best) best = spent;
  }
  printf("%-12s n=%-8zu gap=%-5zu %-9s %6.1f ns/timer %7.1f ms\n", what, f->n, f->gap,
         distinct > 0 ? "1000 ms" : "distinct", (double)best / (double)(rounds * f->n),
         (double)best / 1e6 / (double)rounds);
}

int main(void) {
  static const size_t gaps[] = {24, 1344};
  for (size_t g = 0; g < 2; g++)
    for (size_t distinct = 1000;; distinct = 0) {
      for (size_t n = 1000; n <= 1000000; n *= 10) {
        field f = {calloc(n, gaps[g]), n, gaps[g]};
        if (f.memory == NULL) return 1;
        report("touch limit", touch, &f, distinct);
        report("wheel fire", fire_all, &f, distinct);
        report("wheel delete", add_delete, &f, distinct);
        report("binary heap", heap_all, &f, distinct);
        free(f.memory);
      }
      if (distinct == 0) break;
    }
  return touched == 1;
}
