/* Races: accesses to watched variables by tasks of an explored run that nothing orders. Happens-before with vector
 * clocks, as FastTrack does: two accesses race when one writes and neither happened before the other. Not locksets:
 * what is ordered by a channel or a join is no race, though no lock is held.
 *
 * A task's clock counts its releases. An object (a lock, a channel, a job, an element of a buffer) keeps the join of
 * the clocks that were released into it; who acquires it joins that into his own. Objects and variables are known by
 * a 64-bit key, an address or a hash. Everything is forgotten at the beginning of a run.
 *
 * When the order is known to be no order less than the program's, it is coarser: all releases of a channel are
 * acquired by a receive, not just that of the value received. So a race may be missed in one schedule; none is
 * reported that is not there.
 *
 * On the isolate's carrier. Owned by the session (l_explore.c); calls do nothing when memory has run out. */
#ifndef WF_RT_RACE_H
#define WF_RT_RACE_H

#include "rt/explore.h"

typedef struct wf_race wf_race;

typedef struct wf_site {
  uint16_t source; /* index into what wf_race_source knows */
  uint16_t task;
  int line;
} wf_site;

wf_race *wf_race_new(void); /* NULL: no memory */
void wf_race_free(wf_race *r);

/* A new run begins. */
void wf_race_reset(wf_race *r);

/* Tasks are told by number. `parent` may be 0. */
void wf_race_started(wf_race *r, uint32_t task, uint32_t parent);
void wf_race_release(wf_race *r, uint32_t task, uint64_t object);

/* What the task has begun to acquire it has acquired when it next does anything: until then it waits. */
void wf_race_acquire(wf_race *r, uint32_t task, uint64_t object);

/* The task accesses a variable: false, and the other access is in *other, when that races. *other_writes: it was a
 * write. */
bool wf_race_access(wf_race *r, uint64_t variable, bool writes, wf_site site, wf_site *other, bool *other_writes);

/* Number of a source's text, and the text. */
uint16_t wf_race_source(wf_race *r, const char *text);
const char *wf_race_source_text(const wf_race *r, uint16_t source);

#endif
