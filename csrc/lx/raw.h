/* Tables read in place, and filled in place as long as nobody else has seen them. Lua's API takes a call or three for each
 * key and value; packing and unpacking large data is mostly that. The records below are those of Lua 5.4 (lobject.h), the
 * parts that have been the same since 5.4.3.
 *
 * Whether the Lua that runs here has them is not believed but tried, once a process (raw_trial.c), on a state whose blocks
 * are known by size, so that the trial itself reads nothing that is not there. Where it fails the API is used.
 *
 * What may be written, and when. Only a value, and only into a table that was made by lua_createtable for the message at
 * hand: into a slot of its array, or beside a key that lies in its hash (shape.h). A table that the collector has not
 * come to needs no barrier, whatever is put in. It may come to it in any call of the API that can allocate: then the table
 * is black, or it has been and keys that had no value yet are dead. Whoever fills one asks after each such call
 * (wf_raw_is_black, and whether the key is still a key) and goes on by the API. */
#ifndef WF_LX_RAW_H
#define WF_LX_RAW_H

#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

typedef union wf_raw_data {
  const void *p;
  lua_Integer i;
  lua_Number n;
} wf_raw_data;

typedef struct wf_raw_value {
  wf_raw_data v;
  uint8_t tag;
} wf_raw_value;

typedef struct wf_raw_node {
  wf_raw_data v;
  uint8_t tag, key_tag;
  int next;
  wf_raw_data key;
} wf_raw_node;

typedef struct wf_raw_table {
  void *gc_next;
  uint8_t tt, marked, flags, node_bits;
  unsigned limit; /* of the array; see wf_raw_array_size */
  wf_raw_value *array;
  wf_raw_node *node;
  void *last_free; /* NULL: no hash part of its own */
  const void *metatable;
  void *gc_list;
} wf_raw_table;

typedef struct wf_raw_string {
  void *gc_next;
  uint8_t tt, marked, extra, short_len;
  unsigned hash;
  size_t long_len;
  char bytes[];
} wf_raw_string;

/* Tags: the type, its variant from bit 4 on, and a bit for what is collected. */
enum {
  WF_RAW_FALSE = LUA_TBOOLEAN,
  WF_RAW_TRUE = LUA_TBOOLEAN | 1 << 4,
  WF_RAW_POINTER = LUA_TLIGHTUSERDATA,
  WF_RAW_INTEGER = LUA_TNUMBER,
  WF_RAW_FLOAT = LUA_TNUMBER | 1 << 4,
  WF_RAW_COLLECTED = 1 << 6,
  WF_RAW_SHORT = LUA_TSTRING | WF_RAW_COLLECTED,
  WF_RAW_LONG = LUA_TSTRING | 1 << 4 | WF_RAW_COLLECTED,
  WF_RAW_TABLE = LUA_TTABLE | WF_RAW_COLLECTED
};

enum {
  WF_RAW_EMPTY = LUA_TNIL | 1 << 4, /* no value */
  WF_RAW_BLACK = 1 << 5             /* in `marked`: the collector is through with it */
};

/* Whatever kind of nil: there is nothing. */
static inline bool wf_raw_is_nil(uint8_t tag) { return (tag & 15) == LUA_TNIL; }

static inline const char *wf_raw_text(uint8_t tag, const void *string, size_t *len) {
  const wf_raw_string *s = string;
  *len = tag == WF_RAW_SHORT ? s->short_len : s->long_len;
  return s->bytes;
}

/* The limit is the size, or when a bit of the flags says so a hint below it, which is the next power of two. */
static inline size_t wf_raw_array_size(const wf_raw_table *t) {
  size_t n = t->limit;
  if (!(t->flags & 1 << 7) || (n & (n - 1)) == 0) return n;
  size_t size = 1;
  while (size < n) size *= 2;
  return size;
}

static inline size_t wf_raw_nodes(const wf_raw_table *t) {
  return t->last_free == NULL ? 0 : (size_t)1 << t->node_bits;
}

static inline bool wf_raw_is_black(const wf_raw_table *t) { return (t->marked & WF_RAW_BLACK) != 0; }

/* The tag of a string or table by its own record. */
static inline uint8_t wf_raw_tag(const void *object) {
  const wf_raw_string *o = object; /* all that is collected begins alike */
  return o->tt | WF_RAW_COLLECTED;
}

/* The answers to the two questions below. 1: yes, -1: no, 0: not tried. Written by whoever asks first, by all with the same; so
 * relaxed. */
extern __attribute__((visibility("hidden"))) _Atomic(int) wf_raw_reading, wf_raw_filling;

bool wf_raw_try_reading(void);
bool wf_raw_try_filling(void);

/* Is that how this Lua keeps tables? Any thread. */
static inline bool wf_raw_works(void) {
  int a = atomic_load_explicit(&wf_raw_reading, memory_order_relaxed);
  return wf_likely(a > 0) || (a == 0 && wf_raw_try_reading());
}

/* And may they be filled in place? */
static inline bool wf_raw_fills(void) {
  int a = atomic_load_explicit(&wf_raw_filling, memory_order_relaxed);
  return wf_likely(a > 0) || (a == 0 && wf_raw_try_filling());
}

#endif
