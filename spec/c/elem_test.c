/*
 * elem_test.c: elements of typed memory against what plain C says of them: every type, several strides, odd lengths
 * and offsets, values at the limits. Random where that helps; the seed is printed when a check fails.
 */
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/elem.h"
#include "check.h"

enum { MOST = 1500 };

static uint64_t seed = 1;

static uint64_t rnd(void) {
  seed += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t z = seed;
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static uint64_t mask_of(enum wf_elem t) { return UINT64_MAX >> (64 - (8u << wf_elems[t].shift)); }

/* Any bits, often those at the limits. No NaN in float types. */
static uint64_t any_bits(enum wf_elem t) {
  static const double floats[] = {0.0, -0.0, 1.0, -1.0, 0.1, 255.0, 256.0, -128.0, 65535.0, 4294967295.0, 4294967296.0, 0x1p63, -0x1p63,
                                  0x1p64, 1e300, -1e300, INFINITY, -INFINITY, 3.5, 16777217.0};
  uint64_t r = rnd();
  if (wf_elems[t].floating) {
    double d = r % 3 == 0 ? floats[(r >> 8) % (sizeof floats / sizeof *floats)] : (double)(int64_t)rnd() * (r % 5 == 1 ? 1e-19 : 1e-3);
    return wf_elem_of_f64(t, d);
  }
  uint64_t limits[] = {0, 1, UINT64_MAX, (uint64_t)wf_elems[t].min, wf_elems[t].max, 127, 128};
  return (r % 3 == 0 ? limits[(r >> 8) % 7] : rnd() >> (r >> 8) % 64) & mask_of(t);
}

static void *store;

/* A view of random length, stride and place in `room` bytes at `base`, filled with any bits. */
static wf_elems_view view_in(char *base, enum wf_elem t, size_t n, size_t apart) {
  size_t size = wf_elem_size(t);
  wf_elems_view v = {base + size * (rnd() % 5), n, size * apart, t};
  for (size_t i = 0; i < n; i++) wf_elem_store_relaxed(wf_elems[t].shift, v.data + i * v.stride, any_bits(t));
  return v;
}

static uint64_t at(const wf_elems_view *v, size_t i) { return wf_elem_load_relaxed(wf_elems[v->type].shift, v->data + i * v->stride); }

static const size_t lengths[] = {0, 1, 2, 3, 7, 8, 9, 15, 31, 32, 33, 100, 255, 256, 257, 511, 700, 1023, 1500};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

#define EACH_VIEW(v)                                                                       \
  for (int type = 0; type < WF_ELEM_COUNT; type++)                                         \
    for (size_t li = 0; li < LENGTHS; li++)                                                \
      for (size_t apart = 1; apart <= 3; apart++)                                          \
        for (wf_elems_view v = view_in(store, (enum wf_elem)type, lengths[li], apart), *once = &v; once != NULL; once = NULL)

/* ---- fill, bytes ---- */

static void test_fill_and_bytes(void) {
  EACH_VIEW(v) {
    size_t size = wf_elem_size(v.type);
    char bytes[MOST * 8 + 1], back[MOST * 8 + 1];
    wf_elems_to_bytes(&v, bytes + 1); /* at an odd address */
    for (size_t i = 0; i < v.n; i++) {
      uint64_t bits = 0;
      memcpy(&bits, bytes + 1 + i * size, size); /* little-endian machines only; others see the last bytes */
      const uint16_t one = 1;
      if (*(const char *)&one == 1) CHECK(bits == at(&v, i));
    }
    uint64_t x = any_bits(v.type);
    wf_elems_fill(&v, x);
    for (size_t i = 0; i < v.n; i++) CHECK(at(&v, i) == x);
    wf_elems_of_bytes(&v, bytes + 1, v.n);
    wf_elems_to_bytes(&v, back);
    CHECK(memcmp(back, bytes + 1, v.n * size) == 0);
  }
}

/* What lies between and around the elements is left alone. */
static void test_gaps(void) {
  for (int t = 0; t < WF_ELEM_COUNT; t++) {
    size_t size = wf_elem_size((enum wf_elem)t);
    char *bytes = store;
    memset(bytes, 0x5A, 64 * size);
    wf_elems_view v = {bytes + 2 * size, 10, 3 * size, (enum wf_elem)t};
    wf_elems_fill(&v, 0);
    CHECK(wf_elems_sort(&v));
    for (size_t i = 0; i < 64; i++)
      for (size_t k = 0; k < size; k++) CHECK(bytes[i * size + k] == (i >= 2 && i < 32 && (i - 2) % 3 == 0 ? 0 : 0x5A));
  }
}

/* ---- sums ---- */

static void test_sums(void) {
  EACH_VIEW(v) {
    if (wf_elems[v.type].floating) {
      for (size_t i = 0; i < v.n; i++)
        wf_elem_store_relaxed(wf_elems[v.type].shift, v.data + i * v.stride, wf_elem_of_f64(v.type, (double)((int64_t)rnd() >> 40)));
      double sum = 0; /* of whole numbers below 2^24, so exact in any order */
      for (size_t i = 0; i < v.n; i++) sum += wf_elem_to_f64(v.type, at(&v, i));
      CHECK(wf_elems_sum_float(&v) == sum);
      continue;
    }
    uint64_t sum = 0; /* of 128 bits, the lower half */
    int64_t high = 0;
    for (size_t i = 0; i < v.n; i++) {
      uint64_t x = v.type == WF_U64 ? at(&v, i) : (uint64_t)wf_elem_to_i64(v.type, at(&v, i));
      sum += x;
      high += (sum < x) - (v.type != WF_U64 && (int64_t)x < 0);
    }
    uint64_t got;
    bool fits = high == (v.type != WF_U64 && (int64_t)sum < 0 ? -1 : 0);
    CHECK(wf_elems_sum_int(&v, &got) == fits);
    if (fits) CHECK(got == sum);
  }
}

static void test_sum_limits(void) {
  int64_t i[4] = {INT64_MAX, 1, -1, 0};
  uint64_t u[3] = {UINT64_MAX, 0, 0}, got;
  wf_elems_view v = {(char *)i, 1, 8, WF_I64}, w = {(char *)u, 2, 8, WF_U64};
  CHECK(wf_elems_sum_int(&v, &got) && got == INT64_MAX);
  v.n = 2;
  CHECK(!wf_elems_sum_int(&v, &got));
  v.n = 3; /* through an overflow and back */
  CHECK(wf_elems_sum_int(&v, &got) && got == INT64_MAX);
  i[0] = INT64_MIN, i[1] = -1, i[2] = 1;
  CHECK(wf_elems_sum_int(&v, &got) && got == (uint64_t)INT64_MIN);
  v.n = 2;
  CHECK(!wf_elems_sum_int(&v, &got));
  CHECK(wf_elems_sum_int(&w, &got) && got == UINT64_MAX);
  u[1] = 1;
  CHECK(!wf_elems_sum_int(&w, &got));
}

/* Longer than a block of integers, and longer than what 32-bit halves could hold were they not folded. */
static void test_long_sums(void) {
  size_t n = (3u << 20) + 17;
  uint64_t got;
  uint64_t *a = malloc(n * sizeof *a);
  for (size_t i = 0; i < n; i++) a[i] = (uint64_t)INT64_MIN;
  wf_elems_view v = {(char *)a, n, 8, WF_I64};
  CHECK(!wf_elems_sum_int(&v, &got));
  for (size_t i = 0; i < n; i++) a[i] = i % 2 ? (uint64_t)-5 : UINT64_C(1) << 40;
  CHECK(wf_elems_sum_int(&v, &got) && (int64_t)got == (int64_t)((n + 1) / 2) * (INT64_C(1) << 40) - 5 * (int64_t)(n / 2));
  double *d = (double *)a;
  for (size_t i = 0; i < n; i++) d[i] = 0.1;
  v.type = WF_F64;
  double exact = (double)((long double)0.1 * (long double)n);
  CHECK(fabs(wf_elems_sum_float(&v) - exact) <= 1e-14 * exact);
  free(a);
}

/* ---- least and greatest ---- */

static bool less(enum wf_elem t, uint64_t a, uint64_t b) {
  if (wf_elems[t].floating) return wf_elem_to_f64(t, a) < wf_elem_to_f64(t, b);
  return t == WF_U64 ? a < b : wf_elem_to_i64(t, a) < wf_elem_to_i64(t, b);
}

static void test_extremes(void) {
  EACH_VIEW(v) {
    if (v.n == 0) continue;
    uint64_t low = at(&v, 0), high = low;
    for (size_t i = 1; i < v.n; i++) {
      if (less(v.type, at(&v, i), low)) low = at(&v, i);
      if (less(v.type, high, at(&v, i))) high = at(&v, i);
    }
    uint64_t min = wf_elems_min(&v), max = wf_elems_max(&v);
    CHECK(!less(v.type, min, low) && !less(v.type, low, min)); /* 0.0 and -0.0 are equal */
    CHECK(!less(v.type, max, high) && !less(v.type, high, max));
    if (!wf_elems[v.type].floating) continue;
    size_t where = (size_t)rnd() % v.n;
    wf_elem_store_relaxed(wf_elems[v.type].shift, v.data + where * v.stride, wf_elem_of_f64(v.type, (double)NAN));
    CHECK(isnan(wf_elem_to_f64(v.type, wf_elems_min(&v))) && isnan(wf_elem_to_f64(v.type, wf_elems_max(&v))));
  }
}

/* ---- sorting ---- */

static enum wf_elem sort_type;

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  if (less(sort_type, x, y)) return -1;
  if (less(sort_type, y, x)) return 1;
  if (wf_elems[sort_type].floating) { /* -0.0 first */
    uint64_t sign = (mask_of(sort_type) >> 1) + 1;
    return (x & sign) == (y & sign) ? 0 : (x & sign) ? -1 : 1;
  }
  return 0;
}

static void test_sort(void) {
  EACH_VIEW(v) {
    uint64_t model[MOST];
    for (size_t i = 0; i < v.n; i++) model[i] = at(&v, i);
    sort_type = v.type;
    qsort(model, v.n, sizeof *model, compare);
    CHECK(wf_elems_sort(&v));
    for (size_t i = 0; i < v.n; i++) CHECK(at(&v, i) == model[i]);
    CHECK(wf_elems_sort(&v)); /* sorted already */
    for (size_t i = 0; i < v.n; i++) CHECK(at(&v, i) == model[i]);
    if (!wf_elems[v.type].floating || v.n < 3) continue;
    wf_elem_store_relaxed(wf_elems[v.type].shift, v.data, wf_elem_of_f64(v.type, (double)NAN));
    wf_elem_store_relaxed(wf_elems[v.type].shift, v.data + v.stride, wf_elem_of_f64(v.type, -(double)NAN));
    CHECK(wf_elems_sort(&v));
    CHECK(isnan(wf_elem_to_f64(v.type, at(&v, v.n - 1))) && isnan(wf_elem_to_f64(v.type, at(&v, v.n - 2))));
    for (size_t i = 0; i + 2 < v.n; i++) CHECK(at(&v, i) == model[i + 2]);
  }
}

static void *no_memory(void *ud, void *block, size_t size) {
  (void)ud, (void)block, (void)size;
  return NULL;
}

static void test_sort_without_memory(void) {
  int32_t a[3] = {3, 1, 2};
  wf_elems_view v = {(char *)a, 3, 4, WF_I32};
  wf_alloc_set(no_memory, NULL);
  bool sorted = wf_elems_sort(&v);
  wf_alloc_set(NULL, NULL);
  CHECK(!sorted && a[0] == 3 && a[1] == 1 && a[2] == 2);
}

/* ---- copies ---- */

/* Can `to` hold the value? */
static bool holds(enum wf_elem to, enum wf_elem from, uint64_t bits) {
  if (wf_elems[to].floating) return true;
  if (wf_elems[from].floating) {
    long double d = (long double)wf_elem_to_f64(from, bits);
    return d == truncl(d) && d >= (long double)wf_elems[to].min && d <= (long double)wf_elems[to].max;
  }
  if (from == WF_U64) return bits <= wf_elems[to].max;
  int64_t i = wf_elem_to_i64(from, bits);
  return i < 0 ? i >= wf_elems[to].min : (uint64_t)i <= wf_elems[to].max;
}

static uint64_t converted(enum wf_elem to, enum wf_elem from, uint64_t bits) {
  if (wf_elems[from].floating) {
    double d = wf_elem_to_f64(from, bits);
    if (wf_elems[to].floating) return wf_elem_of_f64(to, d);
    return (to == WF_U64 ? (uint64_t)d : (uint64_t)(int64_t)d) & mask_of(to);
  }
  if (!wf_elems[to].floating) return (uint64_t)wf_elem_to_i64(from, bits) & mask_of(to);
  if (to == WF_F32) { /* rounded once */
    float f = from == WF_U64 ? (float)bits : (float)wf_elem_to_i64(from, bits);
    uint32_t half;
    memcpy(&half, &f, 4);
    return half;
  }
  return wf_elem_of_f64(to, from == WF_U64 ? (double)bits : (double)wf_elem_to_i64(from, bits));
}

static void test_copy(void) {
  char *other = (char *)store + MOST * 8 * 3 + 64;
  EACH_VIEW(from)
    for (int t = 0; t < WF_ELEM_COUNT; t++) {
      wf_elems_view to = view_in(other, (enum wf_elem)t, from.n, 1 + (size_t)rnd() % 3);
      if (rnd() % 2) /* small values, so that all is copied */
        for (size_t i = 0; i < from.n; i++) {
          uint64_t x = rnd() % 100;
          wf_elem_store_relaxed(wf_elems[from.type].shift, from.data + i * from.stride,
                                wf_elems[from.type].floating ? wf_elem_of_f64(from.type, (double)x) : x);
        }
      size_t fits = 0;
      while (fits < from.n && holds(to.type, from.type, at(&from, fits))) fits++;
      uint64_t next = fits < from.n ? at(&to, fits) : 0;
      CHECK(wf_elems_copy(&to, &from, from.n) == fits);
      for (size_t i = 0; i < fits; i++) CHECK(at(&to, i) == converted(to.type, from.type, at(&from, i)));
      if (fits < from.n) CHECK(at(&to, fits) == next);
    }
}

static void test_overlap(void) {
  for (int t = 0; t < WF_ELEM_COUNT; t++)
    for (int round = 0; round < 200; round++) {
      wf_elems_view all = view_in(store, (enum wf_elem)t, 300, 1 + rnd() % 2);
      size_t n = (size_t)rnd() % 200, a = (size_t)rnd() % 100, b = (size_t)rnd() % 100;
      uint64_t model[300];
      for (size_t i = 0; i < 300; i++) model[i] = at(&all, i);
      memmove(model + b, model + a, n * sizeof *model);
      wf_elems_view from = {all.data + a * all.stride, n, all.stride, all.type}, to = {all.data + b * all.stride, n, all.stride, all.type};
      CHECK(wf_elems_copy(&to, &from, n) == n);
      for (size_t i = 0; i < 300; i++) CHECK(at(&all, i) == model[i]);
    }
}

/* ---- atomics ---- */

static void test_atomics(void) {
  for (unsigned shift = 0; shift <= 3; shift++)
    for (int order = WF_RELAXED; order <= WF_SEQ_CST; order++) {
      _Alignas(8) unsigned char cell[24];
      memset(cell, 0x77, sizeof cell);
      void *p = cell + 8;
      uint64_t mask = UINT64_MAX >> (64 - (8u << shift)), x = rnd() & mask, y = rnd() & mask, seen;
      enum wf_order o = (enum wf_order)order;
      wf_elem_store(shift, p, x, o == WF_ACQUIRE || o == WF_ACQ_REL ? WF_SEQ_CST : o);
      CHECK(wf_elem_load(shift, p, o == WF_RELEASE || o == WF_ACQ_REL ? WF_SEQ_CST : o) == x);
      CHECK(wf_elem_exchange(shift, p, y, o) == x);
      CHECK(wf_elem_add_int(shift, p, x, o) == y);
      CHECK(wf_elem_load_relaxed(shift, p) == ((x + y) & mask));
      seen = (x + y + 1) & mask;
      CHECK(!wf_elem_cas(shift, p, &seen, 5, o) && seen == ((x + y) & mask));
      CHECK(wf_elem_cas(shift, p, &seen, 5, o) && wf_elem_load_relaxed(shift, p) == 5);
      for (size_t i = 0; i < sizeof cell; i++) CHECK((i >= 8 && i < 8 + ((size_t)1 << shift)) || cell[i] == 0x77);
    }
  float f = 1.5f;
  double d = 0.1;
  CHECK(wf_elem_to_f64(WF_F32, wf_elem_add_float(WF_F32, &f, 2.25, WF_SEQ_CST)) == 1.5 && f == 3.75f);
  CHECK(wf_elem_to_f64(WF_F64, wf_elem_add_float(WF_F64, &d, 0.2, WF_RELAXED)) == 0.1 && d == 0.1 + 0.2);
}

enum { THREADS = 4, ADDS = 20000 };

static _Alignas(64) char shared_cells[4][64];
static _Alignas(64) double shared_float;

static void *add_many(void *arg) {
  (void)arg;
  for (int i = 0; i < ADDS; i++) {
    for (unsigned shift = 0; shift <= 3; shift++) wf_elem_add_int(shift, shared_cells[shift], 1, WF_RELAXED);
    wf_elem_add_float(WF_F64, &shared_float, 1.0, WF_RELAXED);
  }
  return NULL;
}

/* Nothing is lost; and what goes over many meanwhile sees each at some moment. */
static void test_threads(void) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, add_many, NULL);
  wf_elems_view v = {shared_cells[3], 1, 8, WF_U64}, d = {(char *)&shared_float, 1, 8, WF_F64};
  uint64_t last = 0, now;
  while (last < THREADS * ADDS / 2) {
    CHECK(wf_elems_sum_int(&v, &now) && now >= last && now <= THREADS * ADDS);
    last = now;
    CHECK(wf_elems_sum_float(&d) <= (double)(THREADS * ADDS));
    CHECK(wf_elems_max(&v) >= last);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (unsigned shift = 0; shift <= 3; shift++)
    CHECK(wf_elem_load_relaxed(shift, shared_cells[shift]) == ((THREADS * ADDS) & (UINT64_MAX >> (64 - (8u << shift)))));
  CHECK(shared_float == (double)(THREADS * ADDS));
}

/* Doubles at the borders of each type of integers, and what is beside them. */
static void test_borders(void) {
  for (int t = WF_I8; t <= WF_U64; t++) {
    int bits = 8 << wf_elems[t].shift;
    double least = (wf_elems[t].min < 0) ? -ldexp(1, bits - 1) : 0, past = ldexp(1, (wf_elems[t].min < 0) ? bits - 1 : bits);
    const double in[] = {least, nextafter(least, -INFINITY), nextafter(past, 0), past, 0.5, -1, 1, NAN, -INFINITY, INFINITY, past - 1};
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
      uint64_t out = 0;
      double one = in[i];
      wf_elems_view to = {.data = (char *)&out, .n = 1, .stride = 8, .type = (enum wf_elem)t};
      wf_elems_view from = {.data = (char *)&one, .n = 1, .stride = 8, .type = WF_F64};
      bool fits = one >= least && one < past && one == floor(one);
      CHECK(wf_elems_copy(&to, &from, 1) == fits);
      uint64_t got = wf_elem_load_relaxed(wf_elems[t].shift, &out);
      if (fits) CHECK((t == WF_U64 ? (double)got : (double)wf_elem_to_i64((enum wf_elem)t, got)) == one);
    }
    for (int sign = -1; sign <= 1; sign += 2) {
      uint64_t sum, data[3];
      wf_elems_view v = {.data = (char *)data, .n = 3, .stride = 8, .type = (enum wf_elem)t};
      if (sign < 0 && wf_elems[t].min == 0) continue;
      wf_elems_fill(&v, (uint64_t)(int64_t)(sign * 5));
      CHECK(wf_elems_sum_int(&v, &sum) && (int64_t)sum == sign * 15);
    }
  }
}

int main(int argc, char **argv) {
  if (argc > 1) seed = strtoull(argv[1], NULL, 0);
  uint64_t began = seed;
  store = aligned_alloc(64, 2 * (MOST * 8 * 3 + 64) + 64);
  test_fill_and_bytes();
  test_gaps();
  test_sums();
  test_sum_limits();
  test_long_sums();
  test_extremes();
  test_sort();
  test_sort_without_memory();
  test_copy();
  test_borders();
  test_overlap();
  test_atomics();
  test_threads();
  free(store);
  if (failures > 0) printf("seed %llu\n", (unsigned long long)began);
  return failures != 0;
}
