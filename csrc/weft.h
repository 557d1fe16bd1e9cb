/* The public C interface of weft. */
#ifndef WEFT_H
#define WEFT_H

#include <lua.h>

#if defined(__GNUC__)
#define WEFT_API __attribute__((visibility("default")))
#else
#define WEFT_API
#endif

/* The C half of weft; scripts say require "weft", whose Lua half needs this one. A host that links
 * weft in puts it into package.preload["weft.core"]. */
WEFT_API int luaopen_weft_core(lua_State *L);

/* What the interpreter of a worker process runs, with the number of a descriptor: weft.process has it do so. */
WEFT_API int weft_serve(lua_State *L);

/* For a host that has an event loop of its own. It watches the descriptor, sleeps no longer than the time-out says, and
 * then steps:
 *
 *   struct pollfd p = {weft_backend_fd(L), POLLIN, 0};
 *   while (weft_step(L)) poll(&p, 1, weft_timeout(L));
 *
 * All three are called on the thread that uses the state, while no Lua code of it runs, and after the script has loaded
 * weft. They raise nothing. A call of Lua in between may wait, as ever. */

/* A descriptor that is readable when there is something to do; it stays the same as long as the state lives. -1: weft is
 * not loaded in L, the system refuses, or it has nothing of the kind (other systems than Linux): then step every few
 * milliseconds. */
WEFT_API int weft_backend_fd(lua_State *L);

/* Milliseconds until the next step, -1: none is due until the descriptor says so. */
WEFT_API int weft_timeout(lua_State *L);

/* Runs what is ready, for some milliseconds at most, and never blocks. 1 while tasks, threads or isolates live that the
 * state waits for; 0: there is nothing to come back for. */
WEFT_API int weft_step(lua_State *L);

#endif
