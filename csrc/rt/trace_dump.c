/* See trace_dump.h: the file. Fields are written one by one in the machine's byte order; the events as they are. */
#include "rt/trace_dump.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

static const char MAGIC[8] = {'W', 'E', 'F', 'T', 'T', 'R', 'C', '1'};

enum { REASON = 64 };

static void put_u64(FILE *f, uint64_t v) { fwrite(&v, sizeof v, 1, f); }

static void put_text(FILE *f, const char *text, size_t room) {
  char bytes[REASON] = {0};
  size_t n = strnlen(text, room - 1);
  memcpy(bytes, text, n);
  fwrite(bytes, 1, room, f);
}

static void put_shot(FILE *f, const wf_trace_shot *shot, const char *reason) {
  fwrite(MAGIC, 1, sizeof MAGIC, f);
  put_text(f, reason, REASON);
  const uint64_t head[] = {(uint64_t)getpid(), shot->start_ns, shot->wall_ns, shot->cpu_ns,
                           shot->lost, shot->nthreads, shot->ntexts, shot->nevents};
  fwrite(head, sizeof head[0], sizeof head / sizeof head[0], f);
  for (size_t i = 0; i < shot->nthreads; i++) {
    const wf_trace_thread *t = &shot->threads[i];
    put_u64(f, t->tid);
    put_u64(f, t->lost);
    put_u64(f, t->count);
    put_u64(f, t->ended);
    put_text(f, t->name, sizeof t->name);
  }
  for (size_t i = 0; i < shot->ntexts; i++) {
    const wf_trace_note *n = &shot->texts[i];
    put_u64(f, n->id);
    put_u64(f, n->ev);
    put_text(f, n->text, sizeof n->text);
  }
  fwrite(shot->events, sizeof *shot->events, shot->nevents, f);
}

int wf_trace_shot_write(const wf_trace_shot *shot, const char *path, const char *reason) {
  size_t n = strlen(path);
  char *part = wf_malloc(n + 6);
  if (part == NULL) return ENOMEM;
  snprintf(part, n + 6, "%s.part", path);
  int error = 0;
  FILE *f = fopen(part, "wbe");
  if (f == NULL) {
    error = errno;
  } else {
    errno = 0;
    put_shot(f, shot, reason);
    if (ferror(f)) error = errno != 0 ? errno : EIO;
    if (fclose(f) != 0 && error == 0) error = errno;
    if (error == 0 && rename(part, path) != 0) error = errno;
    if (error != 0) remove(part);
  }
  wf_free(part);
  return error;
}
