/* See facts.h: files, links and folders of /proc; descriptors; memory; names of capabilities. */
#define _GNU_SOURCE /* mincore, O_PATH */
#include "sys/facts.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/base.h"

enum { PATH_ROOM = 512, FILE_MOST = 64 << 20 };

/* A process that has ended is no such process, whatever the file says. */
static int proc_errno(int e) { return e == ENOENT ? ESRCH : e; }

#if defined(__linux__)

static int read_all(int fd, char **text, size_t *len) {
  size_t n = 0, room = 4096;
  char *p = wf_malloc(room);
  while (p != NULL) {
    ssize_t got = read(fd, p + n, room - n - 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      int e = errno;
      wf_free(p);
      return e;
    }
    n += (size_t)got;
    if (got == 0) break;
    if (n + 1 < room) continue;
    char *grown = room >= FILE_MOST ? NULL : wf_realloc(p, room * 2);
    if (grown == NULL) wf_free(p);
    p = grown;
    room *= 2;
  }
  if (p == NULL) return ENOMEM;
  p[n] = '\0';
  *text = p;
  if (len != NULL) *len = n;
  return 0;
}

static int read_file(const char *path, char **text, size_t *len) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  int e = fd < 0 ? errno : read_all(fd, text, len);
  if (fd >= 0) close(fd);
  wf_assert(e != 0 || *text != NULL);
  return e;
}

int wf_proc_read(pid_t pid, pid_t tid, const char *name, char **text, size_t *len) {
  char path[PATH_ROOM];
  if (tid != 0)
    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
  else
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
  int e = proc_errno(read_file(path, text, len));
  wf_assert(e != 0 || *text != NULL);
  return e;
}

#else

int wf_proc_read(pid_t pid, pid_t tid, const char *name, char **text, size_t *len) {
  (void)pid, (void)tid, (void)name, (void)text, (void)len;
  return ENOTSUP;
}

static int read_file(const char *path, char **text, size_t *len) {
  (void)path, (void)text, (void)len;
  return ENOTSUP;
}

#endif

int wf_proc_link(pid_t pid, const char *name, char *buf, size_t size) {
  char path[PATH_ROOM];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
  ssize_t n = readlink(path, buf, size - 1);
  if (n < 0) return errno;
  buf[n] = '\0';
  return 0;
}

static int compare(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

int wf_proc_numbers(pid_t pid, const char *dir, int64_t **list, size_t *n) {
  char path[PATH_ROOM];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, dir);
  DIR *d = opendir(path);
  if (d == NULL) return proc_errno(errno);
  size_t room = 16, count = 0;
  int own = dirfd(d);
  int64_t *p = wf_malloc(room * sizeof *p);
  const struct dirent *entry;
  while (p != NULL && (entry = readdir(d)) != NULL) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    int64_t v = strtoll(entry->d_name, NULL, 10);
    if (pid == getpid() && v == own && strcmp(dir, "fd") == 0) continue; /* the one that this looks with */
    if (count == room) {
      int64_t *grown = wf_realloc(p, room * 2 * sizeof *p);
      if (grown == NULL) wf_free(p);
      p = grown;
      room *= 2;
      if (p == NULL) break;
    }
    p[count++] = v;
  }
  closedir(d);
  if (p == NULL) return ENOMEM;
  qsort(p, count, sizeof *p, compare);
  *list = p;
  *n = count;
  return 0;
}

/* Descriptors --------------------------------------------------------------------------------- */

static const char *kind_of(const char *path, const char *target) {
  static const struct {
    const char *begin, *kind;
  } kinds[] = {
    {"pipe:", "pipe"},           {"socket:", "socket"},         {"/memfd:", "memory"},          {"anon_inode:[eventfd]", "eventfd"},
    {"anon_inode:[eventpoll]", "epoll"}, {"anon_inode:[timerfd]", "timerfd"}, {"anon_inode:[signalfd]", "signalfd"},
    {"anon_inode:[pidfd]", "pidfd"}, {"pidfd:", "pidfd"}, {"anon_inode:inotify", "inotify"}, {"anon_inode:[io_uring]", "io_uring"},
    {"anon_inode:", "other"}, {"/dev/pts/", "tty"}, {"/dev/tty", "tty"}, {"/dev/console", "tty"},
  };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strncmp(target, kinds[i].begin, strlen(kinds[i].begin)) == 0) return kinds[i].kind;
  struct stat st;
  if (stat(path, &st) != 0) return "other";
  switch (st.st_mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFIFO: return "pipe";
    case S_IFSOCK: return "socket";
    case S_IFCHR:
    case S_IFBLK: return "device";
    default: return "other";
  }
}

int wf_fd_facts_read(pid_t pid, int64_t fd, wf_fd_facts *f) {
  char path[PATH_ROOM], name[64], *text = NULL;
  snprintf(name, sizeof name, "fd/%lld", (long long)fd);
  int e = wf_proc_link(pid, name, f->target, sizeof f->target);
  if (e != 0) return e;
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
  f->kind = kind_of(path, f->target);
  f->cloexec = false;
  snprintf(name, sizeof name, "fdinfo/%lld", (long long)fd);
  if (wf_proc_read(pid, 0, name, &text, NULL) == 0) {
    const char *at = strstr(text, "flags:");
    if (at != NULL) f->cloexec = (strtoull(at + 6, NULL, 8) & O_CLOEXEC) != 0;
    wf_free(text);
  }
  return 0;
}

/* Memory -------------------------------------------------------------------------------------- */

int64_t wf_mappings_count(pid_t pid) {
  char *text = NULL;
  int64_t n = 0;
  if (wf_proc_read(pid, 0, "maps", &text, NULL) != 0) return -1;
  for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) n++;
  wf_free(text);
  return n;
}

static uint64_t limit_in(const char *folder, const char *group, size_t len, const char *file) {
  char path[PATH_ROOM], *text = NULL;
  int n = snprintf(path, sizeof path, "%s%.*s/%s", folder, (int)len, group, file);
  if ((size_t)n >= sizeof path || read_file(path, &text, NULL) != 0) return UINT64_MAX;
  uint64_t v = isdigit((unsigned char)text[0]) ? strtoull(text, NULL, 10) : UINT64_MAX;
  wf_free(text);
  return v >= UINT64_C(1) << 62 ? UINT64_MAX : v; /* how the first version writes "none" */
}

/* The least limit of a group and those that it is in. */
static uint64_t limit_up(const char *folder, const char *group, const char *file) {
  uint64_t least = UINT64_MAX;
  for (size_t len = strcspn(group, "\n");;) {
    uint64_t v = limit_in(folder, group, len == 1 ? 0 : len, file);
    if (v < least) least = v;
    if (len <= 1) return least;
    while (len > 0 && group[len - 1] != '/') len--;
    if (len > 1) len--;
  }
}

uint64_t wf_memory_limit_of_groups(pid_t pid) {
  char *text = NULL;
  uint64_t least = UINT64_MAX;
  if (wf_proc_read(pid, 0, "cgroup", &text, NULL) != 0) return least;
  for (const char *line = text; *line != '\0';) {
    const char *controllers = strchr(line, ':'), *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL) break;
    uint64_t v = UINT64_MAX;
    if (controllers + 1 == group)
      v = limit_up("/sys/fs/cgroup", group + 1, "memory.max");
    else if (strncmp(controllers + 1, "memory", 6) == 0)
      v = limit_up("/sys/fs/cgroup/memory", group + 1, "memory.limit_in_bytes");
    if (v < least) least = v;
    line = strchr(group, '\n');
    if (line == NULL) break;
    line++;
  }
  wf_free(text);
  return least;
}

size_t wf_memory_used(const void *low, size_t size) {
#if defined(__linux__)
  enum { STEP = 256 };
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  uintptr_t from = (uintptr_t)low / page * page, end = (uintptr_t)low + size;
  unsigned char there[STEP];
  /* The part of a main thread's stack that has not grown yet is no mapping: look down from the end. */
  uintptr_t deepest = end;
  while (from < end) {
    size_t pages = (end - from + page - 1) / page;
    if (pages > STEP) pages = STEP;
    uintptr_t begin = end - pages * page;
    if (mincore((void *)begin, pages * page, there) != 0) { /* page by page over its edge */
      if (pages == 1) break;
      begin = end - page;
      pages = 1;
      if (mincore((void *)begin, page, there) != 0) break;
    }
    for (size_t i = 0; i < pages; i++)
      if ((there[i] & 1) && begin + i * page < deepest) deepest = begin + i * page;
    end = begin;
  }
  return (uintptr_t)low + size - deepest;
#else
  (void)low, (void)size;
  return 0;
#endif
}

/* Capabilities -------------------------------------------------------------------------------- */

const char *wf_capability_name(int i) {
  static const char *const names[] = {
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
    "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
    "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
    "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
    "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
    "checkpoint_restore",
  };
  return i >= 0 && (size_t)i < sizeof names / sizeof *names ? names[i] : NULL;
}
