/* Whole files and open files. See file.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "sys/fd.h"
#include "sys/inject.h"

enum { FIRST_PIECE = 64 * 1024, STEP = 1024 * 1024 };

/* Calls ------------------------------------------------------------------------------------------ */

int wf_file_openat(int at, const char *path, int flags, mode_t mode, int *out) {
  int fd, err;
  do {
    err = wf_inject(WF_CALL_OPEN, NULL);
    fd = err != 0 ? -1 : openat(at, path, flags | O_CLOEXEC | O_NOCTTY, mode);
    if (err == 0 && fd < 0) err = errno;
  } while (err == EINTR);
  if (fd >= 0 && fd <= 2 && (fd = wf_fd_above_stdio(fd)) < 0) err = errno;
  *out = fd;
  return err;
}

/* As pread, or read when offset < 0; a negative errno. */
static ssize_t read_once(int fd, void *to, size_t n, int64_t offset) {
  for (;;) {
    size_t most = n;
    int err = wf_inject(WF_CALL_READ, &most);
    if (err == 0) {
      ssize_t got = offset < 0 ? read(fd, to, most) : pread(fd, to, most, (off_t)offset);
      if (got >= 0) return got;
      err = errno;
    }
    if (err != EINTR) return -err;
  }
}

int wf_file_write_all(int fd, const char *data, size_t size, int64_t offset, size_t *done) {
  *done = 0;
  while (*done < size) {
    size_t n = size - *done;
    int err = wf_inject(WF_CALL_WRITE, &n);
    if (err == 0) {
      ssize_t put = offset < 0 ? write(fd, data + *done, n) : pwrite(fd, data + *done, n, (off_t)(offset + (int64_t)*done));
      if (put > 0)
        *done += (size_t)put;
      else
        err = put == 0 ? EIO : errno;
    }
    if (err != 0 && err != EINTR) return err;
  }
  return 0;
}

static int sync_fd(int fd) {
  int err;
  do {
    err = wf_inject(WF_CALL_SYNC, NULL);
    if (err == 0 && fsync(fd) != 0) err = errno;
  } while (err == EINTR);
  return err == EINVAL || err == EROFS || err == ENOTSUP ? 0 : err; /* there is nothing to be synchronised */
}

/* After EINTR the descriptor is gone, too. What the close says of writes before it counts (NFS, quotas). */
static int close_fd(int fd) {
  int err = wf_inject(WF_CALL_CLOSE, NULL);
  int r = close(fd) == 0 ? 0 : errno;
  if (err == 0) err = r;
  return err == EINTR || err == EINPROGRESS ? 0 : err;
}

static void close_own(wf_file_job *j) {
  if (j->fd < 0) return;
  int err = j->given ? 0 : close_fd(j->fd);
  if (j->err == 0) j->err = err;
  j->fd = -1;
}

static bool stopped(wf_file_job *j) {
  if (!atomic_load_explicit(&j->stop, memory_order_relaxed)) return false;
  j->err = ECANCELED;
  return true;
}

void wf_file_clean(wf_file_job *j) {
  if (j->fd >= 0 && !j->given) close(j->fd);
  j->fd = -1;
  if (j->temp != NULL && unlink(j->temp) != 0) rmdir(j->temp);
  wf_free(j->temp);
  wf_free(j->target);
  wf_free(j->data);
  j->temp = j->target = j->data = NULL;
}

/* A path in the folder of `path`, with this last part and something random: malloc'ed, or NULL. */
static char *sibling(const char *path, const char *prefix) {
  static _Atomic uint32_t count; /* any thread; only to be different, so relaxed */
  const char *slash = strrchr(path, '/');
  size_t dir = slash == NULL ? 0 : (size_t)(slash - path) + 1, room = dir + strlen(prefix) + 32;
  char *name = wf_malloc(room);
  if (name == NULL) return NULL;
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  uint64_t x = ((uint64_t)t.tv_sec << 30 ^ (uint64_t)t.tv_nsec) * UINT64_C(0x9E3779B97F4A7C15);
  x ^= (uint64_t)(uint32_t)getpid() << 32 ^ atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
  x = (x ^ x >> 29) * UINT64_C(0xBF58476D1CE4E5B9);
  memcpy(name, path, dir);
  snprintf(name + dir, room - dir, "%s%012llx", prefix, (unsigned long long)(x >> 16));
  return name;
}

/* Make a file that was not there: its malloc'ed path in *name. 0 or an errno. */
static int make_new(const char *path, const char *prefix, int flags, mode_t mode, int *fd, char **name) {
  int err = EEXIST;
  for (int tries = 0; tries < 100 && err == EEXIST; tries++) {
    char *at = sibling(path, prefix);
    if (at == NULL) return ENOMEM;
    err = wf_file_openat(AT_FDCWD, at, flags | O_CREAT | O_EXCL, mode, fd);
    if (err == 0)
      *name = at;
    else
      wf_free(at);
  }
  return err;
}

/* Reading ---------------------------------------------------------------------------------------- */

static bool is_special(int fd, const struct stat *st) {
  return S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode) || (S_ISCHR(st->st_mode) && isatty(fd));
}

/* For a job that has no descriptor: open that path and see what it is. */
static bool open_and_look(wf_file_job *j, const char *path, int flags) {
  if (j->fd < 0) {
    j->err = wf_file_openat(AT_FDCWD, path, flags | O_NONBLOCK, j->mode, &j->fd);
    /* Somebody has a lease on it: wait until it is broken. */
    if (j->err == EAGAIN) j->err = wf_file_openat(AT_FDCWD, path, flags, j->mode, &j->fd);
  }
  if (j->err == 0 && fstat(j->fd, &j->st) != 0) j->err = errno;
  if (j->err != 0) return false;
  j->special = is_special(j->fd, &j->st);
  if (S_ISDIR(j->st.st_mode)) j->err = EISDIR;
  return j->err == 0 && !j->special;
}

/* Room for `room` bytes of data. */
static bool make_room(wf_file_job *j, size_t room) {
  char *more = wf_realloc(j->data, room);
  if (more == NULL) {
    j->err = ENOMEM;
    return false;
  }
  j->data = more;
  return true;
}

static void read_rest(wf_file_job *j) {
  size_t room = (size_t)j->st.st_size + 1;
  if (!S_ISREG(j->st.st_mode) || j->st.st_size <= 0) room = FIRST_PIECE;
  if (j->st.st_size > 0 && (uint64_t)j->st.st_size > j->most) j->err = EFBIG;
  if (j->err != 0 || !make_room(j, room)) return;
  bool at_offset = S_ISREG(j->st.st_mode) || S_ISBLK(j->st.st_mode);
  while (!stopped(j)) {
    if (j->size == room) {
      room *= 2;
      if (!make_room(j, room)) return;
    }
    size_t n = room - j->size;
    ssize_t got = read_once(j->fd, j->data + j->size, n < STEP ? n : STEP, at_offset ? (int64_t)j->size : -1);
    if (got < 0) j->err = (int)-got;
    if (got <= 0) return;
    j->size += (size_t)got;
    if (j->size > j->most) {
      j->err = EFBIG;
      return;
    }
  }
}

void wf_file_read(wf_file_job *j) {
  if (!open_and_look(j, j->path, O_RDONLY)) {
    if (j->special) return; /* whoever asked goes on with the descriptor */
  } else {
    read_rest(j);
  }
  close_own(j);
}

void wf_file_pread(wf_file_job *j) {
  if (!make_room(j, j->most > 0 ? j->most : 1)) return;
  j->size = 0;
  while (j->size < j->most && !stopped(j)) {
    ssize_t got = read_once(j->fd, j->data + j->size, j->most - j->size, j->offset + (int64_t)j->size);
    if (got < 0 && j->size == 0) j->err = (int)-got;
    if (got <= 0) return;
    j->size += (size_t)got;
  }
}

/* Writing ---------------------------------------------------------------------------------------- */

static void write_data(wf_file_job *j) {
  for (size_t at = 0; at < j->size && !stopped(j);) {
    size_t n = j->size - at < STEP ? j->size - at : STEP, done;
    j->err = wf_file_write_all(j->fd, j->data + at, n, -1, &done);
    if (j->err != 0) return;
    at += n;
  }
}

static void sync_folder(const char *path) {
  char *dir = sibling(path, "");
  if (dir == NULL) return;
  char *slash = strrchr(dir, '/');
  if (slash == NULL)
    memcpy(dir, ".", 2);
  else
    slash[slash == dir] = '\0';
  int fd;
  if (wf_file_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, &fd) == 0) {
    fsync(fd);
    close(fd);
  }
  wf_free(dir);
}

/* What a file is to replace: j->target is its path, behind links. An errno of lstat is no failure: it may not be there. */
static void find_target(wf_file_job *j, const char *path) {
  bool there = stat(path, &j->st) == 0;
  struct stat link;
  if (!there) memset(&j->st, 0, sizeof j->st);
  if (lstat(path, &link) == 0 && S_ISLNK(link.st_mode)) {
    char *real = realpath(path, NULL);
    if (real == NULL) {
      j->err = errno; /* a link that leads nowhere: writing through it would be a guess */
      return;
    }
    size_t n = strlen(real) + 1;
    j->target = wf_malloc(n);
    if (j->target != NULL) memcpy(j->target, real, n);
    free(real);
  } else {
    size_t n = strlen(path) + 1;
    j->target = wf_malloc(n);
    if (j->target != NULL) memcpy(j->target, path, n);
  }
  if (j->target == NULL) j->err = ENOMEM;
  if (j->err == 0 && there && S_ISDIR(j->st.st_mode)) j->err = EISDIR;
  if (j->err == 0 && there && j->exclusive) j->err = EEXIST;
}

/* Open the new file beside the target; what is no file (a device) is written to itself. */
static void begin_new(wf_file_job *j, const char *path) {
  find_target(j, path);
  if (j->err != 0) return;
  if (j->st.st_mode != 0 && !S_ISREG(j->st.st_mode)) {
    open_and_look(j, path, O_WRONLY);
    return;
  }
  /* A file that we may not write to is not to be replaced either, though its folder would let us. */
  if (j->st.st_mode != 0 && faccessat(AT_FDCWD, j->target, W_OK, AT_EACCESS) != 0) {
    j->err = errno;
    return;
  }
  j->err = make_new(j->target, ".weft-", O_WRONLY, j->mode, &j->fd, &j->temp);
}

static void keep_owner_and_mode(wf_file_job *j) {
  struct stat now;
  if (j->st.st_mode == 0 || fstat(j->fd, &now) != 0) return;
  if ((now.st_uid != j->st.st_uid || now.st_gid != j->st.st_gid) && fchown(j->fd, j->st.st_uid, j->st.st_gid) != 0) {
    /* Then it is ours from now on. */
  }
  if (fchmod(j->fd, j->st.st_mode & 07777) != 0) j->err = errno;
}

static int put_in_place(wf_file_job *j) {
  int err;
  do {
    err = wf_inject(WF_CALL_RENAME, NULL);
    if (err != 0) continue;
    if (j->exclusive)
      err = link(j->temp, j->target) == 0 ? 0 : errno;
    else
      err = rename(j->temp, j->target) == 0 ? 0 : errno;
  } while (err == EINTR);
  return err;
}

static void finish_new(wf_file_job *j) {
  if (j->temp != NULL) keep_owner_and_mode(j);
  if (j->err == 0 && j->sync) j->err = sync_fd(j->fd);
  close_own(j);
  if (j->err != 0 || j->temp == NULL || stopped(j)) return;
  j->err = put_in_place(j);
  if (j->err != 0) return;
  if (j->exclusive) unlink(j->temp);
  wf_free(j->temp);
  j->temp = NULL;
  if (j->sync) sync_folder(j->target);
}

static void give_up(wf_file_job *j) {
  close_own(j);
  if (j->temp == NULL) return;
  unlink(j->temp);
  wf_free(j->temp);
  j->temp = NULL;
}

void wf_file_replace(wf_file_job *j) {
  if (j->fd < 0) begin_new(j, j->path);
  if (j->special) return;
  if (j->err == 0) write_data(j);
  if (j->err == 0 && j->last) finish_new(j);
  if (j->err != 0) give_up(j);
}

void wf_file_append(wf_file_job *j) {
  if (j->fd < 0) open_and_look(j, j->path, O_WRONLY | O_APPEND | O_CREAT);
  if (j->special) return;
  if (j->err == 0) write_data(j);
  if (j->err == 0 && j->last && j->sync) j->err = sync_fd(j->fd);
  if (j->err != 0 || j->last) close_own(j);
}

/* From `in` to j->fd: inside the kernel where it can be, else through memory. */
static void copy_bytes(wf_file_job *j, int in) {
  bool inside = true;
  while (!stopped(j)) {
    ssize_t n = -1;
#if defined(__linux__)
    size_t most = STEP;
    int err = inside ? wf_inject(WF_CALL_WRITE, &most) : 0;
    if (err != 0 && err != EINTR) {
      j->err = err;
      return;
    }
    if (inside) n = err != 0 ? -1 : copy_file_range(in, NULL, j->fd, NULL, most, 0);
    if (inside && n < 0 && (err == EINTR || errno == EINTR)) continue;
    if (inside && n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG)) {
      j->err = errno;
      return;
    }
    /* 0 at once may be a file of the kernel's, which has a size only when it is read. */
    if (inside && n == 0 && lseek(j->fd, 0, SEEK_CUR) > 0) return;
    if (n > 0) continue;
#endif
    inside = false;
    if (!make_room(j, FIRST_PIECE)) return;
    size_t done;
    n = read_once(in, j->data, FIRST_PIECE, -1);
    if (n < 0) j->err = (int)-n;
    if (n <= 0) return;
    j->err = wf_file_write_all(j->fd, j->data, (size_t)n, -1, &done);
    if (j->err != 0) return;
  }
}

void wf_file_copy(wf_file_job *j) {
  wf_file_job from = {.path = j->path, .fd = -1};
  struct stat to;
  open_and_look(&from, j->path, O_RDONLY);
  if (from.special) from.err = ESPIPE;
  j->err = from.err;
  if (j->err == 0 && stat(j->path2, &to) == 0 && to.st_dev == from.st.st_dev && to.st_ino == from.st.st_ino) j->err = EINVAL;
  if (j->err == 0) {
    j->mode = from.st.st_mode & 0777;
    j->last = true;
    begin_new(j, j->path2);
    if (j->special) j->err = ESPIPE;
  }
  if (j->err == 0) copy_bytes(j, from.fd);
  if (j->err == 0) finish_new(j);
  if (j->err != 0) give_up(j);
  if (from.fd >= 0) close(from.fd);
}

/* Open files ------------------------------------------------------------------------------------- */

void wf_file_open(wf_file_job *j) {
  if (open_and_look(j, j->path, j->flags) || j->special) return;
  int err = j->err;
  close_own(j);
  j->err = err;
}

void wf_file_temp(wf_file_job *j) {
  j->err = make_new(j->path, j->path2, O_RDWR, 0600, &j->fd, &j->temp);
  if (j->err == 0 && fstat(j->fd, &j->st) != 0) j->err = errno;
}

void wf_file_pwrite(wf_file_job *j) {
  size_t done;
  j->err = wf_file_write_all(j->fd, j->data, j->size, j->appends ? -1 : j->offset, &done);
  j->size = done;
  if (j->appends) j->offset = (int64_t)lseek(j->fd, 0, SEEK_CUR);
}

void wf_file_flush(wf_file_job *j) { j->err = sync_fd(j->fd); }

void wf_file_truncate(wf_file_job *j) {
  int r;
  do r = j->fd >= 0 ? ftruncate(j->fd, (off_t)j->offset) : truncate(j->path, (off_t)j->offset);
  while (r != 0 && errno == EINTR);
  if (r != 0) j->err = errno;
}

void wf_file_fstat(wf_file_job *j) {
  if (fstat(j->fd, &j->st) != 0) j->err = errno;
}

void wf_file_close(wf_file_job *j) {
  j->given = false;
  close_own(j);
}
