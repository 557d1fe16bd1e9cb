/* See limits.h. */
#define _GNU_SOURCE
#include "sys/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "sys/facts.h"

/* The label is the beginning of a line of /proc/PID/limits. */
static const struct {
  const char *name;
  int resource;
  const char *label;
} limits_known[] = {
  {"as", RLIMIT_AS, "Max address space"},
  {"core", RLIMIT_CORE, "Max core file size"},
  {"cpu", RLIMIT_CPU, "Max cpu time"},
  {"data", RLIMIT_DATA, "Max data size"},
  {"fsize", RLIMIT_FSIZE, "Max file size"},
  {"nofile", RLIMIT_NOFILE, "Max open files"},
  {"stack", RLIMIT_STACK, "Max stack size"},
#ifdef RLIMIT_RSS
  {"rss", RLIMIT_RSS, "Max resident set"},
#endif
#ifdef RLIMIT_NPROC
  {"nproc", RLIMIT_NPROC, "Max processes"},
#endif
#ifdef RLIMIT_MEMLOCK
  {"memlock", RLIMIT_MEMLOCK, "Max locked memory"},
#endif
#ifdef RLIMIT_LOCKS
  {"locks", RLIMIT_LOCKS, "Max file locks"},
#endif
#ifdef RLIMIT_SIGPENDING
  {"sigpending", RLIMIT_SIGPENDING, "Max pending signals"},
#endif
#ifdef RLIMIT_MSGQUEUE
  {"msgqueue", RLIMIT_MSGQUEUE, "Max msgqueue size"},
#endif
#ifdef RLIMIT_NICE
  {"nice", RLIMIT_NICE, "Max nice priority"},
#endif
#ifdef RLIMIT_RTPRIO
  {"rtprio", RLIMIT_RTPRIO, "Max realtime priority"},
#endif
#ifdef RLIMIT_RTTIME
  {"rttime", RLIMIT_RTTIME, "Max realtime timeout"},
#endif
};

enum { KNOWN = sizeof limits_known / sizeof *limits_known };
_Static_assert((int)KNOWN <= (int)WF_LIMITS_MAX, "more limits than have room");

int wf_limit_count(void) { return KNOWN; }
const char *wf_limit_name(int i) { return limits_known[i].name; }
int wf_limit_resource(int i) { return limits_known[i].resource; }

int wf_limit_parse(const char *name) {
  for (int i = 0; i < KNOWN; i++)
    if (strcmp(limits_known[i].name, name) == 0) return i;
  return -1;
}

static uint64_t from_rlim(rlim_t v) { return v == RLIM_INFINITY ? WF_NO_LIMIT : (uint64_t)v; }
static rlim_t to_rlim(uint64_t v) { return v == WF_NO_LIMIT ? RLIM_INFINITY : (rlim_t)v; }

static int read_own(wf_limit *limits) {
  for (int i = 0; i < KNOWN; i++) {
    struct rlimit r;
    if (getrlimit((unsigned)limits_known[i].resource, &r) != 0) return errno;
    limits[i] = (wf_limit){from_rlim(r.rlim_cur), from_rlim(r.rlim_max)};
  }
  return 0;
}

static uint64_t parse_value(const char **at) {
  while (**at == ' ') ++*at;
  if (strncmp(*at, "unlimited", 9) == 0) {
    *at += 9;
    return WF_NO_LIMIT;
  }
  char *end;
  uint64_t v = strtoull(*at, &end, 10);
  *at = end;
  return v;
}

int wf_limits_read(pid_t pid, wf_limit *limits) {
  char *text;
  if (pid == 0) return read_own(limits);
  int e = wf_proc_read(pid, 0, "limits", &text, NULL);
  if (e != 0) return e;
  for (int i = 0; i < KNOWN; i++) {
    limits[i] = (wf_limit){WF_NO_LIMIT, WF_NO_LIMIT};
    const char *at = strstr(text, limits_known[i].label);
    if (at == NULL) continue;
    at += strlen(limits_known[i].label);
    limits[i].soft = parse_value(&at);
    limits[i].hard = parse_value(&at);
  }
  wf_free(text);
  return 0;
}

int wf_limit_set(int i, wf_limit limit) {
  struct rlimit r = {to_rlim(limit.soft), to_rlim(limit.hard)};
  return setrlimit((unsigned)limits_known[i].resource, &r) == 0 ? 0 : errno;
}
