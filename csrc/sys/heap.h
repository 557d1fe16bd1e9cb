/*
** The private heap of one Lua state, in the shape that Lua's allocator wants.
**
** It is used by one thread at a time, the state's carrier, and takes no lock. It
** belongs to whoever opened the state and dies whole with wf_heap_fini. Only the
** counters may be read (and the cap set) from other threads while it lives.
**
** Why not malloc: Lua says the size of what it frees, so blocks need no header;
** no other thread ever touches the heap, so blocks need no lock and migrate
** with their isolate; and a state that is thrown away young is one block.
** Measured (bench/c/lean_bench.c): a bare state opens and closes in half the
** time, programs that allocate much run 20 to 40 % faster.
*/
#ifndef WF_SYS_HEAP_H
#define WF_SYS_HEAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { WF_HEAP_GRAIN = 8, WF_HEAP_SMALL = 512, WF_HEAP_CLASSES = WF_HEAP_SMALL / WF_HEAP_GRAIN + 1, WF_HEAP_OVER_SMALL = 1024 };

struct wf_area;
struct wf_heap_page;
struct wf_heap_span;

typedef struct wf_heap {
  /* Counters: written by the carrier (the cap by anyone), read by anyone; each
     speaks for itself, so relaxed. */
  _Atomic size_t used;     /* bytes that the state holds, as it counts them */
  _Atomic size_t peak;     /* the most that was */
  _Atomic size_t cap;      /* the most that may be; 0 no cap */
  _Atomic size_t reserved; /* bytes taken from the system to hold them */
  _Atomic bool hit_cap;
  /* The rest is the carrier's. */
  size_t (*more)(const struct wf_heap *h); /* asked at the cap: so many bytes more are all right now; NULL: none */
  char *nest;              /* the caller's block that the heap begins in */
  size_t nest_size;
  char *annex;             /* ours, where it goes on; NULL until then */
  size_t annex_size;
  char *fresh, *fresh_end; /* never used yet, in either */
  struct wf_heap_scrap *scraps;                /* larger blocks freed in either */
  void *loose[WF_HEAP_CLASSES];                /* small blocks freed in either */
  struct wf_heap_page **roomy;                 /* pages of each class with free blocks; made with the first page */
  struct wf_heap_span *spans;                  /* all */
  struct wf_heap_span *open;                   /* those with free pages */
  struct wf_heap_span *idle;                   /* the one that has only free pages, kept back */
  unsigned pages;                              /* in use */
  bool clean;                                  /* blocks are cleared when they are freed */
  bool dying;                                  /* what is freed in nest, annex or pages need not be found again */
  struct wf_area *area;                        /* where pages come from (heap_over.h); NULL: from wf_malloc */
  size_t page;                                 /* bytes of one */
  size_t large;                                /* blocks in use that came from wf_malloc one by one */
} wf_heap;

/* `nest`, aligned to the grain, is used first and remains the caller's; it must outlast
   the heap. */
void wf_heap_init(wf_heap *h, void *nest, size_t nest_size, size_t cap);
void wf_heap_fini(wf_heap *h);

/* The state is about to close: what it frees from now on is not used again but goes with the heap. */
static inline void wf_heap_die(wf_heap *h) { h->dying = true; }

/*
** A lua_Alloc whose ud is the heap. NULL when the cap or the system's memory is
** used up; the old block is as it was then.
*/
void *wf_heap_alloc(void *heap, void *block, size_t osize, size_t nsize);

/* The same from wf_malloc, block by block, for builds whose sanitizer watches
   every block. One heap uses either the one or the other, always. */
void *wf_heap_alloc_plain(void *heap, void *block, size_t osize, size_t nsize);

/* ---- for heap_over.c: blocks up to WF_HEAP_OVER_SMALL bytes from pages of an area ---- */

void wf_heap_init_over(wf_heap *h, struct wf_area *area);

void *wf_heap_page_take(wf_heap *h, size_t size); /* NULL when memory is out */
void wf_heap_page_give(wf_heap *h, void *block);

/* Would a block of that size lie in a page of the other's? */
static inline bool wf_heap_fits(size_t size, size_t other) {
  return (size + WF_HEAP_GRAIN - 1) / WF_HEAP_GRAIN == (other + WF_HEAP_GRAIN - 1) / WF_HEAP_GRAIN;
}

#endif
