/* See race.h. */
#include "rt/race.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum { TASKS = WF_EXPLORE_TASKS + 1, PENDING = 64, SOURCES = 256, SOURCE_TEXT = 60, FIRST_ROOM = 64 };

typedef uint32_t vclock[TASKS];

typedef struct read_access {
  wf_site site;
  uint32_t clock, next; /* next: index + 1 into reads */
} read_access;

typedef struct variable {
  wf_site write;
  uint32_t write_clock; /* 0: never written */
  uint32_t reads;       /* index + 1 of the first */
} variable;

/* A hash table from keys to indices into an array of items, all forgotten at once. */
typedef struct index_map {
  struct slot {
    uint64_t key;
    uint32_t item; /* + 1; 0: free */
  } * slots;
  uint32_t room, count;
} index_map;

struct wf_race {
  uint32_t tasks; /* highest number + 1 */
  vclock clocks[TASKS];
  uint64_t pending[TASKS][PENDING];
  uint8_t pending_count[TASKS];
  index_map objects, variables;
  vclock *object_clocks;
  variable *vars;
  read_access *reads;
  uint32_t object_room, var_room, read_room, read_count;
  uint32_t sources;
  char source[SOURCES][SOURCE_TEXT];
};

wf_race *wf_race_new(void) { return wf_calloc(1, sizeof(wf_race)); }

void wf_race_free(wf_race *r) {
  if (r == NULL) return;
  wf_free(r->objects.slots);
  wf_free(r->variables.slots);
  wf_free(r->object_clocks);
  wf_free(r->vars);
  wf_free(r->reads);
  wf_free(r);
}

/* Maps ----------------------------------------------------------------------------------------- */

static void map_reset(index_map *m) {
  if (m->count > 0) memset(m->slots, 0, m->room * sizeof *m->slots);
  m->count = 0;
}

static struct slot *map_slot(const index_map *m, uint64_t key) {
  uint32_t mask = m->room - 1, i = (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & mask;
  while (m->slots[i].item != 0 && m->slots[i].key != key) i = (i + 1) & mask;
  return &m->slots[i];
}

static bool map_grow(index_map *m) {
  index_map bigger = {.room = m->room == 0 ? FIRST_ROOM : m->room * 2, .count = m->count};
  bigger.slots = wf_calloc(bigger.room, sizeof *bigger.slots);
  if (bigger.slots == NULL) return false;
  for (uint32_t i = 0; i < m->room; i++)
    if (m->slots[i].item != 0) *map_slot(&bigger, m->slots[i].key) = m->slots[i];
  wf_free(m->slots);
  *m = bigger;
  return true;
}

/* The item of a key, a new one (*fresh) when there was none; -1: no memory. */
static int64_t map_item(index_map *m, uint64_t key, bool *fresh) {
  if (m->count * 2 >= m->room && !map_grow(m)) return -1;
  struct slot *s = map_slot(m, key);
  *fresh = s->item == 0;
  if (*fresh) *s = (struct slot){key, ++m->count};
  return (int64_t)s->item - 1;
}

static bool array_room(void **array, uint32_t *room, uint32_t n, size_t size) {
  if (n <= *room) return true;
  uint32_t more = n < FIRST_ROOM ? FIRST_ROOM : n * 2;
  void *p = wf_realloc(*array, more * size);
  if (p == NULL) return false;
  *array = p;
  *room = more;
  return true;
}

/* Clocks ------------------------------------------------------------------------------------------ */

static void join(const wf_race *r, uint32_t *into, const uint32_t *from) {
  for (uint32_t i = 0; i < r->tasks; i++)
    if (from[i] > into[i]) into[i] = from[i];
}

void wf_race_reset(wf_race *r) {
  r->tasks = 0;
  r->read_count = 0;
  map_reset(&r->objects);
  map_reset(&r->variables);
}

/* The clock of an object; NULL: no memory. */
static uint32_t *object_clock(wf_race *r, uint64_t object) {
  bool fresh;
  if (!array_room((void **)&r->object_clocks, &r->object_room, r->objects.count + 1, sizeof *r->object_clocks))
    return NULL;
  int64_t i = map_item(&r->objects, object, &fresh);
  if (i < 0) return NULL;
  if (fresh) memset(r->object_clocks[i], 0, sizeof *r->object_clocks);
  return r->object_clocks[i];
}

/* What the task has waited for has happened. */
static void settle(wf_race *r, uint32_t task) {
  for (uint32_t i = 0; i < r->pending_count[task]; i++) {
    const uint32_t *clock = object_clock(r, r->pending[task][i]);
    if (clock != NULL) join(r, r->clocks[task], clock);
  }
  r->pending_count[task] = 0;
}

void wf_race_started(wf_race *r, uint32_t task, uint32_t parent) {
  if (task >= r->tasks) {
    for (uint32_t i = 0; i < r->tasks; i++)
      memset(&r->clocks[i][r->tasks], 0, (task + 1 - r->tasks) * sizeof(uint32_t));
    r->tasks = task + 1;
  }
  memset(r->clocks[task], 0, sizeof r->clocks[task]);
  r->pending_count[task] = 0;
  if (parent != 0) {
    settle(r, parent);
    join(r, r->clocks[task], r->clocks[parent]);
    r->clocks[parent][parent]++;
  }
  r->clocks[task][task] = 1;
}

void wf_race_release(wf_race *r, uint32_t task, uint64_t object) {
  settle(r, task);
  uint32_t *clock = object_clock(r, object);
  if (clock == NULL) return;
  join(r, clock, r->clocks[task]);
  r->clocks[task][task]++;
}

void wf_race_acquire(wf_race *r, uint32_t task, uint64_t object) {
  if (r->pending_count[task] == PENDING) settle(r, task);
  r->pending[task][r->pending_count[task]++] = object;
}

/* Accesses ---------------------------------------------------------------------------------------- */

static bool before(const wf_race *r, wf_site then, uint32_t clock, uint32_t task) {
  return then.task == task || clock <= r->clocks[task][then.task];
}

/* Note a read in place of the task's earlier one. */
static void note_read(wf_race *r, variable *v, wf_site site) {
  uint32_t clock = r->clocks[site.task][site.task];
  for (uint32_t i = v->reads; i != 0; i = r->reads[i - 1].next) {
    if (r->reads[i - 1].site.task != site.task) continue;
    r->reads[i - 1].site = site;
    r->reads[i - 1].clock = clock;
    return;
  }
  if (!array_room((void **)&r->reads, &r->read_room, r->read_count + 1, sizeof *r->reads)) return;
  r->reads[r->read_count] = (read_access){site, clock, v->reads};
  v->reads = ++r->read_count;
}

bool wf_race_access(wf_race *r, uint64_t key, bool writes, wf_site site, wf_site *other, bool *other_writes) {
  bool fresh;
  settle(r, site.task);
  if (!array_room((void **)&r->vars, &r->var_room, r->variables.count + 1, sizeof *r->vars)) return true;
  int64_t at = map_item(&r->variables, key, &fresh);
  if (at < 0) return true;
  variable *v = &r->vars[at];
  if (fresh) *v = (variable){.write_clock = 0};
  if (v->write_clock != 0 && !before(r, v->write, v->write_clock, site.task)) {
    *other = v->write;
    *other_writes = true;
    return false;
  }
  if (!writes) {
    note_read(r, v, site);
    return true;
  }
  for (uint32_t i = v->reads; i != 0; i = r->reads[i - 1].next) {
    if (before(r, r->reads[i - 1].site, r->reads[i - 1].clock, site.task)) continue;
    *other = r->reads[i - 1].site;
    *other_writes = false;
    return false;
  }
  v->write = site;
  v->write_clock = r->clocks[site.task][site.task];
  v->reads = 0;
  return true;
}

uint16_t wf_race_source(wf_race *r, const char *text) {
  for (uint32_t i = 0; i < r->sources; i++)
    if (strncmp(r->source[i], text, SOURCE_TEXT - 1) == 0) return (uint16_t)i;
  if (r->sources == SOURCES) return SOURCES - 1;
  snprintf(r->source[r->sources], SOURCE_TEXT, "%s", text);
  return (uint16_t)r->sources++;
}

const char *wf_race_source_text(const wf_race *r, uint16_t source) { return r->source[source]; }
