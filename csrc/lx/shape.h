/* The shapes of records. Messages bring the same tables again and again: the same keys in the same order, other values. To
 * put each key in by the API means to look for it and to find it a place. A shape is how the hash of such a table looks once
 * its keys are there: laid down as a whole in a table just made, after which each value is written beside its key (raw.h
 * says when that may be done).
 *
 * For tables with 2 to WF_SHAPE_KEYS keys, all of them short strings. A state keeps at most WF_SHAPES shapes, each of which
 * is learned from a table that came a second time. The carrier of the state only. */
#ifndef WF_LX_SHAPE_H
#define WF_LX_SHAPE_H

#include <string.h>

#include "lx/raw.h"

enum {
  WF_SHAPES = 8,
  WF_SHAPE_KEYS = 32,
  WF_SHAPE_CREDIT = 8 /* tables that a shape does not fit before it makes room for another */
};

typedef struct wf_shape_key {
  const wf_raw_string *string;
  uint64_t head, mask; /* the first eight bytes that it has in a message, or fewer, and which those are */
  uint64_t tail;       /* the last eight, if it has more */
  uint64_t message;    /* the one in whose dictionary it has this reference: */
  uint8_t ref;
  uint8_t size; /* of it in a message */
  uint8_t node;
} wf_shape_key;

typedef struct wf_shape {
  uint32_t mark; /* wf_shape_mark of its first key */
  uint8_t node_bits, flags;
  uint16_t last_free; /* a node's number */
  uint32_t keys;
  wf_raw_node *node; /* with keys and without values */
  wf_shape_key key[];
} wf_shape;

typedef struct wf_shapes {
  uint64_t messages; /* read so far: the number of this one */
  uint64_t changes;  /* shapes learned or dropped: who has called what may read another message looks here */
  struct {
    wf_shape *shape; /* or NULL; its keys are held by the array of the state's strings, behind the strings */
    uint32_t seen;   /* the mark of the last table here for which there was no shape */
    int credit;
  } at[WF_SHAPES];
} wf_shapes;

/* A number for tables that begin with this key and have so many. Its lowest bits are their place. */
static inline uint32_t wf_shape_mark(const char *key, size_t len, uint32_t keys) {
  uint32_t h = keys * 0x9E3779B1u + (uint32_t)len;
  if (len > 0) h = (h ^ (uint8_t)key[0] ^ (uint32_t)(uint8_t)key[len - 1] << 8) * 0x85EBCA6Bu;
  return (h >> 8) | 1u << 31;
}

/* The shape of a table that was just filled with these keys in this order and has no others. NULL: it has none, or there is
 * no memory. wf_free gives it back. */
wf_shape *wf_shape_new(const wf_raw_table *t, const void *const *key, uint32_t keys);

/* Lay it down in a table just made for so many keys. False: it does not fit. */
static inline bool wf_shape_lay(const wf_shape *s, wf_raw_table *t) {
  if (t->node_bits != s->node_bits || t->last_free == NULL || wf_raw_is_black(t)) return false;
  memcpy(t->node, s->node, sizeof *s->node << s->node_bits);
  t->last_free = t->node + s->last_free;
  t->flags &= s->flags;
  return true;
}

/* Give back all of them. */
void wf_shapes_free(wf_shapes *s);

#endif
