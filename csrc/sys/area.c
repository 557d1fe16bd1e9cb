/* See area.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE */
#endif
#include "sys/area.h"

#include <string.h>
#include <sys/mman.h>

#include "sys/pages.h"

enum { FIRST_CHUNKS = 64 };

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

static bool range_open(wf_area *a) {
  if (a->n == WF_AREA_RANGES) return false;
  size_t size = (size_t)(FIRST_CHUNKS << a->n) * WF_AREA_CHUNK, all_size = size + WF_AREA_CHUNK;
  char *all = mmap(NULL, all_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return false;
  char *base = (char *)(((uintptr_t)all + WF_AREA_CHUNK - 1) / WF_AREA_CHUNK * WF_AREA_CHUNK);
  if (base > all) munmap(all, (size_t)(base - all));
  if (base + size < all + all_size) munmap(base + size, (size_t)(all + all_size - (base + size)));
  memmove(&a->range[1], &a->range[0], a->n++ * sizeof a->range[0]);
  a->range[0].base = base;
  a->range[0].size = size;
  a->range[0].used = 0;
  return true;
}

/* A program that has filled the first range will fill this chunk soon: all of its pages at once cost less than a fault
 * for each. A refusal does no harm. */
static void populate(const wf_area *a, void *chunk) {
#ifdef MADV_POPULATE_WRITE
  if (a->n > 1) (void)madvise(chunk, WF_AREA_CHUNK, MADV_POPULATE_WRITE);
#else
  (void)a, (void)chunk;
#endif
}

void *wf_area_take(wf_area *a) {
  void *chunk = a->returned;
  if (chunk != NULL) {
    a->returned = *(void **)chunk;
  } else {
    if ((a->n == 0 || a->range[0].used == a->range[0].size) && !range_open(a)) return NULL;
    chunk = a->range[0].base + a->range[0].used;
    a->range[0].used += WF_AREA_CHUNK;
  }
  populate(a, chunk);
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
