/* The port of an isolate: the only part of it that other threads touch.
 *
 * Malloc'ed and reference-counted, so that it outlives the isolate for those who still hold it.
 * Any thread posts a mail; the isolate's carrier delivers what has come whenever it polls. A mail
 * belongs to the port from the post on, and ends in exactly one call of `deliver` (on the
 * carrier) or `drop` (isolate closed first; on whichever thread lets the port go).
 *
 * An isolate with a thread of its own sleeps in the port's parker. One of the worker pool is a unit of that pool, and
 * sleeps in the parker only while it cannot leave its worker (an inline wait, sched.c).
 */
#ifndef WF_RT_PORT_H
#define WF_RT_PORT_H

#include <stdatomic.h>

#include "base/mpsc.h"
#include "rt/card.h"
#include "rt/iso.h"
#include "sys/parker.h"
#include "sys/workers.h"

typedef struct wf_mail {
  wf_mpsc_node node;
  void (*deliver)(wf_iso *iso, struct wf_mail *m);
  void (*drop)(struct wf_mail *m);
} wf_mail;

struct wf_port {
  /* Holders of the port: relaxed increments by those who hold it already, release decrements,
   * the last with acquire, who frees. */
  _Atomic uint32_t refs;
  wf_mpsc inbox;
  wf_parker parker;
  /* Set by whoever wants the isolate to stop what it runs (cancel of a thread) before it sends the
   * signal, read by its carrier in the signal handler and in hooks (press.c). */
  _Atomic uint32_t interrupt;
  /* Set by whoever leaves a shared object to those who wait for it, before it wakes the port, and by the isolate itself:
   * it is to look whether it waits in vain (swait.h). */
  _Atomic uint32_t look;
  wf_card card;
  bool pooled;             /* set once */
  wf_unit unit;            /* if it is */
  struct wf_run *run;      /* of a pooled isolate: the run, and when it has begun the isolate; its worker's */
  wf_iso *iso;
  struct wf_member *member;
  /* It is parked and counts as quiet in its family. Written by its worker before the unit is parked, cleared by the one
   * who marks the parked unit: ordered by the unit's word. */
  bool quiet;
};

/* For an isolate with a thread of its own; with a pool, for one of that. NULL: out of memory. */
wf_port *wf_port_new(wf_workers *pool, enum wf_unit_end (*run)(wf_unit *u));
void wf_port_hold(wf_port *p);
void wf_port_release(wf_port *p);

/* Any thread that holds the port. */
void wf_port_post(wf_port *p, wf_mail *m);

/* Any thread that holds the port: something is to be looked at. */
void wf_port_wake(wf_port *p);

/* The calling thread carries the isolate of this port and will look into its inbox before it sleeps: posting to it needs no
 * wake-up, until this is called with NULL. Not for isolates of the worker pool. */
void wf_port_attended(wf_port *p);

/* Drop what has come. The isolate is closing; nobody posts to it any more, or what they post is dropped when
 * the last one lets the port go. */
void wf_port_drain(wf_port *p);

/* The carrier: deliver what has come. */
void wf_port_deliver(wf_port *p, wf_iso *iso);

#endif
