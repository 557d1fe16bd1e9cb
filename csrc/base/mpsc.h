/* A queue that many threads push to and one thread empties: the inbox of an isolate.
 * Intrusive and lock-free: pushing is one compare-and-swap loop on a stack, emptying is one
 * exchange and a reversal, so a batch costs the reader one atomic operation. There is no
 * pop of a single node and hence no ABA. */
#ifndef WF_MPSC_H
#define WF_MPSC_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/base.h"

typedef struct wf_mpsc_node {
  struct wf_mpsc_node *next;
} wf_mpsc_node;

typedef struct wf_mpsc {
  /* Written by every pusher (release: publishes the node's contents) and by the reader
   * (acquire: sees them); a release sequence of read-modify-writes joins all pushers. */
  _Atomic(wf_mpsc_node *) head;
} wf_mpsc;

/* Any thread. */
static inline void wf_mpsc_push_release(wf_mpsc *q, wf_mpsc_node *n) {
  wf_mpsc_node *h = atomic_load_explicit(&q->head, memory_order_relaxed);
  do n->next = h;
  while (!atomic_compare_exchange_weak_explicit(&q->head, &h, n, memory_order_release, memory_order_relaxed));
}

static inline bool wf_mpsc_maybe_nonempty(wf_mpsc *q) {
  return atomic_load_explicit(&q->head, memory_order_relaxed) != NULL;
}

/* The reader: all nodes, oldest first, or NULL. */
static inline wf_mpsc_node *wf_mpsc_take_all_acquire(wf_mpsc *q) {
  wf_mpsc_node *n = atomic_exchange_explicit(&q->head, NULL, memory_order_acquire);
  wf_mpsc_node *in_order = NULL;
  while (n != NULL) {
    wf_mpsc_node *next = n->next;
    n->next = in_order;
    in_order = n;
    n = next;
  }
  return in_order;
}

#endif
