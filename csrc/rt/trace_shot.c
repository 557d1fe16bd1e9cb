/*
 * trace_shot.c: turns the rings of a trace into one list of events in order of time.
 *
 * What it is: copies every lane (the orders are argued in trace_ring.h), converts ticks to nanoseconds,
 * takes the texts out and merges the lanes, which are sorted each, into one run.
 * Thread: the one that asked, under trace.c's mutex, while the owners of the rings go on writing.
 * Owner: the caller owns the shot; everything else here is freed before the return.
 * Invariants: no event is torn, none appears twice, and within a lane the order of recording is kept.
 */
#include "rt/trace.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "rt/trace_ring.h"

enum { CHUNK = 256, THREADS_MAX = 65535 };

/* Copies the records below `upto` that survive to out, oldest first, and tells how many were lost
 * before them. Chunk by chunk: what was intact when its chunk had been read counts, however far the
 * writer has come by the end. After a tear it starts anew behind it, so that no gap is inside. */
static size_t lane_copy_locked(const wf_lane *l, uint64_t upto, uint64_t (*out)[WF_LANE_WORDS], uint64_t *lost) {
  uint64_t at = upto - wf_lane_held(l, upto);
  size_t n = 0;
  *lost = at;
  while (at < upto) {
    uint64_t end = upto - at > CHUNK ? at + CHUNK : upto;
    for (uint64_t i = at; i < end; i++) {
      const _Atomic(uint64_t) *slot = l->words + (i & l->mask) * WF_LANE_WORDS;
      uint64_t *to = out[n + (size_t)(i - at)];
      for (int w = 0; w < WF_LANE_WORDS; w++) to[w] = atomic_load_explicit(&slot[w], memory_order_acquire);
    }
    uint64_t head = atomic_load_explicit(&l->head, memory_order_acquire);
    uint64_t intact = head > l->mask ? head - l->mask : 0;
    if (intact > at) {
      n = 0;
      at = *lost = intact < upto ? intact : upto;
    } else {
      n += (size_t)(end - at);
      at = end;
    }
  }
  return n;
}

/* What a snapshot is built with; freed at its end. */
typedef struct gather {
  wf_trace_shot *shot;
  const wf_ring *first;
  uint32_t number;
  wf_tsc_pair start, end;
  uint64_t (*raw)[WF_LANE_WORDS]; /* one lane, as copied */
  uint64_t *upto;         /* two for each ring: the heads at the moment of the snapshot */
  size_t *runs;           /* where each lane's events end among shot->events: sorted runs */
  size_t nruns;
  size_t texts_room;
} gather;

static bool gather_text(gather *g, enum wf_trace_ev ev, uint64_t id, const char *bytes) {
  wf_trace_shot *shot = g->shot;
  if (shot->ntexts == g->texts_room) {
    size_t room = g->texts_room ? g->texts_room * 2 : 64;
    wf_trace_note *texts = wf_realloc(shot->texts, room * sizeof *texts);
    if (texts == NULL) return false;
    shot->texts = texts;
    g->texts_room = room;
  }
  wf_trace_note *note = &shot->texts[shot->ntexts++];
  note->id = id;
  note->ev = (uint8_t)ev;
  memcpy(note->text, bytes, WF_TRACE_TEXT);
  note->text[WF_TRACE_TEXT] = 0;
  return true;
}

static bool gather_lane_locked(gather *g, const wf_lane *l, uint64_t upto, uint16_t thread) {
  wf_trace_shot *shot = g->shot;
  wf_trace_thread *t = &shot->threads[thread];
  uint64_t lost;
  size_t n = lane_copy_locked(l, upto, g->raw, &lost);
  t->count += n;
  t->lost += lost;
  uint64_t latest = 0;
  for (size_t i = 0; i < n; i++) {
    const uint64_t *word = g->raw[i];
    wf_lane_what kind;
    memcpy(&kind, &word[1], sizeof kind);
    wf_trace_event e = {.ev = kind.ev, .thread = thread};
    bool moment = wf_trace_is_moment(kind.ev);
    if (moment || kind.ev == WF_TRACE_NAME || kind.ev == WF_TRACE_LABEL) {
      if (moment) e.arg = shot->ntexts;
      if (!gather_text(g, kind.ev, moment ? 0 : word[0], (const char *)&word[1] + 1)) return false;
      if (!moment) continue;
    } else {
      e.why = kind.why;
      e.iso = kind.iso;
      e.task = word[2];
      e.arg = word[3];
    }
    e.time = wf_tsc_span_ns(g->start, g->end, word[0]);
    if (e.time < latest) e.time = latest; /* a thread that moved to a core whose counter is behind */
    latest = e.time;
    shot->events[shot->nevents++] = e;
  }
  g->runs[g->nruns++] = shot->nevents;
  return true;
}

static void runs_merge(const wf_trace_event *from, size_t a, size_t b, size_t end, wf_trace_event *to) {
  size_t i = a, j = b, n = a;
  while (i < b && j < end) to[n++] = from[j].time < from[i].time ? from[j++] : from[i++];
  while (i < b) to[n++] = from[i++];
  while (j < end) to[n++] = from[j++];
}

/* Merges neighbouring runs until one is left. Stable: at one time, facts before moves, and the thread
 * that recorded first before the others. */
static bool gather_sort(gather *g) {
  wf_trace_shot *shot = g->shot;
  if (g->nruns < 2 || shot->nevents == 0) return true;
  wf_trace_event *spare = wf_malloc(shot->nevents * sizeof *spare);
  if (spare == NULL) return false;
  while (g->nruns > 1) {
    size_t n = 0, at = 0;
    for (size_t k = 0; k < g->nruns; k += 2) {
      size_t middle = g->runs[k], end = k + 1 < g->nruns ? g->runs[k + 1] : middle;
      runs_merge(shot->events, at, middle, end, spare);
      g->runs[n++] = at = end;
    }
    g->nruns = n;
    wf_trace_event *done = spare;
    spare = shot->events;
    shot->events = done;
  }
  wf_free(spare);
  return true;
}

/* Reads the heads of every ring of this trace, so that all lanes are cut at about one moment, and
 * makes room for what is below them. */
static bool gather_open_locked(gather *g) {
  wf_trace_shot *shot = g->shot;
  size_t nrings = 0, total = 1, longest = 1;
  for (const wf_ring *r = g->first; r != NULL; r = r->next) nrings += r->trace == g->number;
  g->upto = wf_calloc(2 * nrings + 1, sizeof *g->upto);
  g->runs = wf_calloc(2 * nrings + 1, sizeof *g->runs);
  shot->threads = wf_calloc(nrings + 1, sizeof *shot->threads);
  if (g->upto == NULL || g->runs == NULL || shot->threads == NULL) return false;
  size_t k = 0;
  for (const wf_ring *r = g->first; r != NULL; r = r->next) {
    if (r->trace != g->number) continue;
    const wf_lane *lanes[] = {&r->facts, &r->moves};
    for (int i = 0; i < 2; i++) {
      uint64_t head = atomic_load_explicit(&lanes[i]->head, memory_order_acquire);
      size_t held = (size_t)wf_lane_held(lanes[i], head);
      g->upto[k++] = head;
      total += held;
      if (held > longest) longest = held;
    }
  }
  g->raw = wf_malloc(longest * sizeof *g->raw);
  shot->events = wf_malloc(total * sizeof *shot->events);
  return g->raw != NULL && shot->events != NULL;
}

static bool gather_fill_locked(gather *g) {
  wf_trace_shot *shot = g->shot;
  size_t k = 0;
  for (const wf_ring *r = g->first; r != NULL; r = r->next) {
    if (r->trace != g->number) continue;
    uint64_t facts = g->upto[k++], moves = g->upto[k++];
    if (shot->nthreads == THREADS_MAX) { /* more than an event can number */
      shot->lost += facts + moves;
      continue;
    }
    uint16_t thread = (uint16_t)shot->nthreads++;
    wf_trace_thread *t = &shot->threads[thread];
    t->tid = r->tid;
    t->ended = r->ended;
    memcpy(t->name, r->name, sizeof t->name);
    if (!gather_lane_locked(g, &r->facts, facts, thread)) return false;
    if (!gather_lane_locked(g, &r->moves, moves, thread)) return false;
    shot->lost += t->lost;
  }
  return true;
}

int wf_trace_shot_take_locked(wf_trace_shot *shot, const wf_ring *first, uint32_t number,
                              wf_tsc_pair start, wf_tsc_pair end) {
  gather g = {.shot = shot, .first = first, .number = number, .start = start, .end = end};
  bool ok = gather_open_locked(&g) && gather_fill_locked(&g) && gather_sort(&g);
  wf_free(g.raw);
  wf_free(g.upto);
  wf_free(g.runs);
  if (!ok) wf_trace_shot_free(shot);
  return ok ? 0 : ENOMEM;
}

void wf_trace_shot_free(wf_trace_shot *shot) {
  wf_free(shot->events);
  wf_free(shot->texts);
  wf_free(shot->threads);
  *shot = (wf_trace_shot){0};
}
