/* See elem.h: functions over many elements. The loops are in elem_kernel.h, here they are made for each type
 * and chosen from a table.
 *
 * Integers are summed exactly in 128 bits. Floats are summed in double precision and pairwise: blocks of 256
 * (eight lanes of 32) are joined two by two, their sums two by two again, and so on, so that the error grows
 * with the logarithm of n. The order of the additions depends on n alone, hence the result on the numbers alone.
 */
#if defined __GNUC__ && !defined __clang__
/* These loops are worth vectors, which gcc's -O2 makes of few. No calls of memset and memmove in their place:
 * what those do with single bytes is their own affair. */
#pragma GCC optimize("O3", "no-tree-loop-distribute-patterns")
#endif

#include "base/elem.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define BOTH_STRIDES(near, apart) \
  if (stride == sizeof(T)) {      \
    near;                         \
  } else {                        \
    apart;                        \
  }

enum {
  LANES = 8,
  FLOAT_BLOCK = 256,
  INT_BLOCK = 1 << 20, /* sums of so many 32-bit halves fit 64 bits by far */
  CONVERT_BLOCK = 256,
  DOUBLINGS = 64
};

/* A sum in two's complement. */
typedef struct wide_sum {
  uint64_t high, low;
} wide_sum;

static inline void wide_add(wide_sum *s, uint64_t high, uint64_t low) {
  s->low += low;
  s->high += high + (s->low < low);
}

static inline void wide_subtract(wide_sum *s, uint64_t high, uint64_t low) {
  s->high -= high + (s->low < low);
  s->low -= low;
}

#define T int8_t
#define F(x) i8_##x
#define FLOATING 0
#define WIDE int64_t
#define LEAST INT8_MIN
#define MOST INT8_MAX
#include "base/elem_kernel.h"
#define T uint8_t
#define F(x) u8_##x
#define FLOATING 0
#define WIDE int64_t
#define LEAST 0
#define MOST UINT8_MAX
#include "base/elem_kernel.h"
#define T int16_t
#define F(x) i16_##x
#define FLOATING 0
#define WIDE int64_t
#define LEAST INT16_MIN
#define MOST INT16_MAX
#include "base/elem_kernel.h"
#define T uint16_t
#define F(x) u16_##x
#define FLOATING 0
#define WIDE int64_t
#define LEAST 0
#define MOST UINT16_MAX
#include "base/elem_kernel.h"
#define T int32_t
#define F(x) i32_##x
#define FLOATING 0
#define WIDE int64_t
#define LEAST INT32_MIN
#define MOST INT32_MAX
#include "base/elem_kernel.h"
#define T uint32_t
#define F(x) u32_##x
#define FLOATING 0
#define WIDE int64_t
#define LEAST 0
#define MOST UINT32_MAX
#include "base/elem_kernel.h"
#define T int64_t
#define F(x) i64_##x
#define FLOATING 0
#define WIDE int64_t
#define LEAST INT64_MIN
#define MOST INT64_MAX
#include "base/elem_kernel.h"
#define T uint64_t
#define F(x) u64_##x
#define FLOATING 0
#define WIDE uint64_t
#define LEAST 0
#define MOST UINT64_MAX
#include "base/elem_kernel.h"
#define T float
#define F(x) f32_##x
#define FLOATING 1
#define WIDE double
#include "base/elem_kernel.h"
#define T double
#define F(x) f64_##x
#define FLOATING 1
#define WIDE double
#include "base/elem_kernel.h"

typedef struct kernel {
  void (*fill)(char *p, size_t n, size_t stride, uint64_t bits);
  void (*move)(char *to, const char *from, size_t n, size_t to_stride, size_t from_stride);
  void (*widen)(const char *p, size_t n, size_t stride, void *block);
  size_t (*narrow_signed)(char *p, size_t n, size_t stride, const void *block);
  size_t (*narrow_unsigned)(char *p, size_t n, size_t stride, const void *block);
  size_t (*narrow_double)(char *p, size_t n, size_t stride, const void *block);
  uint64_t (*min)(const char *p, size_t n, size_t stride);
  uint64_t (*max)(const char *p, size_t n, size_t stride);
  void (*sum_int)(const char *p, size_t n, size_t stride, wide_sum *s);
  double (*sum_float)(const char *p, size_t n, size_t stride);
} kernel;

#define COMMON(name)                                                                                        \
  .fill = name##_fill, .move = name##_move, .widen = name##_widen, .narrow_signed = name##_narrow_signed,   \
  .narrow_unsigned = name##_narrow_unsigned, .narrow_double = name##_narrow_double, .min = name##_min, .max = name##_max

static const kernel kernels[WF_ELEM_COUNT] = {
#define X(ID, name, type) {COMMON(name), .sum_int = name##_sum_int},
    WF_ELEM_INTS(X)
#undef X
#define X(ID, name, type) {COMMON(name), .sum_float = name##_sum_float},
    WF_ELEM_FLOATS(X)
#undef X
};

void wf_elems_fill(const wf_elems_view *to, uint64_t bits) { kernels[to->type].fill(to->data, to->n, to->stride, bits); }

uint64_t wf_elems_min(const wf_elems_view *v) { return kernels[v->type].min(v->data, v->n, v->stride); }

uint64_t wf_elems_max(const wf_elems_view *v) { return kernels[v->type].max(v->data, v->n, v->stride); }

bool wf_elems_sum_int(const wf_elems_view *v, uint64_t *sum) {
  wide_sum s = {0, 0};
  for (size_t at = 0; at < v->n; at += INT_BLOCK) {
    size_t n = v->n - at < INT_BLOCK ? v->n - at : INT_BLOCK;
    kernels[v->type].sum_int(v->data + at * v->stride, n, v->stride, &s);
  }
  *sum = s.low;
  if (v->type == WF_U64) return s.high == 0;
  return s.high == (s.low >> 63 != 0 ? UINT64_MAX : 0);
}

/* Sums of 1, 2, 4 ... blocks wait for their partners, as the bits of a counter do. */
double wf_elems_sum_float(const wf_elems_view *v) {
  double waiting[DOUBLINGS];
  int levels = 0;
  size_t blocks = 0;
  if (v->n == 0) return 0.0;
  for (size_t at = 0; at < v->n; at += FLOAT_BLOCK) {
    size_t n = v->n - at < FLOAT_BLOCK ? v->n - at : FLOAT_BLOCK;
    double sum = kernels[v->type].sum_float(v->data + at * v->stride, n, v->stride);
    for (size_t carry = blocks++; carry & 1; carry >>= 1) sum = waiting[--levels] + sum;
    waiting[levels++] = sum;
  }
  double sum = waiting[--levels];
  while (levels > 0) sum = waiting[--levels] + sum;
  return sum;
}

static size_t narrow(enum wf_elem from, const kernel *k, char *p, size_t n, size_t stride, const void *block) {
  if (wf_elems[from].floating) return k->narrow_double(p, n, stride, block);
  return from == WF_U64 ? k->narrow_unsigned(p, n, stride, block) : k->narrow_signed(p, n, stride, block);
}

size_t wf_elems_copy(const wf_elems_view *to, const wf_elems_view *from, size_t n) {
  const kernel *k = &kernels[to->type];
  if (to->type == from->type) {
    k->move(to->data, from->data, n, to->stride, from->stride);
    return n;
  }
  uint64_t block[CONVERT_BLOCK];
  for (size_t at = 0; at < n;) {
    size_t some = n - at < CONVERT_BLOCK ? n - at : CONVERT_BLOCK;
    kernels[from->type].widen(from->data + at * from->stride, some, from->stride, block);
    size_t done = narrow(from->type, k, to->data + at * to->stride, some, to->stride, block);
    at += done;
    if (done < some) return at;
  }
  return n;
}

/* The bytes may lie anywhere: they go through a block that is aligned. */

void wf_elems_to_bytes(const wf_elems_view *from, char *bytes) {
  _Alignas(64) char block[8 * CONVERT_BLOCK];
  size_t size = wf_elem_size(from->type);
  for (size_t at = 0; at < from->n; at += CONVERT_BLOCK) {
    size_t n = from->n - at < CONVERT_BLOCK ? from->n - at : CONVERT_BLOCK;
    kernels[from->type].move(block, from->data + at * from->stride, n, size, from->stride);
    memcpy(bytes + at * size, block, n * size);
  }
}

void wf_elems_of_bytes(const wf_elems_view *to, const char *bytes, size_t n) {
  _Alignas(64) char block[8 * CONVERT_BLOCK];
  size_t size = wf_elem_size(to->type);
  for (size_t at = 0; at < n; at += CONVERT_BLOCK) {
    size_t some = n - at < CONVERT_BLOCK ? n - at : CONVERT_BLOCK;
    memcpy(block, bytes + at * size, some * size);
    kernels[to->type].move(to->data + at * to->stride, block, some, to->stride, size);
  }
}
