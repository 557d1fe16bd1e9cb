/* Inside packing: how scalars and strings are written, for who reads tables by the API (pack_value.c) and for who reads them
 * in place (pack_raw.c). */
#ifndef WF_LX_PACK_PUT_H
#define WF_LX_PACK_PUT_H

#include "lx/packer.h"

enum {
  STRINGS_MAX = 500,      /* strings that a message looks out for */
  LONG_STRING = 64 << 10, /* travels as a blob */
};

/* Room for 16 bytes is there. */
static inline void put_integer(wf_packer *p, lua_Integer i, bool wide) {
  if (i >= 0 && i < PACK_SMALL_INTS && !wide) {
    put_tag(p, (uint8_t)(TAG_INT + i));
  } else if (i == (int8_t)i) {
    int8_t v = (int8_t)i;
    put_tag(p, TAG_INT8);
    put_bytes(p, &v, sizeof v);
  } else if (i == (int16_t)i) {
    int16_t v = (int16_t)i;
    put_tag(p, TAG_INT16);
    put_bytes(p, &v, sizeof v);
  } else if (i == (int32_t)i) {
    int32_t v = (int32_t)i;
    put_tag(p, TAG_INT32);
    put_bytes(p, &v, sizeof v);
  } else {
    int64_t v = i;
    put_tag(p, TAG_INT64);
    put_bytes(p, &v, sizeof v);
  }
}

/* The same. */
static inline void put_float(wf_packer *p, double v) {
  put_tag(p, TAG_FLOAT);
  put_bytes(p, &v, sizeof v);
}

/* A light userdata. */
enum wf_packed wf_pack_pointer(wf_packer *p, const void *pointer);

/* A long string goes beside the bytes, once a message: it is always put into the dictionary. */
enum wf_packed wf_pack_long(wf_packer *p, const char *s, size_t len);

/* Most strings are short, and a call for each of them is felt: two words that overlap are all of such a one. */
static inline void put_text(wf_packer *p, const char *s, size_t len) {
  char *to = p->at;
  p->at += len;
  if (wf_unlikely(len > 16)) {
    memcpy(to, s, len);
  } else if (len >= 8) {
    memcpy(to, s, 8);
    memcpy(to + len - 8, s + len - 8, 8);
  } else if (len >= 4) {
    memcpy(to, s, 4);
    memcpy(to + len - 4, s + len - 4, 4);
  } else if (len > 0) {
    to[0] = s[0];
    to[len / 2] = s[len / 2];
    to[len - 1] = s[len - 1];
  }
}

static inline enum wf_packed pack_text(wf_packer *p, const char *s, size_t len, bool wide) {
  if (wf_unlikely(len >= LONG_STRING || wide)) return wf_pack_long(p, s, len);
  uint16_t n = (uint16_t)len;
  enum wf_packed r = pack_need(p, len + 3);
  if (r != PACK_OK) return r;
  put_tag(p, TAG_STR);
  put_bytes(p, &n, sizeof n);
  put_text(p, s, len);
  return PACK_OK;
}

/* The string of `slot` comes again, or is long: it becomes the next entry of the dictionary, if there is room and
 * a stranger's reader would not be asked to keep too much for too few bytes. */
enum wf_packed wf_pack_define(wf_packer *p, wf_slot *slot, const char *s, size_t len, bool wide);

/* A string by its bytes, whose address is its identity. once: it is known not to come again. */
static inline enum wf_packed pack_bytes(wf_packer *p, const char *s, size_t len, bool wide, bool once) {
  if (once && len < LONG_STRING) return pack_text(p, s, len, wide);
  wf_scratch *sc = p->scratch;
  wf_slot *slot = wf_slots_find(&sc->strings, sc->gen, s);
  if (wf_unlikely(slot == NULL)) return PACK_NOMEM;
  if (slot->gen != sc->gen) {
    if (wf_likely(sc->strings.used < STRINGS_MAX) || len >= LONG_STRING) {
      *slot = (wf_slot){s, sc->gen, STRING_SEEN};
      sc->strings.used++;
      if (len >= LONG_STRING) return wf_pack_define(p, slot, s, len, wide);
    }
    return pack_text(p, s, len, wide);
  }
  if (wf_unlikely(slot->val == STRING_SEEN)) return wf_pack_define(p, slot, s, len, wide);
  enum wf_packed r = pack_need(p, 3);
  if (wf_unlikely(r != PACK_OK)) return r;
  if (wf_likely(slot->val < PACK_DICT_NEAR && !wide)) {
    put_tag(p, (uint8_t)(TAG_REF + slot->val));
  } else {
    uint16_t n = (uint16_t)slot->val;
    put_tag(p, TAG_REF16);
    put_bytes(p, &n, sizeof n);
  }
  return PACK_OK;
}

#endif
