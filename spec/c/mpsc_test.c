/*
 * mpsc_test.c: nothing pushed to an inbox is lost, doubled, or out of its pusher's order, and a node
 * may be reused as soon as it was taken (the case in which a lock-free stack would meet ABA).
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/mpsc.h"

enum { PUSHERS = 4, ROUNDS = 20000, NODES = 8 };

typedef struct parcel {
  wf_mpsc_node node;
  unsigned pusher, serial;
  /* Set by the pusher (relaxed: the push publishes it) before it pushes; cleared by the reader
   * (release) when it has read the parcel, so that the pusher (acquire) may fill it again. */
  _Atomic(bool) on_its_way;
} parcel;

static wf_mpsc inbox;
static parcel parcels[PUSHERS][NODES];

static void *push_all(void *arg) {
  unsigned me = *(unsigned *)arg;
  for (unsigned serial = 0; serial < ROUNDS; serial++) {
    parcel *p = &parcels[me][serial % NODES];
    while (atomic_load_explicit(&p->on_its_way, memory_order_acquire)) sched_yield();
    p->pusher = me;
    p->serial = serial;
    atomic_store_explicit(&p->on_its_way, true, memory_order_relaxed);
    wf_mpsc_push_release(&inbox, &p->node);
  }
  return NULL;
}

int main(void) {
  pthread_t thread[PUSHERS];
  unsigned id[PUSHERS], expected[PUSHERS] = {0}, taken = 0;
  int failures = 0;
  if (wf_mpsc_maybe_nonempty(&inbox) || wf_mpsc_take_all_acquire(&inbox) != NULL) {
    printf("a new inbox is not empty\n");
    failures++;
  }
  for (unsigned i = 0; i < PUSHERS; i++) {
    id[i] = i;
    if (pthread_create(&thread[i], NULL, push_all, &id[i]) != 0) return 2;
  }
  while (taken < PUSHERS * ROUNDS) {
    if (!wf_mpsc_maybe_nonempty(&inbox)) {
      sched_yield();
      continue;
    }
    wf_mpsc_node *n = wf_mpsc_take_all_acquire(&inbox);
    if (n == NULL) {
      printf("nonempty, but nothing there\n");
      failures++;
    }
    while (n != NULL) {
      wf_mpsc_node *next = n->next;
      parcel *p = wf_container_of(n, parcel, node);
      if (p->serial != expected[p->pusher]++ && failures++ < 10)
        printf("pusher %u: parcel %u at place %u\n", p->pusher, p->serial, expected[p->pusher] - 1);
      taken++;
      atomic_store_explicit(&p->on_its_way, false, memory_order_release);
      n = next;
    }
  }
  for (unsigned i = 0; i < PUSHERS; i++) pthread_join(thread[i], NULL);
  if (wf_mpsc_take_all_acquire(&inbox) != NULL) {
    printf("more than was pushed\n");
    failures++;
  }
  if (failures == 0) printf("mpsc: ok\n");
  return failures != 0;
}
