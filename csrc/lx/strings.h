/* Short strings that a state reads again and again from messages, above all the keys of records. Lua finds a string that it
 * has by hashing and comparing it; here it is known by its bytes and lies in an array.
 *
 * For strings of at most WF_STRINGS_LEN bytes. A string is kept when it has been asked for twice in a row at its place; a
 * state keeps at most WF_STRINGS of them. The carrier of the state only. */
#ifndef WF_LX_STRINGS_H
#define WF_LX_STRINGS_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { WF_STRINGS_BITS = 6, WF_STRINGS = 1 << WF_STRINGS_BITS, WF_STRINGS_LEN = 16 };

typedef struct wf_string_key {
  uint64_t head, tail; /* the first and the last eight bytes, or fewer: all of a string of that length */
} wf_string_key;

typedef struct wf_strings {
  struct {
    wf_string_key key;
    const void *string; /* which lies in the array; NULL: it was asked for once */
    uint32_t len;
  } entry[WF_STRINGS];
} wf_strings;

static inline uint64_t wf_load(const char *s, size_t n) {
  uint64_t v = 0;
  memcpy(&v, s, n);
  return v;
}

static inline wf_string_key wf_string_key_of(const char *s, size_t len) {
  if (len >= 8) return (wf_string_key){wf_load(s, 8), wf_load(s + len - 8, 8)};
  if (len >= 4) return (wf_string_key){wf_load(s, 4), wf_load(s + len - 4, 4)};
  if (len >= 2) return (wf_string_key){wf_load(s, 2), wf_load(s + len - 2, 2)};
  return (wf_string_key){len == 0 ? 0 : (uint8_t)*s, 0};
}

static inline unsigned wf_string_place(wf_string_key k, size_t len) {
  return (unsigned)(((k.head + (k.tail << 23 | k.tail >> 41) + len) * UINT64_C(0x9E3779B97F4A7C15)) >>
                    (64 - WF_STRINGS_BITS));
}

/* The string was not kept: push it the usual way, and note it. [-0, +1, m] */
void wf_strings_miss(wf_strings *t, lua_State *L, int array, const char *s, size_t len, wf_string_key k,
                     unsigned place);

/* Its place if it is kept, else where it would be and `*kept` is false. */
static inline unsigned wf_strings_find(const wf_strings *t, const char *s, size_t len, wf_string_key *k, bool *kept) {
  *k = wf_string_key_of(s, len);
  unsigned place = wf_string_place(*k, len);
  *kept = t->entry[place].string != NULL && t->entry[place].len == len && t->entry[place].key.head == k->head &&
          t->entry[place].key.tail == k->tail;
  return place;
}

/* Push the string. `array`: where the array lies on the stack. [-0, +1, m] */
static inline void wf_strings_push(wf_strings *t, lua_State *L, int array, const char *s, size_t len) {
  wf_string_key k;
  bool kept;
  unsigned place = wf_strings_find(t, s, len, &k, &kept);
  if (kept) lua_rawgeti(L, array, place + 1);
  else wf_strings_miss(t, L, array, s, len, k, place);
}

#endif
