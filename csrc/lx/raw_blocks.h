/* A Lua state for the trials of raw.h and raw_args.h: each of its blocks is known by address and size, so that a trial reads
 * nothing that is not there. */
#ifndef WF_LX_RAW_BLOCKS_H
#define WF_LX_RAW_BLOCKS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

enum { WF_RAW_BLOCKS = 512 };

typedef struct wf_raw_blocks {
  size_t used; /* places that have been taken, ever */
  struct {
    const void *at;
    size_t size;
  } block[WF_RAW_BLOCKS];
} wf_raw_blocks;

/* How large the block at that address is; 0: there is none. */
size_t wf_raw_block_size(const wf_raw_blocks *b, const void *at);

/* Do these bytes lie in one of the blocks? */
bool wf_raw_blocks_hold(const wf_raw_blocks *b, const void *at, size_t size);

/* Call the function, protected, with `arg` as light userdata in a state of its own that keeps its blocks in b, which must be
 * empty: did it return true? */
bool wf_raw_blocks_run(wf_raw_blocks *b, lua_CFunction try, void *arg);

#endif
