/* facts_test.c: what is told of a process (sys/facts*.c, sys/limits.c) when /proc says what it seldom says: more groups and
 * processors than there is room for, lines that are cut off or not there, control groups of both versions, errors, memory that is
 * out. The process of the number ODD has such a folder: this program's open and opendir lead there. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "base/base.h"
#include "file_job.h"
#include "sys/facts.h"
#include "sys/limits.h"

enum { ODD = 7654321 };

#if defined(__linux__) && !WF_TSAN

/* /proc/ODD and /sys/fs/cgroup are in the folder, their slashes underlined. */
static const char *led(const char *path, char room[1024]) {
  static const char proc[] = "/proc/7654321/", groups[] = "/sys/fs/cgroup/";
  size_t skip = strncmp(path, proc, sizeof proc - 1) == 0      ? sizeof proc - 1
                : strncmp(path, groups, sizeof groups - 1) == 0 ? sizeof "/sys/fs/" - 1
                                                                : 0;
  if (skip == 0) return path;
  int n = snprintf(room, 1024, "%s/", folder);
  for (path += skip; *path != '\0' && n < 1000; path++) room[n++] = *path == '/' ? '_' : *path;
  room[n] = '\0';
  return room;
}

int open(const char *path, int flags, ...) {
  char room[1024];
  va_list args;
  va_start(args, flags);
  unsigned mode = flags & O_CREAT ? va_arg(args, unsigned) : 0;
  va_end(args);
  return (int)syscall(SYS_openat, AT_FDCWD, led(path, room), flags, mode);
}

DIR *opendir(const char *path) {
  char room[1024];
  int fd = open(led(path, room), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? NULL : fdopendir(fd);
}

/* The next calls of read fail with these. */
static int read_errors[4];

ssize_t read(int fd, void *to, size_t n) {
  int error = read_errors[0];
  if (error == 0) return syscall(SYS_read, fd, to, n);
  memmove(read_errors, read_errors + 1, sizeof read_errors - sizeof *read_errors);
  errno = error;
  return -1;
}

static wf_facts facts_of(const char *status, const char *stat, int error) {
  wf_facts f;
  put_file("status", status);
  put_file("stat", stat);
  CHECK(wf_facts_read(ODD, 0, &f) == error);
  return f;
}

static void status_lines(void) {
  char long_one[4096];
  wf_facts f = facts_of("Name:\tsome\nPid:\t5\nP:\t6\nnothing\nGroups:\t1 2 3 4 5 6 7 8 9 10 \nCpus_allowed_list:\t0-2,5,7-8", "", 0);
  CHECK(strcmp(f.name, "some") == 0 && f.tid == 5 && f.ngroups == 10 && f.groups[9] == 10);
  CHECK(f.ncpus == 6 && f.cpus[2] == 2 && f.cpus[3] == 5 && f.cpus[5] == 8);
  CHECK(f.umask == -1 && f.seccomp == -1 && f.state == 0);
  wf_facts_free(&f);
  CHECK(f.groups == NULL && f.cpus == NULL);
  f = facts_of("Groups:\t12 x\nCpus_allowed_list:\tnone\n", "", 0); /* as far as it can be read */
  CHECK(f.ngroups == 1 && f.groups[0] == 12 && f.ncpus == 0);
  wf_facts_free(&f);
  f = facts_of("Cpus_allowed_list:\t0-99999\nGroups:\t3", "", 0);
  CHECK(f.ncpus == 8192 && f.cpus[8191] == 8191 && f.ngroups == 1);
  wf_facts_free(&f);
  memset(long_one, 'x', sizeof long_one);
  memcpy(long_one, "Name:\t", 6);
  long_one[100] = '\0';
  f = facts_of(long_one, "", 0);
  CHECK(strlen(f.name) == sizeof f.name - 1);
  wf_facts_free(&f);
  wf_alloc_set(heap_plain, &memory);
  static const char *const lists[] = {"Groups:\t1 2 3 4 5 6 7 8 9\n", "Cpus_allowed_list:\t0-3\n"};
  for (int i = 0; i < 2; i++) {
    int refused = 0;
    for (long n = 1;; n++) {
      put_file("status", lists[i]);
      memory_ends_at(n);
      int e = wf_facts_read(ODD, 0, &f);
      bool out = heap_heal(&memory);
      CHECK(e == 0 || (out && e == ENOMEM && f.groups == NULL && f.cpus == NULL));
      refused += e != 0;
      if (e == 0) wf_facts_free(&f);
      if (!out) break;
    }
    CHECK(refused >= 3); /* for the two files, and a list */
  }
  wf_alloc_set(NULL, NULL);
}

static void stat_fields(void) {
  wf_facts f = facts_of("", "5 (a name) of) R 1 22 33 44", 0);
  CHECK(f.state == 'R' && f.pgid == 22 && f.sid == 33 && f.tty == 44 && f.policy == -1);
  wf_facts_free(&f);
  f = facts_of("", "nothing", 0);
  CHECK(f.state == 0 && f.pgid == 0);
  wf_facts_free(&f);
  unlink(in_folder("stat"));
  put_file("status", "Groups:\t1\n");
  CHECK(wf_facts_read(ODD, 0, &f) == ESRCH && f.groups == NULL); /* it has ended meanwhile */
}

/* The switches of all its threads: of those that are there, and say. */
static void switches_of_threads(void) {
  static const char said[] = "\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t7\n";
  CHECK(mkdir(in_folder("task"), 0700) == 0);
  put_file("task/11", "");
  put_file("task/12", "");
  put_file("task/13", "");
  put_file("task_11_status", said);
  put_file("task_12_status", "Name:\tx\n"); /* 13 has ended */
  wf_facts f = facts_of("Threads:\t3\n", "5 (x) R", 0);
  CHECK(f.voluntary == 5 && f.involuntary == 7);
  wf_facts_free(&f);
  f = facts_of("Threads:\t1\nvoluntary_ctxt_switches:\t9\n", "5 (x) R", 0);
  CHECK(f.voluntary == 9 && f.involuntary == -1);
  wf_facts_free(&f);
  CHECK(unlink(in_folder("task/11")) == 0 && unlink(in_folder("task/12")) == 0);
  CHECK(unlink(in_folder("task/13")) == 0 && rmdir(in_folder("task")) == 0);
  f = facts_of("Threads:\t2\nvoluntary_ctxt_switches:\t9\n", "5 (x) R", 0);
  CHECK(f.voluntary == 9);
  wf_facts_free(&f);
}

static void files_of_any_size(void) {
  char *text;
  size_t len;
  put_file("status", "text");
  memcpy(read_errors, (int[4]){EINTR, EINTR, 0, 0}, sizeof read_errors);
  CHECK(wf_proc_read(ODD, 0, "status", &text, &len) == 0 && len == 4 && strcmp(text, "text") == 0);
  wf_free(text);
  read_errors[0] = EIO;
  CHECK(wf_proc_read(ODD, 0, "status", &text, &len) == EIO);
  CHECK(wf_proc_read(ODD, 0, "none", &text, &len) == ESRCH && wf_mappings_count(ODD) == -1);
  CHECK(truncate(in_folder("status"), 20000) == 0);
  CHECK(wf_proc_read(ODD, 0, "status", &text, &len) == 0 && len == 20000 && text[20000] == '\0');
  wf_free(text);
  wf_alloc_set(heap_plain, &memory);
  memory_ends_at(3);
  CHECK(wf_proc_read(ODD, 0, "status", &text, &len) == ENOMEM);
  memory_ends_at(0);
  CHECK(truncate(in_folder("status"), 65 << 20) == 0); /* no file of the kernel's is that long */
  CHECK(wf_proc_read(ODD, 0, "status", &text, &len) == ENOMEM);
  wf_alloc_set(NULL, NULL);
  put_file("maps", "a\nb\n");
  CHECK(wf_mappings_count(ODD) == 2);
}

static void numbers_of_a_folder(void) {
  int64_t *list;
  size_t n;
  char name[20];
  CHECK(mkdir(in_folder("fd"), 0700) == 0);
  for (int i = 40; i > 0; i--) {
    snprintf(name, sizeof name, "fd/%d", i);
    put_file(name, "");
  }
  put_file("fd/other", "");
  CHECK(wf_proc_numbers(ODD, "fd", &list, &n) == 0 && n == 40);
  for (int i = 0; i < 40; i++) CHECK(list[i] == i + 1);
  wf_free(list);
  wf_alloc_set(heap_plain, &memory);
  for (long at = 1; at <= 3; at++) {
    memory_ends_at(at);
    CHECK(wf_proc_numbers(ODD, "fd", &list, &n) == ENOMEM);
    memory_ends_at(0);
  }
  wf_alloc_set(NULL, NULL);
  CHECK(wf_proc_numbers(ODD, "none", &list, &n) == ESRCH);
  /* Of this process's own, the descriptor that looks is left out; the number of a thread is not. */
  int fd = open("/dev/null", O_RDONLY);
  close(fd);
  CHECK(wf_proc_numbers(getpid(), "fd", &list, &n) == 0);
  for (size_t i = 0; i < n; i++) CHECK(list[i] != fd);
  wf_free(list);
  CHECK(wf_proc_numbers(getpid(), "fdinfo", &list, &n) == 0);
  bool looked_with = false;
  for (size_t i = 0; i < n; i++) looked_with |= list[i] == fd;
  CHECK(looked_with);
  wf_free(list);
  CHECK(wf_proc_numbers(getpid(), "task", &list, &n) == 0 && n == 1 && list[0] == getpid());
  wf_free(list);
}

static void is_kind(int fd, const char *kind, bool cloexec) {
  wf_fd_facts f;
  CHECK(wf_fd_facts_read(getpid(), fd, &f) == 0);
  if (strcmp(f.kind, kind) != 0) printf("%s is %s, not %s\n", f.target, f.kind, kind), failures++;
  CHECK(f.cloexec == cloexec);
  close(fd);
}

static void kinds_of_descriptors(void) {
  wf_fd_facts f;
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  snprintf(a.sun_path, sizeof a.sun_path, "%s", in_folder("s"));
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(bind(s, (const void *)&a, sizeof a) == 0 && mkfifo(in_folder("p"), 0600) == 0 && symlink("x", in_folder("l")) == 0);
  is_kind(s, "socket", false);
  is_kind(open(in_folder("s"), O_PATH | O_CLOEXEC), "socket", true); /* by its name */
  is_kind(open(in_folder("p"), O_PATH), "pipe", false);
  is_kind(open(in_folder("l"), O_PATH | O_NOFOLLOW), "other", false);
  is_kind(open(folder, O_RDONLY | O_CLOEXEC), "directory", true);
  is_kind(open(in_folder("status"), O_RDONLY), "file", false);
  is_kind(open("/dev/null", O_RDONLY), "device", false);
  CHECK(wf_fd_facts_read(getpid(), 54321, &f) == ENOENT);
}

static uint64_t limit_of(const char *groups) {
  put_file("cgroup", groups);
  return wf_memory_limit_of_groups(ODD);
}

static void limits_of_groups(void) {
  char deep[700] = "0::/a/b/";
  put_file("cgroup_memory.max", "max\n");
  put_file("cgroup_a_memory.max", "1000\n");
  put_file("cgroup_a_b_memory.max", "2000\n");
  put_file("cgroup_memory_m_memory.limit_in_bytes", "3000\n");
  put_file("cgroup_memory_memory.limit_in_bytes", "9223372036854771712\n"); /* none, as the first version says it */
  CHECK(limit_of("0::/a/b\n") == 1000 && limit_of("0::/a/b") == 1000);
  CHECK(limit_of("0::/\n") == UINT64_MAX && limit_of("0::/none\n") == UINT64_MAX && limit_of("0::none\n") == UINT64_MAX);
  CHECK(limit_of("4:cpu,cpuacct:/a\n5:memory:/m\n") == 3000 && limit_of("5:memory:/\n") == UINT64_MAX);
  CHECK(limit_of("5:memory:/m\n0::/a\n") == 1000 && limit_of("0::/a\n5:memory:/m\n") == 1000);
  CHECK(limit_of("") == UINT64_MAX && limit_of("nothing\n") == UINT64_MAX && limit_of("1:x\n") == UINT64_MAX);
  size_t n = strlen(deep); /* a name that no path has room for, in one that says */
  memset(deep + n, 'x', 600);
  deep[n + 600] = '\0';
  put_file("cgroup", "0::/a\n");
  int fd = open(in_folder("cgroup"), O_WRONLY | O_TRUNC);
  CHECK(write(fd, deep, n + 600) == (ssize_t)(n + 600));
  close(fd);
  CHECK(wf_memory_limit_of_groups(ODD) == 1000);
  unlink(in_folder("cgroup"));
  CHECK(wf_memory_limit_of_groups(ODD) == UINT64_MAX);
}

static void limits_of_a_process(void) {
  wf_limit limits[WF_LIMITS_MAX];
  put_file("limits", "Max open files            50                   unlimited            files\n");
  CHECK(wf_limits_read(ODD, limits) == 0);
  int files = wf_limit_parse("nofile"), core = wf_limit_parse("core");
  CHECK(limits[files].soft == 50 && limits[files].hard == WF_NO_LIMIT && limits[core].soft == WF_NO_LIMIT);
  unlink(in_folder("limits"));
  CHECK(wf_limits_read(ODD, limits) == ESRCH);
  CHECK(wf_limit_parse("none") == -1);
}

/* Memory that is used, in a part of which nothing is mapped. */
static void memory_used(void) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *m = mmap(NULL, 600 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(m != MAP_FAILED && wf_memory_used(m, 600 * page) == 0);
  m[599 * page] = 1;
  CHECK(wf_memory_used(m, 600 * page) == page);
  m[100 * page] = m[101 * page] = 1;
  CHECK(wf_memory_used(m, 600 * page) == 500 * page);
  CHECK(munmap(m, 590 * page) == 0);
  CHECK(wf_memory_used(m, 600 * page) == page);
  CHECK(munmap(m + 590 * page, 10 * page) == 0);
  CHECK(wf_memory_used(m, 600 * page) == 0 && wf_memory_used(m, page) == 0 && wf_memory_used(m, 0) == 0);
}

static void names_of_capabilities(void) {
  CHECK(strcmp(wf_capability_name(0), "chown") == 0 && wf_capability_name(-1) == NULL && wf_capability_name(1000) == NULL);
}

int main(void) {
  CHECK(temporary_folder(folder, sizeof folder));
  status_lines();
  stat_fields();
  switches_of_threads();
  files_of_any_size();
  numbers_of_a_folder();
  kinds_of_descriptors();
  limits_of_groups();
  limits_of_a_process();
  memory_used();
  names_of_capabilities();
  empty_folder();
  CHECK(rmdir(folder) == 0);
  return failures != 0;
}

#else
int main(void) {
  printf("not here\n");
  return 0;
}
#endif
