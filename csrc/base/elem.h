/* Elements of typed memory: what weft.buffer does to them, in C11 alone. No state; any thread.
 *
 * Elements lie at multiples of their size, `stride` bytes apart. Other threads may use the same elements
 * while these functions run. Every access is atomic element by element, relaxed unless an order is given:
 * no value is ever torn, but a function that goes over many sees each at its own moment.
 *
 * A single element is handed about as its bits: zero-extended to 64, whatever its type.
 */
#ifndef WF_ELEM_H
#define WF_ELEM_H

#include <string.h>

#include "base/base.h"

/* X(ID, name, C type) */
#define WF_ELEM_INTS(X)  \
  X(I8, i8, int8_t)      \
  X(U8, u8, uint8_t)     \
  X(I16, i16, int16_t)   \
  X(U16, u16, uint16_t)  \
  X(I32, i32, int32_t)   \
  X(U32, u32, uint32_t)  \
  X(I64, i64, int64_t)   \
  X(U64, u64, uint64_t)
#define WF_ELEM_FLOATS(X) \
  X(F32, f32, float)      \
  X(F64, f64, double)
#define WF_ELEMS(X) WF_ELEM_INTS(X) WF_ELEM_FLOATS(X)

enum wf_elem {
#define X(ID, name, T) WF_##ID,
  WF_ELEMS(X)
#undef X
  WF_ELEM_COUNT
};

typedef struct wf_elem_info {
  const char *name;
  uint8_t shift;  /* the size is 1 << shift */
  bool floating;
  int64_t min;    /* of an integer type */
  uint64_t max;
} wf_elem_info;

extern __attribute__((visibility("hidden"))) const wf_elem_info wf_elems[WF_ELEM_COUNT];

static inline size_t wf_elem_size(enum wf_elem t) { return (size_t)1 << wf_elems[t].shift; }

/* Memory is of no declared type, and read as whatever its buffer says. */
typedef uint8_t __attribute__((may_alias)) wf_word8;
typedef uint16_t __attribute__((may_alias)) wf_word16;
typedef uint32_t __attribute__((may_alias)) wf_word32;
typedef uint64_t __attribute__((may_alias)) wf_word64;

static inline uint64_t wf_elem_load_relaxed(unsigned shift, const void *p) {
  switch (shift) {
    case 0: return __atomic_load_n((const wf_word8 *)p, __ATOMIC_RELAXED);
    case 1: return __atomic_load_n((const wf_word16 *)p, __ATOMIC_RELAXED);
    case 2: return __atomic_load_n((const wf_word32 *)p, __ATOMIC_RELAXED);
    default: return __atomic_load_n((const wf_word64 *)p, __ATOMIC_RELAXED);
  }
}

static inline void wf_elem_store_relaxed(unsigned shift, void *p, uint64_t bits) {
  switch (shift) {
    case 0: __atomic_store_n((wf_word8 *)p, (uint8_t)bits, __ATOMIC_RELAXED); break;
    case 1: __atomic_store_n((wf_word16 *)p, (uint16_t)bits, __ATOMIC_RELAXED); break;
    case 2: __atomic_store_n((wf_word32 *)p, (uint32_t)bits, __ATOMIC_RELAXED); break;
    default: __atomic_store_n((wf_word64 *)p, bits, __ATOMIC_RELAXED); break;
  }
}

static inline double wf_elem_to_f64(enum wf_elem t, uint64_t bits) {
  if (t == WF_F32) {
    uint32_t half = (uint32_t)bits;
    float f;
    memcpy(&f, &half, sizeof f);
    return (double)f;
  }
  double d;
  memcpy(&d, &bits, sizeof d);
  return d;
}

static inline uint64_t wf_elem_of_f64(enum wf_elem t, double d) {
  uint64_t bits;
  if (t == WF_F32) {
    float f = (float)d;
    uint32_t half;
    memcpy(&half, &f, sizeof half);
    return half;
  }
  memcpy(&bits, &d, sizeof bits);
  return bits;
}

/* The bits of an integer element as an integer: sign-extended, u64 wrapped. */
static inline int64_t wf_elem_to_i64(enum wf_elem t, uint64_t bits) {
  switch (t) {
    case WF_I8: return (int8_t)bits;
    case WF_I16: return (int16_t)bits;
    case WF_I32: return (int32_t)bits;
    default: return (int64_t)bits;
  }
}

/* Atomics (elem_atomic.c) ----------------------------------------------------------------------- */

enum wf_order { WF_RELAXED, WF_ACQUIRE, WF_RELEASE, WF_ACQ_REL, WF_SEQ_CST };

/* Only orders that C11 allows for the operation: load no release, store no acquire, neither both. */
uint64_t wf_elem_load(unsigned shift, const void *p, enum wf_order order);
void wf_elem_store(unsigned shift, void *p, uint64_t bits, enum wf_order order);
uint64_t wf_elem_exchange(unsigned shift, void *p, uint64_t bits, enum wf_order order);

/* Add and give the bits of before; integers wrap around, f32 rounds to f32. */
uint64_t wf_elem_add_int(unsigned shift, void *p, uint64_t amount, enum wf_order order);
uint64_t wf_elem_add_float(enum wf_elem t, void *p, double amount, enum wf_order order);

/* Compare bits, and exchange when they are *expected; else *expected is what was there. */
bool wf_elem_cas(unsigned shift, void *p, uint64_t *expected, uint64_t desired, enum wf_order order);

/* Many elements (elem_bulk.c) --------------------------------------------------------------------- */

typedef struct wf_elems_view {
  char *data;
  size_t n, stride;
  enum wf_elem type;
} wf_elems_view;

void wf_elems_fill(const wf_elems_view *to, uint64_t bits);

/* The exact sum of integers: false when it does not fit a signed 64-bit integer (u64: an unsigned one). */
bool wf_elems_sum_int(const wf_elems_view *v, uint64_t *sum);

/* The sum of floats in double precision, pairwise: the same on every machine. */
double wf_elems_sum_float(const wf_elems_view *v);

/* The bits of the least or the greatest of at least one element; a NaN when there is one. */
uint64_t wf_elems_min(const wf_elems_view *v);
uint64_t wf_elems_max(const wf_elems_view *v);

/* Copy the first n elements of `from`, converted. They may overlap when types and strides are equal. How many
 * were copied: less than n when the type of `to` cannot hold the next. */
size_t wf_elems_copy(const wf_elems_view *to, const wf_elems_view *from, size_t n);

/* To and from packed bytes in the machine's order. */
void wf_elems_to_bytes(const wf_elems_view *from, char *bytes);
void wf_elems_of_bytes(const wf_elems_view *to, const char *bytes, size_t n);

/* Sort ascending; -0.0 comes before 0.0, NaNs come last and lose their signs. False: memory is out. What other
 * threads write meanwhile may be lost. */
bool wf_elems_sort(const wf_elems_view *v);

#endif
