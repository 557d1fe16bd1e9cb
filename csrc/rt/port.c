/* See port.h. */
#include "rt/port.h"

#include "base/alloc.h"
#include "rt/family.h"

wf_port *wf_port_new(wf_workers *pool, enum wf_unit_end (*run)(wf_unit *u)) {
  wf_port *p = wf_calloc(1, sizeof *p);
  if (p == NULL) return NULL;
  atomic_init(&p->refs, 1);
  atomic_init(&p->inbox.head, NULL);
  atomic_init(&p->interrupt, 0);
  atomic_init(&p->look, 0);
  wf_parker_init(&p->parker);
  if (pool != NULL) {
    p->pooled = true;
    wf_unit_init(&p->unit, pool, run);
  }
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
  if (p->pooled) wf_unit_done(&p->unit);
  wf_free(p);
}

void wf_port_wake(wf_port *p) {
  if (!p->pooled) {
    wf_parker_wake(&p->parker);
    return;
  }
  uint32_t was = wf_unit_mark(&p->unit);
  if (was == WF_UNIT_IDLE) {
    if (p->quiet) { /* before it can run, and become quiet again */
      p->quiet = false;
      wf_family_stir(p->member);
    }
    wf_unit_push(&p->unit);
  } else if (was & WF_UNIT_RUNNING) {
    wf_parker_wake(&p->parker); /* it may wait inline; a mark from before does not end that */
  }
}

static __thread wf_port *attended;

void wf_port_attended(wf_port *p) { attended = p != NULL && !p->pooled ? p : NULL; }

void wf_port_post(wf_port *p, wf_mail *m) {
  wf_mpsc_push_release(&p->inbox, &m->node);
  if (p != attended) wf_port_wake(p);
}

void wf_port_deliver(wf_port *p, wf_iso *iso) {
  wf_mpsc_node *n = wf_mpsc_take_all_acquire(&p->inbox);
  while (n != NULL) {
    wf_mail *m = wf_container_of(n, wf_mail, node);
    n = n->next;
    m->deliver(iso, m);
  }
}
