/*
** Lean states: a Lua state that opens in a few microseconds and kilobytes.
**
** `base` is there from the start, the other standard libraries open on first
** use, and a script cannot tell (lean.c says through which doors). The state
** has an allocator of its own that counts its bytes, caps them on request, and
** is used by one thread at a time, the state's carrier.
**
** A state belongs to whoever opened it until wf_state_close. It may be opened,
** used and closed on different threads, one after the other.
*/
#ifndef WF_LX_LEAN_H
#define WF_LX_LEAN_H

#include <stdbool.h>
#include <stddef.h>

#include "lua.h"

typedef struct wf_state_opts {
  size_t memory;       /* most bytes the state may hold at once; 0 no cap */
  bool generational;   /* collector mode */
  bool warn;           /* warnings on, as after warn("@on") */
  const char *path;    /* package.path and cpath; NULL the system's; copied */
  const char *cpath;
  /* Called on the state after a library was opened ("package", "coroutine",
     "table", "io", "os", "string", "math", "utf8", "debug"), whose table is on
     top of the stack: the place to replace functions and fill package.preload.
     Leaves the stack as it was; may raise. Not called for "base". */
  void (*opened)(lua_State *L, const char *lib, void *ud);
  void *ud;
} wf_state_opts;

/* A new state, or NULL when there is no memory (or the cap is too small even
   for that). `o` may be NULL. */
lua_State *wf_state_open(const wf_state_opts *o);

/* Runs the finalisers, closes pending variables, frees all. L: main thread. */
void wf_state_close(lua_State *L);

/* Was the state that L belongs to opened here? The rest needs that. */
bool wf_state_is_lean(lua_State *L);

size_t wf_state_memory(lua_State *L);      /* bytes in use now */
size_t wf_state_peak(lua_State *L);        /* most bytes in use so far */
size_t wf_state_cap(lua_State *L);         /* 0 none */
void wf_state_set_cap(lua_State *L, size_t bytes);

/* Did an allocation fail because of the cap since the last call? */
bool wf_state_hit_cap(lua_State *L);

/* Pushes the table of a standard library, opening it if need be. [-0, +1, m] */
void wf_state_lib(lua_State *L, const char *lib);

/* Opens what is still closed and removes the lazy machinery. [-0, +0, m] */
void wf_state_open_all(lua_State *L);

#endif
