/*
** Opening, closing and measuring lean states: see lean.h. The lazy part is in
** lean_lazy.c.
*/
#include "lx/lean.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "lx/lean_state.h"

/* What a script may allocate, in KiB, before the first collection begins: a small
   function ends sooner and is never collected. (A step of negative size.) */
enum { FIRST_KIB = 16 };

/* Unprotected errors are bugs of the embedding code; Lua would abort after this. */
static int on_panic(lua_State *L) {
  const char *text = lua_tostring(L, -1);
  fprintf(stderr, "PANIC: unprotected error in call to Lua API (%s)\n", text ? text : "error object is not a string");
  fflush(stderr);
  return 0;
}

/* As the stand-alone interpreter: "@on" and "@off" alone, pieces joined. */
static void on_warning(void *ud, const char *text, int to_be_continued) {
  wf_lean *s = ud;
  if (!s->warn_more && !to_be_continued && text[0] == '@') {
    if (strcmp(text, "@on") == 0) s->warn_on = true;
    if (strcmp(text, "@off") == 0) s->warn_on = false;
    return;
  }
  if (s->warn_on) {
    if (!s->warn_more) fputs("Lua warning: ", stderr);
    fputs(text, stderr);
    if (!to_be_continued) fputc('\n', stderr);
    fflush(stderr);
  }
  s->warn_more = to_be_continued != 0;
}

static char *copied(const char *text) {
  size_t n = strlen(text) + 1;
  char *copy = wf_malloc(n);
  return copy ? memcpy(copy, text, n) : NULL;
}

static void record_free(wf_lean *s) {
  wf_heap_fini(&s->heap);
  wf_free(s->path);
  wf_free(s->cpath);
  wf_free(s);
}

static wf_lean *record_new(void) {
  wf_lean *s = wf_malloc(WF_LEAN_BLOCK);
  if (!s) return NULL;
  size_t head = (sizeof *s + WF_HEAP_GRAIN - 1) / WF_HEAP_GRAIN * WF_HEAP_GRAIN;
  memset(s, 0, WF_LEAN_BLOCK); /* all of it: an image is compared word by word */
  wf_heap_init(&s->heap, (char *)s + head, WF_LEAN_BLOCK - head, 0);
  return s;
}

/* What differs from state to state. False: no memory, or too little allowed. */
static bool record_set(wf_lean *s, const wf_state_opts *o) {
  atomic_store_explicit(&s->heap.cap, o->memory, memory_order_relaxed);
  s->warn_on = o->warn;
  s->opened = o->opened;
  s->ud = o->ud;
  if (o->path) s->path = copied(o->path);
  if (o->cpath) s->cpath = copied(o->cpath);
  return (!o->path || s->path) && (!o->cpath || s->cpath);
}

static int install(lua_State *L) {
  lua_CFunction prepare = lua_tocfunction(L, 1);
  lua_settop(L, 0);
  wf_lean_install(L, wf_lean_of(L));
  if (prepare) prepare(L);
  return 0;
}

/* The slow way: Lua makes it. [NULL: no memory] */
static wf_lean *record_build(lua_CFunction prepare, size_t cap) {
  wf_lean *s = record_new();
  if (!s) return NULL;
  s->heap.cap = cap;
  lua_State *L = lua_newstate(WF_LEAN_ALLOC, s);
  if (!L) {
    record_free(s);
    return NULL;
  }
  s->L = L;
  lua_gc(L, LUA_GCSTOP); /* a fresh state is due for a collection at every step, for nothing */
  lua_atpanic(L, on_panic);
  lua_setwarnf(L, on_warning, s);
  lua_pushcfunction(L, install);
  if (prepare) lua_pushcfunction(L, prepare);
  if (lua_pcall(L, prepare ? 1 : 0, 0, 0) != LUA_OK) {
    wf_state_close(L);
    return NULL;
  }
  lua_gc(L, LUA_GCRESTART);
  lua_gc(L, LUA_GCSTEP, -FIRST_KIB);
  return s;
}

lua_State *wf_state_open(const wf_state_opts *o) {
  static const wf_state_opts defaults;
  if (!o) o = &defaults;
  if (!wf_lean_names_learn(wf_lean_doors)) return NULL;
  bool ready = wf_lean_image_ready(o->prepare);
  wf_lean *s = ready ? wf_lean_image_copy() : record_build(o->prepare, o->memory);
  if (!s) return NULL;
  if (!ready) wf_lean_image_take(s, o->prepare);
  lua_State *L = s->L;
  if (!record_set(s, o) || (o->memory && atomic_load_explicit(&s->heap.used, memory_order_relaxed) > o->memory)) {
    wf_state_close(L);
    return NULL;
  }
  if (o->generational) lua_gc(L, LUA_GCGEN, 0, 0);
  return L;
}

void wf_state_close(lua_State *L) {
  wf_lean *s = wf_lean_of(L);
  wf_assert(s);
  lua_close(L);
  wf_assert(atomic_load_explicit(&s->heap.used, memory_order_relaxed) == 0);
  record_free(s);
}

bool wf_state_is_lean(lua_State *L) { return wf_lean_of(L) != NULL; }

size_t wf_state_memory(lua_State *L) { return atomic_load_explicit(&wf_lean_of(L)->heap.used, memory_order_relaxed); }

size_t wf_state_peak(lua_State *L) { return atomic_load_explicit(&wf_lean_of(L)->heap.peak, memory_order_relaxed); }

size_t wf_state_reserved(lua_State *L) {
  return WF_LEAN_BLOCK + atomic_load_explicit(&wf_lean_of(L)->heap.reserved, memory_order_relaxed);
}

size_t wf_state_cap(lua_State *L) { return atomic_load_explicit(&wf_lean_of(L)->heap.cap, memory_order_relaxed); }

void wf_state_set_cap(lua_State *L, size_t bytes) {
  atomic_store_explicit(&wf_lean_of(L)->heap.cap, bytes, memory_order_relaxed);
}

bool wf_state_hit_cap(lua_State *L) {
  return atomic_exchange_explicit(&wf_lean_of(L)->heap.hit_cap, false, memory_order_relaxed);
}

void wf_state_lib(lua_State *L, const char *lib) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, lib);
  lua_remove(L, -2);
}
