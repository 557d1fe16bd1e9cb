/* What the C tests of sys/file*.c share: a folder, jobs on what is in it, and memory that is out. Include once. */
#ifndef FILE_JOB_H
#define FILE_JOB_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "check.h"
#include "folder.h"
#include "heap.h"
#include "sys/file.h"
#include "sys/inject.h"

static char folder[200];

/* The path of that in the folder; up to 8 are there at a time. */
static inline const char *in_folder(const char *name) {
  static char room[8][512];
  static int next;
  char *path = room[next++ % 8];
  snprintf(path, sizeof room[0], "%s/%s", folder, name);
  return path;
}

static inline wf_file_job job_on(const char *path, const char *path2) {
  return (wf_file_job){.path = path, .path2 = path2, .fd = -1, .most = 1 << 24, .mode = 0644, .last = true};
}

/* A job on these in the folder is done, and its error is that. */
static inline void job_ends(void (*run)(wf_file_job *), wf_file_job *j, int error, int line) {
  run(j);
  if (j->err != error) {
    printf("%s:%d: error %d, not %d\n", j->path, line, j->err, error);
    failures++;
  }
}
#define ENDS(run, j, error) job_ends(run, j, error, __LINE__)

static inline void put_file(const char *name, const char *text) {
  int fd = open(in_folder(name), O_CREAT | O_TRUNC | O_WRONLY, 0644);
  CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  close(fd);
}

/* Does the file have that text? NULL: is it not there? */
static inline bool file_has(const char *name, const char *text) {
  char got[256];
  int fd = open(in_folder(name), O_RDONLY);
  if (fd < 0) return text == NULL;
  ssize_t n = read(fd, got, sizeof got - 1);
  close(fd);
  return text != NULL && n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0;
}

/* How many things are in the folder. */
static inline int things_in_folder(void) {
  wf_file_job j = job_on(folder, NULL);
  wf_file_scan(&j);
  int n = 0;
  for (size_t at = 0; at < j.size; n++) at += strlen(j.data + at) + 1;
  wf_file_clean(&j);
  return n;
}

static inline void empty_folder(void) {
  wf_file_job j = job_on(folder, NULL);
  j.flags = 1;
  wf_file_remove(&j);
  CHECK(j.err == 0 && mkdir(folder, 0700) == 0);
}

/* The n-th allocation from now on is refused, and those after it; 0: none is. For wf_alloc_set(heap_plain, &memory). */
static heap memory;
static inline void memory_ends_at(long n) { heap_order(&memory, n, 1); }

#endif
