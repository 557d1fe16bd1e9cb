/* See facts.h: the numbers of a process or a thread, from its `status` and `stat`. */
#define _GNU_SOURCE /* RUSAGE_THREAD */
#include "sys/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "sys/thread.h"

enum { GROUPS_MAX = 65536, CPUS_MOST = 8192 };

/* Status -------------------------------------------------------------------------------------- */

enum kind { NUMBER, OCTAL, HEX, KILOBYTES, FOUR, NAME };

/* Lines "Key:\tvalue" and where the value goes. */
static const struct {
  const char *key;
  enum kind kind;
  size_t at;
} lines[] = {
  {"Name", NAME, offsetof(wf_facts, name)},
  {"Umask", OCTAL, offsetof(wf_facts, umask)},
  {"Tgid", NUMBER, offsetof(wf_facts, pid)},
  {"Pid", NUMBER, offsetof(wf_facts, tid)},
  {"PPid", NUMBER, offsetof(wf_facts, ppid)},
  {"Uid", FOUR, offsetof(wf_facts, uid)},
  {"Gid", FOUR, offsetof(wf_facts, gid)},
  {"VmPeak", KILOBYTES, offsetof(wf_facts, vm_peak)},
  {"VmSize", KILOBYTES, offsetof(wf_facts, vm_size)},
  {"VmHWM", KILOBYTES, offsetof(wf_facts, rss_peak)},
  {"VmRSS", KILOBYTES, offsetof(wf_facts, rss)},
  {"VmData", KILOBYTES, offsetof(wf_facts, data)},
  {"VmStk", KILOBYTES, offsetof(wf_facts, stack)},
  {"VmExe", KILOBYTES, offsetof(wf_facts, code)},
  {"VmLib", KILOBYTES, offsetof(wf_facts, libraries)},
  {"VmSwap", KILOBYTES, offsetof(wf_facts, swap)},
  {"Threads", NUMBER, offsetof(wf_facts, threads)},
  {"SigPnd", HEX, offsetof(wf_facts, pending)},
  {"ShdPnd", HEX, offsetof(wf_facts, process_pending)},
  {"SigBlk", HEX, offsetof(wf_facts, blocked)},
  {"SigIgn", HEX, offsetof(wf_facts, ignored)},
  {"SigCgt", HEX, offsetof(wf_facts, caught)},
  {"CapInh", HEX, offsetof(wf_facts, caps[WF_CAPS_INHERITABLE])},
  {"CapPrm", HEX, offsetof(wf_facts, caps[WF_CAPS_PERMITTED])},
  {"CapEff", HEX, offsetof(wf_facts, caps[WF_CAPS_EFFECTIVE])},
  {"CapBnd", HEX, offsetof(wf_facts, caps[WF_CAPS_BOUNDING])},
  {"CapAmb", HEX, offsetof(wf_facts, caps[WF_CAPS_AMBIENT])},
  {"NoNewPrivs", NUMBER, offsetof(wf_facts, no_new_privs)},
  {"Seccomp", NUMBER, offsetof(wf_facts, seccomp)},
  {"voluntary_ctxt_switches", NUMBER, offsetof(wf_facts, voluntary)},
  {"nonvoluntary_ctxt_switches", NUMBER, offsetof(wf_facts, involuntary)},
};

/* "1 2 3" as a malloc'ed list; false when memory is out. */
static bool read_groups(wf_facts *f, const char *at) {
  size_t n = 0, room = 0;
  for (;;) {
    char *end;
    int64_t v = strtoll(at, &end, 10);
    if (end == at || n == GROUPS_MAX) break;
    at = end;
    if (n == room) {
      room = room == 0 ? 8 : room * 2;
      int64_t *grown = wf_realloc(f->groups, room * sizeof *grown);
      if (grown == NULL) return false;
      f->groups = grown;
    }
    f->groups[n++] = v;
    while (*at == ' ') at++;
    if (*at == '\n' || *at == '\0') break;
  }
  f->ngroups = n;
  return true;
}

/* "0-3,8" as a malloc'ed list. */
static bool read_cpus(wf_facts *f, const char *at) {
  int64_t cpu[2], *list = wf_malloc(CPUS_MOST * sizeof *list);
  size_t n = 0;
  if (list == NULL) return false;
  for (;;) {
    char *end;
    cpu[0] = cpu[1] = strtoll(at, &end, 10);
    if (end == at) break;
    at = end;
    if (*at == '-') {
      cpu[1] = strtoll(at + 1, &end, 10);
      at = end;
    }
    for (int64_t c = cpu[0]; c <= cpu[1] && n < CPUS_MOST; c++) list[n++] = c;
    if (*at != ',') break;
    at++;
  }
  f->cpus = wf_realloc(list, (n + 1) * sizeof *list);
  if (f->cpus == NULL) f->cpus = list;
  f->ncpus = n;
  return true;
}

static void read_line(wf_facts *f, size_t i, const char *at) {
  char *to = (char *)f + lines[i].at, *end;
  int64_t v;
  uint64_t u;
  switch (lines[i].kind) {
    case NUMBER:
    case OCTAL:
      v = strtoll(at, NULL, lines[i].kind == OCTAL ? 8 : 10);
      memcpy(to, &v, sizeof v);
      break;
    case HEX:
    case KILOBYTES:
      u = strtoull(at, NULL, lines[i].kind == HEX ? 16 : 10);
      if (lines[i].kind == KILOBYTES) u *= 1024;
      memcpy(to, &u, sizeof u);
      break;
    case FOUR:
      for (size_t k = 0; k < 4; k++, at = end) {
        v = strtoll(at, &end, 10);
        memcpy(to + k * sizeof v, &v, sizeof v);
      }
      break;
    case NAME: {
      size_t n = strcspn(at, "\n");
      if (n >= sizeof f->name) n = sizeof f->name - 1;
      memcpy(to, at, n);
      to[n] = '\0';
      break;
    }
  }
}

static bool read_status(wf_facts *f, const char *at) {
  size_t i = 0;
  bool ok = true;
  while (ok && *at != '\0') {
    size_t key = strcspn(at, ":\n");
    const char *value = at + key + strspn(at + key, ": \t");
    for (size_t tried = 0; tried < sizeof lines / sizeof *lines; tried++, i++) { /* they come in nearly this order */
      if (i == sizeof lines / sizeof *lines) i = 0;
      if (strncmp(lines[i].key, at, key) != 0 || lines[i].key[key] != '\0') continue;
      read_line(f, i++, value);
      break;
    }
    if (strncmp(at, "Groups:", 7) == 0) ok = read_groups(f, value);
    if (strncmp(at, "Cpus_allowed_list:", 18) == 0) ok = read_cpus(f, value);
    at += strcspn(at, "\n");
    if (*at == '\n') at++;
  }
  return ok;
}

/* Stat ---------------------------------------------------------------------------------------- */

/* When the machine started, in seconds since 1970, as it looks now. */
static double boot_time(void) {
  struct timespec real, boot = {0, 0};
  clock_gettime(CLOCK_REALTIME, &real);
#ifdef CLOCK_BOOTTIME
  clock_gettime(CLOCK_BOOTTIME, &boot);
#endif
  return (double)(real.tv_sec - boot.tv_sec) + (double)(real.tv_nsec - boot.tv_nsec) / 1e9;
}

/* Fields are counted from 3, the one after the name, which may hold blanks and brackets. */
static void read_stat(wf_facts *f, const char *text) {
  enum { STATE = 3, PGRP = 5, SESSION = 6, TTY = 7, UTIME = 14, STIME = 15, NICE = 19, START = 22, CPU = 39, RT = 40, POLICY = 41 };
  double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
  const char *at = strrchr(text, ')');
  if (at == NULL) return;
  at += 2;
  f->state = *at++;
  for (int field = STATE + 1; field <= POLICY; field++) {
    char *end;
    int64_t v = strtoll(at, &end, 10);
    if (end == at) break;
    at = end;
    switch (field) {
      case PGRP: f->pgid = v; break;
      case SESSION: f->sid = v; break;
      case TTY: f->tty = v; break;
      case UTIME: f->user = (double)v * tick; break;
      case STIME: f->system = (double)v * tick; break;
      case NICE: f->nice = v; break;
      case START: f->started = boot_time() + (double)v * tick; break;
      case CPU: f->last_cpu = v; break;
      case RT: f->priority = v; break;
      case POLICY: f->policy = v; break;
      default: break;
    }
  }
}

/* Finer than the clock ticks of /proc. A process's own switches include those of threads that have ended. */
static void read_own_usage(wf_facts *f, bool of_thread) {
  struct rusage u;
#ifdef RUSAGE_THREAD
  if (getrusage(of_thread ? RUSAGE_THREAD : RUSAGE_SELF, &u) != 0) return;
#else
  if (of_thread || getrusage(RUSAGE_SELF, &u) != 0) return;
#endif
  f->user = (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6;
  f->system = (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6;
  f->voluntary = u.ru_nvcsw;
  f->involuntary = u.ru_nivcsw;
}

/* Another process's switches: `status` has those of its first thread alone. */
static void sum_switches(wf_facts *f, pid_t pid) {
  int64_t *tids;
  size_t n;
  if (f->threads < 2 || wf_proc_numbers(pid, "task", &tids, &n) != 0) return;
  f->voluntary = f->involuntary = 0;
  for (size_t i = 0; i < n; i++) {
    char *text;
    if (wf_proc_read(pid, (pid_t)tids[i], "status", &text, NULL) != 0) continue;
    const char *at = strstr(text, "\nvoluntary_ctxt_switches:");
    if (at != NULL) f->voluntary += strtoll(at + 25, NULL, 10);
    at = strstr(text, "\nnonvoluntary_ctxt_switches:");
    if (at != NULL) f->involuntary += strtoll(at + 28, NULL, 10);
    wf_free(text);
  }
  wf_free(tids);
}

int wf_facts_read(pid_t pid, pid_t tid, wf_facts *f) {
  char *text;
  memset(f, 0, sizeof *f);
  f->umask = f->no_new_privs = f->seccomp = f->last_cpu = f->voluntary = f->involuntary = f->policy = -1;
  int e = wf_proc_read(pid, tid, "status", &text, NULL);
  if (e != 0) return e;
  bool ok = read_status(f, text);
  wf_free(text);
  e = ok ? wf_proc_read(pid, tid, "stat", &text, NULL) : ENOMEM;
  if (e != 0) {
    wf_facts_free(f);
    return e;
  }
  read_stat(f, text);
  wf_free(text);
  if (tid != 0 && tid == wf_thread_self_tid())
    read_own_usage(f, true);
  else if (tid == 0 && pid == getpid())
    read_own_usage(f, false);
  else if (tid == 0)
    sum_switches(f, pid);
  return 0;
}

void wf_facts_free(wf_facts *f) {
  wf_free(f->groups);
  wf_free(f->cpus);
  f->groups = f->cpus = NULL;
  f->ngroups = f->ncpus = 0;
}
