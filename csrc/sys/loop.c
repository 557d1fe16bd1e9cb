/* See loop.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sys/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "sys/fd.h"
#include "sys/thread.h"

#define DOZE_NS ((uint64_t)3000000)  /* a first, short sleep that needs no signal mask */
#define BLIND_NS ((uint64_t)5000000) /* between looks at a parker without a descriptor */

static void on_parker(wf_watch *w, unsigned events) {
  (void)events;
  /* An edge is told once and needs no read; a level must be read away. */
#if !WF_POLLER_EPOLL
  wf_loop *loop = wf_container_of(w, wf_loop, parker_watch);
  wf_parker_drain(loop->parker);
#else
  (void)w;
#endif
}

static void on_uv(wf_watch *w, unsigned events) {
  (void)events;
  wf_container_of(w, wf_loop, uv_watch)->uv_dirty = true;
}

wf_loop *wf_loop_new(int *err) {
  wf_loop *loop = wf_calloc(1, sizeof *loop);
  *err = loop == NULL ? ENOMEM : wf_poller_open(&loop->poller);
  if (*err == 0) return loop;
  wf_free(loop);
  return NULL;
}

/* The pool ----------------------------------------------------------------------------------------- */

/* Guards both. A pool that somebody else in the process has started is not known here; that does no harm. */
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static bool pool_started;
static int pool_size;

static void no_work(uv_work_t *w) { (void)w; }
static void after_no_work(uv_work_t *w, int status) { (void)w, (void)status; }

/* libuv takes what numbers it gets, and aborts when it closes one of 0-2. */
static int loop_init(uv_loop_t *uv) {
  int err = wf_uv_load();
  if (err != 0) return err;
  wf_fd_take_stdio();
  err = -wf_uv.loop_init(uv);
  wf_fd_give_stdio();
  return err;
}

/* Its threads take the name and the signal mask of the one that first wants them. */
static int start_pool_locked(void) {
  char name[WF_THREAD_NAME];
  sigset_t all, before;
  uv_loop_t uv;
  uv_work_t w;
  int err = loop_init(&uv);
  if (err != 0) return err;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  wf_thread_get_name(name);
  if (name[0] != '\0') wf_thread_set_name("weft files");
  err = -wf_uv.queue_work(&uv, &w, no_work, after_no_work);
  if (name[0] != '\0') wf_thread_set_name(name);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (err == 0) wf_uv.run(&uv, UV_RUN_DEFAULT);
  wf_uv.loop_close(&uv);
  pool_started = err == 0;
  return err;
}

int wf_loop_start_pool(void) {
  pthread_mutex_lock(&pool_lock);
  int err = pool_started ? 0 : start_pool_locked();
  pthread_mutex_unlock(&pool_lock);
  return err;
}

static int size_in_environment(void) {
  enum { DEFAULT = 4, MOST = 1024 }; /* libuv's */
  const char *text = getenv("UV_THREADPOOL_SIZE");
  if (text == NULL) return DEFAULT;
  int n = atoi(text);
  return n < 1 ? 1 : n > MOST ? MOST : n;
}

int wf_loop_pool_size(int wanted, int *size) {
  int err = 0;
  char text[16];
  pthread_mutex_lock(&pool_lock);
  if (pool_size == 0) pool_size = size_in_environment();
  if (wanted > 0 && pool_started && wanted != pool_size) err = EBUSY;
  if (wanted > 0 && !pool_started) {
    snprintf(text, sizeof text, "%d", wanted);
    err = setenv("UV_THREADPOOL_SIZE", text, 1) == 0 ? 0 : errno;
    if (err == 0) pool_size = wanted;
  }
  *size = pool_size;
  pthread_mutex_unlock(&pool_lock);
  return err;
}

/* libuv ------------------------------------------------------------------------------------------ */

uv_loop_t *wf_loop_uv(wf_loop *loop, int *err) {
  if (wf_likely(loop->uv != NULL)) {
    loop->uv_dirty = true;
    return loop->uv;
  }
  uv_loop_t *uv = wf_malloc(sizeof *uv);
  *err = uv == NULL ? ENOMEM : loop_init(uv);
  if (*err != 0) {
    wf_free(uv);
    return NULL;
  }
  wf_watch_init(&loop->uv_watch, wf_uv.backend_fd(uv), on_uv);
  *err = wf_poller_arm(&loop->poller, &loop->uv_watch, WF_IO_READ | WF_IO_LEVEL);
  if (*err != 0) {
    wf_uv.loop_close(uv);
    wf_free(uv);
    return NULL;
  }
  loop->own_watches++;
  loop->uv_dirty = true;
  uv->data = loop;
  return loop->uv = uv;
}

static void run_uv(wf_loop *loop) {
  loop->uv_dirty = false;
  wf_uv.run(loop->uv, UV_RUN_NOWAIT);
}

uint64_t wf_loop_next(const wf_loop *loop) {
  if (loop->uv_dirty) return 0;
  if (loop->uv == NULL || !wf_uv.loop_alive(loop->uv)) return WF_NEVER;
  int ms = wf_uv.backend_timeout(loop->uv);
  if (ms < 0) return WF_NEVER;
  uint64_t due = (wf_uv.now(loop->uv) + (uint64_t)ms) * 1000000u;
  return ms == 0 ? 0 : due;
}

static void stop_walk(uv_handle_t *h, void *ud) {
  (void)ud;
  if (!wf_uv.is_closing(h)) wf_uv.close(h, NULL);
}

void wf_loop_free(wf_loop *loop) {
  if (loop == NULL) return;
  if (loop->uv != NULL) {
    for (int tries = 0; wf_uv.loop_close(loop->uv) == UV_EBUSY && tries < 8; tries++) {
      wf_uv.walk(loop->uv, stop_walk, NULL);
      wf_uv.run(loop->uv, UV_RUN_NOWAIT);
    }
    wf_free(loop->uv);
  }
  wf_poller_close(&loop->poller);
  while (loop->nblocks > 0) wf_free(loop->blocks[--loop->nblocks]);
  wf_free(loop);
}

/* Sleeping ----------------------------------------------------------------------------------------- */

void wf_loop_unwatch(wf_loop *loop) {
  if (loop->parker_watch.listed) {
    wf_poller_del(&loop->poller, &loop->parker_watch);
    loop->own_watches--;
  }
  loop->parker = NULL;
}

bool wf_loop_watch(wf_loop *loop, wf_parker *p) {
  int fd = wf_parker_fd(p);
  if (wf_likely(loop->parker == p && fd == loop->parker_watch.fd)) return fd >= 0;
  wf_loop_unwatch(loop);
  if (fd < 0) return false;
  wf_watch_init(&loop->parker_watch, fd, on_parker);
  if (wf_poller_arm(&loop->poller, &loop->parker_watch, WF_POLLER_EPOLL ? WF_IO_READ : WF_IO_READ | WF_IO_LEVEL) != 0) return false;
  loop->parker = p;
  loop->own_watches++;
  return true;
}

static uint64_t until(uint64_t deadline_ns) {
  if (deadline_ns == WF_NEVER) return WF_NEVER;
  uint64_t now = wf_clock_ns();
  return deadline_ns > now ? deadline_ns - now : 0;
}

/* One sleep of at most `ns`. WF_PARK_TIMEOUT: nothing has happened. */
static int sleep_once(wf_loop *loop, wf_parker *p, uint64_t ns, const sigset_t *mask) {
  bool seen = wf_loop_watch(loop, p);
  if (!seen && ns > BLIND_NS) ns = BLIND_NS;
  if (seen ? !wf_parker_doze(p) : wf_parker_take(p)) {
    wf_poller_wait(&loop->poller, 0, NULL);
    return WF_PARK_WOKEN;
  }
  int n = wf_poller_wait(&loop->poller, ns, mask);
  if (seen ? wf_parker_rouse(p) : wf_parker_take(p)) return WF_PARK_WOKEN;
  if (n == -EINTR) return WF_PARK_EINTR;
  return n != 0 ? WF_PARK_FD : WF_PARK_TIMEOUT;
}

/* The same where a handler may set a flag between the look at it and the sleep: with all signals blocked, but
 * for the sleep itself. */
static int sleep_masked(wf_loop *loop, wf_parker *p, uint64_t ns) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int why = p->interrupted(p->ud) ? WF_PARK_EINTR : sleep_once(loop, p, ns, &before);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return why;
}

static int sleep_whole(wf_loop *loop, wf_parker *p, uint64_t deadline_ns) {
  uint64_t ns = until(deadline_ns);
  if (!p->interrupted) return sleep_once(loop, p, ns, NULL);
  /* The mask costs two system calls. A signal that hits the gap before the short sleep is seen after it. */
  int why = p->interrupted(p->ud) ? WF_PARK_EINTR : sleep_once(loop, p, ns < DOZE_NS ? ns : DOZE_NS, NULL);
  return why == WF_PARK_TIMEOUT && ns > DOZE_NS ? sleep_masked(loop, p, until(deadline_ns)) : why;
}

int wf_loop_spin(wf_loop *loop, wf_parker *p, uint64_t ns) {
  uint64_t end = wf_clock_ns() + ns;
  do {
    if (p->interrupted && p->interrupted(p->ud)) return WF_PARK_EINTR;
    if (wf_parker_take(p)) return WF_PARK_WOKEN;
    bool seen = wf_poller_wait(&loop->poller, 0, NULL) > 0;
    if (wf_unlikely(loop->uv_dirty)) {
      run_uv(loop);
      seen = true; /* it may have ended what somebody waits for, whatever the poller says */
    }
    if (seen) return WF_PARK_FD;
  } while (wf_clock_ns() < end);
  return WF_PARK_TIMEOUT;
}

int wf_loop_wait(wf_loop *loop, wf_parker *p, uint64_t deadline_ns) {
  if (wf_unlikely(loop->uv != NULL)) {
    uint64_t next = wf_loop_next(loop);
    if (next <= wf_clock_ns()) {
      wf_loop_poll(loop);
      return WF_PARK_FD;
    }
    if (next < deadline_ns) deadline_ns = next;
  }
  int why = sleep_whole(loop, p, deadline_ns);
  if (wf_unlikely(loop->uv_dirty)) run_uv(loop);
  return why;
}

void wf_loop_poll(wf_loop *loop) {
  wf_poller_wait(&loop->poller, 0, NULL);
  if (wf_unlikely(loop->uv != NULL) && wf_loop_next(loop) <= wf_clock_ns()) run_uv(loop);
  loop->looked = wf_clock_ns();
}

/* Blocks ------------------------------------------------------------------------------------------- */

void *wf_loop_take_block(wf_loop *loop) {
  return loop->nblocks > 0 ? loop->blocks[--loop->nblocks] : wf_malloc(WF_BLOCK_SIZE);
}

void wf_loop_give_block(wf_loop *loop, void *block) {
  if (loop->nblocks < WF_BLOCKS_KEPT)
    loop->blocks[loop->nblocks++] = block;
  else
    wf_free(block);
}
