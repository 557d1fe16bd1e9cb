/* See peer.h: buffers between processes. The memory goes as a descriptor, once; views of it as numbers. The side that sent
 * the memory first has numbered it and keeps it until the other says that it has no view any more. That may cross with
 * another view on its way there, so the other one keeps it too, until it is told that both have let it go. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "rt/buffer.h"
#include "rt/peer.h"

enum { SWEEP_FIRST = 16 };

typedef struct peer_memory {
  wf_link link;
  wf_memory *memory; /* held */
  uint64_t id;
  uint32_t times;    /* how often it has gone, or come */
  uint32_t asked;    /* and when it was said last that it is not used here */
  bool own;          /* numbered here */
} peer_memory;

typedef struct view_frame {
  uint64_t id, bytes, offset, n, stride;
  uint8_t yours, first, type, spare[5];
} view_frame;

static peer_memory *note(wf_peer *p, wf_memory *m, uint64_t id, bool own) {
  peer_memory *k = wf_calloc(1, sizeof *k);
  if (k == NULL) return NULL;
  wf_shared_hold(&m->shared);
  k->memory = m;
  k->id = id;
  k->own = own;
  wf_list_append(&p->memories, &k->link);
  return k;
}

static void forget(peer_memory *k) {
  wf_list_unlink(&k->link);
  wf_shared_release(&k->memory->shared);
  wf_free(k);
}

void wf_peer_part_buffers(wf_peer *p) {
  while (!wf_list_empty(&p->memories)) forget(wf_list_entry(p->memories.next, peer_memory, link));
}

void wf_peer_put_view(wf_peer *p, wf_view *v) {
  peer_memory *k = NULL;
  bool first = false;
  for (wf_link *l = p->memories.next; l != &p->memories && k == NULL; l = l->next)
    if (wf_list_entry(l, peer_memory, link)->memory == v->memory) k = wf_list_entry(l, peer_memory, link);
  if (k == NULL) {
    k = note(p, v->memory, ++p->last_memory, true);
    if (k == NULL) {
      wf_peer_break(p, ENOMEM);
      return;
    }
    wf_peer_attach(p, v->memory->fd, &v->memory->shared);
    first = true;
  }
  if (k->own) k->times++;
  const wf_elems_view *w = &v->memory->whole.v;
  view_frame f = {.id = k->id, .bytes = w->n * w->stride, .offset = (uint64_t)(v->v.data - w->data), .n = v->v.n, .stride = v->v.stride,
                  .yours = !k->own, .first = first, .type = (uint8_t)v->v.type};
  wf_peer_put(p, &f, sizeof f);
}

/* Memories that no view refers to any more are offered to be let go, now and then. */
static void sweep(wf_peer *p) {
  uint32_t n = 0;
  wf_link *l, *next;
  if (++p->memories_come < p->sweep_memories_at) return;
  wf_list_each(l, next, &p->memories) {
    peer_memory *k = wf_list_entry(l, peer_memory, link);
    if (k->own) continue;
    n++;
    if (k->asked == k->times || atomic_load_explicit(&k->memory->shared.refs, memory_order_acquire) != 1) continue;
    k->asked = k->times;
    wf_peer_send(p, WF_PEER_FORGET, k->id, k->times);
  }
  p->memories_come = n;
  p->sweep_memories_at = n * 2 + SWEEP_FIRST;
}

static peer_memory *memory_of(wf_peer *p, uint64_t id, bool own) {
  for (wf_link *l = p->memories.next; l != &p->memories; l = l->next) {
    peer_memory *k = wf_list_entry(l, peer_memory, link);
    if (k->id == id && k->own == own) return k;
  }
  return NULL;
}

void wf_peer_on_forget(wf_peer *p, const wf_peer_head *h) {
  bool own = h->op == WF_PEER_FORGET;
  peer_memory *k = memory_of(p, h->chan, own);
  if (k == NULL || k->times != h->arg) return;
  forget(k);
  if (own) wf_peer_send(p, WF_PEER_FORGOTTEN, h->chan, h->arg);
}

/* The memory whose descriptor has come. */
static peer_memory *memory_come(wf_peer *p, const view_frame *f) {
  int fd = wf_peer_get_fd(p);
  if (fd < 0) return NULL;
  wf_memory *m = wf_memory_of_fd(fd, (size_t)f->bytes);
  if (m == NULL) {
    if (errno == ENOMEM) wf_peer_fail(p, ENOMEM);
    return NULL;
  }
  peer_memory *k = note(p, m, f->id, false);
  if (k == NULL) wf_peer_fail(p, ENOMEM);
  wf_view_release(&m->whole);
  return k;
}

wf_view *wf_peer_get_view(wf_peer *p, wf_peer_bytes *b) {
  view_frame f;
  if (!wf_peer_get(b, &f, sizeof f) || f.id == 0 || f.type >= WF_ELEM_COUNT || f.stride == 0) return NULL;
  if (!f.yours) sweep(p);
  peer_memory *k = f.first ? memory_come(p, &f) : memory_of(p, f.id, f.yours != 0);
  if (k == NULL) return NULL;
  if (!k->own) k->times++;
  const wf_elems_view *w = &k->memory->whole.v;
  uint64_t bytes = w->n * w->stride, size = wf_elem_size((enum wf_elem)f.type);
  if (f.stride < size || f.stride % size != 0 || f.offset % size != 0 || f.offset > bytes || f.n > (bytes - f.offset) / f.stride) return NULL;
  wf_view *v = wf_view_new(k->memory, (wf_elems_view){w->data + f.offset, (size_t)f.n, (size_t)f.stride, (enum wf_elem)f.type});
  if (v == NULL) wf_peer_fail(p, ENOMEM);
  return v;
}
