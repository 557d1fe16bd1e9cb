/*
** The image of a fresh lean state: the first one is made by Lua, the others are
** copies of its bytes.
**
** A fresh state lies in its first block whole, record and heap (lean_state.h), and
** nobody runs in it. So its bytes, put elsewhere, are a fresh state too once every
** word that pointed into the block points into the copy. Which words those are is
** found by looking: each aligned word whose value is an address in the block or
** its end. No layout of Lua's is known here, so this holds for every 5.4. A word
** that is no pointer and looks like one would have to be a number or a text with
** the 64 bits of that very address; what a fresh state holds are names, small
** integers and floats. Nor may it be half of a pointer: a field of a byte beside
** padding that is left from the block's last use. So blocks are cleared when they
** are freed while the first state is made (heap.clean).
**
** What must not be in a state whose image is taken: a table with a key that lies in
** the block and is no string (tables find such keys by their address), memory
** from elsewhere that closing the state would free, a coroutine that runs.
**
** One image a process, in memory of its own that is never freed. All copies share
** the seed of the string hashes.
*/
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "lx/lean_state.h"

#if WF_LEAN_IMAGES

enum { WORDS = WF_LEAN_BLOCK / sizeof(uintptr_t) };

static uintptr_t image[WORDS];
static uint16_t pointers[WORDS]; /* the indices of words that point into the block */
static size_t words_used, npointers;
static uintptr_t home;           /* where the block was */
static lua_CFunction prepared_by;

/* Who moves it from NONE to TAKING writes the rest, then READY (release) or, after a
   state that is not fit, REFUSED; acquire before the rest is read. */
enum { NONE, TAKING, READY, REFUSED };
static _Atomic int stage;

/* What differs from state to state (its paths, its cap) is set later, in each. */
static bool fit(const wf_lean *s) { return s->heap.large == 0 && s->heap.annex == NULL && s->heap.spans == NULL; }

void wf_lean_image_take(const wf_lean *s, lua_CFunction prepare) {
  int none = NONE;
  if (!atomic_compare_exchange_strong_explicit(&stage, &none, TAKING, memory_order_acquire, memory_order_relaxed)) return;
  if (!fit(s)) {
    atomic_store_explicit(&stage, REFUSED, memory_order_release);
    return;
  }
  home = (uintptr_t)s;
  words_used = ((uintptr_t)s->heap.fresh - home + sizeof *image - 1) / sizeof *image;
  memcpy(image, s, words_used * sizeof *image);
  for (size_t i = 0; i < words_used; i++)
    if (image[i] - home <= WF_LEAN_BLOCK) pointers[npointers++] = (uint16_t)i;
  prepared_by = prepare;
  atomic_store_explicit(&stage, READY, memory_order_release);
}

bool wf_lean_image_ready(lua_CFunction prepare) {
  return atomic_load_explicit(&stage, memory_order_acquire) == READY && prepared_by == prepare;
}

wf_lean *wf_lean_image_copy(void) {
  uintptr_t *block = wf_malloc(WF_LEAN_BLOCK);
  if (block == NULL) return NULL;
  memcpy(block, image, words_used * sizeof *image);
  uintptr_t away = (uintptr_t)block - home;
  for (size_t i = 0; i < npointers; i++) block[pointers[i]] += away;
  return (wf_lean *)(void *)block;
}

#else

void wf_lean_image_take(const wf_lean *s, lua_CFunction prepare) {
  (void)s;
  (void)prepare;
}

bool wf_lean_image_ready(lua_CFunction prepare) {
  (void)prepare;
  return false;
}

wf_lean *wf_lean_image_copy(void) { return NULL; }

#endif
