/*
** Every interleaving of the parker's protocol, on a machine whose processors
** have store buffers, for one carrier and two wakers with a few items each.
**
** The model has one step for each access to what is shared and for each system
** call. `bug` seeds one mistake; each must be found, and the protocol as it is
** must have none of: a carrier that sleeps for ever beside work (lost wake), a
** write to a descriptor after it was closed, a waker's system call unpaid.
*/
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAKERS = 2 };
enum { RUNNING, NOTIFIED, MARK }; /* the word */
enum { W_PUSH, W_EXCHANGE, W_CALL, W_DONE };
enum { C_LOOK, C_TAKE, C_MARK, C_SLEEP, C_ASLEEP, C_DRAIN, C_WORD, C_LEAVE, C_DESTROY, C_DONE };

enum bug {
  NO_BUG,
  LOAD_FIRST,   /* the waker leaves out the exchange where a load says NOTIFIED */
  WAKE_FIRST,   /* the waker wakes before it publishes */
  STORE_MARK,   /* the carrier stores the mark instead of swapping it in */
  DRAIN_LATE,   /* the carrier drains the descriptor after its look at the word */
  CLOSE_EARLY,  /* destroy does not wait for what is owed */
  NO_VALUE,     /* futex_wait sleeps without comparing the word */
  BUGS
};

static const char *const bug_name[BUGS] = {"none", "load first", "wake first", "store mark",
                                           "drain late", "close early", "no value"};

typedef struct world {
  uint8_t word, carrier;
  uint8_t fd;              /* what the descriptor holds, or 1 = futex woken */
  int8_t owed;
  uint8_t timeouts;        /* how often the sleep may still time out */
  uint8_t pc[WAKERS];
  uint8_t left[WAKERS];    /* rounds to go */
  uint8_t buffered[WAKERS]; /* published items in the store buffer */
  uint8_t visible;         /* items that the carrier can see */
} world;

typedef struct run {
  enum bug bug;
  bool futex;
  uint8_t items;
  world *seen; /* hash set; a world of all zero is none (left is not) */
  size_t slots, states;
  const char *failure;
} run;

static bool seen_before(run *r, const world *w) {
  uint64_t h = UINT64_C(1469598103934665603);
  const unsigned char *b = (const unsigned char *)w;
  for (size_t i = 0; i < sizeof *w; i++) h = (h ^ b[i]) * UINT64_C(1099511628211);
  static const world none;
  for (size_t i = (size_t)(h ^ h >> 29) & (r->slots - 1);; i = (i + 1) & (r->slots - 1)) {
    if (memcmp(&r->seen[i], w, sizeof *w) == 0) return true;
    if (memcmp(&r->seen[i], &none, sizeof none) == 0) {
      r->seen[i] = *w;
      if (++r->states * 2 > r->slots) {
        printf("the model has outgrown its table\n");
        exit(1);
      }
      return false;
    }
  }
}

static void explore(run *r, world w);

/* The exchange drains the store buffer, as any locked instruction does. */
static uint8_t exchange(world *w, int who, uint8_t to) {
  if (who >= 0) {
    w->visible = (uint8_t)(w->visible + w->buffered[who]);
    w->buffered[who] = 0;
  }
  uint8_t was = w->word;
  w->word = to;
  return was;
}

static void waker_round_over(run *r, world *w, int k) {
  bool push_last = r->bug == WAKE_FIRST;
  if (push_last) w->buffered[k]++;
  w->left[k]--;
  w->pc[k] = w->left[k] == 0 ? W_DONE : push_last ? W_EXCHANGE : W_PUSH;
}

static bool waker_step(run *r, world w, int k) {
  switch (w.pc[k]) {
    case W_PUSH:
      w.buffered[k]++;
      w.pc[k] = W_EXCHANGE;
      break;
    case W_EXCHANGE:
      if (r->bug == LOAD_FIRST && w.word == NOTIFIED) {
        waker_round_over(r, &w, k);
        break;
      }
      if (exchange(&w, k, NOTIFIED) == MARK) w.pc[k] = W_CALL;
      else waker_round_over(r, &w, k);
      break;
    case W_CALL:
      if (r->futex) {
        if (w.carrier == C_ASLEEP) w.carrier = C_WORD;
      } else {
        if (w.carrier == C_DONE) r->failure = "a write to a closed descriptor";
        w.fd++;
      }
      waker_round_over(r, &w, k);
      break;
    default: return false;
  }
  explore(r, w);
  return true;
}

static bool drain_step(run *r, world w, int k) {
  if (w.buffered[k] == 0) return false;
  w.visible = (uint8_t)(w.visible + w.buffered[k]);
  w.buffered[k] = 0;
  explore(r, w);
  return true;
}

/* The sleep ends by itself: a time-out, a signal, the other descriptor. */
static bool timeout_step(run *r, world w) {
  if (w.timeouts == 0 || !(w.carrier == C_ASLEEP || (w.carrier == C_SLEEP && !r->futex))) return false;
  w.timeouts--;
  w.carrier = C_LEAVE;
  explore(r, w);
  return true;
}

static bool carrier_step(run *r, world w) {
  switch (w.carrier) {
    case C_LOOK: w.carrier = w.visible == r->items ? C_DESTROY : C_TAKE; break;
    case C_TAKE:
      w.carrier = w.word == NOTIFIED ? C_LOOK : C_MARK;
      if (w.carrier == C_LOOK) exchange(&w, -1, RUNNING);
      break;
    case C_MARK:
      if (w.word == RUNNING || r->bug == STORE_MARK) {
        w.word = MARK;
        w.carrier = C_SLEEP;
      } else {
        exchange(&w, -1, RUNNING);
        w.carrier = C_LOOK;
      }
      break;
    case C_SLEEP:
      if (r->futex) {
        w.carrier = w.word == MARK || r->bug == NO_VALUE ? C_ASLEEP : C_WORD;
      } else {
        if (w.fd == 0) return false;
        w.carrier = r->bug == DRAIN_LATE ? C_WORD : C_DRAIN;
      }
      break;
    case C_DRAIN:
      w.owed = (int8_t)(w.owed - w.fd);
      w.fd = 0;
      w.carrier = r->bug == DRAIN_LATE ? C_SLEEP : C_WORD;
      break;
    case C_WORD:
      w.carrier = w.word == NOTIFIED ? C_LEAVE : r->bug == DRAIN_LATE ? C_DRAIN : C_SLEEP;
      break;
    case C_LEAVE:
      if (exchange(&w, -1, RUNNING) == NOTIFIED && !r->futex) w.owed++;
      w.carrier = C_LOOK;
      break;
    case C_DESTROY: /* by contract only once every waker has passed its last exchange */
      for (int k = 0; k < WAKERS; k++)
        if (w.left[k] > 1 || (w.left[k] == 1 && w.pc[k] != W_CALL)) return false;
      if (w.owed > 0 && r->bug != CLOSE_EARLY) {
        if (w.fd == 0) return false;
        w.owed = (int8_t)(w.owed - w.fd);
        w.fd = 0;
      } else {
        w.carrier = C_DONE;
      }
      break;
    default: return false;
  }
  explore(r, w);
  return true;
}

static void explore(run *r, world w) {
  if (r->failure || seen_before(r, &w)) return;
  bool moved = carrier_step(r, w);
  for (int k = 0; k < WAKERS; k++) {
    moved |= waker_step(r, w, k);
    moved |= drain_step(r, w, k);
  }
  /* A sleep must not need its time-out to end beside work. */
  if (!moved && !r->failure) {
    if (w.carrier == C_SLEEP || w.carrier == C_ASLEEP) r->failure = "asleep for ever beside work";
    else if (w.carrier != C_DONE) r->failure = "destroy waits for ever";
    else if (w.owed > 0) r->failure = "a system call unpaid";
  }
  timeout_step(r, w);
}

static const char *check(enum bug bug, bool futex, int rounds, int timeouts, size_t *states) {
  run r = {.bug = bug, .futex = futex, .items = (uint8_t)(WAKERS * rounds), .slots = (size_t)1 << 20};
  r.seen = calloc(r.slots, sizeof *r.seen);
  if (!r.seen) exit(1);
  world w;
  memset(&w, 0, sizeof w);
  w.timeouts = (uint8_t)timeouts;
  for (int k = 0; k < WAKERS; k++) {
    w.left[k] = (uint8_t)rounds;
    w.pc[k] = bug == WAKE_FIRST ? W_EXCHANGE : W_PUSH;
  }
  explore(&r, w);
  free(r.seen);
  *states = r.states;
  return r.failure;
}

int main(void) {
  int failures = 0;
  size_t states, total = 0;
  for (int futex = 0; futex < 2; futex++)
    for (int rounds = 1; rounds <= 3; rounds++)
      for (int timeouts = 0; timeouts <= 3; timeouts++) {
        const char *f = check(NO_BUG, futex != 0, rounds, timeouts, &states);
        total += states;
        if (f) {
          printf("%s, %d rounds, %d time-outs: %s\n", futex ? "futex" : "poll", rounds, timeouts, f);
          failures++;
        }
      }
  printf("%zu states without a failure\n", total);
  for (int bug = 1; bug < BUGS; bug++) {
    const char *found = NULL;
    bool futex = bug == NO_VALUE;
    for (int rounds = 1; rounds <= 3 && !found; rounds++)
      for (int timeouts = 0; timeouts <= 2 && !found; timeouts++)
        found = check((enum bug)bug, futex, rounds, timeouts, &states);
    printf("seeded \"%s\": %s\n", bug_name[bug], found ? found : "NOT FOUND");
    if (!found) failures++;
  }
  return failures != 0;
}
