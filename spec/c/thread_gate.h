/*
** What the tests of dedicated threads share: a thread that stands at a gate until
** it is opened, so that it can be looked at, and a start that must fail.
*/
#ifndef WF_SPEC_THREAD_GATE_H
#define WF_SPEC_THREAD_GATE_H

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "check.h"
#include "sys/thread.h"

static int tasks(void) {
  DIR *d = opendir("/proc/self/task");
  int n = 0;
  if (!d) return -1;
  for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

static int tasks_at_first; /* the thread sanitizer may have its own */
enum { TASKS_MOST = WF_TSAN ? 2 : 1 };

/* Threads leave /proc a moment after they were joined or have ended. */
static inline void wait_for_no_tasks(void) {
  while (tasks() != tasks_at_first) sched_yield();
}

/* A file of /proc/self/task/TID, in a static buffer. */
static inline const char *task_file(int64_t tid, const char *name) {
  static char text[8192];
  char path[80];
  snprintf(path, sizeof path, "/proc/self/task/%" PRId64 "/%s", tid, name);
  text[0] = '\0';
  FILE *f = fopen(path, "r");
  if (!f) return text;
  text[fread(text, 1, sizeof text - 1, f)] = '\0';
  fclose(f);
  return text;
}

/* ------------------------------------------------------- a thread that waits */

typedef struct gate {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool inside, open;
  int ran;
  sigset_t mask; /* the signals that the thread inside has blocked */
} gate;

#define GATE {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}

static void stand_at_gate(void *arg) {
  gate *g = arg;
  pthread_mutex_lock(&g->lock);
  g->inside = true;
  g->ran++;
  pthread_sigmask(SIG_SETMASK, NULL, &g->mask);
  pthread_cond_broadcast(&g->changed);
  while (!g->open) pthread_cond_wait(&g->changed, &g->lock);
  pthread_mutex_unlock(&g->lock);
}

static inline void wait_inside(gate *g) {
  pthread_mutex_lock(&g->lock);
  while (!g->inside) pthread_cond_wait(&g->changed, &g->lock);
  pthread_mutex_unlock(&g->lock);
}

static inline void open_gate(gate *g) {
  pthread_mutex_lock(&g->lock);
  g->open = true;
  pthread_cond_broadcast(&g->changed);
  pthread_mutex_unlock(&g->lock);
}

static inline wf_thread *started(const wf_thread_opts *o, gate *g) {
  wf_thread *t = NULL;
  const char *what = "?";
  int e = wf_thread_start(&t, o, stand_at_gate, g, &what);
  if (e) {
    printf("start: %s: %s\n", what, strerror(e));
    exit(1);
  }
  wait_inside(g);
  return t;
}

/* error 0: whichever. */
static inline void fails_with(const wf_thread_opts *o, int error, const char *what) {
  gate g = GATE;
  wf_thread *t = NULL;
  const char *said = "?";
  int e = wf_thread_start(&t, o, stand_at_gate, &g, &said);
  if (e == 0) {
    open_gate(&g);
    wf_thread_join(t);
  }
  if (e == 0 || (error != 0 && e != error) || strcmp(said, what) != 0 || g.ran != 0 || t != NULL) {
    printf("expected %s: %s, got %s: %s (ran %d)\n", what, strerror(error), said, strerror(e), g.ran);
    failures++;
  }
  wait_for_no_tasks();
}

static inline void do_nothing(void *arg) { (void)arg; }

/* Before the tests: TSan starts a thread of its own with our first. Ours must have left /proc, or it is awaited for ever. */
static inline void count_first_tasks(void) {
  wf_thread *t;
  if (wf_thread_start(&t, NULL, do_nothing, NULL, NULL) != 0) exit(2);
  wf_thread_join(t);
  while ((tasks_at_first = tasks()) > TASKS_MOST) sched_yield();
}

#endif
