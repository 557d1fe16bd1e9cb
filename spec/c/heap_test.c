/*
** The private heap of a state against a model: random blocks, each filled with a
** pattern of its own that must still be there whenever it is looked at, with and
** without a cap, under an allocator that fails now and then, and over a host's.
**
**   heap_test [SEED]
*/
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sys/heap.h"
#include "sys/heap_over.h"

static int failures;

#define CHECK(cond)                                                          \
  do {                                                                       \
    if (!(cond)) {                                                           \
      if (failures++ < 20) printf("%s:%d: %s\n", __FILE__, __LINE__, #cond); \
    }                                                                        \
  } while (0)

static uint64_t rng;
static uint64_t rnd(uint64_t below) {
  rng += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t z = rng;
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (z ^ (z >> 31)) % below;
}

/* The system's memory: counted, and failing once in `odds` calls. */
static long held;
static uint64_t odds;

static void *system_memory(void *ud, void *block, size_t size) {
  (void)ud;
  if (size == 0) {
    held--;
    free(block);
    return NULL;
  }
  if (odds && rnd(odds) == 0) return NULL;
  void *p = realloc(block, size);
  if (p && !block) held++;
  return p;
}

enum { BLOCKS = 6000 };
static struct block {
  unsigned char *at;
  size_t size;
  unsigned char seed;
} blocks[BLOCKS];

static void fill(struct block *b, size_t from) {
  for (size_t i = from; i < b->size; i++) b->at[i] = (unsigned char)(b->seed + i * 7);
}

static bool intact(const struct block *b, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (b->at[i] != (unsigned char)(b->seed + i * 7)) return false;
  return true;
}

static size_t some_size(void) {
  uint64_t r = rnd(100);
  if (r < 60) return 1 + (size_t)rnd(80);
  if (r < 90) return 1 + (size_t)rnd(WF_HEAP_SMALL);
  if (r < 99) return 1 + (size_t)rnd(4000);
  return 1 + (size_t)rnd(100000);
}

typedef void *(*allocator)(void *, void *, size_t, size_t);

static void step(wf_heap *h, allocator f, struct block *b, size_t *used) {
  size_t nsize = b->at && rnd(2) ? 0 : some_size();
  size_t cap = h->cap;
  /* Without a block the old size is a kind of object, any number. */
  unsigned char *p = f(h, b->at, b->at ? b->size : (size_t)rnd(9), nsize);
  if (nsize == 0) {
    CHECK(p == NULL);
    *used -= b->size;
    *b = (struct block){0};
  } else if (p) {
    CHECK((uintptr_t)p % WF_HEAP_GRAIN == 0);
    size_t old = b->at ? b->size : 0;
    b->at = p;
    b->size = nsize;
    if (old == 0) b->seed = (unsigned char)rnd(256);
    CHECK(intact(b, old < nsize ? old : nsize));
    fill(b, old < nsize ? old : nsize);
    *used += nsize - old;
  } else {
    size_t more = b->at ? (nsize > b->size ? nsize - b->size : 0) : nsize;
    CHECK(odds || (cap && *used + more > cap));
    /* Shrinking fails only where a block of the system would become a small one. */
    CHECK(!b->at || nsize > b->size || (nsize <= WF_HEAP_SMALL && b->size > WF_HEAP_SMALL));
    if (b->at) CHECK(intact(b, b->size));
  }
  CHECK(h->used == *used && (cap == 0 || *used <= cap) && h->peak >= *used);
}

static void free_block(wf_heap *h, allocator f, struct block *b, size_t *used) {
  if (!b->at) return;
  CHECK(intact(b, b->size));
  CHECK(f(h, b->at, b->size, 0) == NULL);
  *used -= b->size;
  *b = (struct block){0};
}

static void storm(uint64_t seed, allocator f, size_t cap, uint64_t odds_, size_t nest_size, int steps) {
  rng = seed;
  odds = odds_;
  wf_heap h;
  void *nest = malloc(nest_size + 16);
  if (!nest) exit(2);
  wf_heap_init(&h, nest, nest_size, cap);
  size_t used = 0;
  /* Waves: the number of live blocks grows and shrinks, so pages change class. */
  for (int wave = 0; wave < 6; wave++) {
    size_t live = 1 + (size_t)rnd(BLOCKS);
    for (int i = 0; i < steps; i++) step(&h, f, &blocks[rnd(live)], &used);
    for (size_t i = 0; i < BLOCKS; i++)
      if (rnd(4) != 0) free_block(&h, f, &blocks[i], &used);
  }
  if (rnd(2)) {
    for (size_t i = 0; i < BLOCKS; i++) free_block(&h, f, &blocks[i], &used);
    CHECK(h.used == 0);
    CHECK(f == wf_heap_alloc_plain || h.reserved <= (size_t)1 << 21); /* what is kept is bounded */
  } else { /* large blocks are the state's to free; the rest goes whole */
    for (size_t i = 0; i < BLOCKS; i++) {
      if (f == wf_heap_alloc_plain || blocks[i].size > WF_HEAP_SMALL) free_block(&h, f, &blocks[i], &used);
      else blocks[i] = (struct block){0};
    }
  }
  wf_heap_fini(&h);
  free(nest);
  if (held != 0) {
    printf("seed %llu: %ld blocks of the system left\n", (unsigned long long)seed, held);
    failures++;
  }
  held = 0;
}

/* Many small blocks of one size, then of another: the pages are used again. */
static void pages_change_class(void) {
  enum { N = 500000 };
  static void *p[N];
  wf_heap h;
  static char nest[4096] __attribute__((aligned(16)));
  wf_heap_init(&h, nest, sizeof nest, 0);
  size_t most = 0;
  for (size_t size = 16; size <= 64; size += 16) {
    size_t n = N * 16 / size;
    for (size_t i = 0; i < n; i++) p[i] = wf_heap_alloc(&h, NULL, 0, size);
    if (size == 16) most = h.reserved;
    CHECK(h.reserved <= most + most / 4);
    for (size_t i = 0; i < n; i++) wf_heap_alloc(&h, p[i * 7919 % n], size, 0);
    CHECK(h.reserved <= most);
  }
  CHECK(h.used == 0 && h.reserved < (size_t)3 << 19 && h.peak >= N * 15);
  wf_heap_fini(&h);
}

static void caps_exactly(allocator f) {
  wf_heap h;
  static char nest[1024] __attribute__((aligned(16)));
  wf_heap_init(&h, nest, sizeof nest, 1000);
  void *a = f(&h, NULL, 0, 900);
  CHECK(a && !h.hit_cap);
  CHECK(f(&h, NULL, 5, 101) == NULL && h.hit_cap && h.used == 900);
  CHECK(f(&h, a, 900, SIZE_MAX) == NULL && h.used == 900);
  void *b = f(&h, NULL, 0, 100);
  CHECK(b && h.used == 1000);
  h.cap = 500; /* lowered below what is used: only shrinking goes */
  CHECK(f(&h, b, 100, 101) == NULL);
  b = f(&h, b, 100, 50);
  CHECK(b && h.used == 950);
  f(&h, a, 900, 0);
  f(&h, b, 50, 0);
  CHECK(h.used == 0 && h.peak == 1000);
  wf_heap_fini(&h);
}

/* The host's allocator under a heap for small blocks: it counts its own, and must get back what it gave and nothing else. */
static void *host_memory(void *ud, void *block, size_t osize, size_t nsize) {
  long *count = ud;
  (void)osize;
  if (block == NULL && nsize == 0) return NULL;
  void *p = system_memory(NULL, block, nsize);
  *count += (block == NULL && p != NULL) - (nsize == 0);
  return p;
}

static void over_step(wf_heap_over *o, struct block *b) {
  size_t nsize = b->at && rnd(2) ? 0 : some_size(), old = b->at ? b->size : 0;
  unsigned char *p = wf_heap_over_alloc(o, b->at, b->at ? b->size : (size_t)rnd(9), nsize);
  if (nsize == 0) {
    *b = (struct block){0};
  } else if (p) {
    CHECK((uintptr_t)p % WF_HEAP_GRAIN == 0);
    if (old == 0) b->seed = (unsigned char)rnd(256);
    b->at = p;
    b->size = nsize;
    CHECK(intact(b, old < nsize ? old : nsize));
    fill(b, old < nsize ? old : nsize);
  } else {
    CHECK(odds != 0);
  }
}

static void over(uint64_t seed, uint64_t odds_) {
  rng = seed;
  odds = 0;
  long count = 0;
  void *last = host_memory(&count, NULL, 0, 1000); /* as lua_newstate does, and a few that are there before */
  for (int i = 0; i < 100; i++) {
    struct block *b = &blocks[i];
    *b = (struct block){host_memory(&count, NULL, 0, (size_t)i + 1), (size_t)i + 1, (unsigned char)i};
    if (b->at == NULL) exit(2);
    fill(b, 0);
  }
  wf_heap_over *o = wf_heap_over_new(host_memory, &count, last);
  CHECK(o != NULL);
  odds = odds_;
  for (int wave = 0; wave < 6 && o != NULL; wave++) {
    size_t live = 1 + (size_t)rnd(BLOCKS);
    for (int i = 0; i < 20000; i++) over_step(o, &blocks[rnd(live)]);
    for (size_t i = 0; i < BLOCKS; i++) {
      if (wave < 5 && rnd(4) == 0) continue;
      CHECK(intact(&blocks[i], blocks[i].size));
      if (blocks[i].at) wf_heap_over_alloc(o, blocks[i].at, blocks[i].size, 0);
      blocks[i] = (struct block){0};
    }
  }
  CHECK(count == 1); /* the state itself */
  wf_heap_over_alloc(o, last, 1000, 0);
  CHECK(count == 0 && held == 0);
  held = 0;
}

/* Half a million blocks of a size, freed, then of another: what they lay in is used again, and is found by its address. */
static void over_ranges(void) {
  enum { N = 400000 };
  static void *p[N];
  long count = 0;
  odds = 0;
  void *last = host_memory(&count, NULL, 0, 8);
  wf_heap_over *o = wf_heap_over_new(host_memory, &count, last);
  for (size_t size = 1024; size >= 64; size /= 4) {
    for (size_t i = 0; i < N; i++) {
      p[i] = wf_heap_over_alloc(o, NULL, 0, size);
      if (p[i] == NULL) exit(2);
      memset(p[i], (int)i, size < 16 ? size : 16);
    }
    CHECK(count == 1 && o->area.n > (size == 1024 ? 2 : 0));
    for (size_t i = 0; i < N; i++) {
      size_t at = i * 7919 % N;
      CHECK(((unsigned char *)p[at])[15] == (unsigned char)at);
      wf_heap_over_alloc(o, p[at], size, 0);
    }
    CHECK(o->heap.reserved <= 2 * WF_AREA_CHUNK);
  }
  wf_heap_over_alloc(o, last, 8, 0);
  CHECK(count == 0);
}

int main(int argc, char **argv) {
  uint64_t first = 1, last = 5;
  if (argc > 1) first = last = strtoull(argv[1], NULL, 10);
  wf_alloc_set(system_memory, NULL);
  for (uint64_t seed = first; seed <= last && failures == 0; seed++) {
    storm(seed, wf_heap_alloc, 0, 0, 8192, 20000);
    storm(seed, wf_heap_alloc, 200000, 0, 3000, 20000);
    storm(seed, wf_heap_alloc, 0, 7, 8192, 20000);
    storm(seed, wf_heap_alloc, 0, 2, 0, 5000);
    storm(seed, wf_heap_alloc_plain, 200000, 9, 8192, 5000);
    over(seed, 0);
    over(seed, 5);
    if (failures) printf("seed %llu\n", (unsigned long long)seed);
  }
  odds = 0;
  pages_change_class();
  over_ranges();
  caps_exactly(wf_heap_alloc);
  caps_exactly(wf_heap_alloc_plain);
  CHECK(held == 0);
  wf_alloc_set(NULL, NULL);
  if (failures == 0) printf("ok\n");
  return failures != 0;
}
