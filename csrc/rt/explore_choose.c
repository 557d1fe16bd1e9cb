/* See explore_choose.h.
 *
 * Policies. A plan says which decisions deviate from 0. RANDOM takes any choice with the same probability. PCT
 * (probabilistic concurrency testing) gives tasks random priorities, always runs the highest, and lowers the
 * highest one at depth - 1 decisions chosen at random.
 *
 * Yields are fair as in CHESS: a task that has yielded runs again only after every task that was ready then has
 * had a turn; else a loop that waits for a flag would be an endless schedule of its own. */
#include "rt/explore_choose.h"

uint32_t wf_explore_random(wf_explore *e) {
  uint64_t x = e->rng;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  e->rng = x;
  return (uint32_t)(x >> 32);
}

static uint32_t random_below(wf_explore *e, uint32_t n) { return (uint32_t)((uint64_t)wf_explore_random(e) * n >> 32); }

static uint32_t mix(uint32_t h, uint32_t x) {
  h = (h ^ x) * 0x85EBCA6Bu;
  return h ^ h >> 15;
}

/* Yields ----------------------------------------------------------------------------------------- */

static void bit_set(uint64_t *bits, uint32_t i) { bits[i / 64] |= UINT64_C(1) << i % 64; }

static void ready_bits(const wf_iso *iso, const wf_explore *e, uint64_t bits[4]) {
  for (int i = 0; i < 4; i++) bits[i] = 0;
  for (const wf_task *t = iso->head; t != NULL; t = t->u.next)
    if (t->flags & WF_F_EXPLORED) bit_set(bits, wf_explore_number(e, t));
}

void wf_explore_note_yield(wf_iso *iso, wf_explore *e) {
  wf_explored *x = &e->info[e->last];
  const wf_task *t = e->last == 0 ? NULL : x->task;
  if (t == NULL || x->noted || t->state != WF_READY || t->why != WF_WHY_YIELD || (t->flags & WF_F_SLICED)) return;
  ready_bits(iso, e, x->after);
  x->after[e->last / 64] &= ~(UINT64_C(1) << e->last % 64);
  x->yielded = true;
  x->priority = --e->low;
  x->noted = true;
}

void wf_explore_goes(wf_explore *e, const wf_task *t) {
  uint32_t no = wf_explore_number(e, t);
  for (uint32_t i = 1; i <= e->tasks; i++) e->info[i].after[no / 64] &= ~(UINT64_C(1) << no % 64);
  e->info[no].yielded = e->info[no].noted = false;
  e->last = no;
}

/* The menu --------------------------------------------------------------------------------------- */

static bool must_wait(const wf_explored *x, const uint64_t ready[4]) {
  return (x->after[0] & ready[0]) | (x->after[1] & ready[1]) | (x->after[2] & ready[2]) | (x->after[3] & ready[3]);
}

void wf_menu_fill(wf_iso *iso, wf_explore *e, wf_menu *m, wf_task *running) {
  uint64_t ready[4];
  uint32_t left_out = 0;
  ready_bits(iso, e, ready);
  m->n = 0;
  m->all_yielded = true;
  if (running != NULL) {
    m->task[m->n++] = running;
    m->all_yielded = false;
  }
  for (wf_task *t = iso->head; t != NULL; t = t->u.next) {
    if (!(t->flags & WF_F_EXPLORED)) continue;
    const wf_explored *x = &e->info[wf_explore_number(e, t)];
    if (must_wait(x, ready)) {
      left_out++;
      continue;
    }
    m->all_yielded = m->all_yielded && x->yielded;
    m->task[m->n++] = t;
  }
  wf_assert(m->n > 0 || left_out == 0);
  m->clock = e->free_clock && m->n > 0 && wf_wheel_count(&e->wheel) != 0;
}

/* Deciding --------------------------------------------------------------------------------------- */

static uint32_t planned(wf_explore *e, uint32_t n) {
  if (e->next == e->plan_count || e->plan[e->next].at != e->decisions_count) return 0;
  uint32_t choice = e->plan[e->next++].choice;
  if (e->next == e->plan_count && e->expect != 0 && e->expect != e->hash) e->diverged = true;
  if (choice < n) return choice;
  e->diverged = true;
  return 0;
}

static uint32_t highest(const wf_explore *e, const wf_menu *m) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < m->n; i++)
    if (e->info[wf_explore_number(e, m->task[i])].priority > e->info[wf_explore_number(e, m->task[best])].priority)
      best = i;
  return best;
}

static uint32_t by_priority(wf_explore *e, const wf_menu *m) {
  uint32_t best = highest(e, m), at = e->decisions_count;
  if (at < e->length && random_below(e, e->length - at) < e->changes_left) {
    e->changes_left--;
    if (m->clock && (wf_explore_random(e) & 1)) return m->n;
    e->info[wf_explore_number(e, m->task[best])].priority = e->changes_left;
    best = highest(e, m);
  }
  return best;
}

static uint32_t note(wf_explore *e, uint32_t n, uint32_t choice, uint32_t kind) {
  if (e->decisions_count < e->decisions_room)
    e->decisions[e->decisions_count++] =
        (wf_decision){(uint8_t)n, (uint8_t)choice, (uint8_t)kind, (uint8_t)e->last, e->hash};
  return choice;
}

uint32_t wf_explore_choose(wf_explore *e, const wf_menu *m, enum wf_explore_kind kind) {
  uint32_t n = wf_menu_size(m), choice;
  e->hash = mix(e->hash, n << 8 | kind << 1 | m->clock);
  for (uint32_t i = 0; i < m->n; i++) e->hash = mix(e->hash, wf_explore_number(e, m->task[i]));
  switch (e->policy) {
    case WF_EXPLORE_RANDOM: choice = random_below(e, n); break;
    case WF_EXPLORE_PCT: choice = by_priority(e, m); break;
    default: choice = planned(e, n);
  }
  return note(e, n, choice, kind | (m->clock ? WF_DECIDE_CLOCK : 0u));
}

uint32_t wf_explore_choose_value(wf_explore *e, uint32_t n) {
  if (n > UINT8_MAX) n = UINT8_MAX;
  e->hash = mix(e->hash, n << 8 | WF_DECIDE_VALUE << 1);
  return note(e, n, e->policy == WF_EXPLORE_PLAN ? planned(e, n) : random_below(e, n), WF_DECIDE_VALUE);
}
