/*
** What the files of the lean state share: the record behind the state, and the
** names that a fresh state only pretends to have.
**
** The record lies at the start of the block in which the state's heap begins; its
** heap is its first member, so it is the ud of the state's allocator and found
** from any lua_State without a table. Only the carrier touches it.
*/
#ifndef WF_LX_LEAN_STATE_H
#define WF_LX_LEAN_STATE_H

#include <stdint.h>

#include "base/base.h"
#include "lx/lean.h"
#include "sys/heap.h"

#define WF_LEAN_IMAGES (!WF_ASAN) /* states are copied from an image (lean_image.c) */
#define WF_LEAN_ALLOC (WF_ASAN ? wf_heap_alloc_plain : wf_heap_alloc)

/* The block that a state begins in: the record, then the heap's nest. What a
   state needs before its first script fits, with room for a small function. */
enum { WF_LEAN_BLOCK = 14 * 1024 + 512 };

typedef struct wf_lean {
  wf_heap heap;            /* first: see above */
  lua_State *L;            /* the main thread */
  const void *globals;     /* which tables are doors: _G and the registry's _LOADED */
  const void *loaded;
  uint64_t base_left;      /* names of base that are not in _G yet, a bit each */
  uint32_t libs_left;      /* libraries that are not open yet, a bit each */
  uint32_t libs_opening;   /* those whose opener is running: neither closed nor open */
  uint32_t misses;         /* looks at _G through the machinery that found nothing */
  uint32_t checks;         /* calls of a door that did not concern it */
  bool lazy;               /* the machinery is in place */
  bool warn_on, warn_more; /* warnings are on; the next piece continues a message */
  const char *path, *cpath; /* for package, until it opens; NULL the system's; the caller's */
  void (*opened)(lua_State *L, const char *lib, void *ud);
  void *ud;
  struct wf_pack_state *packs; /* pack_state.h; NULL: it has not been needed yet, or is gone */
} wf_lean;

/* The record of a state, or NULL when it was not opened here. */
static inline wf_lean *wf_lean_of(lua_State *L) {
  void *ud;
  return lua_getallocf(L, &ud) == WF_LEAN_ALLOC ? ud : NULL;
}

/* ---- names (lean_names.c) ---- */

enum wf_lib { /* `debug` is the last: see wf_state_open_all */
  WF_LIB_PACKAGE,
  WF_LIB_COROUTINE,
  WF_LIB_TABLE,
  WF_LIB_IO,
  WF_LIB_OS,
  WF_LIB_STRING,
  WF_LIB_MATH,
  WF_LIB_UTF8,
  WF_LIB_DEBUG,
  WF_LIBS
};

enum wf_name_kind { WF_NAME_BASE, WF_NAME_LIB, WF_NAME_REQUIRE };

typedef struct wf_lean_name {
  char text[16];
  uint8_t len;
  uint8_t kind;    /* enum wf_name_kind */
  uint8_t index;   /* bit in base_left, or enum wf_lib */
  lua_CFunction f; /* base: the function to put there; NULL for _G and _VERSION */
} wf_lean_name;

/* The base functions that look at tables without metamethods. */
enum wf_door { WF_DOOR_NEXT, WF_DOOR_PAIRS, WF_DOOR_RAWGET, WF_DOOR_RAWSET, WF_DOOR_GETMETA, WF_DOOR_SETMETA, WF_DOORS };

/* The functions that Lua itself has for them; ours take their place and call these.
   Written once, before the first lean state exists. */
extern lua_CFunction wf_lean_stock[WF_DOORS];

/* Learns the names once a process, with the doors' replacements. 0 when there is no memory. */
int wf_lean_names_learn(const lua_CFunction replacement[WF_DOORS]);

/* After that: */
const wf_lean_name *wf_lean_name_find(const char *text, size_t len); /* NULL: no name of ours */
const wf_lean_name *wf_lean_name_base(unsigned index);               /* NULL past the last */
uint64_t wf_lean_names_base_bits(void);
const char *wf_lean_lib_name(enum wf_lib lib);
lua_CFunction wf_lean_lib_opener(enum wf_lib lib);

/* Pushes a new metatable for strings without the library: arithmetic alone. [-0, +1, m] */
void wf_lean_push_string_meta(lua_State *L);

/* ---- copies of a fresh state (lean_image.c) ---- */

/* Keep the bytes of a fresh state, prepared by that function (or NULL), unless an
   image was taken before or the state is not fit for one. Any thread. */
void wf_lean_image_take(const wf_lean *s, lua_CFunction prepare);

/* Is there an image of states prepared by it? */
bool wf_lean_image_ready(lua_CFunction prepare);

/* Then: the record of a new state with the options that the image's had, or NULL when memory
   is out. */
wf_lean *wf_lean_image_copy(void);

/* ---- the machinery (lean_lazy.c) ---- */

extern const lua_CFunction wf_lean_doors[WF_DOORS];

/* Puts it into a state that has no library yet. [-0, +0, m] */
void wf_lean_install(lua_State *L, wf_lean *s);

#endif
