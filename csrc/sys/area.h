/* Address space, reserved in large ranges and handed out in chunks: whether an address belongs to it takes a comparison or
 * two. One thread at a time. */
#ifndef WF_SYS_AREA_H
#define WF_SYS_AREA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WF_AREA_CHUNK = 1 << 20, WF_AREA_RANGES = 16 };

typedef struct wf_area {
  unsigned n;
  struct {
    char *base;
    size_t size, used;
  } range[WF_AREA_RANGES]; /* the newest first; each twice as large as the one before it */
  void *returned;          /* chunks that came back, a list */
} wf_area;

static inline bool wf_area_has(const wf_area *a, const void *p) {
  for (unsigned i = 0; i < a->n; i++)
    if ((uintptr_t)p - (uintptr_t)a->range[i].base < a->range[i].size) return true;
  return false;
}

/* WF_AREA_CHUNK bytes at a multiple of that, or NULL. */
void *wf_area_take(wf_area *a);
void wf_area_give(wf_area *a, void *chunk);

/* All of it goes back to the system. */
void wf_area_fini(wf_area *a);

#endif
