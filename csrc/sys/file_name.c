/* What is done to files by their names. See file.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "sys/file.h"
#include "sys/inject.h"

/* The result of a call that changes names, with its faults and EINTR. */
#define CALL(j, expression)                               \
  do {                                                    \
    (j)->err = wf_inject(WF_CALL_LINK, NULL);             \
    if ((j)->err == 0 && (expression) != 0) (j)->err = errno; \
  } while ((j)->err == EINTR)

void wf_file_stat(wf_file_job *j) { CALL(j, stat(j->path, &j->st)); }
void wf_file_lstat(wf_file_job *j) { CALL(j, lstat(j->path, &j->st)); }

void wf_file_access(wf_file_job *j) { CALL(j, faccessat(AT_FDCWD, j->path, j->flags, AT_EACCESS)); }

void wf_file_link(wf_file_job *j) { CALL(j, link(j->path, j->path2)); }
void wf_file_symlink(wf_file_job *j) { CALL(j, symlink(j->path, j->path2)); }

void wf_file_chmod(wf_file_job *j) { CALL(j, chmod(j->path, j->mode)); }

void wf_file_chown(wf_file_job *j) { CALL(j, fchownat(AT_FDCWD, j->path, j->uid, j->gid, j->flags)); }

void wf_file_utime(wf_file_job *j) { CALL(j, utimensat(AT_FDCWD, j->path, j->times, j->flags)); }

/* rename that fails when the new name is there. Of what is done in two steps nothing is left when the second fails. */
static int rename_new(const char *from, const char *to) {
#if defined(__linux__) && defined(RENAME_NOREPLACE)
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;
#endif
  struct stat st;
  if (lstat(from, &st) != 0) return -1;
  if (S_ISDIR(st.st_mode)) { /* no second name for a folder: an empty one at the new name would be replaced */
    if (mkdir(to, 0700) != 0) return -1;
    if (rename(from, to) == 0) return 0;
    int err = errno;
    rmdir(to);
    errno = err;
    return -1;
  }
  if (link(from, to) != 0) return -1;
  if (unlink(from) == 0) return 0;
  int err = errno;
  unlink(to);
  errno = err;
  return -1;
}

void wf_file_rename(wf_file_job *j) {
  do {
    j->err = wf_inject(WF_CALL_RENAME, NULL);
    if (j->err == 0 && (j->exclusive ? rename_new(j->path, j->path2) : rename(j->path, j->path2)) != 0) j->err = errno;
  } while (j->err == EINTR);
}

static bool is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void wf_file_mkdir(wf_file_job *j) {
  CALL(j, mkdir(j->path, j->mode));
  if (j->flags == 0 || j->err == 0) return;
  if (j->err == EEXIST) {
    if (is_folder(j->path)) j->err = 0;
    return;
  }
  if (j->err != ENOENT) return;
  /* Its parents, from the first on that is not there. */
  size_t n = strlen(j->path);
  if (n == 0) return; /* no path at all: not a folder that is there */
  char *path = wf_malloc(n + 1);
  if (path == NULL) {
    j->err = ENOMEM;
    return;
  }
  memcpy(path, j->path, n + 1);
  while (n > 1 && path[n - 1] == '/') path[--n] = '\0';
  j->err = 0;
  for (size_t i = 1; i <= n && j->err == 0; i++) {
    if (path[i] != '/' && path[i] != '\0') continue;
    char c = path[i];
    path[i] = '\0';
    CALL(j, mkdir(path, j->mode | (c == '/' ? 0300u : 0u)));
    if (j->err == EEXIST || ((j->err == EROFS || j->err == EACCES) && is_folder(path))) j->err = is_folder(path) ? 0 : ENOTDIR;
    path[i] = c;
  }
  wf_free(path);
}

void wf_file_readlink(wf_file_job *j) {
  for (size_t room = 256;; room *= 2) {
    char *more = wf_realloc(j->data, room);
    if (more == NULL) {
      j->err = ENOMEM;
      return;
    }
    j->data = more;
    ssize_t n = readlink(j->path, j->data, room);
    if (n < 0) {
      j->err = errno;
      return;
    }
    if ((size_t)n < room) {
      j->size = (size_t)n;
      return;
    }
  }
}

void wf_file_realpath(wf_file_job *j) {
  char *real = realpath(j->path, NULL);
  if (real == NULL) {
    j->err = errno;
    return;
  }
  j->size = strlen(real);
  j->data = wf_malloc(j->size + 1);
  if (j->data != NULL)
    memcpy(j->data, real, j->size + 1);
  else
    j->err = ENOMEM;
  free(real);
}

void wf_file_tempdir(wf_file_job *j) {
  size_t room = strlen(j->path) + strlen(j->path2) + 16;
  char *path = wf_malloc(room);
  if (path == NULL) {
    j->err = ENOMEM;
    return;
  }
  snprintf(path, room, "%s/%sXXXXXX", j->path, j->path2);
  CALL(j, mkdtemp(path) == NULL);
  if (j->err == 0)
    j->temp = path;
  else
    wf_free(path);
}

char wf_file_letter(mode_t mode) {
  return S_ISREG(mode)    ? 'f'
         : S_ISDIR(mode)  ? 'd'
         : S_ISLNK(mode)  ? 'l'
         : S_ISFIFO(mode) ? 'p'
         : S_ISSOCK(mode) ? 's'
         : S_ISCHR(mode)  ? 'c'
         : S_ISBLK(mode)  ? 'b'
                          : '?';
}

const char *wf_file_type(char letter) {
  switch (letter) {
    case 'f': return "file";
    case 'd': return "directory";
    case 'l': return "link";
    case 'p': return "pipe";
    case 's': return "socket";
    case 'c': return "char";
    case 'b': return "block";
    default: return "unknown";
  }
}
