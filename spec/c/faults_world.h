/* What the tests of failing allocations share whose scripts use the world: files, sockets, threads, programs. Their scripts have a
 * folder, must not hang, and leave neither memory nor descriptors. Include once, in a file with main. */
#ifndef FAULTS_WORLD_H
#define FAULTS_WORLD_H

#include <dirent.h>
#include <signal.h>
#include <string.h>

#include "faults.h"
#include "folder.h"

enum { LIMIT_S = 60 };

static char folder[200];
static const char *now_what = "allocation";
static const fault *now;

static void on_alarm(int sig) {
  (void)sig;
  char text[2000];
  int n = snprintf(text, sizeof text, "%s: %s %ld: it hangs\n", now->name, now_what, now->at);
  if (n > 0 && write(STDOUT_FILENO, text, (size_t)n) < 0) _exit(3);
  abort();
}

static void empty_folder(const char *path, int depth) {
  DIR *d = opendir(path);
  const struct dirent *e;
  while (d != NULL && (e = readdir(d)) != NULL) {
    char name[600];
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    snprintf(name, sizeof name, "%s/%s", path, e->d_name);
    if (depth < 9 && unlink(name) != 0) empty_folder(name, depth + 1);
  }
  if (d != NULL) closedir(d);
  if (depth > 0) rmdir(path);
}

/* The state is closed. Look-ups and others that its end has left behind free what they have when they come back. `open`: descriptors
 * before it. */
static inline void world_none_left(const fault *f, int open) {
  for (int i = 0; i < 4000 && (atomic_load(&c_heap.blocks) != 0 || descriptors() != open); i++) usleep(500);
  faults_none_left(f);
  if (descriptors() != open) wrong(f, "%d descriptors are left", descriptors() - open);
}

/* All scripts, or the one whose number is given; then stderr is left as it is. `before`, when not NULL, is called first with each. */
static inline int world_main(int argc, char **argv, const char *const *scripts, size_t n, void (*before)(fault),
                             int (*try_one)(const fault *), long (*step)(const fault *)) {
  size_t only = argc > 1 ? (size_t)atol(argv[1]) : 0;
  signal(SIGALRM, on_alarm);
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc < 2 && freopen("/dev/null", "w", stderr) == NULL) return 1;
  if (!temporary_folder(folder, sizeof folder)) return 1;
  wf_alloc_set(heap_c, &c_heap);
  for (size_t i = 0; i < n; i++) try_one(&(fault){.name = "warm", .script = scripts[i], .victim = &lua_heap});
  failures = 0; /* what libuv opens once for the process is open now */
  for (size_t i = 0; i < n; i++) {
    if (only != 0 && only != i + 1) continue;
    char name[40];
    snprintf(name, sizeof name, "script %d", (int)i + 1);
    fault f = {.name = name, .script = scripts[i], .victim = &c_heap};
    if (before != NULL) before(f);
    now_what = "allocation";
    faults_each(f, try_one, step);
  }
  empty_folder(folder, 0);
  rmdir(folder);
  return faults_end();
}

#endif
