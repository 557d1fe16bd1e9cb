/* The event loop: the parker, descriptors, libuv and time in one sleep. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sys/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "sys/spin.h"

typedef struct told {
  wf_watch watch;
  int times;
} told;

static void on_told(wf_watch *w, unsigned events) {
  (void)events;
  ((told *)(void *)w)->times++;
}

static wf_parker parker;

static void *wake(void *arg) {
  int n = *(int *)arg;
  for (int i = 0; i < n; i++) {
    struct timespec ts = {0, 200000};
    nanosleep(&ts, NULL);
    wf_parker_wake(&parker);
  }
  return NULL;
}

/* Wakes of another thread end the sleep, or are there already. */
static void wakes(void) {
  int err, n = 50, seen = 0;
  pthread_t other;
  wf_loop *loop = wf_loop_new(&err);
  CHECK(loop != NULL);
  wf_parker_init(&parker);
  wf_parker_wake(&parker);
  CHECK(wf_loop_wait(loop, &parker, WF_NEVER) == WF_PARK_WOKEN);
  CHECK(pthread_create(&other, NULL, wake, &n) == 0);
  uint64_t end = wf_clock_ns() + 20000000000u;
  for (int i = 0; i < n && wf_clock_ns() < end; i++) {
    int how;
    do how = wf_loop_wait(loop, &parker, wf_clock_ns() + 50000000);
    while (how == WF_PARK_FD); /* a late write of a wake that was seen */
    if (how == WF_PARK_TIMEOUT) break; /* several wakes were one */
    seen++;
  }
  CHECK(seen > 0);
  pthread_join(other, NULL);
  wf_parker_destroy(&parker);
  wf_loop_free(loop);
}

/* A look that does not sleep sees the same. */
static void spins(void) {
  int err, s[2];
  char c;
  told a = {{0}, 0};
  wf_loop *loop = wf_loop_new(&err);
  wf_parker_init(&parker);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) == 0);
  wf_watch_init(&a.watch, s[0], on_told);
  CHECK(wf_poller_arm(&loop->poller, &a.watch, WF_IO_READ) == 0);
  CHECK(wf_loop_spin(loop, &parker, 0) == WF_PARK_TIMEOUT && wf_loop_spin(loop, &parker, WF_SPIN_NS) == WF_PARK_TIMEOUT);
  CHECK(write(s[1], "x", 1) == 1 && wf_loop_spin(loop, &parker, WF_SPIN_NS) == WF_PARK_FD && a.times == 1);
  CHECK(read(s[0], &c, 1) == 1);
  wf_parker_wake(&parker);
  CHECK(wf_loop_spin(loop, &parker, 0) == WF_PARK_WOKEN && wf_loop_spin(loop, &parker, 0) == WF_PARK_TIMEOUT);
  wf_poller_del(&loop->poller, &a.watch);
  close(s[0]);
  close(s[1]);
  wf_parker_destroy(&parker);
  wf_loop_free(loop);
}

/* Long sleeps do not count, short ones say how long it takes to be woken, and where there is one processor nobody spins. */
static void spins_seldom(void) {
  wf_spin s;
  wf_spin_init(&s);
  s.alone = false;
  wf_spin_slept(&s, WF_SHORT_NS);
  CHECK(!wf_spin_due(&s, 0, WF_NEVER));
  wf_spin_slept(&s, 1);
  CHECK(wf_spin_due(&s, 0, WF_NEVER) && !wf_spin_due(&s, 0, WF_SPIN_NS));
  CHECK(s.ns == WF_SPIN_NS);
  wf_spin_slept(&s, 80000); /* a wake takes 40 us: that long, and somewhat more */
  CHECK(s.ns == 50000 && !wf_spin_due(&s, 0, 50000));
  for (uint32_t pause = 3; pause <= WF_SPIN_PAUSE; pause = pause * 2 + 1) {
    wf_spin_ended(&s, false);
    CHECK(s.after == pause);
    for (uint32_t i = 0; i < pause; i++) wf_spin_slept(&s, 1);
    CHECK(s.after == 0);
  }
  wf_spin_ended(&s, false);
  CHECK(s.after == WF_SPIN_PAUSE);
  wf_spin_init(&s);
  s.alone = true;
  wf_spin_slept(&s, 1);
  CHECK(!wf_spin_due(&s, 0, WF_NEVER));
}

static void time_and_descriptors(void) {
  int err, s[2];
  told a = {{0}, 0};
  wf_loop *loop = wf_loop_new(&err);
  wf_parker_init(&parker);
  uint64_t t = wf_clock_ns();
  CHECK(wf_loop_wait(loop, &parker, t + 400000) == WF_PARK_TIMEOUT);
  CHECK(wf_clock_ns() >= t + 400000);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) == 0);
  wf_watch_init(&a.watch, s[0], on_told);
  CHECK(wf_poller_arm(&loop->poller, &a.watch, WF_IO_READ) == 0);
  CHECK(wf_loop_due(loop, wf_clock_ns()));
  CHECK(write(s[1], "x", 1) == 1);
  CHECK(wf_loop_wait(loop, &parker, WF_NEVER) == WF_PARK_FD && a.times == 1);
  wf_poller_del(&loop->poller, &a.watch);
  close(s[0]);
  close(s[1]);
  wf_parker_destroy(&parker);
  wf_loop_free(loop);
}

static int works, dones, fired, closed;
static void on_work(uv_work_t *req) { (void)req, works++; }
static void on_done(uv_work_t *req, int status) { (void)req, (void)status, dones++; }
static void on_timer(uv_timer_t *t) { (void)t, fired++; }
static void on_closed(uv_handle_t *h) { (void)h, closed++; }

/* What libuv is asked for is done within the same sleeps. */
static void libuv(void) {
  int err;
  uv_work_t work;
  uv_timer_t timer;
  wf_loop *loop = wf_loop_new(&err);
  wf_parker_init(&parker);
  CHECK(wf_loop_next(loop) == WF_NEVER);
  uv_loop_t *uv = wf_loop_uv(loop, &err);
  CHECK(uv != NULL && uv == wf_loop_uv(loop, &err));
  CHECK(uv_queue_work(uv, &work, on_work, on_done) == 0);
  while (dones == 0) wf_loop_wait(loop, &parker, WF_NEVER);
  CHECK(works == 1);
  uv = wf_loop_uv(loop, &err);
  uv_timer_init(uv, &timer);
  uv_timer_start(&timer, on_timer, 3, 0);
  while (fired == 0) wf_loop_wait(loop, &parker, WF_NEVER);
  CHECK(wf_loop_wait(loop, &parker, wf_clock_ns() + 1000000) == WF_PARK_TIMEOUT);
  /* A look that does not sleep tells what libuv has ended without the poller's knowing. */
  wf_loop_uv(loop, &err);
  uv_close((uv_handle_t *)&timer, on_closed);
  CHECK(wf_loop_spin(loop, &parker, WF_SPIN_NS) == WF_PARK_FD && closed == 1);
  uv_timer_init(uv, &timer);
  wf_parker_destroy(&parker);
  wf_loop_free(loop); /* closes the timer */
}

static void blocks(void) {
  int err;
  void *taken[WF_BLOCKS_KEPT + 2];
  wf_loop *loop = wf_loop_new(&err);
  for (int i = 0; i < WF_BLOCKS_KEPT + 2; i++) CHECK((taken[i] = wf_loop_take_block(loop)) != NULL);
  for (int i = 0; i < WF_BLOCKS_KEPT + 2; i++) wf_loop_give_block(loop, taken[i]);
  CHECK(loop->nblocks == WF_BLOCKS_KEPT);
  CHECK(wf_loop_take_block(loop) == taken[WF_BLOCKS_KEPT - 1]);
  wf_loop_give_block(loop, taken[WF_BLOCKS_KEPT - 1]);
  wf_loop_free(loop);
}

int main(void) {
  wakes();
  time_and_descriptors();
  spins();
  spins_seldom();
  libuv();
  blocks();
  return failures != 0;
}
