/* Memory of a test that is counted, and fails to order: the allocator of a Lua state (heap_lua) or ours (heap_c, for
 * wf_alloc_set). Any thread: counts are atomic, each for itself; `peak` is exact where one thread allocates. */
#ifndef HEAP_H
#define HEAP_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "fault_ways.h"

typedef struct heap {
  atomic_long blocks, bytes, peak;
  atomic_long calls;   /* allocations so far */
  atomic_long fail_at; /* the number of the one that fails; 0 none */
  atomic_int way;      /* fault_ways.h */
} heap;

static inline void heap_reset(heap *h) {
  atomic_long *const words[] = {&h->blocks, &h->bytes, &h->peak, &h->calls, &h->fail_at};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) atomic_store(words[i], 0);
  atomic_store(&h->way, 0);
}

/* From now on the at-th allocation fails, in this way. */
static inline void heap_order(heap *h, long at, int way) {
  atomic_store(&h->way, way);
  atomic_store(&h->calls, 0);
  atomic_store(&h->fail_at, at);
}

/* No more. Whether the order was met. */
static inline int heap_heal(heap *h) {
  int hit = atomic_load(&h->calls) >= atomic_load(&h->fail_at);
  atomic_store(&h->fail_at, 0);
  return hit;
}

static inline int heap_fails(heap *h) {
  long call = atomic_fetch_add(&h->calls, 1) + 1, at = atomic_load(&h->fail_at);
  return fault_hits(call, at, atomic_load(&h->way));
}

static inline void heap_add(heap *h, size_t old, size_t size) {
  long now = atomic_fetch_add(&h->bytes, (long)size - (long)old) + (long)size - (long)old;
  if (now > atomic_load(&h->peak)) atomic_store(&h->peak, now);
}

/* The system's, with the blocks counted. */
static inline void *heap_system(heap *h, void *block, size_t size) {
  if (size == 0) {
    if (block != NULL) atomic_fetch_sub(&h->blocks, 1);
    free(block);
    return NULL;
  }
  if (block == NULL) atomic_fetch_add(&h->blocks, 1);
  return realloc(block, size);
}

/* As lua_Alloc: what shrinks never fails. */
static inline void *heap_lua(void *ud, void *block, size_t old, size_t size) {
  heap *h = ud;
  if (block == NULL) old = 0; /* it is the kind of the object */
  if (size > old && heap_fails(h)) return NULL;
  heap_add(h, old, size);
  return heap_system(h, block, size);
}

/* As wf_alloc_fn. Sizes stand in front of the blocks. */
static inline void *heap_c(void *ud, void *block, size_t size) {
  enum { HEAD = _Alignof(max_align_t) };
  heap *h = ud;
  char *head = block == NULL ? NULL : (char *)block - HEAD;
  size_t old = head == NULL ? 0 : *(size_t *)(void *)head;
  if (size > 0 && heap_fails(h)) return NULL;
  heap_add(h, old, size);
  head = heap_system(h, head, size == 0 ? 0 : HEAD + size);
  if (size == 0) return NULL;
  if (head == NULL) abort();
  *(size_t *)(void *)head = size;
  return head + HEAD;
}

/* The same without sizes, so bytes are not counted: blocks from before wf_alloc_set may be given back. */
static inline void *heap_plain(void *ud, void *block, size_t size) {
  heap *h = ud;
  return size > 0 && heap_fails(h) ? NULL : heap_system(h, block, size);
}

#endif
