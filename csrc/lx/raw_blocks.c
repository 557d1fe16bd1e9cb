/* See raw_blocks.h. */
#include "lx/raw_blocks.h"

#include <stdint.h>
#include <stdlib.h>

static void *blocks_alloc(void *ud, void *block, size_t osize, size_t nsize) {
  wf_raw_blocks *b = ud;
  size_t i = 0;
  (void)osize;
  while (i < b->used && b->block[i].at != block) i++; /* block NULL: a free place */
  if (i == WF_RAW_BLOCKS) return NULL;
  if (i == b->used) b->used++;
  void *moved = NULL;
  if (nsize == 0) free(block);
  else if ((moved = realloc(block, nsize)) == NULL) return NULL;
  b->block[i].at = moved;
  b->block[i].size = moved == NULL ? 0 : nsize;
  return moved;
}

size_t wf_raw_block_size(const wf_raw_blocks *b, const void *at) {
  for (size_t i = 0; at != NULL && i < b->used; i++)
    if (b->block[i].at == at) return b->block[i].size;
  return 0;
}

bool wf_raw_blocks_hold(const wf_raw_blocks *b, const void *at, size_t size) {
  for (size_t i = 0; i < b->used; i++) {
    uintptr_t from = (uintptr_t)at - (uintptr_t)b->block[i].at; /* huge, where it lies before the block */
    if (b->block[i].at != NULL && from < b->block[i].size && size <= b->block[i].size - from) return true;
  }
  return false;
}

bool wf_raw_blocks_run(wf_raw_blocks *b, lua_CFunction try, void *arg) {
  lua_State *L = lua_newstate(blocks_alloc, b);
  if (L == NULL) return false;
  lua_pushcfunction(L, try);
  lua_pushlightuserdata(L, arg);
  bool ok = lua_pcall(L, 1, 1, 0) == LUA_OK && lua_toboolean(L, -1);
  lua_close(L);
  return ok;
}
