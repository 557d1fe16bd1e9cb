/* What a state keeps for packing and unpacking, and how both hold the collector.
 *
 * The state's userdata lies in its registry and is used by its carrier alone. Its finaliser gives up the C memory;
 * later packs of the dying state do without.
 */
#ifndef WF_LX_PACK_STATE_H
#define WF_LX_PACK_STATE_H

#include <lua.h>

#include "lx/msg.h"
#include "lx/shape.h"
#include "lx/strings.h"

/* ---- scratch: what a message has met (pack_scratch.c) ---- */

/* A slot of the scratch's hash tables, open addressing. It is empty unless `gen` is that of the message. */
typedef struct wf_slot {
  const void *key;
  uint32_t gen;
  uint32_t val;
} wf_slot;

typedef struct wf_slots {
  wf_slot *slot;
  uint32_t bits; /* 1 << bits slots; no memory when 0 */
  uint32_t used; /* by this message */
} wf_slots;

/* What is known of an object by its ordinal. */
typedef struct wf_object {
  uint32_t at;    /* where its tag lies; for a CELL the ordinal of the function that owns it */
  uint32_t index; /* for a CELL the number of the upvalue there */
} wf_object;

/* The working memory of one pack. */
typedef struct wf_scratch {
  wf_slots strings; /* address of a string's bytes -> dictionary index, or STRING_SEEN */
  wf_slots objects; /* address -> ordinal */
  wf_object *object;
  uint32_t object_room;
  uint32_t gen;
} wf_scratch;

static const uint32_t STRING_SEEN = UINT32_MAX;

/* The slot of a key: its own, or the empty one where it would go. NULL: out of memory. Call with room
 * made for one more. */
wf_slot *wf_slots_grow(wf_slots *s, uint32_t gen, const void *key);
bool wf_scratch_objects_grow(wf_scratch *s);
void wf_scratch_restart(wf_scratch *s);
void wf_scratch_trim(wf_scratch *s); /* gives back what is much larger than the message needed */
void wf_scratch_free(wf_scratch *s);

static inline void wf_scratch_begin(wf_scratch *s) {
  s->strings.used = s->objects.used = 0;
  if (wf_unlikely(++s->gen == 0)) wf_scratch_restart(s); /* 0 marks the empty slot */
}

static inline void wf_scratch_end(wf_scratch *s) {
  if (wf_unlikely(s->strings.bits > 7 || s->objects.bits > 7)) wf_scratch_trim(s);
}

static inline wf_slot *wf_slots_find(wf_slots *s, uint32_t gen, const void *key) {
  if (wf_unlikely((s->used + 1) * 2 > 1u << s->bits)) return wf_slots_grow(s, gen, key);
  uint32_t mask = (1u << s->bits) - 1;
  uint32_t i = (uint32_t)(((uint64_t)(uintptr_t)key * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - s->bits));
  for (;; i = (i + 1) & mask) {
    wf_slot *slot = &s->slot[i];
    if (slot->gen != gen || slot->key == key) return slot;
  }
}

/* ---- the state ---- */

/* What was read from messages again and again. */
typedef struct wf_known {
  wf_strings strings;
  wf_shapes shapes;
  int ref; /* in the registry: an array of the strings, then of tables with the shapes' keys */
} wf_known;

typedef struct wf_pack_state {
  wf_msg_pool *pool;
  bool closed;
  bool busy; /* a pack further up the C stack uses the scratch */
  wf_scratch scratch;
  const void *sent[8]; /* functions dumped lately; addresses only, a hint */
  uint32_t next_sent;
  wf_msg *reading;   /* by wf_unpack_take; or what an error has left there */
  uint32_t received; /* messages worth it, large ones counted more than once, until there is: */
  wf_known *known;   /* or NULL */
} wf_pack_state;

/* User values of that userdata, nil until they are needed. */
enum {
  STATE_METAS = 1, /* registered metatables: name -> metatable and back */
  STATE_NAMES,     /* C functions sent by name: function -> "module\0field" */
  STATE_CODE,      /* weak keys: function -> userdata that holds its bytecode (pack_code.c) */
  STATE_HOOK,      /* the string "__weft_transfer" */
  STATE_VALUES = STATE_HOOK,
};

/* [-0, +0, m] What the state keeps, made on first use; the registry holds it. */
wf_pack_state *wf_pack_state_get(lua_State *L);

/* [-0, +0, -] The same; NULL: there is none yet, or the state is not a lean one. */
wf_pack_state *wf_pack_state_seen(lua_State *L);

/* [-0, +1, m] Push its userdata, made on first use. */
void wf_pack_state_push(lua_State *L);

/* [-0, +0, -] Put it where nil is, if nil is there. It has been made. */
void wf_pack_state_place(lua_State *L, int box);

/* What to look among for a message of that many bytes, in a state of which nothing else is known. NULL: nothing. [-0, +0, m] */
wf_known *wf_pack_state_learn(lua_State *L, size_t bytes);

/* The same; `st` as wf_pack_state_seen has it. */
static inline wf_known *wf_pack_state_known(lua_State *L, const wf_pack_state *st, size_t bytes) {
  enum { WORTH_IT = 64 };
  if (bytes < WORTH_IT) return NULL;
  return wf_likely(st != NULL && st->known != NULL) ? st->known : wf_pack_state_learn(L, bytes);
}

/* [-0, +1, m] Push one of its values, made on first use. `box` is the userdata's place. */
void wf_pack_state_value(lua_State *L, int box, int which);

/* ---- the collector ---- */

enum { GC_HOLD_KB = 64 << 10 };

/* Keep the collector from starting before `kb` more KiB are allocated: a step of negative size is a credit, so
 * that, other than with LUA_GCSTOP, the pace is the same again after gc_release, and an error in between
 * leaves no collector stopped. 0: it does not run anyway. Running out of memory still collects, without finalisers. */
static inline int gc_hold(lua_State *L, int kb) {
  if (lua_gc(L, LUA_GCISRUNNING) != 1) return 0;
  lua_gc(L, LUA_GCSTEP, -kb);
  return kb;
}

/* May collect, and so run finalisers. */
static inline void gc_release(lua_State *L, int held) {
  if (held != 0) lua_gc(L, LUA_GCSTEP, held);
}

#endif
