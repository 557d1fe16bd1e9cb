/* See msg.h: blobs, messages, and the pool that gets a state's blocks back.
 *
 * A pool's owner, the carrier of its state, takes blocks from the lists in `free`. wf_msg_free, on any
 * thread, pushes a block on `returned`; the owner takes that whole list when its own is empty. Push one,
 * take all: no pop of one, so no ABA. When the state ends the owner puts CLOSED there, and from then on
 * whoever frees a message frees its block; the last of them frees the pool.
 */
#include "lx/msg.h"

#include <string.h>

#include "base/alloc.h"

/* ---- blobs ---- */

wf_blob *wf_blob_new(size_t len) {
  if (len > SIZE_MAX - sizeof(wf_blob)) return NULL;
  wf_blob *b = wf_malloc(sizeof *b + len);
  if (b == NULL) return NULL;
  atomic_init(&b->refs, 1);
  b->len = len;
  return b;
}

wf_blob *wf_blob_ref(wf_blob *b) {
  /* relaxed: whoever copies a reference holds one already */
  atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
  return b;
}

void wf_blob_unref(wf_blob *b) {
  /* acq_rel: every use of the bytes happens before the free */
  if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) wf_free(b);
}

/* ---- the pool ---- */

enum {
  CLASSES = 4, /* blocks of 256 B, 1, 4 and 16 KiB */
  SMALLEST = 256,
  KEEP_BYTES = 64 << 10, /* idle blocks that one state may keep */
};

/* Larger than the blocks that can ever be out. */
static const uint32_t MANY = UINT32_C(1) << 31;

struct wf_msg_pool {
  /* Head of the returned blocks, linked by `next`, or CLOSED. Any thread pushes (release: its last use of
   * the block comes before); the owner exchanges (acquire). */
  wf_msg *_Atomic returned;
  /* Blocks still out after the owner closed, biased by MANY until then. Written by those who free
   * and once by the owner (acq_rel: the last one frees the pool after everyone's use of it). */
  atomic_uint left;
  /* The owner's own. */
  uint32_t out; /* blocks that are neither in `free` nor freed */
  size_t idle;  /* bytes in `free` */
  wf_msg *free[CLASSES];
};

static wf_msg closed_mark;
static wf_msg *const CLOSED = &closed_mark;

static size_t class_bytes(unsigned c) { return (size_t)SMALLEST << (2 * c); }

wf_msg_pool *wf_msg_pool_new(void) {
  wf_msg_pool *p = wf_calloc(1, sizeof *p);
  if (p == NULL) return NULL;
  atomic_init(&p->returned, NULL);
  atomic_init(&p->left, MANY);
  return p;
}

/* Keep a block for the next message, or free it when enough are kept. */
static void pool_keep(wf_msg_pool *p, wf_msg *m) {
  size_t bytes = class_bytes(m->size_class);
  p->out--;
  if (p->idle + bytes > KEEP_BYTES) {
    wf_free(m);
    return;
  }
  p->idle += bytes;
  m->next = p->free[m->size_class];
  p->free[m->size_class] = m;
}

static void pool_collect(wf_msg_pool *p) {
  /* The plain load spares the exchange when nothing came back; what it misses comes next time. */
  if (atomic_load_explicit(&p->returned, memory_order_relaxed) == NULL) return;
  wf_msg *m = atomic_exchange_explicit(&p->returned, NULL, memory_order_acquire);
  while (m != NULL) {
    wf_msg *next = m->next;
    pool_keep(p, m);
    m = next;
  }
}

void wf_msg_pool_close(wf_msg_pool *p) {
  wf_msg *m = atomic_exchange_explicit(&p->returned, CLOSED, memory_order_acq_rel);
  for (; m != NULL; p->out--) {
    wf_msg *next = m->next;
    wf_free(m);
    m = next;
  }
  for (int c = 0; c < CLASSES; c++)
    while ((m = p->free[c]) != NULL) {
      p->free[c] = m->next;
      wf_free(m);
    }
  uint32_t bias = MANY - p->out;
  if (atomic_fetch_sub_explicit(&p->left, bias, memory_order_acq_rel) == bias) wf_free(p);
}

/* ---- messages ---- */

static wf_msg *msg_init(wf_msg *m, wf_msg_pool *home, unsigned c, size_t total) {
  *m = (wf_msg){.home = home, .size_class = (uint8_t)c, .room = total - sizeof *m};
  return m;
}

static wf_msg *msg_make(wf_msg_pool *home, unsigned c, size_t total) {
  wf_msg *m = wf_malloc(total);
  return m == NULL ? NULL : msg_init(m, home, c, total);
}

wf_msg *wf_msg_new(wf_msg_pool *p, size_t room) {
  if (room > SIZE_MAX - sizeof(wf_msg)) return NULL;
  size_t total = sizeof(wf_msg) + room;
  unsigned c = 0;
  while (wf_unlikely(class_bytes(c) < total) && ++c < CLASSES) continue;
  if (wf_unlikely(p == NULL || c == CLASSES)) return msg_make(NULL, 0, total);
  if (wf_unlikely(p->free[c] == NULL)) pool_collect(p);
  wf_msg *m = p->free[c];
  total = class_bytes(c);
  if (wf_likely(m != NULL)) { /* as wf_msg_free left it */
    p->free[c] = m->next;
    p->idle -= total;
    m->next = NULL;
  } else if ((m = msg_make(p, c, total)) == NULL) {
    return NULL;
  }
  p->out++;
  return m;
}

wf_msg *wf_msg_grow(wf_msg *m, size_t room) {
  wf_assert(room >= m->len);
  if (m->home == NULL) {
    if (room > SIZE_MAX - sizeof *m) return NULL;
    wf_msg *grown = wf_realloc(m, sizeof *m + room);
    if (grown != NULL) grown->room = room;
    return grown;
  }
  wf_msg *grown = wf_msg_new(m->home, room);
  if (grown == NULL) return NULL;
  memcpy(grown->data, m->data, m->len);
  grown->len = m->len;
  grown->side = m->side;
  grown->nside = m->nside;
  grown->side_room = m->side_room;
  m->side = NULL;
  m->nside = m->side_room = 0;
  m->len = 0;
  pool_keep(m->home, m); /* straight back: this is its owner's carrier */
  return grown;
}

wf_side *wf_msg_side(wf_msg *m) {
  if (m->nside == m->side_room) {
    uint32_t room = m->side_room ? m->side_room * 2 : 4;
    if (room < m->side_room) return NULL;
    wf_side *side = wf_realloc(m->side, room * sizeof *side);
    if (side == NULL) return NULL;
    m->side = side;
    m->side_room = room;
  }
  return &m->side[m->nside++];
}

void wf_msg_clear(wf_msg *m) {
  for (uint32_t i = 0; i < m->nside; i++) {
    wf_side *s = &m->side[i];
    if (s->ops != NULL) s->ops->drop(s->held);
    else wf_blob_unref(s->held);
  }
  m->nside = 0;
  m->len = 0;
}

void wf_msg_free(wf_msg *m) {
  if (m == NULL) return;
  wf_msg_clear(m);
  if (wf_unlikely(m->side != NULL)) {
    wf_free(m->side);
    m->side = NULL;
    m->side_room = 0;
  }
  wf_msg_pool *p = m->home;
  if (p == NULL) {
    wf_free(m);
    return;
  }
  wf_msg *head = atomic_load_explicit(&p->returned, memory_order_relaxed);
  while (head != CLOSED) {
    m->next = head;
    if (atomic_compare_exchange_weak_explicit(&p->returned, &head, m, memory_order_release, memory_order_relaxed))
      return; /* from here on the pool may be gone */
  }
  wf_free(m);
  if (atomic_fetch_sub_explicit(&p->left, 1, memory_order_acq_rel) == 1) wf_free(p);
}
