/* See where.h. On the isolate's carrier. */
#include "rt/where.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "lx/error.h"

enum { SOURCES_MAX = 4095, LINE_MASK = 0xFFFFF, PROBES = 3, PC_WORD = 4 /* func, top, previous, next, then savedpc */ };

/* Result of the self-test: 0 not run, 1 the word is a program counter, 2 it is not. Written by whoever
 * opens an isolate first, the same value by all; relaxed. */
static _Atomic int pc_usable;

/* The word of the frame at level 1 that should be its saved program counter. */
static const void *saved_pc(const lua_Debug *ar) { return ((const void *const *)(const void *)ar->i_ci)[PC_WORD]; }

/* The number of a source text in iso->sources; 0 when there is no room for more. */
static uint32_t source_find(wf_iso *iso, const char *text) {
  size_t len = strlen(text) + 1;
  for (uint32_t i = iso->nsources; i-- > 0;)
    if (memcmp(iso->sources[i].text, text, len) == 0) return i + 1;
  if (iso->nsources == SOURCES_MAX) return 0;
  if (iso->nsources == iso->sources_room) {
    uint32_t room = iso->sources_room == 0 ? 4 : iso->sources_room * 2;
    wf_source *p = wf_realloc(iso->sources, room * sizeof *p);
    if (p == NULL) return 0;
    iso->sources = p;
    iso->sources_room = room;
  }
  memset(&iso->sources[iso->nsources], 0, sizeof *iso->sources);
  memcpy(iso->sources[iso->nsources].text, text, len);
  return ++iso->nsources;
}

static __attribute__((cold)) bool places_open(wf_iso *iso) {
  iso->places = wf_malloc(WF_PLACES * sizeof *iso->places);
  if (iso->places != NULL) memset(iso->places, 0, WF_PLACES * sizeof *iso->places);
  return iso->places != NULL;
}

/* The place of a line of the script. A line of weft's own is kept as line 0. */
static bool place_of(wf_iso *iso, lua_State *L, lua_Debug *ar, wf_task *t) {
  const void *pc = NULL;
  wf_place *p = NULL;
  if (wf_likely(iso->places_usable && (iso->places != NULL || places_open(iso)))) {
    pc = saved_pc(ar);
    p = &iso->places[((uintptr_t)pc >> 2) % WF_PLACES];
    if (wf_likely(p->pc == pc && pc != NULL)) {
      t->source = p->source & SOURCES_MAX;
      t->line = p->line & LINE_MASK;
      return p->line != 0;
    }
  }
  if (!lua_getinfo(L, "fSl", ar)) return false;
  if (ar->currentline < 0) {
    lua_pop(L, 1);
    return false;
  }
  bool ours = lx_source_is_ours(ar->source);
  if (!ours) {
    t->source = source_find(iso, ar->short_src) & SOURCES_MAX;
    t->line = (uint32_t)ar->currentline & LINE_MASK;
  }
  if (p == NULL) {
    lua_pop(L, 1);
    return !ours;
  }
  /* The function is kept while its place is: so no other bytecode can have the same address. */
  lua_rawsetp(L, LUA_REGISTRYINDEX, p);
  *p = (wf_place){pc, t->source, ours ? 0 : t->line};
  return !ours;
}

void wf_where_note(wf_iso *iso, lua_State *L, wf_task *t) {
  lua_Debug ar;
  for (int level = 1; lua_getstack(L, level, &ar); level++)
    if (wf_likely(place_of(iso, L, &ar, t))) return;
}

void wf_where_level(wf_iso *iso, lua_State *L, int level, wf_task *t) {
  lua_Debug ar;
  if (level < 0 || !lua_getstack(L, level, &ar) || !lua_getinfo(L, "Sl", &ar) || ar.currentline < 0) return;
  t->source = source_find(iso, ar.short_src) & SOURCES_MAX;
  t->line = (uint32_t)ar.currentline & LINE_MASK;
}

const char *wf_where_text(const wf_iso *iso, uint32_t source, uint32_t line, char *buf, size_t size) {
  if (source == 0 || source > iso->nsources)
    buf[0] = '\0';
  else
    snprintf(buf, size, "%s:%u", iso->sources[source - 1].text, line);
  return buf;
}

/* Self-test: a chunk calls this at three places, twice over; upvalue 1 is where the words go. */
static int probe(lua_State *L) {
  const void **words = lua_touserdata(L, lua_upvalueindex(1));
  lua_Debug ar;
  if (lua_getstack(L, 1, &ar)) {
    size_t i = 1; /* the first word that is free */
    while (i < 2 * PROBES && words[i] != NULL) i++;
    words[i] = saved_pc(&ar);
  }
  return 0;
}

static int run_probes(lua_State *L) {
  const void **words = lua_touserdata(L, 1);
  if (luaL_loadstring(L, "local f = ... for _ = 1, 2 do f() f() f() end") != LUA_OK) return 0;
  lua_pushlightuserdata(L, words);
  lua_pushcclosure(L, probe, 1);
  lua_call(L, 1, 0);
  return 0;
}

static bool test_pc(lua_State *L) {
  const void *words[1 + 2 * PROBES] = {NULL};
  lua_pushcfunction(L, run_probes);
  lua_pushlightuserdata(L, words);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    lua_pop(L, 1);
    return false;
  }
  for (int i = 1; i <= PROBES; i++) {
    if (words[i] == NULL || words[i] != words[i + PROBES]) return false;
    ptrdiff_t step = (const char *)words[i + 1] - (const char *)words[i];
    if (i < PROBES && (step < 4 || step > 64)) return false;
  }
  return true;
}

void wf_where_open(wf_iso *iso, lua_State *L) {
  int usable = atomic_load_explicit(&pc_usable, memory_order_relaxed);
  if (usable == 0) {
    usable = test_pc(L) ? 1 : 2;
    atomic_store_explicit(&pc_usable, usable, memory_order_relaxed);
  }
  iso->places_usable = usable == 1;
}
