/* odds_test.c: small things of base and lx when memory is out or numbers are at their ends: blocks of no size (base/alloc.c), a
 * wheel that cannot spread and one with more timers due than a sort has bins (base/wheel.c), the machine's counter (base/tsc.h),
 * messages that cannot be or grow (lx/msg.c), shapes that are none (lx/shape.c), heaps for hosts (lx/host_heap.c). */
#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/elem.h"
#include "base/tsc.h"
#include "base/wheel.h"
#include "check.h"
#include "heap.h"
#include "lx/host_heap.h"
#include "lx/msg.h"
#include "lx/raw.h"
#include "lx/shape.h"
#include "sys/heap_over.h"

static heap memory;

static void without_memory(void) { heap_order(&memory, 1, 0); }

/* A size of 0 gives a block, too; one that no number holds gives none. With the system's allocator and with another. */
static void blocks_of_any_size(void) {
  for (int own = 0; own < 2; own++) {
    wf_alloc_set(own ? heap_plain : NULL, &memory);
    void *block[] = {wf_malloc(0), wf_calloc(0, 0), wf_calloc(0, 8), wf_calloc(8, 0), wf_realloc(NULL, 0)};
    for (size_t i = 0; i < sizeof block / sizeof *block; i++) {
      CHECK(block[i] != NULL);
      wf_free(block[i]);
    }
    volatile size_t half = SIZE_MAX / 2;
    if (own || (!WF_ASAN && !WF_TSAN)) /* a sanitizer's own calloc reports that */
      CHECK(wf_calloc(half, 3) == NULL && wf_calloc(3, half) == NULL);
    char *zero = wf_calloc(10, 10);
    for (int i = 0; i < 100; i++) CHECK(zero[i] == 0);
    zero = wf_realloc(zero, 0);
    CHECK(zero != NULL);
    wf_free(zero);
    wf_free(NULL);
  }
  CHECK(memory.blocks == 0);
  without_memory();
  CHECK(wf_calloc(1, 1) == NULL && memory.blocks == 0);
}

/* ---- timers ---- */

enum { TIMERS = 200000 };

static void timers(void) {
  static wf_timer t[TIMERS];
  wf_wheel w;
  for (int way = 0; way < 2; way++) {
    wf_wheel_init(&w, 1000);
    memset(t, 0, sizeof t);
    if (way == 0) without_memory(); /* it cannot spread when it would; later it can */
    for (int i = 0; i < TIMERS; i++) wf_wheel_add(&w, &t[i], 2000 + (uint64_t)(i * 7919L % TIMERS)); /* no two run in order for long */
    CHECK(wf_wheel_count(&w) == TIMERS && memory.calls >= 1);
    uint64_t last = 0, n = 0;
    for (wf_timer *due; (due = wf_wheel_pop(&w, UINT64_MAX / 2)) != NULL; n++) {
      uint64_t when = 2000 + (uint64_t)((due - t) * 7919L % TIMERS);
      CHECK(when >= last);
      last = when;
    }
    CHECK(n == TIMERS && wf_wheel_count(&w) == 0);
    wf_wheel_fini(&w);
  }
  CHECK(memory.blocks == 0);
}

/* ---- the machine's counter ---- */

static void counters(void) {
  wf_tsc_pair from = {1000, 500}, to = {3000, 1500};
  CHECK(wf_tsc_span_ns(from, to, 2000) == 500);
  CHECK(wf_tsc_span_ns(from, to, 900) == 0 && wf_tsc_span_ns(from, to, 1000) == 0); /* outside: its ends */
  CHECK(wf_tsc_span_ns(from, to, 3000) == 1000 && wf_tsc_span_ns(from, to, UINT64_MAX) == 1000);
  CHECK(wf_tsc_span_ns(to, from, 3500) == 0 && wf_tsc_span_ns(from, from, 2000) == 0);
  for (int usable = 0; usable <= wf_tsc_usable(); usable++) {
    uint64_t a = wf_tsc_now(usable);
    wf_tsc_pair p = wf_tsc_pair_read(usable);
    uint64_t b = wf_tsc_now(usable);
    CHECK(a <= p.tick && p.tick <= b && p.ns <= wf_clock_ns());
    if (!usable) CHECK(p.tick == p.ns); /* the clock itself */
  }
}

/* ---- elements ---- */

static void sorts_without_memory(void) {
  uint64_t wide[4] = {4, 3, 2, 1};
  uint32_t narrow[4] = {4, 3, 2, 1};
  wf_elems_view v = {.type = WF_U64, .data = (char *)wide, .n = 4, .stride = 8};
  wf_elems_view u = {.type = WF_U32, .data = (char *)narrow, .n = 4, .stride = 4};
  without_memory();
  CHECK(!wf_elems_sort(&v) && wide[0] == 4);
  without_memory();
  CHECK(!wf_elems_sort(&u) && narrow[0] == 4);
  v.n = u.n = SIZE_MAX / 4; /* no memory holds their keys: nothing is read */
  CHECK(!wf_elems_sort(&v) && !wf_elems_sort(&u));
  v.n = u.n = 4;
  CHECK(wf_elems_sort(&v) && wf_elems_sort(&u) && wide[0] == 1 && narrow[3] == 4);
}

/* ---- messages ---- */

static void messages(void) {
  CHECK(wf_blob_new(SIZE_MAX) == NULL && wf_msg_new(NULL, SIZE_MAX) == NULL);
  without_memory();
  CHECK(wf_blob_new(1) == NULL);
  without_memory();
  CHECK(wf_msg_pool_new() == NULL);
  wf_msg_pool *p = wf_msg_pool_new();
  for (int pooled = 0; pooled < 2; pooled++) {
    wf_msg *m = wf_msg_new(pooled ? p : NULL, 4);
    CHECK(m != NULL && m->room >= 4);
    memcpy(m->data, "text", 4);
    m->len = 4;
    CHECK(wf_msg_grow(m, SIZE_MAX) == NULL);
    without_memory();
    CHECK(wf_msg_grow(m, 100000) == NULL);
    CHECK(m->len == 4 && memcmp(m->data, "text", 4) == 0); /* it is what it was */
    without_memory();
    CHECK(wf_msg_side(m) == NULL && m->nside == 0);
    wf_side *s = wf_msg_side(m);
    *s = (wf_side){.held = wf_blob_new(3)};
    wf_msg *grown = wf_msg_grow(m, 100000);
    CHECK(grown != NULL && grown->room >= 100000 && grown->nside == 1 && memcmp(grown->data, "text", 4) == 0);
    grown = wf_msg_grow(grown, 200000); /* it has left the pool */
    CHECK(grown != NULL && grown->room >= 200000 && grown->nside == 1 && memcmp(grown->data, "text", 4) == 0);
    wf_msg_free(grown);
  }
  without_memory();
  CHECK(wf_msg_new(NULL, 10) == NULL);
  wf_msg_free(NULL);
  wf_msg_pool_close(p);
  CHECK(memory.blocks == 0);
}

/* ---- shapes ---- */

static wf_shape *shape_of(lua_State *L, uint32_t n) {
  const void *key[WF_SHAPE_KEYS + 1] = {NULL};
  for (uint32_t i = 0; i < n && i <= WF_SHAPE_KEYS; i++) {
    lua_pushfstring(L, "key %d", (int)i);
    key[i] = lua_topointer(L, -1);
    lua_pop(L, 1);
  }
  return wf_shape_new(lua_topointer(L, 1), key, n);
}

static void shapes(void) {
  if (!wf_raw_fills()) return;
  lua_State *L = luaL_newstate();
  for (int fields = 1; fields <= WF_SHAPE_KEYS + 1; fields++) {
    lua_settop(L, 0);
    lua_newtable(L);
    for (int i = 0; i < fields; i++) {
      lua_pushinteger(L, i);
      lua_pushfstring(L, "key %d", i);
      lua_insert(L, -2);
      lua_rawset(L, 1);
    }
    CHECK(shape_of(L, 0) == NULL && shape_of(L, WF_SHAPE_KEYS + 1) == NULL);
    CHECK(shape_of(L, (uint32_t)fields + 1) == NULL && (fields == 1 || shape_of(L, (uint32_t)fields - 1) == NULL));
    without_memory();
    CHECK(shape_of(L, (uint32_t)fields) == NULL);
    heap_heal(&memory);
    wf_shape *s = shape_of(L, (uint32_t)fields);
    CHECK((s != NULL) == (fields <= WF_SHAPE_KEYS));
    if (s != NULL) {
      CHECK(s->keys == (uint32_t)fields);
      lua_createtable(L, 0, 2 * fields + 2); /* it does not fit in a table of another size, nor in one without fields */
      CHECK(!wf_shape_lay(s, (wf_raw_table *)(uintptr_t)lua_topointer(L, -1)));
      lua_newtable(L);
      CHECK(!wf_shape_lay(s, (wf_raw_table *)(uintptr_t)lua_topointer(L, -1)));
      lua_createtable(L, 0, fields);
      CHECK(wf_shape_lay(s, (wf_raw_table *)(uintptr_t)lua_topointer(L, -1)));
    }
    wf_free(s);
  }
  lua_settop(L, 0);
  lua_newtable(L); /* a key that is there no more is none */
  for (int i = 0; i < 2; i++) {
    lua_pushinteger(L, i);
    lua_setfield(L, 1, i ? "key 1" : "key 0");
  }
  lua_pushnil(L);
  lua_setfield(L, 1, "key 1");
  CHECK(shape_of(L, 2) == NULL);
  lua_close(L);
  CHECK(memory.blocks == 0);
}

/* ---- heaps for hosts ---- */

static void *own_alloc(void *ud, void *block, size_t osize, size_t nsize) {
  (void)osize;
  CHECK(ud != NULL);
  if (nsize > 0) return realloc(block, nsize);
  free(block);
  return NULL;
}

static bool adopted(lua_State *L) {
  lx_host_heap(L);
  bool yes = lua_getallocf(L, NULL) == wf_heap_over_alloc;
  lua_close(L);
  return yes;
}

static void heaps_for_hosts(void) {
  int mine;
  CHECK(!adopted(lua_newstate(own_alloc, &mine)));
  unsetenv("WEFT_HEAP");
  CHECK(adopted(luaL_newstate()) == !WF_ASAN);
  setenv("WEFT_HEAP", "on", 1);
  CHECK(adopted(luaL_newstate()) == !WF_ASAN);
  setenv("WEFT_HEAP", "off", 1);
  CHECK(!adopted(luaL_newstate()));
  unsetenv("WEFT_HEAP");
  if (!WF_ASAN) without_memory();
  CHECK(!adopted(luaL_newstate()) || WF_ASAN); /* it goes on with its own */
  lua_State *L = luaL_newstate();
  void *ud;
  lua_Alloc theirs = lua_getallocf(L, &ud);
  lua_setallocf(L, theirs, &mine); /* the same function, but somebody's own record beside it */
  CHECK(!adopted(L));
  CHECK(memory.blocks == 0);
}

int main(void) {
  blocks_of_any_size();
  timers();
  counters();
  sorts_without_memory();
  messages();
  shapes();
  heaps_for_hosts();
  return failures != 0;
}
