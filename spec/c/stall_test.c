/* stall_test.c: who hogs a carrier (trace_stall.c), told from rings that are written here by hand: each case is a story of
 * records, of which the last ones say what goes on. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "rt/trace_ring.h"

enum { ROOM = 8192, NUMBER = 7, LIMIT = 100 };

static wf_ring ring, second;
static const wf_tsc_pair start = {1000, 1000}, now = {11000, 11000}; /* a tick is a nanosecond */

static void lane_init(wf_lane *l, uint64_t room) {
  free(l->words);
  *l = (wf_lane){0, calloc(room * WF_LANE_WORDS, sizeof *l->words), room - 1};
  if (l->words == NULL) abort();
}

/* An empty ring of the trace. */
static wf_ring *ring_init(wf_ring *r, uint64_t room) {
  lane_init(&r->facts, room);
  lane_init(&r->moves, room);
  r->next = NULL;
  r->trace = NUMBER;
  r->ended = false;
  r->tid = r == &ring ? 1 : 2;
  return r;
}

static uint64_t what(enum wf_trace_ev ev, enum wf_trace_why why, uint32_t iso) {
  uint64_t word;
  wf_lane_what w = {.ev = (uint8_t)ev, .why = (uint8_t)why, .iso = iso};
  memcpy(&word, &w, sizeof word);
  return word;
}

static void move(wf_ring *r, uint64_t at, enum wf_trace_ev ev, enum wf_trace_why why, uint64_t task) {
  wf_lane_put(&r->moves, at, what(ev, why, 1), task, 0);
}

static void name(wf_ring *r, uint64_t task, const char *text) {
  char bytes[24] = {(char)WF_TRACE_NAME};
  uint64_t words[3];
  strncpy(bytes + 1, text, sizeof bytes - 2);
  memcpy(words, bytes, sizeof words);
  wf_lane_put(&r->facts, task, words[0], words[1], words[2]);
}

static wf_trace_stall out;

static bool stalled(const wf_ring *r) {
  memset(&out, 0, sizeof out);
  return wf_trace_stalled_locked(r, NUMBER, start, now, LIMIT, &out);
}

/* Task 1 runs, and task 2 waits for its turn. */
static wf_ring *hog(wf_ring *r, uint64_t since) {
  ring_init(r, ROOM);
  move(r, since - 10, WF_TRACE_READY, WF_WHY_NONE, 2);
  move(r, since, WF_TRACE_RUN, WF_WHY_NONE, 1);
  return r;
}

static void the_one_that_runs(void) {
  CHECK(!stalled(NULL));
  CHECK(!stalled(ring_init(&ring, ROOM)));
  CHECK(stalled(hog(&ring, 2000)));
  CHECK(out.task == 1 && out.begun == 2000 && out.ns == 9000 && out.tid == 1 && out.name[0] == '\0');
  CHECK(!stalled(hog(&ring, 10950))); /* not for long yet */
  hog(&ring, 2000);
  move(&ring, 3000, WF_TRACE_STOP, WF_WHY_YIELD, 1);
  CHECK(!stalled(&ring)); /* nobody runs */
  hog(&ring, 2000);
  move(&ring, 3000, WF_TRACE_PUT, WF_WHY_NONE, 1); /* other moves do not matter */
  CHECK(stalled(&ring) && out.ns == 9000);
}

static void rings_of_others(void) {
  hog(&ring, 2000)->trace = NUMBER + 1;
  CHECK(!stalled(&ring));
  hog(&ring, 2000)->ended = true;
  CHECK(!stalled(&ring));
  hog(&ring, 5000);
  hog(&second, 2000);
  ring.next = &second;
  CHECK(stalled(&ring) && out.tid == 2 && out.ns == 9000); /* the longest */
  hog(&ring, 2000);
  hog(&second, 5000);
  ring.next = &second;
  CHECK(stalled(&ring) && out.tid == 1);
}

static void with_nobody_else(void) {
  ring_init(&ring, ROOM);
  move(&ring, 2000, WF_TRACE_RUN, WF_WHY_NONE, 1);
  CHECK(!stalled(&ring));
  /* another that has ended, whatever was told of it before */
  ring_init(&ring, ROOM);
  wf_lane_put(&ring.facts, 1100, what(WF_TRACE_NEW, WF_WHY_NONE, 1), 2, 0);
  move(&ring, 1200, WF_TRACE_RUN, WF_WHY_NONE, 2);
  move(&ring, 1300, WF_TRACE_STOP, WF_WHY_DONE, 2);
  move(&ring, 2000, WF_TRACE_RUN, WF_WHY_NONE, 1);
  CHECK(!stalled(&ring));
  /* of another isolate, or its own records */
  ring_init(&ring, ROOM);
  wf_lane_put(&ring.moves, 1200, what(WF_TRACE_READY, WF_WHY_NONE, 9), 2, 0);
  wf_lane_put(&ring.facts, 1200, what(WF_TRACE_NEW, WF_WHY_NONE, 9), 3, 0);
  wf_lane_put(&ring.facts, 1200, what(WF_TRACE_NEW, WF_WHY_NONE, 1), 1, 0);
  move(&ring, 2000, WF_TRACE_RUN, WF_WHY_NONE, 1);
  CHECK(!stalled(&ring));
}

static void told_by_facts(void) {
  ring_init(&ring, ROOM);
  wf_lane_put(&ring.facts, 1100, what(WF_TRACE_LIVE, WF_WHY_NONE, 1), 2, 0);
  name(&ring, 2, "other");
  name(&ring, 1, "the hog");
  wf_lane_put(&ring.facts, 1100, what(WF_TRACE_LABEL, WF_WHY_NONE, 1), 5, 0);
  move(&ring, 2000, WF_TRACE_RUN, WF_WHY_NONE, 1);
  CHECK(stalled(&ring) && strcmp(out.name, "the hog") == 0);
}

static void long_stories(void) {
  /* more have ended than are remembered: then one of them counts as another */
  ring_init(&ring, ROOM);
  for (uint64_t i = 2; i < 400; i++) move(&ring, 1000 + i, WF_TRACE_STOP, WF_WHY_DONE, i);
  move(&ring, 2000, WF_TRACE_RUN, WF_WHY_NONE, 1);
  CHECK(!stalled(&ring));
  for (uint64_t i = 2; i < 400; i++) wf_lane_put(&ring.facts, 1000, what(WF_TRACE_NEW, WF_WHY_NONE, 1), i, 0);
  stalled(&ring); /* either answer: a file too many, or none */
  /* what lies too far back is not looked for */
  ring_init(&ring, ROOM);
  move(&ring, 1500, WF_TRACE_RUN, WF_WHY_NONE, 1);
  for (uint64_t i = 0; i < 2000; i++) move(&ring, 2000 + i, WF_TRACE_PUT, WF_WHY_NONE, 1);
  CHECK(!stalled(&ring));
  ring_init(&ring, ROOM);
  move(&ring, 1200, WF_TRACE_READY, WF_WHY_NONE, 2);
  for (uint64_t i = 0; i < 2000; i++) move(&ring, 1500, WF_TRACE_PUT, WF_WHY_NONE, 1);
  move(&ring, 2000, WF_TRACE_RUN, WF_WHY_NONE, 1);
  CHECK(!stalled(&ring));
}

/* Of a small ring only the newest records are there, and the oldest of them may be in writing. */
static void rings_that_went_round(void) {
  ring_init(&ring, 4);
  move(&ring, 1500, WF_TRACE_RUN, WF_WHY_NONE, 1);
  for (uint64_t i = 0; i < 10; i++) move(&ring, 2000 + i, WF_TRACE_PUT, WF_WHY_NONE, 1);
  CHECK(!stalled(&ring));
  ring_init(&ring, 4);
  move(&ring, 1200, WF_TRACE_READY, WF_WHY_NONE, 2);
  for (uint64_t i = 0; i < 10; i++) move(&ring, 1500, WF_TRACE_PUT, WF_WHY_NONE, 1);
  move(&ring, 2000, WF_TRACE_RUN, WF_WHY_NONE, 1);
  CHECK(!stalled(&ring));
  for (uint64_t i = 0; i < 10; i++) name(&ring, 1, "again and again");
  CHECK(!stalled(&ring));
  wf_lane_put(&ring.facts, 1200, what(WF_TRACE_NEW, WF_WHY_NONE, 1), 2, 0);
  CHECK(stalled(&ring));
}

int main(void) {
  the_one_that_runs();
  rings_of_others();
  with_nobody_else();
  told_by_facts();
  long_stories();
  rings_that_went_round();
  printf("%d failures\n", failures);
  return failures != 0;
}
