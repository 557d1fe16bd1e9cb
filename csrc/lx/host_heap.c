/* See host_heap.h. */
#include "lx/host_heap.h"

#include <lauxlib.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "sys/heap_over.h"

_Static_assert(_Alignof(union { LUAI_MAXALIGN; }) <= WF_HEAP_GRAIN, "Lua asks for no more than that");

/* The allocator of luaL_newstate, realloc and free, by its address. Any thread; all find the same, so relaxed. */
static lua_Alloc stock(void) {
  static _Atomic(lua_Alloc) known;
  lua_Alloc f = atomic_load_explicit(&known, memory_order_relaxed);
  if (f != NULL) return f;
  lua_State *L = luaL_newstate();
  if (L == NULL) return NULL;
  f = lua_getallocf(L, NULL);
  lua_close(L);
  atomic_store_explicit(&known, f, memory_order_relaxed);
  return f;
}

static bool allowed(void) {
  const char *said = getenv("WEFT_HEAP");
  return !WF_ASAN && (said == NULL || strcmp(said, "off") != 0);
}

void lx_host_heap(lua_State *L) {
  void *ud;
  lua_Alloc f = lua_getallocf(L, &ud);
  if (f != stock() || ud != NULL || !allowed() || !lua_checkstack(L, 1)) return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  const char *last = (const char *)lua_tothread(L, -1) - LUA_EXTRASPACE; /* how Lua allocates a state */
  lua_pop(L, 1);
  wf_heap_over *o = wf_heap_over_new(f, ud, last);
  if (o != NULL) lua_setallocf(L, wf_heap_over_alloc, o);
}
