/* See elem.h: sorting. Elements are read into private memory as unsigned keys that sort as they do, sorted there,
 * and written back: whatever other threads do to the elements meanwhile, the sort itself cannot go astray.
 *
 * The key of a signed integer has its sign bit turned. That of a float too, and when it is negative all its other
 * bits are turned as well; NaNs lose their sign, so that they come after everything else. 8-bit elements are counted. */
#include "base/alloc.h"
#include "base/elem.h"

enum { INSERT_MOST = 32 };

#define KEY uint32_t
#define F(x) key32_##x
#include "base/elem_radix.h"
#define KEY uint64_t
#define F(x) key64_##x
#include "base/elem_radix.h"

/* What to do to the bits of a type. */
typedef struct rule {
  uint64_t sign; /* the top bit of a signed type, else 0 */
  uint64_t inf;  /* of a float type: the bits of infinity, else 0 */
} rule;

static rule rule_of(enum wf_elem t) {
  uint64_t top = (uint64_t)1 << ((8u << wf_elems[t].shift) - 1);
  if (t == WF_F32) return (rule){top, UINT64_C(0x7F800000)};
  if (t == WF_F64) return (rule){top, UINT64_C(0x7FF0000000000000)};
  return (rule){wf_elems[t].min < 0 ? top : 0, 0};
}

static inline uint64_t key_of(rule r, uint64_t bits) {
  if (r.inf != 0) {
    if ((bits & ~r.sign) > r.inf) bits &= ~r.sign;
    if (bits & r.sign) return ~bits & (r.sign | (r.sign - 1));
  }
  return bits ^ r.sign;
}

static inline uint64_t bits_of(rule r, uint64_t key) {
  if (r.inf != 0 && !(key & r.sign)) return ~key & (r.sign | (r.sign - 1));
  return key ^ r.sign;
}

static void sort8(const wf_elems_view *v, rule r) {
  size_t count[256] = {0}, at = 0;
  for (size_t i = 0; i < v->n; i++) count[key_of(r, wf_elem_load_relaxed(0, v->data + i * v->stride))]++;
  for (size_t key = 0; key < 256; key++)
    for (size_t end = at + count[key]; at < end; at++) wf_elem_store_relaxed(0, v->data + at * v->stride, bits_of(r, key));
}

static bool sort32(const wf_elems_view *v, rule r, unsigned shift) {
  uint32_t *keys = v->n > SIZE_MAX / 8 ? NULL : wf_malloc(2 * v->n * sizeof *keys);
  if (keys == NULL) return false;
  for (size_t i = 0; i < v->n; i++) keys[i] = (uint32_t)key_of(r, wf_elem_load_relaxed(shift, v->data + i * v->stride));
  const uint32_t *sorted = key32_sort(keys, keys + v->n, v->n);
  for (size_t i = 0; i < v->n; i++) wf_elem_store_relaxed(shift, v->data + i * v->stride, bits_of(r, sorted[i]));
  wf_free(keys);
  return true;
}

static bool sort64(const wf_elems_view *v, rule r) {
  uint64_t *keys = v->n > SIZE_MAX / 16 ? NULL : wf_malloc(2 * v->n * sizeof *keys);
  if (keys == NULL) return false;
  for (size_t i = 0; i < v->n; i++) keys[i] = key_of(r, wf_elem_load_relaxed(3, v->data + i * v->stride));
  const uint64_t *sorted = key64_sort(keys, keys + v->n, v->n);
  for (size_t i = 0; i < v->n; i++) wf_elem_store_relaxed(3, v->data + i * v->stride, bits_of(r, sorted[i]));
  wf_free(keys);
  return true;
}

bool wf_elems_sort(const wf_elems_view *v) {
  rule r = rule_of(v->type);
  unsigned shift = wf_elems[v->type].shift;
  if (v->n < 2) return true;
  if (shift == 3) return sort64(v, r);
  if (shift > 0) return sort32(v, r, shift);
  sort8(v, r);
  return true;
}
