/* See recorder.h. The recorder's thread sleeps in poll on a pipe: the signal handler, stop and nobody else write to
 * it. Between the looks for a stall it sleeps a quarter of the time that makes one. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2 */
#endif
#include "rt/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "rt/trace_dump.h"
#include "sys/thread.h"

enum { ASK_STOP = 's', ASK_SIGNAL = 'd' };

_Atomic(bool) wf_recorder_on;

/* All of it under the mutex, but for what its thread reads after it has been started, which does not change. */
static struct {
  pthread_mutex_t mutex;
  uint32_t id;      /* of the running or last one */
  bool running;
  wf_thread *thread;
  char *path;
  wf_recorder_opts opts;
  struct sigaction before;
} rec = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* The end of the pipe that the handler writes to. Written before the handler is installed and after it is gone. */
static volatile int ask_fd = -1;
static int listen_fd = -1; /* the thread's end; changed only while it does not run */

static void on_signal(int signo) {
  (void)signo;
  int error = errno, fd = ask_fd;
  const char c = ASK_SIGNAL;
  if (fd >= 0 && write(fd, &c, 1) < 0) { /* full: it was asked often enough */
  }
  errno = error;
}

static int dump_to(const char *path, const char *reason) {
  wf_trace_shot shot;
  int error = wf_trace_snapshot(&shot);
  if (error != 0) return error;
  error = wf_trace_shot_write(&shot, path, reason);
  wf_trace_shot_free(&shot);
  return error;
}

/* To the recorder's own file, with a word on stderr. */
static void dump_and_say(const char *path, const char *reason, const char *said) {
  int error = dump_to(path, reason);
  if (error == 0)
    fprintf(stderr, "weft: %s: the last moments are in %s\n", said, path);
  else
    fprintf(stderr, "weft: %s, but %s cannot be written: %s\n", said, path, strerror(error));
  fflush(stderr);
}

static void look_for_stall(uint64_t *begun, uint64_t *quiet_until) {
  wf_trace_stall s;
  if (!wf_trace_stalled(rec.opts.stall_ns, &s) || s.begun == *begun || wf_clock_ns() < *quiet_until) return;
  char who[WF_TRACE_TEXT + 24], said[160];
  if (s.name[0] != '\0')
    snprintf(who, sizeof who, "%s", s.name);
  else
    snprintf(who, sizeof who, "task %u", (unsigned)s.task);
  snprintf(said, sizeof said, "stall: %s has not given way for %.2f s", who, (double)s.ns * 1e-9);
  *begun = s.begun;
  *quiet_until = wf_clock_ns() + rec.opts.pause_ns;
  dump_and_say(rec.path, said, said);
}

static void recorder_main(void *arg) {
  (void)arg;
  uint64_t begun = 0, quiet_until = 0;
  int wait = rec.opts.stall_ns == 0 ? -1 : (int)(rec.opts.stall_ns / 4000000 + 1);
  for (;;) {
    struct pollfd p = {.fd = listen_fd, .events = POLLIN};
    int n = poll(&p, 1, wait);
    char c[16];
    ssize_t got = n > 0 ? read(listen_fd, c, sizeof c) : 0;
    if (got > 0 && memchr(c, ASK_STOP, (size_t)got) != NULL) return;
    if (got > 0) dump_and_say(rec.path, "signal", "asked by a signal");
    if (rec.opts.stall_ns != 0) look_for_stall(&begun, &quiet_until);
  }
}

static void pipe_close(void) {
  int fd = ask_fd;
  ask_fd = -1;
  close(fd);
  close(listen_fd);
  listen_fd = -1;
}

/* Pipe, thread, handler; undone in the opposite order. */
static int start_locked(const wf_recorder_opts *o) {
  int fd[2];
  if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) != 0) return errno;
  listen_fd = fd[0];
  ask_fd = fd[1];
  wf_thread_opts topts = {.name = "weft-recorder"};
  const char *what = NULL;
  int error = wf_thread_start(&rec.thread, &topts, recorder_main, NULL, &what);
  if (error == 0 && o->signo != 0) {
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&sa.sa_mask);
    int refused = sigaction(o->signo, &sa, &rec.before);
    wf_assert(refused == 0); /* l_recorder.c has no signal that cannot be caught */
    (void)refused;
  }
  if (error != 0) pipe_close();
  return error;
}

int wf_recorder_start(const wf_recorder_opts *o, uint32_t *id) {
  int error = EBUSY;
  char *path = wf_malloc(strlen(o->path) + 1);
  if (path == NULL) return ENOMEM;
  memcpy(path, o->path, strlen(o->path) + 1);
  pthread_mutex_lock(&rec.mutex);
  if (!rec.running) {
    rec.opts = *o;
    rec.path = path;
    error = wf_trace_start(o->capacity);
    if (error == 0 && (error = start_locked(o)) != 0) wf_trace_stop(NULL);
    rec.running = error == 0;
    if (error == 0) *id = ++rec.id;
    else rec.path = NULL;
  }
  atomic_store_explicit(&wf_recorder_on, rec.running, memory_order_relaxed);
  pthread_mutex_unlock(&rec.mutex);
  if (error != 0) wf_free(path);
  return error;
}

bool wf_recorder_stop(uint32_t id, wf_trace_shot *out) {
  if (out != NULL) *out = (wf_trace_shot){0};
  pthread_mutex_lock(&rec.mutex);
  bool ours = rec.running && rec.id == id;
  if (ours) {
    if (rec.opts.signo != 0) sigaction(rec.opts.signo, &rec.before, NULL);
    const char c = ASK_STOP;
    /* A full pipe is being emptied by the thread. */
    while (write(ask_fd, &c, 1) < 0 && (errno == EINTR || errno == EAGAIN)) {
    }
    wf_thread_join(rec.thread);
    pipe_close();
    wf_trace_stop(out);
    wf_free(rec.path);
    rec.path = NULL;
    rec.running = false;
    atomic_store_explicit(&wf_recorder_on, false, memory_order_relaxed);
  }
  pthread_mutex_unlock(&rec.mutex);
  return ours;
}

int wf_recorder_dump(const char *path, const char *reason) {
  pthread_mutex_lock(&rec.mutex);
  int error = rec.running ? dump_to(path != NULL ? path : rec.path, reason) : EINVAL;
  pthread_mutex_unlock(&rec.mutex);
  return error;
}

void wf_recorder_deadlock(void) {
  pthread_mutex_lock(&rec.mutex);
  if (rec.running) dump_and_say(rec.path, "deadlock", "deadlock");
  pthread_mutex_unlock(&rec.mutex);
}
