/* Inside packing: the packer, what a state keeps for it, and the functions that its files share.
 *
 * A packer lives on the C stack of wf_pack. Packing first runs plain: data only, no Lua call that can raise,
 * allocate or collect, so nothing can go wrong in the middle and addresses stay what they are. The first value
 * that needs more (a function, a userdata, an error to be worded) ends that attempt with PACK_FULL, and
 * wf_pack starts again in full mode: under lua_pcall, so that an error cannot lose the message, and with the
 * collector held (gc_hold), so that no finaliser runs and no address that was noted is used again.
 */
#ifndef WF_LX_PACKER_H
#define WF_LX_PACKER_H

#include <lua.h>
#include <string.h>

#include "lx/pack.h"
#include "lx/pack_format.h"
#include "lx/pack_state.h"

enum {
  STACK_LEVELS = 4,                    /* nesting levels for which stack is reserved at once, */
  STACK_AHEAD = 2 * STACK_LEVELS + 12, /* two slots each, and what a step needs */
};

/* How a step of packing ended. After anything but PACK_OK the Lua stack is not tidied: wf_pack does that. */
enum wf_packed {
  PACK_OK,
  PACK_FULL,    /* start again in full mode */
  PACK_SLOW,    /* start again in plain mode, but through the API */
  PACK_NOMEM,   /* the C heap gave nothing */
  PACK_LONG,    /* the message would pass 4 GiB */
  PACK_REFUSED, /* an error value is on top of the stack */
};

/* Where the packer is, for the path in errors: a table whose key lies on the stack at `at`, or upvalue
 * `upvalue` of the function there. */
typedef struct wf_frame {
  struct wf_frame *up;
  int at;
  int upvalue;
  bool in_key;
} wf_frame;

typedef struct wf_packer {
  lua_State *L;
  wf_msg *msg;
  char *at, *end; /* the free part of msg->data */
  wf_scratch *scratch;
  wf_frame *frame;
  wf_pack_state *state;
  const char *what;
  int first, count; /* stack indices of the values */
  int value;        /* the number of the one that is being packed, from 1 */
  int box;          /* stack index of the state's userdata; in plain mode nil until it is needed (wf_pack_state_place) */
  int depth;
  uint32_t objects, shared, dict; /* so far */
  bool full;
  bool raw;  /* tables are read in place (raw.h), */
  bool slow; /* unless one was met that is not fit for that */
  bool modules_known;
  bool wide; /* keys for WF_REACH_ANYONE */
  enum wf_pack_reach reach;
  uint64_t modules[4]; /* full mode: a Bloom filter of the tables in package.loaded */
  const void *globals; /* full mode */
  const void *metatable; /* read in place last, NULL: none; and its name */
  const char *meta_name;
  size_t meta_len;
} wf_packer;

/* ---- values and bytes (pack_value.c) ---- */

/* Start the message and pack all values; `top` is the highest slot in use. */
enum wf_packed wf_pack_all(wf_packer *p, int top);

enum wf_packed wf_packer_room(wf_packer *p, size_t bytes);

static inline enum wf_packed pack_need(wf_packer *p, size_t bytes) {
  return wf_likely((size_t)(p->end - p->at) >= bytes) ? PACK_OK : wf_packer_room(p, bytes);
}

/* Is there room for so many? For assertions. */
static inline bool packer_has(const wf_packer *p, size_t bytes) { return (size_t)(p->end - p->at) >= bytes; }

/* These write into room that pack_need made. */
static inline void put_tag(wf_packer *p, uint8_t tag) { *p->at++ = (char)tag; }

static inline void put_bytes(wf_packer *p, const void *bytes, size_t n) {
  memcpy(p->at, bytes, n);
  p->at += n;
}

static inline void put_u32(wf_packer *p, uint32_t v) { put_bytes(p, &v, sizeof v); }

static inline uint32_t packer_offset(const wf_packer *p) { return (uint32_t)(p->at - p->msg->data); }

/* Any value at stack index idx, with the stack free above `top`. */
enum wf_packed wf_pack_value(wf_packer *p, int idx, int top);

/* The string at idx, through the dictionary. */
enum wf_packed wf_pack_string(wf_packer *p, int idx);

/* Note an object whose tag comes next. *seen: it was met before, and a reference to it has been written. Room for 16 bytes is
 * there. */
enum wf_packed wf_pack_object(wf_packer *p, const void *address, bool *seen);

/* Mark the object whose tag lies at offset `at` as referred to. */
void wf_pack_share(wf_packer *p, uint32_t at);

/* A table read in place, in plain mode (pack_raw.c). PACK_SLOW: it is one of the kind that only the API reads well. */
struct wf_raw_table;
enum wf_packed wf_pack_raw_table(wf_packer *p, const struct wf_raw_table *t);

/* ---- full mode ---- */

/* PACK_REFUSED with an error of kind "transfer": the path, then ": " and the text, formatted as by
 * lua_pushfstring. In plain mode PACK_FULL. (pack_path.c) */
enum wf_packed wf_pack_refuse(wf_packer *p, const char *fmt, ...);

/* A function, or a full userdata (pack_func.c). Room for 16 bytes is there, here and where names are looked for. */
enum wf_packed wf_pack_function(wf_packer *p, int idx, int top);
enum wf_packed wf_pack_userdata(wf_packer *p, int idx, int top);

/* A message begins: learn which table is the globals; what package.loaded holds is read when first asked (pack_name.c). */
void wf_pack_names_begin(wf_packer *p);

/* If the table at idx is the globals or a module, write that and set *named. */
enum wf_packed wf_pack_named_table(wf_packer *p, int idx, int top, bool *named);

/* If the value at idx is found in a module, write its name and set *named. `only`: in the module of that name and
 * its "only.*" alone, or NULL. */
enum wf_packed wf_pack_named_value(wf_packer *p, int idx, int top, const char *only, bool *named);

/* The bytecode of the function at idx: a reference for the caller, or NULL without memory (pack_code.c). [-0, +0, m] */
wf_blob *wf_pack_code(wf_packer *p, int idx, int top);

#endif
