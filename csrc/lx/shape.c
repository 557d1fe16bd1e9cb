/* See shape.h. */
#include "lx/shape.h"

#include "base/alloc.h"
#include "lx/pack_format.h"

enum { FLAG_LIMIT = 1 << 7 }; /* of a table's flags: what its array's limit means; the others are forgotten metamethods */

/* The number of the node with that key, or -1. */
static int node_of(const wf_raw_table *t, const void *key) {
  for (size_t i = 0; i < wf_raw_nodes(t); i++)
    if (t->node[i].key_tag == WF_RAW_SHORT && t->node[i].key.p == key && !wf_raw_is_nil(t->node[i].tag)) return (int)i;
  return -1;
}

/* A key as messages have it in full (pack_format.h). */
static wf_shape_key key_of(const wf_raw_string *s, int node) {
  char bytes[1 + sizeof(uint16_t) + UINT8_MAX] = {TAG_STR};
  uint16_t len = s->short_len;
  memcpy(bytes + 1, &len, sizeof len);
  memcpy(bytes + 1 + sizeof len, s->bytes, len);
  wf_shape_key k = {.string = s, .size = (uint8_t)(1 + sizeof len + len), .node = (uint8_t)node};
  memset(&k.mask, 0xFF, k.size < sizeof k.mask ? k.size : sizeof k.mask);
  memcpy(&k.head, bytes, sizeof k.head);
  if (k.size > sizeof k.tail) memcpy(&k.tail, bytes + k.size - sizeof k.tail, sizeof k.tail);
  return k;
}

wf_shape *wf_shape_new(const wf_raw_table *t, const void *const *key, uint32_t keys) {
  size_t nodes = wf_raw_nodes(t), used = 0, head = offsetof(wf_shape, key) + keys * sizeof(wf_shape_key);
  if (keys == 0 || keys > WF_SHAPE_KEYS || nodes > WF_SHAPE_KEYS) return NULL;
  wf_shape *s = wf_calloc(1, head + nodes * sizeof *s->node);
  if (s == NULL) return NULL;
  s->node = (wf_raw_node *)((char *)s + head);
  memcpy(s->node, t->node, nodes * sizeof *s->node);
  for (size_t i = 0; i < nodes; i++) {
    used += !wf_raw_is_nil(s->node[i].tag);
    s->node[i].v.p = NULL;
    s->node[i].tag = WF_RAW_EMPTY;
  }
  bool ok = used == keys;
  for (uint32_t i = 0; ok && i < keys; i++) {
    int node = node_of(t, key[i]);
    ok = node >= 0;
    if (ok) s->key[i] = key_of(key[i], node);
  }
  if (!ok) {
    wf_free(s);
    return NULL;
  }
  size_t len;
  const char *text = wf_raw_text(WF_RAW_SHORT, key[0], &len);
  s->mark = wf_shape_mark(text, len, keys);
  s->keys = keys;
  s->node_bits = t->node_bits;
  s->flags = t->flags | FLAG_LIMIT;
  s->last_free = (uint16_t)((wf_raw_node *)t->last_free - t->node);
  return s;
}

void wf_shapes_free(wf_shapes *s) {
  for (int i = 0; i < WF_SHAPES; i++) {
    wf_free(s->at[i].shape);
    s->at[i].shape = NULL;
  }
}
