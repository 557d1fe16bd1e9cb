/* file_quick_refused_test.c: file calls that do not wait, on kernels that lack them, among mounts of any kind and when calls
 * fail (sys/file_quick.c): what cannot be had at once is EAGAIN, and then a thread that may wait finds out; what is sure is told.
 *
 * What a kernel can is found out once, so each of these is a process of its own. Its table of mounts is what a file says, and the
 * clock goes as the test wants. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "file_job.h"
#include "refusal.h"

#if REFUSALS

#define ONCE(name, at, error) refuse_as(REFUSED_##name, REFUSED_ANY, at, 1, error)

static long ahead; /* seconds */

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *t) {
  long r = syscall(SYS_clock_gettime, clock, t);
  t->tv_sec += ahead;
  return (int)r;
}

static const char *file; /* in the folder, with "text" */

/* The table of mounts is this text; NULL: it cannot be read. */
static void look_at(const char *text) {
  int fd = -1;
  if (text != NULL) {
    FILE *f = fopen(in_folder("mounts"), "w");
    fputs(text, f);
    fclose(f);
    fd = open(in_folder("mounts"), O_RDONLY | O_CLOEXEC);
  }
  wf_quick_pretend(""); /* forget what was seen */
  refuse_by_answer(REFUSED_open, REFUSED_ANY, 1, 1, fd);
  wf_quick_look();
  refuse(-1, 0);
  CHECK(fd < 0 || fcntl(fd, F_GETFD) == -1); /* closed */
}

/* The answer is that number (0: a descriptor, or done). */
static void opens(int wanted, int line) {
  struct stat st;
  int fd = wf_quick_open(file), r = wf_quick_stat(file, true, &st);
  if ((wanted == 0) != (fd >= 0) || (fd < 0 && fd != wanted) || r != wanted) {
    printf("line %d: open %d, stat %d, not %d\n", line, fd, r, wanted);
    failures++;
  }
  if (r == 0) CHECK(st.st_size == 4);
  if (fd >= 0) close(fd);
}
#define OPENS(wanted) opens(wanted, __LINE__)

/* The line of our own mount, as it is. */
static const char *own_mount(void) {
  static char text[65536], own[1024];
  struct statx sx;
  CHECK(statx(AT_FDCWD, file, 0, 0x1000 /* STATX_MNT_ID */, &sx) == 0);
  uint64_t id;
  memcpy(&id, (const char *)&sx + offsetof(struct statx, stx_dev_minor) + sizeof sx.stx_dev_minor, sizeof id);
  FILE *f = fopen("/proc/self/mountinfo", "r");
  size_t n = fread(text, 1, sizeof text - 1, f);
  fclose(f);
  text[n] = '\0';
  for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
    if (strtoull(line, NULL, 10) == id) snprintf(own, sizeof own, "%s\n", line);
  return own;
}

static void among_mounts(void) {
  static char text[65536];
  const char *own = own_mount();
  if (own[0] == '\0') {
    printf("not checked: the mount of %s is none that this root sees\n", file);
    return;
  }
  OPENS(-EAGAIN); /* nobody has looked */
  look_at(NULL);
  OPENS(-EAGAIN);
  look_at("1 0 0:1 / / rw - ext4 /dev/x rw\n");
  OPENS(0); /* all are local, whichever it is */
  look_at("1 0 0:1 / / rw - ext4\nno line of a mount\n");
  OPENS(0);
  look_at("1 0 0:1 / / rw - nosuchfs server rw\n");
  OPENS(-EAGAIN);
  look_at("1 0 0:1 / / rw - nosuchfs\n");
  OPENS(-EAGAIN);
  snprintf(text, sizeof text, "x - ext4 a b\n1 0 0:1 / / rw - nosuchfs server rw\n%s", own);
  look_at(text);
  OPENS(0); /* ours is known */
  refuse_as(REFUSED_syscall, SYS_openat2, 1, 1, ENOENT);
  CHECK(wf_quick_open(file) == -ENOENT);
  ONCE(statx, 1, ENOSYS);
  CHECK(wf_quick_open(file) == -EAGAIN);
  ONCE(statx, 1, ENOSYS);
  struct stat st;
  CHECK(wf_quick_stat(file, true, &st) == -EAGAIN);
  refuse(-1, 0);
  size_t at = 0;
  at += (size_t)snprintf(text, sizeof text, "1 0 0:1 / / rw - nosuchfs server rw\n");
  for (int i = 0; i < 300; i++) at += (size_t)snprintf(text + at, sizeof text - at, "%d 0 0:1 / / rw - ext4 /dev/x rw\n", 1000000 + i);
  snprintf(text + at, sizeof text - at, "%s", own);
  look_at(text);
  OPENS(-EAGAIN); /* more than are kept */
  memset(text, 'x', 10000); /* a line whose kind is not seen */
  strcpy(text + 10000, " - ext4 /dev/x rw\n");
  look_at(text);
  OPENS(-EAGAIN);
  /* What was seen is forgotten after a while, and not looked at again at once. */
  look_at("1 0 0:1 / / rw - ext4 /dev/x rw\n");
  ahead = 2;
  OPENS(-EAGAIN);
  refuse(-1, 0);
  wf_quick_look();
  wf_quick_look();
  CHECK(refused_calls[REFUSED_open] == 1);
}

/* Local mounts alone, as far as anybody knows. */
static void look(void) { look_at("1 0 0:1 / / rw - ext4 /dev/x rw\n"); }

static void without_the_calls(int error) {
  look();
  refuse_as(REFUSED_syscall, SYS_openat2, 1, 1, error);
  OPENS(error == EAGAIN ? 0 : -EAGAIN);
  OPENS(error == EAGAIN ? 0 : -EAGAIN); /* it is not asked again */
}
static void on_an_old_kernel(void) { without_the_calls(ENOSYS); }
static void on_a_kernel_without_the_flag(void) { without_the_calls(EINVAL); }
static void where_the_root_is_not_cached(void) { without_the_calls(EAGAIN); }

static void calls_that_fail(void) {
  static const int maybe[] = {EPERM, ENOSYS, EINVAL, EINTR, EAGAIN}, sure[] = {ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG};
  struct stat st;
  look();
  OPENS(0);
  for (int i = 0; i < 5; i++) {
    refuse_as(REFUSED_syscall, SYS_openat2, 1, 2, maybe[i]);
    OPENS(-EAGAIN);
    refuse_as(REFUSED_syscall, SYS_openat2, 1, 2, sure[i]);
    OPENS(-sure[i]);
  }
  refuse_as(REFUSED_syscall, SYS_openat2, 1, 2, EIO); /* open tells that, stat has it looked at */
  CHECK(wf_quick_open(file) == -EIO && wf_quick_stat(file, false, &st) == -EAGAIN);
  ONCE(fstat, 1, EIO);
  CHECK(wf_quick_stat(file, true, &st) == -EAGAIN);
  wf_inject_order(WF_CALL_OPEN, 0, 1, EINTR, 0);
  CHECK(wf_quick_open(file) == -EAGAIN);
  wf_inject_order(WF_CALL_OPEN, 0, 1, EMFILE, 0);
  CHECK(wf_quick_open(file) == -EMFILE);
  refuse(-1, 0);
  close(0);
  int fd = wf_quick_open(file);
  CHECK(fd > 2 && fcntl(0, F_GETFD) == -1);
  close(fd);
  ONCE(fcntl, 1, EMFILE);
  CHECK(wf_quick_open(file) == -EMFILE);
  CHECK(fcntl(0, F_GETFD) == -1);
}

static void reads(void) {
  static const int maybe[] = {EINTR, ENOSYS, EPERM, EINVAL, EAGAIN};
  char got[10];
  int fd = open(file, O_RDONLY);
  ONCE(preadv2, 100, 0);
  int64_t n = wf_quick_read(fd, got, sizeof got, 1);
  CHECK(n == -EAGAIN || (n == 3 && memcmp(got, "ext", 3) == 0));
  for (int i = 0; i < 5; i++) {
    ONCE(preadv2, 1, maybe[i]);
    CHECK(wf_quick_read(fd, got, sizeof got, 0) == -EAGAIN);
  }
  ONCE(preadv2, 1, EIO);
  CHECK(wf_quick_read(fd, got, sizeof got, 0) == -EIO);
  wf_inject_order(WF_CALL_READ, 0, 1, EINTR, 0);
  CHECK(wf_quick_read(fd, got, sizeof got, 0) == -EAGAIN);
  wf_inject_order(WF_CALL_READ, 0, 1, EIO, 0);
  CHECK(wf_quick_read(fd, got, sizeof got, 0) == -EIO);
  close(fd);
  /* Some file systems have no such read; one in memory waits for nothing. */
  int in_memory = memfd_create("weft-test", MFD_CLOEXEC);
  CHECK(in_memory >= 0 && write(in_memory, "text", 4) == 4);
  ONCE(preadv2, 1, EOPNOTSUPP);
  CHECK(wf_quick_read(in_memory, got, sizeof got, 1) == 3 && memcmp(got, "ext", 3) == 0);
  ONCE(preadv2, 1, EOPNOTSUPP);
  refuse_also(REFUSED_pread, REFUSED_ANY, 1, 1, EIO);
  CHECK(wf_quick_read(in_memory, got, sizeof got, 1) == -EIO);
  ONCE(preadv2, 1, EOPNOTSUPP);
  refuse_also(REFUSED_fstatfs, REFUSED_ANY, 1, 1, EIO);
  CHECK(wf_quick_read(in_memory, got, sizeof got, 1) == -EAGAIN);
  int other = open("/proc/self/status", O_RDONLY);
  ONCE(preadv2, 1, EOPNOTSUPP);
  CHECK(wf_quick_read(other, got, sizeof got, 0) == -EAGAIN);
  close(other);
  close(in_memory);
}

int main(void) {
  static char path[512];
  CHECK(temporary_folder(folder, sizeof folder));
  put_file("f", "text");
  file = strcpy(path, in_folder("f"));
  int fd = (int)syscall(437 /* openat2 */, AT_FDCWD, file, (uint64_t[3]){O_PATH | O_CLOEXEC, 0, 0x20}, 24);
  if (fd >= 0 || errno == EAGAIN) {
    in_a_child(among_mounts);
    in_a_child(on_an_old_kernel);
    in_a_child(on_a_kernel_without_the_flag);
    in_a_child(where_the_root_is_not_cached);
    in_a_child(calls_that_fail);
    in_a_child(reads);
  } else {
    printf("this kernel has no file calls that do not wait\n");
  }
  close(fd);
  empty_folder();
  CHECK(rmdir(folder) == 0);
  return failures != 0;
}

#else
int main(void) {
  printf("no calls can be refused here\n");
  return 0;
}
#endif
