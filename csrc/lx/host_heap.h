/* The state that a host has opened (the interpreter, an embedding program) gets a heap of weft's for its small blocks once
 * it runs many tasks, unless the host has an allocator of its own: that one is left alone. A script with few tasks is over
 * sooner without. */
#ifndef WF_LX_HOST_HEAP_H
#define WF_LX_HOST_HEAP_H

#include <lua.h>

/* On the state's carrier; a second call does nothing. WEFT_HEAP=off in the environment: never, so that tools which
 * watch malloc see every block. [-0, +0, -] */
void lx_host_heap(lua_State *L);

#endif
