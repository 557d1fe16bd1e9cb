/* What is in folders, and removing them. See file.h.
 *
 * Removing a tree holds two descriptors however deep it is: down by openat, which follows no link, and up by "..",
 * which must be the folder that it came from; else somebody has moved things meanwhile, and the job ends. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "sys/file.h"
#include "sys/inject.h"

/* Reading ---------------------------------------------------------------------------------------- */

/* An open folder, by path or below another one. The descriptor goes with it. */
static DIR *open_dir(int at, const char *path, int flags, int *err) {
  int fd;
  *err = wf_file_openat(at, path, O_RDONLY | O_DIRECTORY | flags, 0, &fd);
  if (*err != 0) return NULL;
  DIR *d = fdopendir(fd);
  if (d == NULL) {
    *err = errno;
    close(fd);
  }
  return d;
}

static bool is_dots(const char *name) { return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0')); }

/* The next entry but "." and ".."; NULL: no more, or *err. */
static struct dirent *next_entry(DIR *d, int *err) {
  for (;;) {
    *err = wf_inject(WF_CALL_READ, NULL);
    if (*err == EINTR) continue;
    if (*err != 0) return NULL;
    errno = 0;
    struct dirent *e = readdir(d);
    if (e == NULL) {
      *err = errno;
      return NULL;
    }
    if (!is_dots(e->d_name)) return e;
  }
}

static char letter_of(DIR *d, const struct dirent *e) {
#if defined(_DIRENT_HAVE_D_TYPE) || defined(DT_UNKNOWN)
  switch (e->d_type) {
    case DT_REG: return 'f';
    case DT_DIR: return 'd';
    case DT_LNK: return 'l';
    case DT_FIFO: return 'p';
    case DT_SOCK: return 's';
    case DT_CHR: return 'c';
    case DT_BLK: return 'b';
    default: break;
  }
#endif
  struct stat st;
  return fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? wf_file_letter(st.st_mode) : '?';
}

static int by_name(const void *a, const void *b) {
  const char *const *x = a, *const *y = b;
  return strcmp(*x + 1, *y + 1); /* behind the letters */
}

/* Bring the entries into the order of their names. */
static int sort_entries(wf_file_job *j, size_t n) {
  if (n < 2) return 0;
  const char **at = wf_malloc(n * sizeof *at);
  char *sorted = wf_malloc(j->size), *to = sorted;
  if (at == NULL || sorted == NULL) {
    wf_free(at);
    wf_free(sorted);
    return ENOMEM;
  }
  const char *p = j->data;
  for (size_t i = 0; i < n; i++, p += strlen(p) + 1) at[i] = p;
  qsort(at, n, sizeof *at, by_name);
  for (size_t i = 0; i < n; i++) {
    size_t size = strlen(at[i]) + 1;
    memcpy(to, at[i], size);
    to += size;
  }
  wf_free(at);
  wf_free(j->data);
  j->data = sorted;
  return 0;
}

void wf_file_scan(wf_file_job *j) {
  size_t room = 0, n = 0;
  DIR *d = open_dir(AT_FDCWD, j->path, 0, &j->err);
  if (d == NULL) return;
  for (const struct dirent *e; j->err == 0 && (e = next_entry(d, &j->err)) != NULL; n++) {
    size_t size = strlen(e->d_name) + 2;
    if (atomic_load_explicit(&j->stop, memory_order_relaxed)) j->err = ECANCELED;
    if (j->size + size > room) {
      room = room == 0 ? 4096 : room * 2;
      char *more = wf_realloc(j->data, room);
      if (more == NULL) {
        j->err = ENOMEM;
        break;
      }
      j->data = more;
    }
    j->data[j->size] = letter_of(d, e);
    memcpy(j->data + j->size + 1, e->d_name, size - 1);
    j->size += size;
  }
  closedir(d);
  if (j->err == 0) j->err = sort_entries(j, n);
}

/* Removing --------------------------------------------------------------------------------------- */

/* A folder on the way down. */
typedef struct level {
  struct level *above;
  dev_t dev; /* of the folder that this one is in */
  ino_t ino;
  char name[];
} level;

/* Remove everything in d but folders; the name of the first folder with something in it, or NULL: d is empty, or *err. The
 * name is that of an entry of d. */
static const char *clear_files(DIR *d, const wf_file_job *j, int *err) {
  for (const struct dirent *e; (e = next_entry(d, err)) != NULL;) {
    if (atomic_load_explicit(&j->stop, memory_order_relaxed)) *err = ECANCELED;
    if (*err == 0) *err = wf_inject(WF_CALL_LINK, NULL);
    if (*err == EINTR) *err = 0;
    if (*err != 0) return NULL;
    bool folder = letter_of(d, e) == 'd';
    if (unlinkat(dirfd(d), e->d_name, folder ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT) continue;
    if (folder && (errno == ENOTEMPTY || errno == EEXIST)) return e->d_name;
    *err = errno;
    return NULL;
  }
  return NULL;
}

/* Go into the folder of that name: d becomes it. */
static DIR *go_down(DIR *d, const char *name, level **levels, int *err) {
  struct stat st;
  level *l = wf_malloc(sizeof *l + strlen(name) + 1);
  if (l == NULL) {
    *err = ENOMEM;
    return d;
  }
  strcpy(l->name, name);
  if (fstat(dirfd(d), &st) != 0) *err = errno;
  DIR *below = *err != 0 ? NULL : open_dir(dirfd(d), name, O_NOFOLLOW, err);
  if (below == NULL) {
    wf_free(l);
    if (*err == ENOENT || *err == ENOTDIR || *err == ELOOP) { /* it was replaced meanwhile: look again */
      *err = 0;
      rewinddir(d);
    }
    return d;
  }
  l->dev = st.st_dev;
  l->ino = st.st_ino;
  l->above = *levels;
  *levels = l;
  closedir(d);
  return below;
}

/* d is empty: leave it and remove it. */
static DIR *go_up(DIR *d, level **levels, int *err) {
  level *l = *levels;
  struct stat st;
  DIR *above = open_dir(dirfd(d), "..", 0, err);
  if (above == NULL) return d;
  closedir(d);
  if (fstat(dirfd(above), &st) != 0)
    *err = errno;
  else if (st.st_dev != l->dev || st.st_ino != l->ino)
    *err = EBUSY; /* it was moved */
  else if (unlinkat(dirfd(above), l->name, AT_REMOVEDIR) != 0 && errno != ENOENT && errno != ENOTEMPTY)
    *err = errno;
  *levels = l->above;
  wf_free(l);
  return above;
}

static int remove_tree(wf_file_job *j) {
  level *levels = NULL;
  int err;
  DIR *d = open_dir(AT_FDCWD, j->path, O_NOFOLLOW, &err);
  if (d == NULL) return err;
  for (;;) {
    const char *name = clear_files(d, j, &err);
    if (err != 0) break;
    if (name != NULL)
      d = go_down(d, name, &levels, &err);
    else if (levels != NULL)
      d = go_up(d, &levels, &err);
    else
      break;
    if (err != 0) break;
  }
  closedir(d);
  while (levels != NULL) {
    level *l = levels;
    levels = l->above;
    wf_free(l);
  }
  return err != 0 ? err : rmdir(j->path) == 0 ? 0 : errno;
}

void wf_file_remove(wf_file_job *j) {
  struct stat st;
  do j->err = wf_inject(WF_CALL_LINK, NULL);
  while (j->err == EINTR);
  if (j->err != 0) return;
  if (unlink(j->path) == 0) return;
  j->err = errno;
  if (j->err == ENOENT || lstat(j->path, &st) != 0 || !S_ISDIR(st.st_mode)) return;
  j->err = rmdir(j->path) == 0 ? 0 : errno;
  if (j->flags != 0 && (j->err == ENOTEMPTY || j->err == EEXIST)) j->err = remove_tree(j);
}
