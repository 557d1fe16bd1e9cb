/* See area.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE */
#endif
#include "sys/area.h"

#include <string.h>
#include <sys/mman.h>

#include "sys/pages.h"

enum {
  FIRST_CHUNKS = 64,
  HUGE_PAGE = 2 << 20 /* of x86-64 and others; a program that fills the first range has use for them */
};

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

static bool range_open(wf_area *a) {
  if (a->n == WF_AREA_RANGES) return false;
  size_t size = (size_t)(FIRST_CHUNKS << a->n) * WF_AREA_CHUNK;
  char *all = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return false;
  char *base = (char *)(((uintptr_t)all + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
  if (base > all) munmap(all, (size_t)(base - all));
  munmap(base + size, HUGE_PAGE - (size_t)(base - all));
#ifdef MADV_HUGEPAGE
  (void)madvise(base, size, a->n > 0 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
  memmove(&a->range[1], &a->range[0], a->n++ * sizeof a->range[0]);
  a->range[0].base = base;
  a->range[0].size = size;
  a->range[0].used = 0;
  return true;
}

void *wf_area_take(wf_area *a) {
  void *chunk = a->returned;
  if (chunk != NULL) {
    a->returned = *(void **)chunk;
    return chunk;
  }
  if ((a->n == 0 || a->range[0].used == a->range[0].size) && !range_open(a)) return NULL;
  chunk = a->range[0].base + a->range[0].used;
  a->range[0].used += WF_AREA_CHUNK;
  return chunk;
}

void wf_area_give(wf_area *a, void *chunk) {
  wf_pages_give_back((char *)chunk + sizeof(void *), WF_AREA_CHUNK - sizeof(void *));
  *(void **)chunk = a->returned;
  a->returned = chunk;
}

void wf_area_fini(wf_area *a) {
  for (unsigned i = 0; i < a->n; i++) munmap(a->range[i].base, a->range[i].size);
  *a = (wf_area){0};
}
