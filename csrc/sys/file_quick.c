/* File calls that do not wait. See file.h.
 *
 * Linux tells what it can do at once: openat2 with RESOLVE_CACHED goes only through names that are in its cache,
 * preadv2 with RWF_NOWAIT gives only pages that are. So a file that was used lately is had by plain calls, without
 * another thread, and one that was not costs one call in vain.
 *
 * But where a file system is a server (FUSE, NFS ...) even opening a name that is cached asks it. So such paths are told
 * apart beforehand: by the table of mounts, which is looked at once a second at most, by a job of the pool (reading it can
 * wait for somebody who is mounting). If all mounts are of the kinds below, paths are opened as they are. Else the
 * name is resolved first without opening (O_PATH), and the number of its mount says what it is.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/base.h"
#include "base/clock.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/inject.h"

#if defined(__linux__)
#include <sys/syscall.h>
#include <sys/vfs.h>
#endif

#if defined(__linux__) && defined(SYS_openat2) && defined(RWF_NOWAIT) && defined(STATX_BASIC_STATS)

enum { MOUNTS_MOST = 256, CACHED = 0x20 /* RESOLVE_CACHED */, MOUNT_ID = 0x1000 /* STATX_MNT_ID */ };

#define LOOK_AGAIN_NS ((uint64_t)1000000000)

/* struct open_how, which old headers lack. */
typedef struct how {
  uint64_t flags, mode, resolve;
} how;

/* Whose own server is no other process or machine. */
static const char *const local_kinds[] = {
    "ext4", "ext3", "ext2", "xfs",  "btrfs", "f2fs",    "tmpfs",  "ramfs",    "overlay", "zfs",    "bcachefs", "jfs",     "vfat",       "exfat",
    "ntfs3", "iso9660", "udf", "squashfs", "erofs", "proc", "sysfs", "devtmpfs", "devpts",  "cgroup", "cgroup2",  "mqueue",  "hugetlbfs",  "securityfs",
    "debugfs", "tracefs", "bpf", "pstore", "efivarfs", "configfs", "fusectl", "binfmt_misc", "nsfs", "selinuxfs", "cramfs", "romfs", "rootfs"};

typedef struct mounts {
  uint32_t n; /* local ones */
  bool all;   /* that are all there are */
  uint64_t ids[MOUNTS_MOST];
} mounts;

/* What was seen of the mounts. `looked` (0: never) and `all_local` are written by whoever looks, after the list, under
 * the lock; read by all, `looked` with acquire: it is written with release, after the others. Nobody waits for anything
 * with the lock held; `looking` is held by the one who looks. */
static _Atomic uint64_t looked;
static _Atomic bool all_local;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, looking = PTHREAD_MUTEX_INITIALIZER;
static mounts seen; /* under the lock */

/* The kernel has the calls. Found out at the first use: 0 not yet, 1 yes, -1 no. Any thread; all find the same, so relaxed. */
static _Atomic int supported;

#ifdef WF_DEBUG
static char foreign[32]; /* written by tests before anything else runs */

void wf_quick_pretend(const char *kind) {
  snprintf(foreign, sizeof foreign, "%s", kind);
  atomic_store_explicit(&looked, 0, memory_order_release);
}
#else
static const char foreign[] = "";
#endif

static bool is_local(const char *kind, size_t len) {
  if (strlen(foreign) == len && memcmp(foreign, kind, len) == 0) return false;
  for (size_t i = 0; i < sizeof local_kinds / sizeof *local_kinds; i++)
    if (strlen(local_kinds[i]) == len && memcmp(local_kinds[i], kind, len) == 0) return true;
  return false;
}

/* A line of mountinfo: "36 35 98:0 /root /mount opts optional... - ext4 /dev/x opts". */
static void see_mount(mounts *m, const char *line, const char *end) {
  uint64_t id = 0;
  for (const char *p = line; p < end && *p >= '0' && *p <= '9'; p++) id = id * 10 + (uint64_t)(*p - '0');
  const char *dash = memmem(line, (size_t)(end - line), " - ", 3);
  if (dash == NULL) return;
  const char *kind = dash + 3, *blank = memchr(kind, ' ', (size_t)(end - kind));
  if (!is_local(kind, (size_t)((blank != NULL ? blank : end) - kind)))
    m->all = false;
  else if (m->n < MOUNTS_MOST)
    m->ids[m->n++] = id;
}

static void see_mounts(mounts *m) {
  char text[8192];
  size_t kept = 0;
  int fd = open("/proc/thread-self/mountinfo", O_RDONLY | O_CLOEXEC);
  *m = (mounts){.all = fd >= 0};
  for (ssize_t got; fd >= 0 && (got = read(fd, text + kept, sizeof text - kept)) > 0;) {
    size_t n = kept + (size_t)got, at = 0;
    for (const char *end; (end = memchr(text + at, '\n', n - at)) != NULL; at = (size_t)(end - text) + 1)
      see_mount(m, text + at, end);
    kept = n - at;
    if (kept == sizeof text) { /* a line longer than that, whose kind we do not see */
      m->all = false;
      kept = 0;
    }
    memmove(text, text + at, kept);
  }
  if (fd >= 0) close(fd);
}

void wf_quick_look(void) {
  uint64_t now = wf_clock_ns(), before = atomic_load_explicit(&looked, memory_order_acquire);
  if ((before != 0 && now - before < LOOK_AGAIN_NS / 2) || pthread_mutex_trylock(&looking) != 0) return;
  mounts m;
  see_mounts(&m);
  pthread_mutex_lock(&lock);
  seen = m;
  atomic_store_explicit(&all_local, m.all, memory_order_relaxed);
  atomic_store_explicit(&looked, now, memory_order_release);
  pthread_mutex_unlock(&lock);
  pthread_mutex_unlock(&looking);
}

static int openat2_cached(const char *path, uint64_t flags) {
  how h = {flags | O_CLOEXEC, 0, CACHED};
  int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &h, sizeof h);
  return fd >= 0 ? fd : -errno;
}

/* Old kernels do not know the call or its flag, some sandboxes forbid it. */
static bool has_calls(void) {
  int yes = atomic_load_explicit(&supported, memory_order_relaxed);
  if (wf_likely(yes != 0)) return yes > 0;
  int fd = openat2_cached("/", O_PATH);
  yes = fd >= 0 || fd == -EAGAIN ? 1 : -1;
  if (fd >= 0) close(fd);
  atomic_store_explicit(&supported, yes, memory_order_relaxed);
  return yes > 0;
}

/* The file behind an O_PATH descriptor is on a mount that is known as local. */
static bool is_on_local(int fd) {
  struct statx sx;
  bool found = false;
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, MOUNT_ID, &sx) != 0 || !(sx.stx_mask & MOUNT_ID)) return false;
  /* stx_mnt_id, which old headers lack, follows stx_dev_minor. */
  uint64_t id;
  memcpy(&id, (const char *)&sx + offsetof(struct statx, stx_dev_minor) + sizeof sx.stx_dev_minor, sizeof id);
  pthread_mutex_lock(&lock);
  for (uint32_t i = 0; i < seen.n && !found; i++) found = seen.ids[i] == id;
  pthread_mutex_unlock(&lock);
  return found;
}

/* Is it known what is mounted? */
static bool know_mounts(bool *all) {
  uint64_t at = atomic_load_explicit(&looked, memory_order_acquire);
  *all = atomic_load_explicit(&all_local, memory_order_relaxed);
  return at != 0 && wf_clock_ns() - at < LOOK_AGAIN_NS && has_calls();
}

int wf_quick_open(const char *path) {
  bool all;
  int err = wf_inject(WF_CALL_OPEN, NULL);
  if (err == EINTR) err = EAGAIN;
  if (err != 0) return -err;
  if (!know_mounts(&all)) return -EAGAIN;
  if (!all) {
    int at = openat2_cached(path, O_PATH);
    if (at < 0) return at;
    bool local = is_on_local(at);
    close(at);
    if (!local) return -EAGAIN;
  }
  int fd = openat2_cached(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (fd >= 0 && fd <= 2 && (fd = wf_fd_above_stdio(fd)) < 0) return -errno;
  return fd == -EPERM || fd == -ENOSYS || fd == -EINVAL || fd == -EINTR ? -EAGAIN : fd; /* let the other way tell */
}

/* Is the file in memory by its nature? */
static bool is_memory(int fd) {
  enum { TMPFS = 0x01021994, RAMFS = 0x858458f6u };
  struct statfs fs;
  return fstatfs(fd, &fs) == 0 && ((uint32_t)fs.f_type == TMPFS || (uint32_t)fs.f_type == (uint32_t)RAMFS);
}

int64_t wf_quick_read(int fd, void *to, size_t n, int64_t offset) {
  int err = wf_inject(WF_CALL_READ, &n);
  if (err != 0) return err == EINTR ? -EAGAIN : -err;
  struct iovec iov = {to, n};
  ssize_t got = preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT);
  if (wf_likely(got >= 0)) return got;
  err = errno;
  if (err == EOPNOTSUPP && is_memory(fd)) {
    got = pread(fd, to, n, (off_t)offset);
    if (got >= 0) return got;
    err = errno;
  }
  return err == EINTR || err == EOPNOTSUPP || err == ENOSYS || err == EPERM || err == EINVAL ? -EAGAIN : -err;
}

int wf_quick_stat(const char *path, bool follow, struct stat *st) {
  bool all;
  if (!know_mounts(&all)) return -EAGAIN;
  int fd = openat2_cached(path, O_PATH | (follow ? 0 : O_NOFOLLOW));
  if (fd < 0) return fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES || fd == -ELOOP || fd == -ENAMETOOLONG ? fd : -EAGAIN;
  int r = !all && !is_on_local(fd) ? -EAGAIN : fstat(fd, st) != 0 ? -EAGAIN : 0;
  close(fd);
  return r;
}

#else

#ifdef WF_DEBUG
void wf_quick_pretend(const char *kind) { (void)kind; }
#endif

void wf_quick_look(void) {}

int wf_quick_open(const char *path) {
  (void)path;
  return -EAGAIN;
}

int64_t wf_quick_read(int fd, void *to, size_t n, int64_t offset) {
  (void)fd, (void)to, (void)n, (void)offset;
  return -EAGAIN;
}

int wf_quick_stat(const char *path, bool follow, struct stat *st) {
  (void)path, (void)follow, (void)st;
  return -EAGAIN;
}

#endif
