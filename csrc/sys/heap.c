/*
** The private heap of a state: see heap.h for what it promises.
**
** Blocks up to 512 bytes have a size class for every 8 bytes. They come from
**
**   the nest, and when that is full the annex, where blocks of all sizes lie side
**   by side and are never given back: a small state takes little more than it
**   asks for;
**
**   then pages of one class each, which return to their span when the last
**   block is freed, and can become pages of another class; a span whose pages
**   have all returned goes back to the system, but for one that is kept.
**
** Larger blocks come from wf_malloc, but for those that still fit into nest or
** annex (Lua's own struct, string table, stack).
**
** Whence a block came is seen from its address: inside nest or annex; else a
** small block's page begins at the multiple of PAGE below it and knows the class.
** The size that Lua gives tells small from large, and the class in the nest.
*/
#include "sys/heap.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "sys/area.h"

enum {
  PAGE = 8192,
  PAGE_OVER = 64 * 1024, /* of an area, where what was never touched takes no memory */
  ANNEX = 24 * 1024,
  NEST_LARGE = 4096,  /* the largest block that nest and annex are for */
  SPAN_PAGES_MIN = 3, /* the first span; the later ones double up to the most */
  SPAN_PAGES_MAX = 127
};

typedef struct wf_heap_scrap {
  struct wf_heap_scrap *next;
  size_t size;
} scrap;

typedef struct wf_heap_page {
  struct wf_heap_page *next, *prev; /* in heap.roomy, or next in span.returned */
  struct wf_heap_span *span;
  void *free;
  char *fresh;                      /* from here to the end: never used yet */
  uint16_t used;                    /* blocks handed out */
  uint16_t class;
  bool listed;                      /* in heap.roomy */
} page;

typedef struct wf_heap_span {
  struct wf_heap_span *next, *prev;           /* in heap.spans */
  struct wf_heap_span *open_next, *open_prev; /* in heap.open */
  page *returned;
  char *first;                                /* the pages; */
  char *fresh;                                /* from here on they are untouched */
  unsigned pages, free;
  size_t bytes;
} span;

/* What a page holds begins here. */
#define PAGE_HEAD ((sizeof(page) + WF_HEAP_GRAIN - 1) / WF_HEAP_GRAIN * WF_HEAP_GRAIN)

/* Of a heap that has no pages yet: read only. */
static page *no_pages[WF_HEAP_OVER_SMALL / WF_HEAP_GRAIN + 1];

static unsigned class_of(size_t size) {
  return (unsigned)((size + WF_HEAP_GRAIN - 1) / WF_HEAP_GRAIN);
}

static bool in_nest(const wf_heap *h, const void *block) {
  return (uintptr_t)block - (uintptr_t)h->nest < h->nest_size ||
         (uintptr_t)block - (uintptr_t)h->annex < h->annex_size;
}

static page *page_of(const wf_heap *h, void *block) { return (page *)((uintptr_t)block & ~(uintptr_t)(h->page - 1)); }

static void loose_push(wf_heap *h, unsigned class, void *block) {
  *(void **)block = h->loose[class];
  h->loose[class] = block;
}

/* --------------------------------------------------------------- spans, pages */

static void count_reserved(wf_heap *h, size_t more, size_t less) {
  size_t now = atomic_load_explicit(&h->reserved, memory_order_relaxed);
  atomic_store_explicit(&h->reserved, now + more - less, memory_order_relaxed);
}

static void open_link(wf_heap *h, span *s) {
  s->open_prev = NULL;
  s->open_next = h->open;
  if (h->open) h->open->open_prev = s;
  h->open = s;
}

static void open_unlink(wf_heap *h, span *s) {
  if (s->open_prev) s->open_prev->open_next = s->open_next;
  else h->open = s->open_next;
  if (s->open_next) s->open_next->open_prev = s->open_prev;
}

/* The record of a span and its pages behind it. */
static span *span_of_malloc(wf_heap *h) {
  unsigned pages = h->pages < SPAN_PAGES_MIN ? SPAN_PAGES_MIN : h->pages;
  if (pages > SPAN_PAGES_MAX) pages = SPAN_PAGES_MAX;
  size_t bytes = ((size_t)pages + 1) * PAGE; /* the record fits where aligning loses a page */
  span *s = wf_malloc(bytes);
  if (!s) return NULL;
  uintptr_t first = ((uintptr_t)(s + 1) + PAGE - 1) / PAGE * PAGE;
  *s = (span){.first = (char *)first, .bytes = bytes};
  s->pages = (unsigned)(((uintptr_t)s + bytes - first) / PAGE);
  return s;
}

/* The record by itself: a chunk is pages from end to end. */
static span *span_of_area(wf_heap *h) {
  span *s = wf_malloc(sizeof *s);
  char *chunk = s ? wf_area_take(h->area) : NULL;
  if (!chunk) {
    wf_free(s);
    return NULL;
  }
  *s = (span){.first = chunk, .bytes = WF_AREA_CHUNK, .pages = WF_AREA_CHUNK / PAGE_OVER};
  return s;
}

static span *span_new(wf_heap *h) {
  span *s = h->area ? span_of_area(h) : span_of_malloc(h);
  if (!s) return NULL;
  s->fresh = s->first;
  s->free = s->pages;
  s->next = h->spans;
  if (h->spans) h->spans->prev = s;
  h->spans = s;
  open_link(h, s);
  count_reserved(h, s->bytes, 0);
  return s;
}

static void span_free(wf_heap *h, span *s) {
  if (h->area) wf_area_give(h->area, s->first);
  wf_free(s);
}

static void span_drop(wf_heap *h, span *s) {
  open_unlink(h, s);
  if (s->prev) s->prev->next = s->next;
  else h->spans = s->next;
  if (s->next) s->next->prev = s->prev;
  count_reserved(h, 0, s->bytes);
  span_free(h, s);
}

static page *page_new(wf_heap *h, unsigned class) {
  if (h->roomy == no_pages) {
    page **roomy = wf_calloc(h->area ? sizeof no_pages / sizeof *no_pages : WF_HEAP_CLASSES, sizeof *roomy);
    if (!roomy) return NULL;
    h->roomy = roomy;
  }
  span *s = h->open ? h->open : span_new(h);
  if (!s) return NULL;
  page *p = s->returned;
  if (p) {
    s->returned = p->next;
  } else {
    p = (page *)(void *)s->fresh;
    s->fresh += h->page;
  }
  if (s == h->idle) h->idle = NULL;
  if (--s->free == 0) open_unlink(h, s);
  *p = (page){.span = s, .fresh = (char *)p + PAGE_HEAD, .class = (uint16_t)class};
  h->pages++;
  return p;
}

static void page_return(wf_heap *h, page *p) {
  span *s = p->span;
  h->pages--;
  p->next = s->returned;
  s->returned = p;
  if (s->free++ == 0) open_link(h, s);
  if (s->free < s->pages) return;
  if (h->idle) span_drop(h, s);
  else h->idle = s;
}

/* ------------------------------------------------------ pages of one class */

/* Behind the first, which is being allocated from. */
static void roomy_link(wf_heap *h, page *p) {
  page *first = h->roomy[p->class];
  p->listed = true;
  p->prev = first;
  p->next = first ? first->next : NULL;
  if (first) first->next = p;
  else h->roomy[p->class] = p;
  if (p->next) p->next->prev = p;
}

static void roomy_unlink(wf_heap *h, page *p) {
  p->listed = false;
  if (p->prev) p->prev->next = p->next;
  else h->roomy[p->class] = p->next;
  if (p->next) p->next->prev = p->prev;
}

static void *page_take(wf_heap *h, page *p) {
  size_t size = (size_t)p->class * WF_HEAP_GRAIN;
  char *end = (char *)p + h->page;
  void *block = p->free;
  if (block) {
    p->free = *(void **)block;
  } else {
    block = p->fresh;
    p->fresh += size;
  }
  p->used++;
  if (!p->free && (size_t)(end - p->fresh) < size) roomy_unlink(h, p);
  return block;
}

static void page_give(wf_heap *h, page *p, void *block) {
  wf_assert(p->used > 0);
  *(void **)block = p->free;
  p->free = block;
  p->used--;
  if (!p->listed) {
    roomy_link(h, p);
  } else if (p->used == 0) {
    roomy_unlink(h, p);
    page_return(h, p);
  }
}

static void *page_slow(wf_heap *h, unsigned class) {
  page *p = page_new(h, class);
  if (!p) return NULL;
  roomy_link(h, p);
  return page_take(h, p);
}

void *wf_heap_page_take(wf_heap *h, size_t size) {
  page *p = h->roomy[class_of(size)];
  return wf_likely(p != NULL) ? page_take(h, p) : page_slow(h, class_of(size));
}

void wf_heap_page_give(wf_heap *h, void *block) { page_give(h, page_of(h, block), block); }

/* ---------------------------------------------------------- nest and annex */

/* What is left of the fresh space is cut into blocks before it is forgotten. */
static void fresh_replace(wf_heap *h, char *from, size_t size) {
  size_t rest;
  while ((rest = (size_t)(h->fresh_end - h->fresh)) > 0) {
    size_t cut = rest < WF_HEAP_SMALL ? rest : WF_HEAP_SMALL; /* multiples of the grain, all of them */
    loose_push(h, class_of(cut), h->fresh);
    h->fresh += cut;
  }
  h->fresh = from;
  h->fresh_end = from + size;
}

static inline void *fresh_take(wf_heap *h, size_t size) {
  if ((size_t)(h->fresh_end - h->fresh) < size) return NULL;
  void *block = h->fresh;
  h->fresh += size;
  return block;
}

static bool annex_open(wf_heap *h) {
  if (h->annex) return false;
  char *annex = wf_malloc(ANNEX);
  if (!annex) return false;
  h->annex = annex;
  h->annex_size = ANNEX;
  fresh_replace(h, annex, ANNEX);
  count_reserved(h, ANNEX, 0);
  return true;
}

/* From the fresh space, then from what larger blocks left behind, then from the
   annex; NULL when that is full too. */
static void *nest_take(wf_heap *h, size_t size) {
  size = class_of(size) * (size_t)WF_HEAP_GRAIN;
  for (;;) {
    void *block = fresh_take(h, size);
    if (block) return block;
    if (h->scraps) {
      scrap *s = h->scraps;
      h->scraps = s->next;
      fresh_replace(h, (char *)s, s->size);
    } else if (!annex_open(h)) {
      return NULL;
    }
  }
}

/* --------------------------------------------------------------- any block */

static void *small_slow(wf_heap *h, unsigned class) {
  void *block = nest_take(h, class * (size_t)WF_HEAP_GRAIN);
  return block ? block : page_slow(h, class);
}

/* The order is that of the likely: a block that was freed; in a young state the
   fresh space; in a grown one a page. */
static inline void *block_new(wf_heap *h, size_t size) {
  if (wf_likely(size <= WF_HEAP_SMALL)) {
    unsigned class = class_of(size);
    void *block = h->loose[class];
    if (block) {
      h->loose[class] = *(void **)block;
      return block;
    }
    block = fresh_take(h, class * (size_t)WF_HEAP_GRAIN);
    if (block) return block;
    page *p = h->roomy[class];
    return p ? page_take(h, p) : small_slow(h, class);
  }
  void *block = size <= NEST_LARGE ? nest_take(h, size) : NULL;
  if (block == NULL && (block = wf_malloc(size)) != NULL) h->large++;
  return block;
}

static inline void block_free(wf_heap *h, void *block, size_t size) {
  if (wf_unlikely(h->clean)) memset(block, 0, size);
  if (in_nest(h, block)) {
    if (size <= WF_HEAP_SMALL) {
      loose_push(h, class_of(size), block);
    } else {
      scrap *s = block;
      *s = (scrap){h->scraps, (size_t)class_of(size) * WF_HEAP_GRAIN};
      h->scraps = s;
    }
  } else if (wf_likely(size <= WF_HEAP_SMALL)) {
    page_give(h, page_of(h, block), block);
  } else {
    wf_free(block);
    h->large--;
  }
}

/* Shrinking does not fail, as Lua prefers. */
static void *system_resize(void *block, size_t osize, size_t nsize) {
  void *moved = wf_realloc(block, nsize);
  return !moved && nsize <= osize ? block : moved;
}

static void *block_resize(wf_heap *h, void *block, size_t osize, size_t nsize) {
  bool was_large = osize > WF_HEAP_SMALL, nested = in_nest(h, block);
  if (was_large && nsize > WF_HEAP_SMALL && !nested) return system_resize(block, osize, nsize);
  if (class_of(osize) == class_of(nsize)) return block;
  void *moved = block_new(h, nsize);
  if (!moved) {
    /* A smaller block is not to be had, but the old one will do: its page, or
       the list that it will be freed into, need not know its true size. */
    return nsize < osize && (nested || !was_large) ? block : NULL;
  }
  memcpy(moved, block, osize < nsize ? osize : nsize);
  block_free(h, block, osize);
  return moved;
}

/* --------------------------------------------------------------- the interface */

static inline bool fits(size_t used, size_t add, size_t cap) { return used <= cap && add <= cap - used; }

/* Says no, and that it did, if the state would then hold more than the cap. */
static inline bool refused(wf_heap *h, size_t osize, size_t nsize) {
  if (nsize <= osize) return false;
  size_t cap = atomic_load_explicit(&h->cap, memory_order_relaxed);
  if (wf_likely(cap == 0)) return false;
  size_t used = atomic_load_explicit(&h->used, memory_order_relaxed);
  if (fits(used, nsize - osize, cap) || (h->more != NULL && fits(used, nsize - osize, cap + h->more(h)))) return false;
  atomic_store_explicit(&h->hit_cap, true, memory_order_relaxed);
  return true;
}

static inline void account(wf_heap *h, size_t osize, size_t nsize) {
  size_t used = atomic_load_explicit(&h->used, memory_order_relaxed) + nsize - osize;
  atomic_store_explicit(&h->used, used, memory_order_relaxed);
  if (used > atomic_load_explicit(&h->peak, memory_order_relaxed))
    atomic_store_explicit(&h->peak, used, memory_order_relaxed);
}

static void *resize(wf_heap *h, void *block, size_t osize, size_t nsize) {
  if (refused(h, osize, nsize)) return NULL;
  void *moved = block_resize(h, block, osize, nsize);
  if (moved) account(h, osize, nsize);
  return moved;
}

void *wf_heap_alloc(void *heap, void *block, size_t osize, size_t nsize) {
  wf_heap *h = heap;
  if (!block) { /* osize is the kind of object then */
    if (nsize == 0 || refused(h, 0, nsize)) return NULL;
    block = block_new(h, nsize);
    if (wf_likely(block != NULL)) account(h, 0, nsize);
    return block;
  }
  if (nsize != 0) return resize(h, block, osize, nsize);
  if (wf_likely(!h->dying) || (osize > WF_HEAP_SMALL && !in_nest(h, block))) block_free(h, block, osize);
  size_t used = atomic_load_explicit(&h->used, memory_order_relaxed);
  atomic_store_explicit(&h->used, used - osize, memory_order_relaxed);
  return NULL;
}

void *wf_heap_alloc_plain(void *heap, void *block, size_t osize, size_t nsize) {
  wf_heap *h = heap;
  if (!block) osize = 0;
  void *result = NULL;
  if (nsize == 0) {
    wf_free(block);
  } else {
    if (refused(h, osize, nsize)) return NULL;
    result = system_resize(block, osize, nsize);
    if (!result) return NULL;
  }
  account(h, osize, nsize);
  return result;
}

void wf_heap_init(wf_heap *h, void *nest, size_t nest_size, size_t cap) {
  wf_assert((uintptr_t)nest % WF_HEAP_GRAIN == 0);
  nest_size = nest_size / WF_HEAP_GRAIN * WF_HEAP_GRAIN;
  *h = (wf_heap){.cap = cap, .nest = nest, .nest_size = nest_size, .fresh = nest, .page = PAGE, .roomy = no_pages};
  h->fresh_end = h->nest + nest_size;
}

void wf_heap_init_over(wf_heap *h, wf_area *area) {
  wf_heap_init(h, NULL, 0, 0);
  h->area = area;
  h->page = PAGE_OVER;
}

void wf_heap_fini(wf_heap *h) {
  wf_free(h->annex);
  if (h->roomy != no_pages) wf_free(h->roomy);
  while (h->spans) {
    span *s = h->spans;
    h->spans = s->next;
    span_free(h, s);
  }
}
