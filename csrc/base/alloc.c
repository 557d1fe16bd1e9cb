/* See alloc.h. The two variables are written before threads start and only read after. */
#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static wf_alloc_fn alloc_fn;
static void *alloc_ud;

void wf_alloc_set(wf_alloc_fn fn, void *ud) {
  alloc_fn = fn;
  alloc_ud = ud;
}

void *wf_malloc(size_t size) {
  if (size == 0) size = 1;
  if (wf_unlikely(alloc_fn != NULL)) return alloc_fn(alloc_ud, NULL, size);
  return malloc(size);
}

void *wf_calloc(size_t count, size_t size) {
  if (wf_likely(alloc_fn == NULL)) return calloc(count ? count : 1, size ? size : 1);
  if (size != 0 && count > SIZE_MAX / size) return NULL;
  void *block = wf_malloc(count * size);
  if (block != NULL) memset(block, 0, count * size);
  return block;
}

void *wf_realloc(void *block, size_t size) {
  if (size == 0) size = 1;
  if (wf_unlikely(alloc_fn != NULL)) return alloc_fn(alloc_ud, block, size);
  return realloc(block, size);
}

void wf_free(void *block) {
  if (wf_unlikely(alloc_fn != NULL)) {
    if (block != NULL) alloc_fn(alloc_ud, block, 0);
    return;
  }
  free(block);
}
