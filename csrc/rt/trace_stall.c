/* Who hogs a carrier: a look at the newest records of each ring. Any thread, under trace.c's mutex, while the owners
 * go on writing: what is read may be overwritten meanwhile, and then counts for nothing. */
#include <string.h>

#include "rt/trace_ring.h"

enum { LOOK_BACK = 1024, FACTS_BACK = 256, ENDED_MAX = 256 };

typedef struct record {
  uint64_t word[WF_LANE_WORDS];
  wf_lane_what what;
} record;

/* The record number `at`; false when it is gone. */
static bool lane_read_locked(const wf_lane *l, uint64_t at, record *out) {
  const _Atomic(uint64_t) *slot = l->words + (at & l->mask) * WF_LANE_WORDS;
  for (int w = 0; w < WF_LANE_WORDS; w++) out->word[w] = atomic_load_explicit(&slot[w], memory_order_acquire);
  memcpy(&out->what, &out->word[1], sizeof out->what);
  uint64_t head = atomic_load_explicit(&l->head, memory_order_acquire);
  return head <= l->mask || at > head - l->mask - 1;
}

static bool is_ending(const record *r) { return r->what.ev == WF_TRACE_STOP && r->what.why >= WF_WHY_DONE; }

/* The run that goes on: its record, and its number in *at; false: nothing runs there. */
static bool run_find_locked(const wf_lane *l, uint64_t head, record *run, uint64_t *at) {
  for (uint64_t i = head; i-- > 0 && head - i <= LOOK_BACK;) {
    if (!lane_read_locked(l, i, run)) return false;
    if (run->what.ev == WF_TRACE_STOP) return false;
    if (run->what.ev == WF_TRACE_RUN) {
      *at = i;
      return true;
    }
  }
  return false;
}

/* Has the isolate another task that is not over? The name of the running one is found on the way. */
static bool others_locked(const wf_ring *r, uint64_t head, const record *run, char *name) {
  uint64_t ended[ENDED_MAX];
  size_t n = 0;
  record x;
  bool found = false;
  for (uint64_t i = head; i-- > 0 && head - i <= LOOK_BACK && !found;) {
    if (!lane_read_locked(&r->moves, i, &x)) break;
    if (x.what.ev != WF_TRACE_RUN && x.what.ev != WF_TRACE_STOP && x.what.ev != WF_TRACE_READY) continue;
    if (x.what.iso != run->what.iso || x.word[2] == run->word[2]) continue;
    bool over = is_ending(&x);
    for (size_t k = 0; k < n && !over; k++) over = ended[k] == x.word[2];
    if (!over)
      found = true;
    else if (n < ENDED_MAX)
      ended[n++] = x.word[2];
  }
  uint64_t facts = atomic_load_explicit(&r->facts.head, memory_order_acquire);
  for (uint64_t i = facts; i-- > 0 && facts - i <= FACTS_BACK;) {
    if (!lane_read_locked(&r->facts, i, &x)) break;
    if (x.what.ev == WF_TRACE_NAME && x.word[0] == run->word[2]) {
      memcpy(name, (const char *)&x.word[1] + 1, WF_TRACE_TEXT);
      continue;
    }
    if (x.what.ev > WF_TRACE_LIVE || x.what.iso != run->what.iso || x.word[2] == run->word[2]) continue;
    bool over = false;
    for (size_t k = 0; k < n && !over; k++) over = ended[k] == x.word[2];
    if (!over) found = true;
  }
  return found;
}

bool wf_trace_stalled_locked(const wf_ring *first, uint32_t number, wf_tsc_pair start, wf_tsc_pair now, uint64_t ns,
                             wf_trace_stall *out) {
  bool found = false;
  for (const wf_ring *r = first; r != NULL; r = r->next) {
    if (r->trace != number || r->ended) continue;
    uint64_t head = atomic_load_explicit(&r->moves.head, memory_order_acquire), at;
    record run;
    if (!run_find_locked(&r->moves, head, &run, &at)) continue;
    uint64_t begun = wf_tsc_span_ns(start, now, run.word[0]), took = now.ns - start.ns - begun;
    if (took < ns || (found && took <= out->ns)) continue;
    wf_trace_stall s = {.tid = r->tid, .task = run.word[2], .begun = run.word[0], .ns = took};
    if (!others_locked(r, at, &run, s.name)) continue;
    *out = s;
    found = true;
  }
  return found;
}
