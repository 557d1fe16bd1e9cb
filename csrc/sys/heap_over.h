/* A heap for the small blocks of a Lua state that its host has opened with realloc and free: they come without header from
 * pages of one size (heap.h), all larger ones from the host's allocator as before. What a program allocates takes less
 * memory and time then (bench/run.lua parked, start, sleepers).
 *
 * Whence a block came is seen from its address, so blocks that were there before, and those for which there was no page,
 * are freed where they came from. One thread at a time, the state's carrier. */
#ifndef WF_SYS_HEAP_OVER_H
#define WF_SYS_HEAP_OVER_H

#include "sys/area.h"
#include "sys/heap.h"

/* In the shape of lua_Alloc. */
typedef void *(*wf_heap_base)(void *ud, void *block, size_t osize, size_t nsize);

typedef struct wf_heap_over {
  wf_heap heap;
  wf_area area;
  wf_heap_base base;
  void *base_ud;
  const void *last; /* the state's own block: when that is freed the heap goes too */
} wf_heap_over;

/* NULL when memory is out. */
wf_heap_over *wf_heap_over_new(wf_heap_base base, void *base_ud, const void *last);

/* A lua_Alloc whose ud is the heap. */
void *wf_heap_over_alloc(void *heap, void *block, size_t osize, size_t nsize);

#endif
