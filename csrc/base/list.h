/* Intrusive doubly linked list, circular through its head. Not thread-safe: the owner of the
 * head locks. A node that is in no list is self-linked or zeroed; unlinking is O(1) and
 * leaves the node self-linked, so that unlinking twice is harmless. */
#ifndef WF_LIST_H
#define WF_LIST_H

#include "base/base.h"

typedef struct wf_link {
  struct wf_link *next, *prev;
} wf_link;

static inline void wf_list_init(wf_link *l) { l->next = l->prev = l; }

static inline bool wf_list_empty(const wf_link *l) { return l->next == l; }

/* True when the node is in a list; works for a zeroed node too. */
static inline bool wf_link_in_list(const wf_link *n) { return n->next != NULL && n->next != n; }

static inline void wf_list_append(wf_link *l, wf_link *n) {
  n->prev = l->prev;
  n->next = l;
  l->prev->next = n;
  l->prev = n;
}

static inline void wf_list_unlink(wf_link *n) {
  if (n->next == NULL) return;
  n->prev->next = n->next;
  n->next->prev = n->prev;
  n->next = n->prev = n;
}

#define wf_list_entry(ptr, type, member) wf_container_of(ptr, type, member)

/* Walk a list; `n` may be unlinked in the body. */
#define wf_list_each(n, tmp, l) \
  for ((n) = (l)->next, (tmp) = (n)->next; (n) != (l); (n) = (tmp), (tmp) = (n)->next)

#endif
