/*
** Lean states: a Lua state that opens in a few microseconds and kilobytes.
**
** The standard libraries open on first use, `base` name by name, and a script
** cannot tell (lean_lazy.c says through which doors). The state has a heap of its
** own (sys/heap.h) that counts its bytes and caps them on request.
**
** A state is used by one thread at a time, its carrier. It belongs to whoever
** opened it until wf_state_close, and may be opened, used and closed on different
** threads, one after the other. The sizes below may be asked from any thread
** while the state is known to live.
**
** C code that looks at such a state's globals or package.loaded must not look past
** metamethods (lua_rawget, lua_next) before wf_state_open_all; what it finds by
** lua_getfield and lua_getglobal is right.
*/
#ifndef WF_LX_LEAN_H
#define WF_LX_LEAN_H

#include <stdbool.h>
#include <stddef.h>

#include "lua.h"

typedef struct wf_state_opts {
  size_t memory;       /* most bytes the state may hold at once, finalisers 32 KiB more; 0 no cap */
  bool generational;   /* collector mode */
  bool warn;           /* warnings on, as after warn("@on") */
  const char *path;    /* package.path and cpath; NULL the system's; must outlast the state */
  const char *cpath;
  /* Called on the state after a library was opened ("package", "coroutine",
     "table", "io", "os", "string", "math", "utf8", "debug"), whose table is on
     top of the stack: the place to replace functions and fill package.preload.
     Leaves the stack as it was; may raise, and the library then counts as closed
     still. Not called for "base". package.preload can be filled before, too: it
     is the registry's LUA_PRELOAD_TABLE. */
  void (*opened)(lua_State *L, const char *lib, void *ud);
  void *ud;
  /* Called protected when the state is new, with an empty stack, and leaves the same
     in every state: its work is done once and then copied (lean_image.c says what
     it must not leave). */
  lua_CFunction prepare;
} wf_state_opts;

/* A new state, or NULL when there is no memory (or the cap is too small even
   for that). `o` may be NULL. */
lua_State *wf_state_open(const wf_state_opts *o);

/* Closes pending variables, runs the finalisers, frees all. L: the main thread. */
void wf_state_close(lua_State *L);

/* Was the state that L belongs to opened here? The rest needs that. */
bool wf_state_is_lean(lua_State *L);

size_t wf_state_memory(lua_State *L);      /* bytes in use now */
size_t wf_state_peak(lua_State *L);        /* most bytes in use so far */
size_t wf_state_reserved(lua_State *L);    /* bytes taken from the system for them, large blocks apart */
size_t wf_state_cap(lua_State *L);         /* 0 none */
void wf_state_set_cap(lua_State *L, size_t bytes);

/* Did an allocation fail because of the cap since the last call? */
bool wf_state_hit_cap(lua_State *L);

/* Is it a lean state that has not opened package yet? */
bool wf_state_package_closed(lua_State *L);

/* What `require(name)` would do, where package is not open yet and package.preload
   has the module: 1 and the module on the stack, or -1 and the error; else 0 and
   nothing. [-0, +(0|1), m] */
int wf_lean_preload(lua_State *L, const char *name);

/* Pushes the table of a standard library, opening it if need be; in any state.
   [-0, +1, m] */
void wf_state_lib(lua_State *L, const char *lib);

/* Opens what is still closed and removes the lazy machinery; nothing in a state
   that was not opened here. [-0, +0, m] */
void wf_state_open_all(lua_State *L);

#endif
