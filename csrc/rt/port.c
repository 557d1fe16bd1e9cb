/* See port.h. */
#include "rt/port.h"

#include "base/alloc.h"

wf_port *wf_port_new(void) {
  wf_port *p = wf_calloc(1, sizeof *p);
  if (p == NULL) return NULL;
  atomic_init(&p->refs, 1);
  atomic_init(&p->inbox.head, NULL);
  atomic_init(&p->interrupt, 0);
  wf_parker_init(&p->parker);
  return p;
}

void wf_port_hold(wf_port *p) { atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed); }

void wf_port_drain(wf_port *p) {
  wf_mpsc_node *n = wf_mpsc_take_all_acquire(&p->inbox);
  while (n != NULL) {
    wf_mail *m = wf_container_of(n, wf_mail, node);
    n = n->next;
    m->drop(m);
  }
}

void wf_port_release(wf_port *p) {
  if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) return;
  wf_port_drain(p);
  wf_parker_destroy(&p->parker);
  wf_free(p);
}

void wf_port_post(wf_port *p, wf_mail *m) {
  wf_mpsc_push_release(&p->inbox, &m->node);
  wf_parker_wake(&p->parker);
}

void wf_port_deliver(wf_port *p, wf_iso *iso) {
  wf_mpsc_node *n = wf_mpsc_take_all_acquire(&p->inbox);
  while (n != NULL) {
    wf_mail *m = wf_container_of(n, wf_mail, node);
    n = n->next;
    m->deliver(iso, m);
  }
}
