/* Inside unpacking: the reader of one message and what its files share (format: pack_format.h).
 *
 * A reader lives on the C stack of wf_unpack and owns nothing: all that it has made lies on the Lua stack, so an
 * error that Lua raises in the middle loses nothing, and a finaliser that runs in the middle disturbs nothing.
 * Every step pushes one value and returns true, or pushes an error value and returns false; the entry tidies up.
 * Every length, index and count is checked against the bytes that are there, whoever wrote them.
 */
#ifndef WF_LX_UNPACKER_H
#define WF_LX_UNPACKER_H

#include <lua.h>
#include <string.h>

#include "lx/pack.h"
#include "lx/pack_format.h"

enum {
  STACK_LEVELS = 4,                   /* nesting levels for which stack is reserved at once: */
  STACK_AHEAD = 3 * STACK_LEVELS + 8, /* a level takes a key, a metatable and a table */
};

typedef struct wf_reader {
  lua_State *L;
  const uint8_t *at, *end;
  const uint8_t *safe; /* what lies before it can be read, although past `end` it means nothing: at most OPERAND bytes more */
  const wf_side *side;
  uint32_t nside;
  enum wf_pack_reach reach; /* what the bytes may hold */
  struct wf_known *known; /* strings and shapes that the state knows; NULL: none */
  int array;              /* where the array with them lies on the stack; 0: it is fetched when it is needed, */
  bool fills;             /* as when tables are filled in place */
  uint64_t message;       /* the number of this one, then: a finaliser may read others meanwhile */
  uint32_t dict_used, dict_size;
  int dict;   /* stack index of entry 0; the first PACK_DICT_NEAR entries lie on the stack */
  int far;    /* of the table with the others */
  int shared; /* of the table ordinal -> object, for objects that are referred to */
  uint32_t shared_left;
  uint32_t objects; /* ordinals given so far */
  int depth;
  uint64_t memory; /* WF_REACH_ANYONE: what the message may still cost */
} wf_reader;

/* Push "malformed message" (with what is wrong) and return false. [-0, +1, m] */
bool wf_read_bad(wf_reader *r, const char *what);

bool wf_read_value(wf_reader *r);

/* Push the array of what the state knows. [-0, +1, -] */
void wf_read_array(wf_reader *r);

/* For WF_REACH_ANYONE: take `bytes` from what the message may cost, or push an error and return false. */
bool wf_read_pay(wf_reader *r, uint64_t bytes);

/* The pairs of a stranger's table, which is on top (unpack_strict.c). */
bool wf_read_strict_pairs(wf_reader *r, uint32_t nhash);

/* Keep the object on top under its ordinal. [-0, +(0|1), m] */
bool wf_read_keep(wf_reader *r, uint32_t ordinal);

/* The rest of a value after its tag (unpack_func.c). */
bool wf_read_function(wf_reader *r, bool shared);
bool wf_read_c_function(wf_reader *r);
bool wf_read_named(wf_reader *r);
bool wf_read_handle(wf_reader *r, bool shared);
/* The name that follows becomes the metatable registered under it. */
bool wf_read_meta(wf_reader *r);

static inline size_t reader_left(const wf_reader *r) { return (size_t)(r->end - r->at); }

/* Call when enough bytes are left. */
static inline uint32_t reader_u32(wf_reader *r) {
  uint32_t v;
  memcpy(&v, r->at, sizeof v);
  r->at += sizeof v;
  return v;
}

static inline uint64_t reader_u64(wf_reader *r) {
  uint64_t v;
  memcpy(&v, r->at, sizeof v);
  r->at += sizeof v;
  return v;
}

#endif
