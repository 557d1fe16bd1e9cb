/* What every C program of bench/ needs: clocks, pinning, resident memory.
 * Header-only, single-threaded callers; a program prints lines "metric value"
 * that bench/lib/measure.lua gathers. */
#ifndef WEFT_BENCH_H
#define WEFT_BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline double clock_ns(clockid_t which) {
  struct timespec t;
  clock_gettime(which, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline double now_ns(void) {
  return clock_ns(CLOCK_MONOTONIC);
}

static inline double cpu_ns(void) {
  return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* Resident bytes now, from the kernel; not what an allocator thinks it holds. */
static inline double rss_bytes(void) {
  long size = 0;
  long resident = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (f) {
    if (fscanf(f, "%ld %ld", &size, &resident) != 2) resident = 0;
    fclose(f);
  }
  return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static inline long arg_long(int argc, char **argv, int i, long otherwise) {
  return argc > i ? atol(argv[i]) : otherwise;
}

#endif
