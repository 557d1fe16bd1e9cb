/* What is done to files: each function here is a whole piece of work, made of several system calls, that any thread can
 * do: one of libuv's pool, or the carrier itself where the process's rights are not the thread's own (sys/identity.h).
 *
 * A job is a record with the arguments and the results of one such piece. One thread at a time has it: who fills it
 * in, who runs it, then again the first one. Only `stop` is written by another meanwhile. What a job has opened or
 * made and not handed out (fd, temp) is its own until wf_file_clean, which is called by whoever has the job last.
 *
 * Calls are begun again after EINTR, and go on after short reads and writes.
 */
#ifndef WF_SYS_FILE_H
#define WF_SYS_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

typedef struct wf_file_job {
  void (*run)(struct wf_file_job *j);
  /* Nobody waits for it any more. Set once by the carrier, read between two steps by who runs it, relaxed: it only ends
   * the work sooner; what the job holds is passed on by the pool's own locks. */
  _Atomic bool stop;
  int err;              /* an errno; 0: it is done */
  int fd;               /* -1: none */
  int flags;            /* of open; of the function */
  bool last, sync, exclusive, appends;
  bool special;         /* no file whose contents could be had at once: a pipe, a terminal, a socket */
  bool given;           /* the descriptor is somebody else's: not to be closed */
  mode_t mode;
  uid_t uid;
  gid_t gid;
  int64_t offset;       /* in the file, or -1 */
  size_t most;          /* bytes to read at most */
  struct timespec times[2]; /* accessed, modified */
  const char *path, *path2; /* lie behind the record */
  char *temp;           /* a file or folder that must not be left: malloc'ed path */
  char *target;         /* where it is to go: malloc'ed */
  char *data;           /* what to write, or what was read: malloc'ed */
  size_t size;
  struct stat st;
} wf_file_job;

/* Close and remove what the job has left, and free its memory. Any thread. */
void wf_file_clean(wf_file_job *j);

/* Whole files (file.c).
 * read: all of `path`, or of fd, into data; EFBIG beyond `most`. special: it was not read, fd is open.
 * replace, append: data goes to `path`, in one call or in several, of which the last has `last` set. replace writes a new
 * file beside it, which takes its place at the end; what was there stays as it is until then. `mode`: for a file that was
 * not there. */
void wf_file_read(wf_file_job *j);
void wf_file_replace(wf_file_job *j);
void wf_file_append(wf_file_job *j);
void wf_file_copy(wf_file_job *j); /* path to path2, which is replaced as above */

/* Open files. open: fd and st. A folder is EISDIR. temp: the same, a new file in the folder `path` whose name begins with
 * path2: its path is temp, until somebody takes it from there. */
void wf_file_open(wf_file_job *j);
void wf_file_temp(wf_file_job *j);
void wf_file_pread(wf_file_job *j);   /* up to `most` bytes at `offset` into data; size 0: the end */
void wf_file_pwrite(wf_file_job *j);  /* all of data at `offset`; appends: at the end, offset is where it ends then */
void wf_file_flush(wf_file_job *j);   /* to the disk */
void wf_file_truncate(wf_file_job *j); /* to `offset` bytes; also a path */
void wf_file_fstat(wf_file_job *j);
void wf_file_close(wf_file_job *j);

/* Names (file_name.c). */
void wf_file_stat(wf_file_job *j);
void wf_file_lstat(wf_file_job *j);
void wf_file_access(wf_file_job *j);  /* flags: R_OK ... */
void wf_file_mkdir(wf_file_job *j);   /* flags != 0: its parents too, and it may be there */
void wf_file_rename(wf_file_job *j);  /* exclusive: path2 must not be there */
void wf_file_link(wf_file_job *j);
void wf_file_symlink(wf_file_job *j); /* path2 leads to path */
void wf_file_readlink(wf_file_job *j); /* into data */
void wf_file_realpath(wf_file_job *j);
void wf_file_chmod(wf_file_job *j);
void wf_file_chown(wf_file_job *j);   /* flags: AT_SYMLINK_NOFOLLOW, as in utime */
void wf_file_utime(wf_file_job *j);
void wf_file_tempdir(wf_file_job *j); /* in path, named path2...: its path in temp, as above */

/* Folders (file_dir.c).
 * scan: data is for each entry, in the order of their names, a letter (wf_file_letter) and the name with its zero.
 * remove: a file or an empty folder; flags != 0: a folder with all that is in it, links in it are not followed. */
void wf_file_scan(wf_file_job *j);
void wf_file_remove(wf_file_job *j);

/* "file" 'f', "directory" 'd', "link" 'l', "pipe" 'p', "socket" 's', "char" 'c', "block" 'b', "unknown" '?'. */
char wf_file_letter(mode_t mode);
const char *wf_file_type(char letter);

/* At once or not at all (file_quick.c): what the kernel can do without waiting for a disk, a network or a server. They
 * answer -EAGAIN when they cannot; that is the time to have a job done by a thread that may wait.
 * open: only to read. A descriptor, or a negative errno. read: as pread; less than `n` is no sign of the end.
 * stat: 0, or a negative errno. */
int wf_quick_open(const char *path);
int64_t wf_quick_read(int fd, void *to, size_t n, int64_t offset);
int wf_quick_stat(const char *path, bool follow, struct stat *st);

/* A job of the pool looks, now and then, which file systems are mounted: wf_quick_open and stat go on what was seen. */
void wf_quick_look(void);

#ifdef WF_DEBUG
/* For tests: file systems of this kind are servers from now on (""; none). */
void wf_quick_pretend(const char *kind);
#endif

/* Used here and by file_*.c: calls that EINTR does not end. 0 or an errno, the descriptor or count in *out. */
int wf_file_openat(int at, const char *path, int flags, mode_t mode, int *out);
int wf_file_write_all(int fd, const char *data, size_t size, int64_t offset, size_t *done);

#endif
