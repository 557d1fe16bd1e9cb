/* What others may know of an isolate without asking it: its card, in its port.
 *
 * The carrier writes: who it is when it takes the isolate up, how it stands whenever it looks at its inbox. Anyone who
 * holds the port reads. Each word stands for itself, so all is relaxed; numbers of an isolate that computes are
 * those of when it looked last.
 */
#ifndef WF_RT_CARD_H
#define WF_RT_CARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wf_iso wf_iso;

typedef struct wf_card {
  _Atomic int64_t tid;      /* of the carrier, 0: it is a worker of the pool */
  _Atomic uint64_t thread;  /* the same for wf_stack_of */
  _Atomic uint32_t isolate; /* its number */
  _Atomic uint32_t tasks;   /* that are not finished, the main chunk's among them */
  _Atomic uint64_t memory;  /* bytes of Lua values */
} wf_card;

typedef struct wf_card_copy {
  int64_t tid;
  uint32_t isolate, tasks;
  uint64_t memory;
  const void *stack_low; /* NULL: not known */
  size_t stack_size, stack_used;
} wf_card_copy;

/* The calling thread is the isolate's carrier from now on. */
void wf_card_take_up(wf_iso *iso);

/* How the isolate stands now. Its carrier. */
void wf_card_note(wf_iso *iso);

/* The cards of all isolates of the family, malloc'ed; NULL when memory is out. */
struct wf_member;
wf_card_copy *wf_family_cards(struct wf_member *m, size_t *n);

#endif
