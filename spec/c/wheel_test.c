/*
 * wheel_test.c: the timer wheel against a naive model, under seeded random operations.
 *
 * The model keeps every timer's time and rank of arrival in plain arrays and searches them all. One
 * "world" is a wheel, a model and a way of choosing times; a world fails at the first difference
 * and prints its seed, so that `wheel_test SEED` runs that one again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wheel.h"

static int failures;

#define CHECK(cond, ...)                                       \
  do {                                                         \
    if (!(cond)) {                                             \
      printf("%s:%d: %s: ", __FILE__, __LINE__, #cond);        \
      printf(__VA_ARGS__);                                     \
      printf("\n");                                            \
      failures++;                                              \
    }                                                          \
  } while (0)

typedef struct world {
  uint64_t seed, rng, now, rank;
  unsigned shape;
  size_t n;
  wf_wheel wheel;
  wf_timer *timer;
  uint64_t *when, *order; /* the model; order 0 is disarmed */
  size_t armed;
} world;

static uint64_t rnd(world *x) {
  x->rng += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t z = x->rng;
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static uint64_t rnd_below(world *x, uint64_t n) { return rnd(x) % n; }

/* A random number of random magnitude, below 2^bits. */
static uint64_t rnd_bits(world *x, unsigned bits) {
  return rnd(x) >> (63 - rnd_below(x, bits));
}

enum { SHAPES = 7 };

/* A time to add a timer for; each shape stresses another part of the wheel. */
static uint64_t some_when(world *x) {
  uint64_t r = rnd_below(x, 100), far = UINT64_MAX - x->now;
  if (r < 4) return rnd_below(x, x->now | 1);
  if (r < 8) return x->now;
  if (r < 10) return UINT64_MAX - rnd_below(x, 3);
  if (r < 20) return x->when[rnd_below(x, x->n)];
  uint64_t ahead;
  switch (x->shape) {
    case 0: ahead = rnd_below(x, 5000); break;                     /* a few ticks */
    case 1: ahead = rnd_below(x, 1000) * 1000000; break;           /* milliseconds */
    case 2: ahead = rnd_below(x, UINT64_C(1) << 36); break;        /* a minute, each distinct */
    case 3: ahead = rnd_bits(x, 50); break;                        /* ns to days */
    case 4: ahead = rnd_bits(x, 63); break;                        /* ns to centuries */
    case 5: ahead = rnd_below(x, 9) << 45; break;                  /* far, few distinct */
    default: ahead = UINT64_C(1) << rnd_below(x, 50), ahead -= rnd_below(x, 2); break; /* edges */
  }
  return x->now + (ahead < far ? ahead : far);
}

static uint64_t some_step(world *x) {
  static const unsigned bits[SHAPES] = {12, 28, 36, 48, 62, 47, 50};
  uint64_t step = rnd_bits(x, bits[x->shape]), far = UINT64_MAX - x->now;
  return step < far / 4 ? step : rnd_bits(x, 20) % (far / 4 + 1);
}

/* The index of the timer that must fire next, or n. */
static size_t model_first(const world *x) {
  size_t best = x->n;
  for (size_t i = 0; i < x->n; i++)
    if (x->order[i] != 0 && (best == x->n || x->when[i] < x->when[best] ||
                             (x->when[i] == x->when[best] && x->order[i] < x->order[best])))
      best = i;
  return best;
}

static void world_add(world *x, size_t i) {
  x->when[i] = some_when(x);
  x->order[i] = ++x->rank;
  x->armed++;
  wf_wheel_add(&x->wheel, &x->timer[i], x->when[i]);
}

static void world_del(world *x, size_t i) {
  bool was = x->order[i] != 0;
  CHECK(wf_timer_armed(&x->timer[i]) == was, "timer %zu", i);
  CHECK(wf_wheel_del(&x->wheel, &x->timer[i]) == was, "timer %zu", i);
  CHECK(!wf_timer_armed(&x->timer[i]), "timer %zu", i);
  x->armed -= was;
  x->order[i] = 0;
}

static void world_pop(world *x) {
  size_t first = model_first(x);
  bool due = first < x->n && x->when[first] <= x->now;
  CHECK(!due || wf_wheel_maybe_due(&x->wheel, x->now), "hidden at %" PRIu64, x->now);
  wf_timer *t = wf_wheel_pop(&x->wheel, x->now);
  if (!due) {
    CHECK(t == NULL, "%" PRIu64 " fired at %" PRIu64, t->when, x->now);
    return;
  }
  CHECK(t == &x->timer[first], "expected %" PRIu64 " got %" PRIu64 " at %" PRIu64, x->when[first],
        t == NULL ? 0 : t->when, x->now);
  if (t == NULL) return;
  CHECK(!wf_timer_armed(t) && t->when == x->when[first], "%" PRIu64, t->when);
  x->order[first] = 0;
  x->armed--;
}

static void world_next(world *x) {
  uint64_t next = wf_wheel_next(&x->wheel);
  size_t first = model_first(x);
  if (first == x->n) {
    CHECK(next == UINT64_MAX, "%" PRIu64, next);
    return;
  }
  CHECK(next <= x->when[first], "%" PRIu64 " is after %" PRIu64, next, x->when[first]);
  if (x->armed <= 32) CHECK(next == x->when[first], "%" PRIu64 ", not %" PRIu64, next, x->when[first]);
}

/* Sleeps as a scheduler does: to `next`, again and again, until the first timer fires. */
static void world_follow(world *x) {
  size_t first = model_first(x);
  if (first == x->n || x->when[first] <= x->now || x->when[first] - x->now > UINT64_MAX / 8) return;
  unsigned looks = 0;
  world_pop(x);
  for (; looks < 20 && x->now < x->when[first]; looks++) {
    world_next(x);
    uint64_t next = wf_wheel_next(&x->wheel);
    CHECK(next > x->now, "no progress at %" PRIu64, x->now);
    x->now = next;
    if (next < x->when[first]) world_pop(x);
  }
  CHECK(x->now == x->when[first], "%u looks", looks);
  world_pop(x);
}

static void world_step(world *x) {
  uint64_t r = rnd_below(x, 100);
  size_t i = (size_t)rnd_below(x, x->n);
  if (r < 55) {
    if (x->order[i] == 0) world_add(x, i);
    else if (r < 15) world_del(x, i);
  } else if (r < 65) {
    world_del(x, i);
  } else if (r < 80) {
    world_pop(x);
  } else if (r < 81) {
    /* A caller whose idea of the time is behind gets what was due then. */
    uint64_t now = x->now;
    x->now -= rnd_bits(x, 40) % (x->now | 1);
    world_pop(x);
    x->now = now;
  } else if (r < 86) {
    world_next(x);
  } else if (r < 88) {
    world_follow(x);
  } else if (r < 98) {
    x->now += some_step(x);
    /* Part of the batch, so that adds and deletes come in the middle of one. */
    for (uint64_t k = rnd_below(x, 8); k > 0; k--) world_pop(x);
  } else {
    size_t first = model_first(x);
    while (first < x->n && x->when[first] <= x->now && failures == 0) {
      world_pop(x);
      first = model_first(x);
    }
    world_pop(x);
  }
  CHECK(wf_wheel_count(&x->wheel) == x->armed, "%zu", wf_wheel_count(&x->wheel));
}

static void world_run(uint64_t seed) {
  static const size_t sizes[] = {3, 40, 200, 1500};
  world *x = calloc(1, sizeof *x);
  x->seed = x->rng = seed;
  x->shape = (unsigned)(seed % SHAPES);
  x->n = sizes[(seed / SHAPES) % 4];
  x->now = rnd_bits(x, 60);
  x->timer = calloc(x->n, sizeof *x->timer);
  x->when = calloc(x->n, sizeof *x->when);
  x->order = calloc(x->n, sizeof *x->order);
  wf_wheel_init(&x->wheel, x->now);
  size_t steps = 2000000 / (x->n + 50);
  for (size_t i = 0; i < steps && failures == 0; i++) world_step(x);
  for (size_t i = 0; i < x->n && failures == 0; i++) world_del(x, i);
  if (failures == 0) world_next(x);
  if (failures != 0) printf("world %" PRIu64 " failed\n", seed);
  wf_wheel_fini(&x->wheel);
  free(x->timer);
  free(x->when);
  free(x->order);
  free(x);
}

static void test_zeroed(void) {
  wf_wheel w;
  wf_timer t;
  memset(&t, 0, sizeof t);
  wf_wheel_init(&w, 77);
  CHECK(sizeof(wf_timer) <= 24 && sizeof(wf_wheel) <= 2048, "%zu", sizeof(wf_wheel));
  CHECK(!wf_timer_armed(&t), "a zeroed timer");
  CHECK(!wf_wheel_del(&w, &t), "a zeroed timer");
  CHECK(wf_wheel_next(&w) == UINT64_MAX, "empty");
  CHECK(wf_wheel_pop(&w, UINT64_MAX) == NULL, "empty");
  CHECK(!wf_wheel_maybe_due(&w, UINT64_MAX - 1), "empty");
}

/* The clock leaps over every level at once; nothing is early, lost or out of order. */
static void test_leap(void) {
  enum { N = 64 };
  wf_wheel w;
  wf_timer t[N];
  memset(t, 0, sizeof t);
  wf_wheel_init(&w, 0);
  for (unsigned i = N; i-- > 0;) wf_wheel_add(&w, &t[i], UINT64_C(1) << i);
  CHECK(wf_wheel_pop(&w, 0) == NULL, "early");
  for (unsigned i = 0; i < N; i++) {
    CHECK(wf_wheel_next(&w) == UINT64_C(1) << i, "%u", i);
    CHECK(wf_wheel_pop(&w, UINT64_MAX) == &t[i], "%u", i);
  }
  CHECK(wf_wheel_pop(&w, UINT64_MAX) == NULL, "more");
  wf_wheel_fini(&w);
}

/* A crowd of far timers, and a clock that jumps by a century. */
static void test_far_crowd(void) {
  enum { N = 5000 };
  const uint64_t year = UINT64_C(31557600) * 1000000000u;
  wf_wheel w;
  wf_timer *t = calloc(N + 1, sizeof *t);
  wf_wheel_init(&w, 0);
  for (unsigned i = 0; i < N; i++) wf_wheel_add(&w, &t[i], (500 - i % 400) * year);
  wf_wheel_add(&w, &t[N], year);
  CHECK(wf_wheel_pop(&w, year) == &t[N], "the first year's");
  uint64_t now = 0, before = 0;
  unsigned fired = 0;
  while (now < 501 * year) {
    now += 100 * year;
    for (wf_timer *p; (p = wf_wheel_pop(&w, now)) != NULL; fired++) {
      CHECK(p->when >= before && p->when <= now, "%" PRIu64, p->when);
      before = p->when;
    }
  }
  CHECK(fired == N, "%u", fired);
  wf_wheel_fini(&w);
  free(t);
}

/* A million sleepers, as many tasks would make them: some distinct times, equal ones in order. */
static void test_million(uint64_t distinct, uint64_t spacing) {
  enum { N = 1000000 };
  wf_wheel w;
  wf_timer *t = calloc(N, sizeof *t);
  wf_wheel_init(&w, 12345);
  for (uint64_t i = 0; i < N; i++) wf_wheel_add(&w, &t[i], 12345 + (i * 7919 % distinct) * spacing);
  uint64_t fired = 0, now = 12345;
  const wf_timer *last = NULL;
  while (wf_wheel_count(&w) > 0) {
    for (wf_timer *p; (p = wf_wheel_pop(&w, now)) != NULL; last = p, fired++) {
      bool in_order = last == NULL || last->when < p->when || (last->when == p->when && last < p);
      if (!in_order || p->when > now) {
        CHECK(false, "%" PRIu64 " at %" PRIu64, p->when, now);
        wf_wheel_fini(&w);
        free(t);
        return;
      }
    }
    if (wf_wheel_count(&w) > 0) now = wf_wheel_next(&w);
  }
  CHECK(fired == N, "%" PRIu64, fired);
  wf_wheel_fini(&w);
  free(t);
}

int main(int argc, char **argv) {
  if (argc > 1) {
    world_run(strtoull(argv[1], NULL, 10));
    return failures != 0;
  }
  test_zeroed();
  test_leap();
  test_far_crowd();
  test_million(1000, 1000000);
  test_million(1000000, 1);
  test_million(1000000, 104729);
  for (uint64_t seed = 1; seed <= 280 && failures == 0; seed++) world_run(seed);
  if (failures == 0) printf("wheel: ok\n");
  return failures != 0;
}
