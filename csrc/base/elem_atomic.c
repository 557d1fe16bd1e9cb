/* See elem.h: single elements with the orders of C11. The compiler wants width and order as constants, so
 * each operation is a table of calls, one for each pair. */
#include "base/elem.h"

const wf_elem_info wf_elems[WF_ELEM_COUNT] = {
    {"i8", 0, false, INT8_MIN, INT8_MAX},    {"u8", 0, false, 0, UINT8_MAX},   {"i16", 1, false, INT16_MIN, INT16_MAX},
    {"u16", 1, false, 0, UINT16_MAX},        {"i32", 2, false, INT32_MIN, INT32_MAX}, {"u32", 2, false, 0, UINT32_MAX},
    {"i64", 3, false, INT64_MIN, INT64_MAX}, {"u64", 3, false, 0, UINT64_MAX}, {"f32", 2, true, 0, 0},
    {"f64", 3, true, 0, 0},
};

#define FOR_WIDTH(X)          \
  switch (shift) {            \
    case 0: X(uint8_t, wf_word8) break;    \
    case 1: X(uint16_t, wf_word16) break;  \
    case 2: X(uint32_t, wf_word32) break;  \
    default: X(uint64_t, wf_word64) break; \
  }

uint64_t wf_elem_load(unsigned shift, const void *p, enum wf_order order) {
  uint64_t bits = 0;
  wf_assert(order != WF_RELEASE && order != WF_ACQ_REL);
#define LOAD(T, W)                                                                          \
  switch (order) {                                                                          \
    case WF_RELAXED: bits = __atomic_load_n((const W *)p, __ATOMIC_RELAXED); break;         \
    case WF_ACQUIRE: bits = __atomic_load_n((const W *)p, __ATOMIC_ACQUIRE); break;         \
    default: bits = __atomic_load_n((const W *)p, __ATOMIC_SEQ_CST); break;                 \
  }
  FOR_WIDTH(LOAD)
  return bits;
}

void wf_elem_store(unsigned shift, void *p, uint64_t bits, enum wf_order order) {
  wf_assert(order != WF_ACQUIRE && order != WF_ACQ_REL);
#define STORE(T, W)                                                                         \
  switch (order) {                                                                          \
    case WF_RELAXED: __atomic_store_n((W *)p, (T)bits, __ATOMIC_RELAXED); break;            \
    case WF_RELEASE: __atomic_store_n((W *)p, (T)bits, __ATOMIC_RELEASE); break;            \
    default: __atomic_store_n((W *)p, (T)bits, __ATOMIC_SEQ_CST); break;                    \
  }
  FOR_WIDTH(STORE)
}

uint64_t wf_elem_exchange(unsigned shift, void *p, uint64_t bits, enum wf_order order) {
  uint64_t old = 0;
#define EXCHANGE(T, W)                                                                      \
  switch (order) {                                                                          \
    case WF_RELAXED: old = __atomic_exchange_n((W *)p, (T)bits, __ATOMIC_RELAXED); break;   \
    case WF_ACQUIRE: old = __atomic_exchange_n((W *)p, (T)bits, __ATOMIC_ACQUIRE); break;   \
    case WF_RELEASE: old = __atomic_exchange_n((W *)p, (T)bits, __ATOMIC_RELEASE); break;   \
    case WF_ACQ_REL: old = __atomic_exchange_n((W *)p, (T)bits, __ATOMIC_ACQ_REL); break;   \
    default: old = __atomic_exchange_n((W *)p, (T)bits, __ATOMIC_SEQ_CST); break;           \
  }
  FOR_WIDTH(EXCHANGE)
  return old;
}

uint64_t wf_elem_add_int(unsigned shift, void *p, uint64_t amount, enum wf_order order) {
  uint64_t old = 0;
#define ADD(T, W)                                                                           \
  switch (order) {                                                                          \
    case WF_RELAXED: old = __atomic_fetch_add((W *)p, (T)amount, __ATOMIC_RELAXED); break;  \
    case WF_ACQUIRE: old = __atomic_fetch_add((W *)p, (T)amount, __ATOMIC_ACQUIRE); break;  \
    case WF_RELEASE: old = __atomic_fetch_add((W *)p, (T)amount, __ATOMIC_RELEASE); break;  \
    case WF_ACQ_REL: old = __atomic_fetch_add((W *)p, (T)amount, __ATOMIC_ACQ_REL); break;  \
    default: old = __atomic_fetch_add((W *)p, (T)amount, __ATOMIC_SEQ_CST); break;          \
  }
  FOR_WIDTH(ADD)
  return old;
}

/* A failure is a load: its order is the load's half of the success's. */
bool wf_elem_cas(unsigned shift, void *p, uint64_t *expected, uint64_t desired, enum wf_order order) {
  bool done = false;
#define CAS(T, W)                                                                                             \
  W seen = (T)*expected;                                                                                      \
  T to = (T)desired;                                                                                          \
  switch (order) {                                                                                            \
    case WF_RELAXED: done = __atomic_compare_exchange_n((W *)p, &seen, to, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED); break; \
    case WF_ACQUIRE: done = __atomic_compare_exchange_n((W *)p, &seen, to, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE); break; \
    case WF_RELEASE: done = __atomic_compare_exchange_n((W *)p, &seen, to, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED); break; \
    case WF_ACQ_REL: done = __atomic_compare_exchange_n((W *)p, &seen, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE); break; \
    default: done = __atomic_compare_exchange_n((W *)p, &seen, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); break;         \
  }                                                                                                           \
  *expected = seen;
#define CAS_BLOCK(T, W) { CAS(T, W) }
  FOR_WIDTH(CAS_BLOCK)
  return done;
}

uint64_t wf_elem_add_float(enum wf_elem t, void *p, double amount, enum wf_order order) {
  unsigned shift = wf_elems[t].shift;
  uint64_t seen = wf_elem_load_relaxed(shift, p);
  while (!wf_elem_cas(shift, p, &seen, wf_elem_of_f64(t, wf_elem_to_f64(t, seen) + amount), order)) {
  }
  return seen;
}
