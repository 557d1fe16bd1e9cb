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
#include "lx/release.h"

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

static size_t more(const wf_heap *h) {
  const wf_lean *s = (const wf_lean *)h;
  return s->L != NULL && lx_in_finaliser(s->L) ? LX_FINALISERS : 0;
}

static void record_free(wf_lean *s) {
  wf_heap_fini(&s->heap);
  wf_free(s);
}

static wf_lean *record_new(void) {
  wf_lean *s = wf_malloc(WF_LEAN_BLOCK);
  if (!s) return NULL;
  size_t head = (sizeof *s + WF_HEAP_GRAIN - 1) / WF_HEAP_GRAIN * WF_HEAP_GRAIN;
  memset(s, 0, WF_LEAN_BLOCK); /* all of it: an image is compared word by word */
  wf_heap_init(&s->heap, (char *)s + head, WF_LEAN_BLOCK - head, 0);
  s->heap.more = more;
  return s;
}

/* What differs from state to state. */
static void record_set(wf_lean *s, const wf_state_opts *o) {
  atomic_store_explicit(&s->heap.cap, o->memory, memory_order_relaxed);
  s->warn_on = o->warn;
  s->opened = o->opened;
  s->ud = o->ud;
  s->path = o->path;
  s->cpath = o->cpath;
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
  s->heap.clean = true; /* an image is read word by word: no remains of pointers */
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
  s->heap.clean = false;
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
  record_set(s, o);
  if ((o->memory && atomic_load_explicit(&s->heap.used, memory_order_relaxed) > o->memory)) {
    wf_state_close(L);
    return NULL;
  }
  if (o->generational) lua_gc(L, LUA_GCGEN, 0, 0);
  return L;
}

void wf_state_close(lua_State *L) {
  wf_lean *s = wf_lean_of(L);
  wf_assert(s);
  wf_heap_die(&s->heap);
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
  wf_lean *s = wf_lean_of(L);
  if (s != NULL) atomic_store_explicit(&s->heap.cap, bytes, memory_order_relaxed);
}

bool wf_state_hit_cap(lua_State *L) {
  wf_lean *s = wf_lean_of(L); /* NULL: the state of a worker process is its interpreter's */
  return s != NULL && atomic_exchange_explicit(&s->heap.hit_cap, false, memory_order_relaxed);
}

bool wf_state_package_closed(lua_State *L) {
  const wf_lean *s = wf_lean_of(L);
  return s != NULL && (s->libs_left >> WF_LIB_PACKAGE & 1);
}

int wf_lean_preload(lua_State *L, const char *name) {
  int top = lua_gettop(L);
  if (!wf_state_package_closed(L)) return 0;
  luaL_checkstack(L, 6, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  if (lua_getfield(L, -1, name) != LUA_TFUNCTION) {
    lua_settop(L, top);
    return 0;
  }
  lua_pushstring(L, name);
  lua_pushliteral(L, ":preload:");
  if (lua_pcall(L, 2, 1, 0) != LUA_OK) {
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return -1;
  }
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_isnil(L, -2)) {
    lua_pushboolean(L, 1);
    lua_replace(L, -3);
  }
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return 1;
}

void wf_state_lib(lua_State *L, const char *lib) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, lib);
  lua_remove(L, -2);
}
