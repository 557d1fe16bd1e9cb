/* Who gets a heap of weft's for the small blocks of a state that a host has opened (lx/host_heap.h): a state of luaL_newstate
 * with many tasks; none with few tasks, with an allocator of its host's, or with WEFT_HEAP=off. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "base/base.h"
#include "check.h"
#include "host_state.h"
#include "sys/heap_over.h"

static long blocks;

static void *own_alloc(void *ud, void *block, size_t osize, size_t nsize) {
  (void)ud, (void)osize;
  blocks += (block == NULL && nsize > 0) - (block != NULL && nsize == 0);
  if (nsize > 0) return realloc(block, nsize);
  free(block);
  return NULL;
}

/* Did the state get one? It is closed afterwards. */
static bool adopted(lua_State *L, const char *script) {
  luaL_openlibs(L);
  host_open_core(L);
  CHECK(luaL_dostring(L, script) == LUA_OK);
  bool did = lua_getallocf(L, NULL) == wf_heap_over_alloc;
  lua_gc(L, LUA_GCCOLLECT);
  lua_close(L);
  return did;
}

int main(void) {
  static const char many[] = "for i = 1, 5000 do weft.go(function() weft.sleep(0) end) end weft.wait()";
  static const char few[] = "for i = 1, 10 do weft.go(function() weft.sleep(0) end) end weft.wait()";
  unsetenv("WEFT_HEAP");
  CHECK(adopted(luaL_newstate(), many) == !WF_ASAN);
  CHECK(!adopted(luaL_newstate(), few));
  CHECK(!adopted(lua_newstate(own_alloc, NULL), many));
  CHECK(blocks == 0);
  setenv("WEFT_HEAP", "off", 1);
  CHECK(!adopted(luaL_newstate(), many));
  return failures != 0;
}
