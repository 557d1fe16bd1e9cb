/* System calls that fail to order: the n-th call of one C library function that weft's own code makes fails, once; or some
 * calls, as ordered (refuse_as). The functions named here, and in REFUSED_OWN(X) of who includes this, are put in front of the
 * library's; who calls from elsewhere, as libuv does, is let through.
 *
 * Arguments are passed on as six or seven words, which is how the machine passes whole numbers and pointers, so this is for
 * x86-64 alone; and not under a sanitizer, which has the same functions in its hands. */
#ifndef REFUSAL_H
#define REFUSAL_H

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/base.h"

#if defined(__x86_64__) && defined(__ELF__) && defined(__linux__) && !WF_ASAN && !WF_TSAN
#define REFUSALS 1
#else
#define REFUSALS 0
#endif

#if REFUSALS

void *dlsym(void *handle, const char *name);

/* How a function says that it failed. */
enum { REFUSE_MINUS_ONE, REFUSE_NULL, REFUSE_ERRNO, REFUSE_AFTER };

/* X(name, how, errno). AFTER: it is done, and has failed, as close may. */
#define REFUSED(X)                                                                                                     \
  X(accept4, MINUS_ONE, EPERM)                                                                                         \
  X(bind, MINUS_ONE, EADDRINUSE) X(chdir, MINUS_ONE, EACCES) X(chmod, MINUS_ONE, EPERM) X(clone, MINUS_ONE, EAGAIN) X( \
      close, AFTER, EIO) X(connect, MINUS_ONE, ENETUNREACH) X(copy_file_range, MINUS_ONE, ENOSYS) X(dladdr1, NULL, 0)  \
      X(dlopen, NULL, 0) X(dup, MINUS_ONE, EMFILE) X(dup2, MINUS_ONE, EMFILE) X(epoll_create1, MINUS_ONE, EMFILE) X(   \
          epoll_ctl, MINUS_ONE, ENOSPC) X(eventfd, MINUS_ONE, EMFILE) X(faccessat, MINUS_ONE, EIO)                     \
          X(fchmod, MINUS_ONE, EPERM) X(fchown, MINUS_ONE, EPERM) X(fchownat, MINUS_ONE, EPERM) X(                     \
              fcntl, MINUS_ONE,                                                                                        \
              EMFILE) X(fdopendir, NULL, ENOMEM)                                                                       \
              X(fopen, NULL, EMFILE) X(fstat, MINUS_ONE, EIO) X(fstatat, MINUS_ONE, EIO) X(fstatfs, MINUS_ONE, EIO) X( \
                  fsync, MINUS_ONE,                                                                                    \
                  EIO) X(ftruncate, MINUS_ONE,                                                                         \
                         EIO) X(getpeername, MINUS_ONE, ENOTCONN)                                                      \
                  X(getpriority, MINUS_ONE, ESRCH) X(getrlimit, MINUS_ONE, EINVAL) X(getrusage, MINUS_ONE, EINVAL) X(  \
                      getsockname, MINUS_ONE,                                                                          \
                      ENOBUFS) X(getsockopt, MINUS_ONE, ENOBUFS)                                                       \
                      X(grantpt, MINUS_ONE, EACCES) X(inotify_add_watch, MINUS_ONE, ENOSPC) X(                         \
                          inotify_init1, MINUS_ONE,                                                                    \
                          EMFILE) X(ioctl, MINUS_ONE, ENOTTY)                                                          \
                          X(kill, MINUS_ONE, ESRCH) X(link, MINUS_ONE, EPERM) X(listen, MINUS_ONE, EADDRINUSE) X(      \
                              lseek, MINUS_ONE,                                                                        \
                              EIO) X(lstat, MINUS_ONE,                                                                 \
                                     EIO) X(madvise, MINUS_ONE, EINVAL)                                                \
                              X(mincore, MINUS_ONE, ENOMEM) X(mkdir, MINUS_ONE, ENOSPC) X(mkdtemp, NULL, ENOSPC)       \
                                  X(mmap, MINUS_ONE, ENOMEM) X(mprotect, MINUS_ONE, ENOMEM) X(                         \
                                      open,                                                                            \
                                      MINUS_ONE, EMFILE) X(openat, MINUS_ONE, EMFILE)                                  \
                                      X(opendir, NULL, EMFILE) X(pipe2, MINUS_ONE, EMFILE) X(                          \
                                          posix_openpt,                                                                \
                                          MINUS_ONE, ENOSPC) X(pread, MINUS_ONE, EIO)                                  \
                                          X(preadv2, MINUS_ONE, ENOSYS) X(pthread_attr_init, ERRNO, ENOMEM) X(         \
                                              pthread_attr_setsigmask_np,                                              \
                                              ERRNO, ENOMEM) X(pthread_attr_setstacksize, ERRNO, EINVAL)               \
                                              X(pthread_create, ERRNO, EAGAIN) X(pthread_getattr_np, ERRNO, ENOMEM) X( \
                                                  pthread_getcpuclockid,                                               \
                                                  ERRNO, ESRCH) X(pthread_key_create, ERRNO, EAGAIN)                   \
                                                  X(pthread_setname_np, ERRNO, EIO) X(ptsname_r, ERRNO, ENOTTY) X(     \
                                                      pwrite, MINUS_ONE, EIO) X(readdir, NULL, EIO)                    \
                                                      X(readlink, MINUS_ONE,                                           \
                                                        EIO) X(realpath, NULL, EIO)                                    \
                                                          X(rename, MINUS_ONE, EIO) X(renameat2, MINUS_ONE, EINVAL) X( \
                                                              rmdir, MINUS_ONE,                                        \
                                                              EBUSY) X(sched_getaffinity, MINUS_ONE,                   \
                                                                       EINVAL) X(sched_getparam, MINUS_ONE, EINVAL)    \
                                                              X(sched_getscheduler, MINUS_ONE, EINVAL) X(              \
                                                                  sched_setaffinity, MINUS_ONE,                        \
                                                                  EPERM) X(sched_setscheduler, MINUS_ONE,              \
                                                                           EPERM) X(setpriority, MINUS_ONE, EACCES)    \
                                                                  X(setrlimit, MINUS_ONE,                              \
                                                                    EPERM) X(setsockopt, MINUS_ONE,                    \
                                                                             ENOBUFS) X(shutdown, MINUS_ONE, ENOTCONN) \
                                                                      X(socket, MINUS_ONE,                             \
                                                                        EMFILE) X(socketpair, MINUS_ONE, EMFILE)       \
                                                                          X(stat, MINUS_ONE,                           \
                                                                            EIO) X(statx, MINUS_ONE, ENOSYS)           \
                                                                              X(symlink, MINUS_ONE,                    \
                                                                                EPERM) X(syscall, MINUS_ONE,           \
                                                                                         ENOSYS) X(timer_create,       \
                                                                                                   MINUS_ONE, EAGAIN)  \
                                                                                  X(timer_settime, MINUS_ONE,          \
                                                                                    EINVAL) X(tmpfile, NULL, EMFILE)   \
                                                                                      X(truncate, MINUS_ONE, EIO)      \
                                                                                          X(uv_loop_init, ERRNO,       \
                                                                                            -EMFILE) X(unlinkat,       \
                                                                                                       MINUS_ONE,      \
                                                                                                       EBUSY)          \
                                                                                              X(unlockpt, MINUS_ONE,   \
                                                                                                EACCES)                \
                                                                                                  X(utimensat,         \
                                                                                                    MINUS_ONE, EPERM)

#ifndef REFUSED_OWN
#define REFUSED_OWN(X)
#endif

#define REFUSED_INDEX(name, how, err) REFUSED_##name,
enum { REFUSED(REFUSED_INDEX) REFUSED_OWN(REFUSED_INDEX) REFUSED_COUNT };

#define REFUSED_NAME(name, how, err) #name,
static const char *const refused_names[] __attribute__((unused)) = {REFUSED(REFUSED_NAME) REFUSED_OWN(REFUSED_NAME)};

enum { REFUSED_ANY = -1234567 };

static atomic_long refused_calls[REFUSED_COUNT]; /* since the last order */

/* What is ordered for a function: `times` calls from the at-th on fail. times 0: none. */
static struct refused_order {
  atomic_long times, at, first; /* first: only of calls with this first argument */
  atomic_int error;             /* 0: what the list says; else that errno; below 0: no failure, the result is `answer` */
  atomic_long answer;
} refused_orders[REFUSED_COUNT];

extern const char __executable_start[], etext[];

/* A call of ours, which is counted; whether it is to fail. */
static int refused(int which, long first, const void *caller) {
  if ((const char *)caller < __executable_start || (const char *)caller >= etext) return 0;
  struct refused_order *o = &refused_orders[which];
  long times = atomic_load(&o->times), only = atomic_load(&o->first);
  if (times > 0 && only != REFUSED_ANY && only != first) return 0;
  long n = atomic_fetch_add(&refused_calls[which], 1) + 1, at = atomic_load(&o->at);
  return times > 0 && n >= at && n - at < times;
}

typedef long (*refused_fn)(long, long, long, long, long, long, long);

/* The symbol is the library's, the name is not: what the headers say of that does not fit. */
#define REFUSED_WRAP(name, how, err)                                                                   \
  long refusing_##name(long a, long b, long c, long d, long e, long f, long g) __asm__(#name);         \
  long refusing_##name(long a, long b, long c, long d, long e, long f, long g) {                       \
    static refused_fn _Atomic theirs;                                                                  \
    refused_fn fn = atomic_load(&theirs);                                                              \
    if (fn == NULL) atomic_store(&theirs, fn = (refused_fn)dlsym((void *)-1l, #name)); /* RTLD_NEXT */ \
    int fails = refused(REFUSED_##name, a, __builtin_return_address(0));                               \
    int other = atomic_load(&refused_orders[REFUSED_##name].error), with = other > 0 ? other : err;      \
    if (fails && other < 0) return atomic_load(&refused_orders[REFUSED_##name].answer);                \
    if (fails && REFUSE_##how != REFUSE_AFTER) {                                                       \
      if (REFUSE_##how == REFUSE_ERRNO) return with;                                                   \
      errno = with;                                                                                    \
      return REFUSE_##how == REFUSE_NULL ? 0 : -1;                                                     \
    }                                                                                                  \
    long result = fn(a, b, c, d, e, f, g);                                                             \
    if (!fails) return result;                                                                         \
    errno = with;                                                                                      \
    return -1;                                                                                         \
  }
REFUSED(REFUSED_WRAP)
REFUSED_OWN(REFUSED_WRAP)

/* From now on all calls are made. */
static inline void refuse_no_more(void) {
  for (int i = 0; i < REFUSED_COUNT; i++) atomic_store(&refused_orders[i].times, 0);
}

/* And are counted anew. */
static inline void refuse_none(void) {
  refuse_no_more();
  for (int i = 0; i < REFUSED_COUNT; i++) atomic_store(&refused_calls[i], 0);
}

/* And `times` of `which` fail, from the at-th on, with that errno (0: the list's), beside what is ordered for others. `first`:
 * only calls whose first argument is that are counted. */
static inline void refuse_also(int which, long first, long at, long times, int err) {
  struct refused_order *o = &refused_orders[which];
  atomic_store(&o->at, at);
  atomic_store(&o->first, first);
  atomic_store(&o->error, err);
  atomic_store(&o->times, times);
}

static inline void refuse_as(int which, long first, long at, long times, int err) {
  refuse_none();
  refuse_also(which, first, at, times, err);
}

/* They are not made and have that result. */
static inline void refuse_by_answer(int which, long first, long at, long times, long result) {
  atomic_store(&refused_orders[which].answer, result);
  refuse_as(which, first, at, times, -1);
}

/* The at-th of `which` fails; -1: none does. */
static inline void refuse(int which, long at) {
  refuse_none();
  if (which >= 0) refuse_also(which, REFUSED_ANY, at, 1, 0);
}

#endif
#endif
