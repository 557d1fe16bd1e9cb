/* See ticker.h. */
#define _GNU_SOURCE /* SIGEV_THREAD_ID */

#include "sys/ticker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "sys/thread.h"

#if defined(__linux__)

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

int wf_ticker_start(wf_ticker *t, uint64_t slice_ns) {
  struct sigevent ev;
  memset(&ev, 0, sizeof ev);
  ev.sigev_notify = SIGEV_THREAD_ID;
  ev.sigev_signo = SIGURG;
  ev.sigev_notify_thread_id = (int)wf_thread_self_tid();
  wf_ticker_stop(t);
  if (timer_create(CLOCK_THREAD_CPUTIME_ID, &ev, &t->id) != 0) return errno;
  struct timespec ts = {.tv_sec = (time_t)(slice_ns / 1000000000u), .tv_nsec = (long)(slice_ns % 1000000000u)};
  struct itimerspec its = {.it_interval = ts, .it_value = ts};
  if (timer_settime(t->id, 0, &its, NULL) != 0) {
    int err = errno;
    timer_delete(t->id);
    return err;
  }
  t->on = true;
  return 0;
}

void wf_ticker_stop(wf_ticker *t) {
  if (t->on) timer_delete(t->id);
  t->on = false;
}

#else

int wf_ticker_start(wf_ticker *t, uint64_t slice_ns) {
  (void)t, (void)slice_ns;
  return ENOSYS;
}

void wf_ticker_stop(wf_ticker *t) { (void)t; }

#endif
