/* The loops over elements of one type, for elem_bulk.c, which includes this once a type with
 *
 *   T             the C type
 *   F(x)          the name of x for this type
 *   FLOATING      0 or 1
 *   WIDE          what its values pass through on their way to another type: int64_t, uint64_t or double
 *   LEAST, MOST   of an integer type
 *
 * A loop is written once, for any stride, and compiled twice (BOTH_STRIDES): for neighbours, which the
 * compiler turns into vector instructions, and for elements that lie apart.
 */
/* No guard: meant to be included again and again. */

typedef T __attribute__((may_alias)) F(cell);

/* A vector load or store of aligned elements tears none of them on any machine that has such instructions, but
 * C knows no vector of atomics: so these are plain, and atomic only for a sanitizer that watches. */
static inline T F(get)(const char *p) {
#if WF_TSAN
  T v;
  __atomic_load((const F(cell) *)(const void *)p, &v, __ATOMIC_RELAXED);
  return v;
#else
  return *(const F(cell) *)(const void *)p;
#endif
}

static inline void F(put)(char *p, T v) {
#if WF_TSAN
  __atomic_store((F(cell) *)(void *)p, &v, __ATOMIC_RELAXED);
#else
  *(F(cell) *)(void *)p = v;
#endif
}

static inline T F(of_bits)(uint64_t bits) {
#if FLOATING
  T v;
  if (sizeof v == 8) {
    memcpy(&v, &bits, sizeof v);
  } else {
    uint32_t half = (uint32_t)bits;
    memcpy(&v, &half, sizeof v);
  }
  return v;
#else
  return (T)bits;
#endif
}

static inline uint64_t F(to_bits)(T v) {
#if FLOATING
  uint64_t bits = 0;
  if (sizeof v == 8) {
    memcpy(&bits, &v, sizeof v);
  } else {
    uint32_t half;
    memcpy(&half, &v, sizeof v);
    bits = half;
  }
  return bits;
#else
  return (uint64_t)v & (UINT64_MAX >> (64 - 8 * sizeof v));
#endif
}

/* Filling and copying ----------------------------------------------------------------------------- */

static ALWAYS_INLINE void F(fill_loop)(char *p, size_t n, size_t stride, T v) {
  for (size_t i = 0; i < n; i++) F(put)(p + i * stride, v);
}

static void F(fill)(char *p, size_t n, size_t stride, uint64_t bits) {
  T v = F(of_bits)(bits);
  BOTH_STRIDES(F(fill_loop)(p, n, sizeof(T), v), F(fill_loop)(p, n, stride, v))
}

static ALWAYS_INLINE void F(move_loop)(char *to, const char *from, size_t n, size_t to_stride, size_t from_stride) {
  for (size_t i = 0; i < n; i++) F(put)(to + i * to_stride, F(get)(from + i * from_stride));
}

/* They may overlap when the strides are equal. */
static void F(move)(char *to, const char *from, size_t n, size_t to_stride, size_t from_stride) {
  if ((uintptr_t)to > (uintptr_t)from && (uintptr_t)to - (uintptr_t)from < n * from_stride) {
    for (size_t i = n; i-- > 0;) F(put)(to + i * to_stride, F(get)(from + i * from_stride));
    return;
  }
  if (to_stride == sizeof(T) && from_stride == sizeof(T))
    F(move_loop)(to, from, n, sizeof(T), sizeof(T));
  else
    F(move_loop)(to, from, n, to_stride, from_stride);
}

/* Converting: out to a block of WIDE, and in from a block of each kind, up to the first that does not fit. */

static void F(widen)(const char *p, size_t n, size_t stride, void *block) {
  WIDE *out = block;
  for (size_t i = 0; i < n; i++) out[i] = (WIDE)F(get)(p + i * stride);
}

static size_t F(narrow_signed)(char *p, size_t n, size_t stride, const void *block) {
  const int64_t *in = block;
  for (size_t i = 0; i < n; i++) {
#if !FLOATING
    if (LEAST == 0 ? in[i] < 0 || (uint64_t)in[i] > (uint64_t)MOST : in[i] < (int64_t)LEAST || in[i] > (int64_t)MOST) return i;
#endif
    F(put)(p + i * stride, (T)in[i]);
  }
  return n;
}

static size_t F(narrow_unsigned)(char *p, size_t n, size_t stride, const void *block) {
  const uint64_t *in = block;
  for (size_t i = 0; i < n; i++) {
#if !FLOATING
    if (in[i] > (uint64_t)MOST) return i;
#endif
    F(put)(p + i * stride, (T)in[i]);
  }
  return n;
}

static size_t F(narrow_double)(char *p, size_t n, size_t stride, const void *block) {
  const double *in = block;
  for (size_t i = 0; i < n; i++) {
#if !FLOATING
    /* MOST + 1, a power of two, is exact as a double. */
    if (!(in[i] >= (double)LEAST && in[i] < 2.0 * (double)(MOST / 2 + 1)) || (double)(T)in[i] != in[i]) return i;
#endif
    F(put)(p + i * stride, (T)in[i]);
  }
  return n;
}

/* Sums and extremes --------------------------------------------------------------------------------- */

/* The best so far, lane by lane: for types of which machines compare no vectors, that is as fast. A NaN is not seen. */
static ALWAYS_INLINE T F(extreme_lanes)(const char *p, size_t n, size_t stride, bool least, T best) {
  T lane[LANES];
  size_t i = 0;
  for (size_t k = 0; k < LANES; k++) lane[k] = best;
  for (; i + LANES <= n; i += LANES)
    for (size_t k = 0; k < LANES; k++) {
      T v = F(get)(p + (i + k) * stride);
      lane[k] = (least ? v < lane[k] : v > lane[k]) ? v : lane[k];
    }
  for (size_t k = 0; k < LANES; k++) best = (least ? lane[k] < best : lane[k] > best) ? lane[k] : best;
  for (; i < n; i++) {
    T v = F(get)(p + i * stride);
    best = (least ? v < best : v > best) ? v : best;
  }
  return best;
}

#if FLOATING

/* Eight running sums side by side, joined as a tree; what is left over is added last. (The lanes stay in registers:
 * nothing indexes them by a variable.) n <= FLOAT_BLOCK. */
static ALWAYS_INLINE double F(sum_loop)(const char *p, size_t n, size_t stride) {
  double lane[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (size_t k = 0; k < LANES; k++) lane[k] += (double)F(get)(p + (i + k) * stride);
  double rest = 0;
  for (; i < n; i++) rest += (double)F(get)(p + i * stride);
  return (((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]))) + rest;
}

static double F(sum_float)(const char *p, size_t n, size_t stride) {
  BOTH_STRIDES(return F(sum_loop)(p, n, sizeof(T)), return F(sum_loop)(p, n, stride))
}

/* A NaN is in the sum of its block (as opposite infinities are), and is looked for then. */
static ALWAYS_INLINE T F(extreme_loop)(const char *p, size_t n, size_t stride, bool least) {
  T best = F(get)(p);
  for (size_t at = 0; at < n; at += FLOAT_BLOCK) {
    const char *block = p + at * stride;
    size_t many = n - at < FLOAT_BLOCK ? n - at : FLOAT_BLOCK;
    double sum = F(sum_loop)(block, many, stride);
    for (size_t i = 0; sum != sum && i < many; i++) {
      T v = F(get)(block + i * stride);
      if (v != v) return v;
    }
    best = F(extreme_lanes)(block, many, stride, least, best);
  }
  return best;
}

#else

/* n <= INT_BLOCK, so nothing overflows: 64-bit elements are added in halves. Signed ones are shifted to begin at
 * 0; what that adds is taken off in the end. */
static ALWAYS_INLINE void F(sum_loop)(const char *p, size_t n, size_t stride, wide_sum *s) {
  if (sizeof(T) == 8) {
    const uint64_t shifted = LEAST < 0 ? (uint64_t)1 << 63 : 0;
    uint64_t low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
      uint64_t v = (uint64_t)F(get)(p + i * stride) ^ shifted;
      low += v & UINT32_MAX;
      high += v >> 32;
    }
    wide_add(s, high >> 32, high << 32);
    wide_add(s, 0, low);
    if (shifted != 0) wide_subtract(s, (uint64_t)n >> 1, (uint64_t)n << 63);
  } else {
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += (int64_t)F(get)(p + i * stride);
    wide_add(s, sum < 0 ? UINT64_MAX : 0, (uint64_t)sum);
  }
}

static void F(sum_int)(const char *p, size_t n, size_t stride, wide_sum *s) {
  BOTH_STRIDES(F(sum_loop)(p, n, sizeof(T), s), F(sum_loop)(p, n, stride, s))
}

static ALWAYS_INLINE T F(extreme_loop)(const char *p, size_t n, size_t stride, bool least) {
  T best = F(get)(p);
  if (sizeof(T) == 8) return F(extreme_lanes)(p, n, stride, least, best);
  for (size_t i = 1; i < n; i++) {
    T v = F(get)(p + i * stride);
    best = (least ? v < best : v > best) ? v : best;
  }
  return best;
}

#endif

static uint64_t F(min)(const char *p, size_t n, size_t stride) {
  BOTH_STRIDES(return F(to_bits)(F(extreme_loop)(p, n, sizeof(T), true)), return F(to_bits)(F(extreme_loop)(p, n, stride, true)))
}

static uint64_t F(max)(const char *p, size_t n, size_t stride) {
  BOTH_STRIDES(return F(to_bits)(F(extreme_loop)(p, n, sizeof(T), false)), return F(to_bits)(F(extreme_loop)(p, n, stride, false)))
}

#undef T
#undef F
#undef FLOATING
#undef WIDE
#undef LEAST
#undef MOST
