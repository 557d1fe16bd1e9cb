/* See heap_over.h. */
#include "sys/heap_over.h"

#include <string.h>

#include "base/alloc.h"
#include "base/base.h"

wf_heap_over *wf_heap_over_new(wf_heap_base base, void *base_ud, const void *last) {
  wf_heap_over *o = wf_calloc(1, sizeof *o);
  if (o == NULL) return NULL;
  wf_heap_init_over(&o->heap, &o->area);
  o->base = base;
  o->base_ud = base_ud;
  o->last = last;
  return o;
}

static inline void *take(wf_heap_over *o, size_t kind, size_t size) {
  void *block = size <= WF_HEAP_OVER_SMALL ? wf_heap_page_take(&o->heap, size) : NULL;
  return wf_likely(block != NULL) ? block : o->base(o->base_ud, NULL, kind, size);
}

/* The base's free, and if that was the state itself the end of all this. */
static void give_base(wf_heap_over *o, void *block, size_t size) {
  bool last = block == o->last;
  o->base(o->base_ud, block, size, 0);
  if (!last) return;
  o->heap.area = NULL; /* its ranges go whole, not chunk by chunk */
  wf_heap_fini(&o->heap);
  wf_area_fini(&o->area);
  wf_free(o);
}

static inline void give(wf_heap_over *o, void *block, size_t size) {
  if (wf_likely(wf_area_has(&o->area, block))) wf_heap_page_give(&o->heap, block);
  else give_base(o, block, size);
}

static void *resize(wf_heap_over *o, void *block, size_t osize, size_t nsize) {
  bool ours = wf_area_has(&o->area, block);
  if (!ours && (nsize > WF_HEAP_OVER_SMALL || osize <= WF_HEAP_OVER_SMALL))
    return o->base(o->base_ud, block, osize, nsize);
  if (ours && wf_heap_fits(osize, nsize)) return block;
  void *moved = take(o, 0, nsize);
  if (moved == NULL) return nsize <= osize ? block : NULL; /* shrinking must not fail */
  memcpy(moved, block, osize < nsize ? osize : nsize);
  give(o, block, osize);
  return moved;
}

void *wf_heap_over_alloc(void *heap, void *block, size_t osize, size_t nsize) {
  wf_heap_over *o = heap;
  if (nsize == 0) {
    if (block != NULL) give(o, block, osize);
    return NULL;
  }
  return block == NULL ? take(o, osize, nsize) : resize(o, block, osize, nsize);
}
