/* loop_refused_test.c: the loop and libuv's pool when they cannot be had, and waits that nothing can wake (sys/loop.c): errors come
 * back, it can be tried again, and who waits finds what there is. libuv's functions are this test's where it says so. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define REFUSED_OWN(X) X(setenv, MINUS_ONE, ENOMEM)
#include "base/alloc.h"
#include "base/clock.h"
#include "check.h"
#include "heap.h"
#include "refusal.h"
#include "sys/loop.h"
#include "sys/thread.h"

#if REFUSALS

#define MS UINT64_C(1000000)

static heap memory;

static wf_loop *loop_new(void) {
  int err = 1;
  wf_loop *loop = wf_loop_new(&err);
  CHECK(loop != NULL && err == 0);
  return loop;
}

static void loops_that_cannot_be(void) {
  int err = 0;
  wf_alloc_set(heap_plain, &memory);
  heap_order(&memory, 1, 0);
  CHECK(wf_loop_new(&err) == NULL && err == ENOMEM);
  refuse_as(REFUSED_epoll_create1, REFUSED_ANY, 1, 1, EMFILE);
  CHECK(wf_loop_new(&err) == NULL && err == EMFILE);
  wf_loop_free(NULL);
  wf_loop *loop = loop_new();
#ifndef WF_UV_LINKED
  refuse_as(REFUSED_dlopen, REFUSED_ANY, 1, 2, 0);
  errno = 0;
  CHECK(wf_loop_uv(loop, &err) == NULL && err != 0 && loop->uv == NULL);
  CHECK(wf_loop_start_pool() != 0);
  refuse(-1, 0);
#endif
  heap_order(&memory, 1, 0);
  CHECK(wf_loop_uv(loop, &err) == NULL && err == ENOMEM);
  refuse_as(REFUSED_epoll_ctl, REFUSED_ANY, 1, 1, ENOSPC);
  CHECK(wf_loop_uv(loop, &err) == NULL && err == ENOSPC && loop->uv == NULL && loop->own_watches == 0);
  uv_loop_t *uv = wf_loop_uv(loop, &err);
  CHECK(uv != NULL && wf_loop_uv(loop, &err) == uv && wf_loop_next(loop) == 0);
  wf_loop_poll(loop);
  CHECK(wf_loop_next(loop) == WF_NEVER);
  wf_loop_free(loop);
}

/* ---- the pool ---- */

static int no_loop(uv_loop_t *uv) { return (void)uv, UV_EMFILE; }
static int no_queue(uv_loop_t *uv, uv_work_t *w, uv_work_cb work, uv_after_work_cb after) {
  return (void)uv, (void)w, (void)work, (void)after, UV_ENOMEM;
}

static void a_pool_that_cannot_be(void) {
  int size = 0;
  CHECK(wf_uv_load() == 0);
  wf_uv_calls before = wf_uv;
  wf_uv.loop_init = no_loop;
  CHECK(wf_loop_start_pool() == EMFILE);
  wf_uv = before;
  wf_uv.queue_work = no_queue;
  CHECK(wf_loop_start_pool() == ENOMEM);
  wf_uv = before;
  refuse_as(REFUSED_setenv, REFUSED_ANY, 1, 1, ENOMEM);
  CHECK(wf_loop_pool_size(3, &size) == ENOMEM && size == 4);
  CHECK(wf_loop_pool_size(3, &size) == 0 && size == 3); /* it has not been started */
  CHECK(wf_loop_start_pool() == 0 && wf_loop_start_pool() == 0);
  CHECK(wf_loop_pool_size(3, &size) == 0 && wf_loop_pool_size(0, &size) == 0 && size == 3);
  CHECK(wf_loop_pool_size(5, &size) == EBUSY && size == 3);
}

static void a_size_of(const char *text, int wanted) {
  int size = 0;
  setenv("UV_THREADPOOL_SIZE", text, 1);
  CHECK(wf_loop_pool_size(0, &size) == 0 && size == wanted);
}
static void a_pool_of_seven(void) { a_size_of("7", 7); }
static void a_pool_of_none(void) { a_size_of("none", 1); }
static void a_pool_of_many(void) { a_size_of("99999", 1024); }

/* ---- libuv's time, and its end ---- */

static int backend_ms;
static int backend_timeout(const uv_loop_t *uv) { return (void)uv, backend_ms; }
static int alive(const uv_loop_t *uv) { return (void)uv, 1; }

static void sleeps_as_long_as_libuv_lets_it(void) {
  int err;
  wf_loop *loop = loop_new();
  wf_parker p;
  wf_parker_init(&p);
  CHECK(wf_loop_uv(loop, &err) != NULL);
  wf_loop_poll(loop);
  wf_uv_calls before = wf_uv;
  wf_uv.backend_timeout = backend_timeout;
  wf_uv.loop_alive = alive;
  backend_ms = -1;
  CHECK(wf_loop_next(loop) == WF_NEVER);
  backend_ms = 0;
  CHECK(wf_loop_next(loop) == 0 && wf_loop_wait(loop, &p, WF_PARK_FOREVER) == WF_PARK_FD);
  backend_ms = 5;
  uint64_t due = wf_loop_next(loop);
  CHECK(due > 0 && due != WF_NEVER);
  while (wf_loop_wait(loop, &p, WF_PARK_FOREVER) == WF_PARK_WOKEN) continue; /* and not for ever */
  CHECK(wf_clock_ns() >= due);
  wf_uv = before;
  wf_loop_free(loop);
  wf_parker_destroy(&p);
}

static int closes;
static int never_closes(uv_loop_t *uv) { return (void)uv, closes++, UV_EBUSY; }

/* A handle that does not end does not hold the end up. */
static void a_loop_that_stays_busy(void) {
  int err;
  wf_loop *loop = loop_new();
  CHECK(wf_loop_uv(loop, &err) != NULL);
  uv_loop_t *uv = loop->uv;
  wf_uv_calls before = wf_uv;
  wf_uv.loop_close = never_closes;
  heap_heal(&memory);
  wf_loop_free(loop);
  CHECK(closes > 1);
  wf_uv = before;
  (void)uv;
}

/* ---- sleeping ---- */

static int looks, interrupted_at; /* at that look something has interrupted it; 0: never */
static bool interrupted(void *ud) { return (void)ud, ++looks == interrupted_at; }

static void *wake(void *p) {
  usleep(3000);
  wf_parker_wake(p);
  return NULL;
}

static void wakes(wf_loop *loop, wf_parker *p) {
  pthread_t t;
  CHECK(pthread_create(&t, NULL, wake, p) == 0);
  int why;
  do why = wf_loop_wait(loop, p, WF_PARK_FOREVER); /* blind, it looks now and then; newly watched, it is told of an old write */
  while (why == WF_PARK_TIMEOUT || why == WF_PARK_FD);
  CHECK(why == WF_PARK_WOKEN);
  pthread_join(t, NULL);
}

static void is_not_woken(wf_loop *loop, wf_parker *p) {
  uint64_t at = wf_clock_ns() + 8 * MS;
  int why = WF_PARK_FD;
  while (why == WF_PARK_FD || wf_clock_ns() < at) {
    why = wf_loop_wait(loop, p, at);
    CHECK(why == WF_PARK_TIMEOUT || why == WF_PARK_FD);
  }
}

static void waits_for_a_parker(void) {
  wf_loop *loop = loop_new();
  wf_parker p[2];
  for (int i = 0; i < 2; i++) wf_parker_init(&p[i]);
  for (int masked = 0; masked < 2; masked++) {
    for (int i = 0; i < 2; i++) {
      p[i].interrupted = masked ? interrupted : NULL;
      interrupted_at = 0;
      wakes(loop, &p[i]);
      is_not_woken(loop, &p[i]);
      CHECK(loop->parker == &p[i] && loop->own_watches == 1); /* one at a time */
    }
  }
  for (int at = 1; at <= 2; at++) { /* before it sleeps; between the first, short sleep and the long one */
    interrupted_at = at;
    looks = 0;
    CHECK(wf_loop_wait(loop, &p[1], WF_PARK_FOREVER) == WF_PARK_EINTR && looks == at);
  }
  interrupted_at = 0;
  /* The descriptor of the next cannot be watched. */
  refuse_as(REFUSED_epoll_ctl, REFUSED_ANY, 2, 100000, ENOSPC);
  is_not_woken(loop, &p[0]);
  CHECK(loop->parker == NULL && loop->own_watches == 0);
  wakes(loop, &p[0]);
  refuse(-1, 0);
  is_not_woken(loop, &p[0]);
  CHECK(loop->parker == &p[0]);
  /* Or there is none. */
  wf_parker none;
  wf_parker_init(&none);
  refuse_as(REFUSED_eventfd, REFUSED_ANY, 1, 100000, EMFILE);
  is_not_woken(loop, &none);
  CHECK(loop->parker == NULL && loop->own_watches == 0);
  wakes(loop, &none);
  refuse(-1, 0);
  wf_loop_free(loop);
  for (int i = 0; i < 2; i++) wf_parker_destroy(&p[i]);
  wf_parker_destroy(&none);
}

/* A look that does not sleep is ended by a signal, too. */
static void looks_around(void) {
  wf_loop *loop = loop_new();
  wf_parker p;
  wf_parker_init(&p);
  p.interrupted = interrupted;
  interrupted_at = 1;
  looks = 0;
  CHECK(wf_loop_spin(loop, &p, MS) == WF_PARK_EINTR);
  interrupted_at = 0;
  wf_parker_wake(&p);
  CHECK(wf_loop_spin(loop, &p, MS) == WF_PARK_WOKEN);
  wf_loop_free(loop);
  wf_parker_destroy(&p);
}

static void blocks(void) {
  wf_loop *loop = loop_new();
  void *block[WF_BLOCKS_KEPT + 1];
  for (int i = 0; i <= WF_BLOCKS_KEPT; i++) CHECK((block[i] = wf_loop_take_block(loop)) != NULL);
  for (int i = 0; i <= WF_BLOCKS_KEPT; i++) wf_loop_give_block(loop, block[i]);
  CHECK(loop->nblocks == WF_BLOCKS_KEPT && wf_loop_take_block(loop) == block[WF_BLOCKS_KEPT - 1]);
  wf_loop_give_block(loop, block[WF_BLOCKS_KEPT - 1]);
  wf_loop_free(loop);
}

int main(void) {
  in_a_child(loops_that_cannot_be);
  in_a_child(a_pool_that_cannot_be);
  in_a_child(a_pool_of_seven);
  in_a_child(a_pool_of_none);
  in_a_child(a_pool_of_many);
  in_a_child(sleeps_as_long_as_libuv_lets_it);
  in_a_child(a_loop_that_stays_busy);
  in_a_child(waits_for_a_parker);
  in_a_child(looks_around);
  in_a_child(blocks);
  return failures != 0;
}

#else
int main(void) {
  printf("no calls can be refused here\n");
  return 0;
}
#endif
