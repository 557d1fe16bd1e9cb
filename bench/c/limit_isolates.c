/* What two threads can do at best, and a Lua state. Arguments: what, n, and more.
 *   state N          a bare Lua state opened and closed ("bare_us"), with all libraries ("full_us")
 *   parked N         resident bytes of a bare state with one parked coroutine: the slope from a tenth of N to N
 *   trip N           there and back between two threads that spin a little and then sleep in a futex; and that only sleep
 *   channel N SIZE   a ring of 128 under a mutex with two conditions; each message a block of SIZE bytes, malloc'ed,
 *                    filled by memcpy, copied out and freed (0: an integer)
 *   across N SIZE    a block of SIZE integers, malloc'ed, copied in and out, there and back; a crossing is half of that */
#include "bench.h"

#include <lauxlib.h>
#include <linux/futex.h>
#include <lua.h>
#include <lualib.h>
#include <malloc.h>
#include <stdatomic.h>
#include <sys/syscall.h>

enum { CAPACITY = 128, SPIN = 2000 };

/* Whose turn it is: 0 or 1. Written by the one whose turn it was (release), read by the other (acquire). */
static _Alignas(64) atomic_int turn;
static int spin;
static long count;

static void futex(int op, int v) { syscall(SYS_futex, &turn, op, v, NULL, NULL, 0); }

static void step(int me) {
  for (int i = 0; i < spin && atomic_load_explicit(&turn, memory_order_acquire) != me; i++) __builtin_ia32_pause();
  while (atomic_load(&turn) != me) futex(FUTEX_WAIT_PRIVATE, !me);
  atomic_store(&turn, !me);
  futex(FUTEX_WAKE_PRIVATE, 1);
}

static void *other(void *arg) {
  for (long i = 0; i < count; i++) step(1);
  return arg;
}

static double trip_ns(long n, int spins) {
  pthread_t th;
  spin = spins;
  count = n;
  atomic_store(&turn, 0);
  if (pthread_create(&th, NULL, other, NULL)) abort();
  double t = now_ns();
  for (long i = 0; i < n; i++) step(0);
  pthread_join(th, NULL);
  return (now_ns() - t) / (double)n;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the ring */
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static void *ring[CAPACITY];
static unsigned long head, tail;
static int reader_waits, writer_waits;

static void put(void *v) {
  pthread_mutex_lock(&lock);
  while (tail - head == CAPACITY) {
    writer_waits = 1;
    pthread_cond_wait(&not_full, &lock);
    writer_waits = 0;
  }
  ring[tail++ % CAPACITY] = v;
  if (reader_waits) pthread_cond_signal(&not_empty);
  pthread_mutex_unlock(&lock);
}

static void *take(void) {
  pthread_mutex_lock(&lock);
  while (tail == head) {
    reader_waits = 1;
    pthread_cond_wait(&not_empty, &lock);
    reader_waits = 0;
  }
  void *v = ring[head++ % CAPACITY];
  if (writer_waits) pthread_cond_signal(&not_full);
  pthread_mutex_unlock(&lock);
  return v;
}

static size_t size;

static void *receiver(void *arg) {
  char *into = size ? malloc(size) : NULL;
  for (long i = 0; i < count; i++) {
    void *v = take();
    if (!size) continue;
    memcpy(into, v, size);
    free(v);
  }
  free(into);
  return arg;
}

static double rate(long n, size_t bytes) {
  pthread_t th;
  count = n;
  size = bytes;
  char *source = calloc(1, bytes + 1);
  if (pthread_create(&th, NULL, receiver, NULL)) abort();
  double t = now_ns();
  for (long i = 0; i < n; i++) {
    void *v = (void *)(intptr_t)i;
    if (bytes) v = memcpy(malloc(bytes), source, bytes);
    put(v);
  }
  pthread_join(th, NULL);
  free(source);
  return (double)n / (now_ns() - t) * 1e9;
}

static int park(lua_State *L) {
  return lua_yield(L, 0);
}

static void parked(long from, long to, lua_State **all) {
  for (long i = from; i < to; i++) {
    int results;
    lua_State *L = luaL_newstate();
    if (!L) abort();
    lua_State *co = lua_newthread(L);
    lua_pushcfunction(co, park);
    lua_resume(co, L, 0, &results);
    all[i] = L;
  }
}

static double state_us(long n, int full) {
  double t = now_ns();
  for (long i = 0; i < n; i++) {
    lua_State *L = luaL_newstate();
    if (!L) abort();
    if (full) luaL_openlibs(L);
    lua_close(L);
  }
  return (now_ns() - t) / 1e3 / (double)n;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  long n = arg_long(argc, argv, 2, 1000), bytes = arg_long(argc, argv, 3, 0);
  mallopt(M_MMAP_THRESHOLD, 256 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  if (!strcmp(what, "state")) {
    printf("us %.3f\n", state_us(n, 0));
    printf("full_us %.3f\n", state_us(n / 10, 1));
  } else if (!strcmp(what, "parked")) {
    lua_State **all = calloc((size_t)n, sizeof *all);
    parked(0, n / 10, all);
    double r = rss_bytes();
    parked(n / 10, n, all);
    printf("bytes %.1f\n", (rss_bytes() - r) / (double)(n - n / 10));
  } else if (!strcmp(what, "trip")) {
    printf("ns %.1f\n", trip_ns(n, SPIN));
    printf("sleep_ns %.1f\n", trip_ns(n / 10, 0));
  } else if (!strcmp(what, "channel")) {
    printf("rate %.0f\n", rate(n, (size_t)bytes));
  } else if (!strcmp(what, "across")) {
    printf("ms %.4f\n", 1e3 / rate(2 * n, (size_t)bytes * sizeof(lua_Integer)));
  }
  return 0;
}
