/* See seat.h. */
#include "rt/seat.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
  LONG = 8 * WF_SEATS, /* runs of others: who has waited for as many has waited long */
  LOOK_EVERY = 64,     /* runs between two looks for one of those, while there is no seat */
};

static void body(wf_cstack *stack) {
  wf_seat *s = wf_container_of(stack, wf_seat, stack);
  for (;;) {
    int nres;
    s->status = lua_resume(s->co, s->seats->from, s->nargs, &nres);
    s->next = s->seats->free;
    s->seats->free = s;
    wf_cstack_leave(stack);
  }
}

static bool wish(const char *word) {
  const char *said = getenv("WEFT_CSTACK");
  return said != NULL && strcmp(said, word) == 0;
}

void wf_seats_prepare(wf_iso *iso) {
#ifdef WF_DEBUG
  if (wish("always")) iso->resumes = WF_SEATS_AFTER - 1;
#else
  (void)iso;
#endif
}

void wf_seats_open(wf_iso *iso) {
  if (!WF_CSTACKS || iso->pooled || wish("off")) return;
  if ((iso->seats = wf_malloc(sizeof *iso->seats)) == NULL) return;
  memset(iso->seats, 0, sizeof *iso->seats);
  iso->seats->from = wf_resumer(iso);
}

void wf_seats_close(wf_iso *iso) {
  wf_seats *all = iso->seats;
  if (all == NULL || iso->seat != NULL) return; /* the state is closed on a seat: the process ends */
  for (uint32_t i = 0; i < all->made; i++) wf_cstack_close(&all->seat[i].stack);
  iso->seats = NULL;
  wf_free(all);
}

/* Of a task that sits in its own coroutine: one that runs generators yields through all of them, which is theirs to do. */
static void leave(wf_iso *iso, wf_seat *s) {
  s->task->more &= WF_SEAT_UNIT - 1;
  s->task = NULL;
  s->leave = true;
  wf_seat_run(iso, s);
  s->leave = false;
}

/* The one that has waited longest, if long. */
static void make_room(wf_iso *iso) {
  wf_seats *all = iso->seats;
  wf_seat *oldest = NULL;
  for (uint32_t i = 0; i < all->made; i++) {
    wf_seat *s = &all->seat[i];
    if (s->task == NULL || s->task->claim != WF_ARMED || s->running != s->task->co) continue;
    if (oldest == NULL || all->runs - s->since > all->runs - oldest->since) oldest = s;
  }
  if (oldest != NULL && all->runs - oldest->since > LONG) leave(iso, oldest);
}

wf_seat *wf_seat_take(wf_iso *iso) {
  wf_seats *all = iso->seats;
  if (wf_unlikely(iso->explore != NULL)) return NULL;
  all->runs++;
  wf_seat *s = all->free;
  if (wf_likely(s != NULL)) {
    all->free = s->next;
    return s;
  }
  if (all->made < WF_SEATS) {
    s = &all->seat[all->made];
    if (wf_cstack_open(&s->stack, body)) {
      s->seats = all;
      s->unit = (uint8_t)(++all->made << WF_SEAT_SHIFT);
      return s;
    }
  }
  if (all->runs % LOOK_EVERY == 0) make_room(iso);
  return NULL;
}
