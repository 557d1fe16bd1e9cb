/* sys_refused_test.c: descriptors, stacks, memory and names when the system says no: errors come back as they are, and nothing is
 * left; what can be done in another way is. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSED_OWN(X)                                                        \
  X(getaddrinfo, ERRNO, 0) X(getnameinfo, ERRNO, 0) X(read, MINUS_ONE, EIO)   \
  X(pthread_attr_getstack, ERRNO, EINVAL)
#include "base/alloc.h"
#include "base/base.h"
#include "check.h"
#include "heap.h"
#include "refusal.h"
#include "sys/addr.h"
#include "sys/area.h"
#include "sys/cstack.h"
#include "sys/fd.h"
#include "sys/fwatch.h"
#include "sys/heap_over.h"
#include "sys/names.h"
#include "sys/pin.h"
#include "sys/poller.h"
#include "sys/stack.h"
#include "sys/uv.h"

#if REFUSALS

#define ONCE(name, error) refuse_as(REFUSED_##name, REFUSED_ANY, 1, 1, error)

static heap memory;

/* ---- descriptors ---- */

static void descriptors(void) {
  int fds[2];
  CHECK(pipe(fds) == 0);
  CHECK(wf_fd_cloexec(fds[0]) == 0 && wf_fd_cloexec(fds[0]) == 0 && wf_fd_nonblock(fds[0], true) == 0);
  ONCE(fcntl, EBADF);
  CHECK(wf_fd_cloexec(fds[1]) == EBADF);
  refuse_as(REFUSED_fcntl, REFUSED_ANY, 2, 1, EIO);
  CHECK(wf_fd_cloexec(fds[1]) == EIO);
  refuse_as(REFUSED_fcntl, REFUSED_ANY, 2, 1, EIO);
  CHECK(wf_fd_nonblock(fds[1], true) == EIO && wf_fd_nonblock(-1, true) == EBADF);
  ONCE(open, EMFILE);
  wf_fd_to_null(fds[1]);
  CHECK(fcntl(fds[1], F_GETFD) == 0 && write(fds[1], "x", 1) == 1); /* it is the pipe still */
  wf_fd_to_null(fds[1]);
  CHECK(write(fds[1], "x", 1) == 1 && fcntl(fds[1], F_GETFD) == 0);
  close(fds[1]);
  wf_fd_to_null(fds[1]); /* the number that is free next */
  CHECK(fcntl(fds[1], F_GETFD) >= 0);
  close(fds[0]);
  close(fds[1]);
}

static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

/* While somebody has the standard numbers taken, one that was ours for a moment stays taken. */
static void standard_numbers(void) {
  close(0);
  wf_fd_take_stdio();
  CHECK(is_open(0));
  close(0); /* as somebody does */
  int fd = wf_fd_above_stdio(open("/dev/zero", O_RDONLY));
  CHECK(fd > 2 && is_open(0) && (fcntl(0, F_GETFD) & FD_CLOEXEC));
  close(0);
  ONCE(dup2, EBADF);
  int other = wf_fd_above_stdio(open("/dev/zero", O_RDONLY));
  CHECK(other > 2 && is_open(0));
  close(0);
  refuse_as(REFUSED_fcntl, REFUSED_ANY, 2, 1, EIO);
  CHECK(wf_fd_above_stdio(dup(fd)) > 2 && is_open(0));
  refuse(-1, 0);
  close(0);
  wf_fd_give_stdio();
  CHECK(!is_open(0));
  CHECK(wf_fd_above_stdio(dup(fd)) > 2 && !is_open(0));
  refuse(-1, 0);
  close(0);
  ONCE(open, EMFILE);
  wf_fd_take_stdio(); /* nothing can be put there */
  CHECK(!is_open(0));
  wf_fd_give_stdio();
  int high = fcntl(fd, F_DUPFD, 50); /* somebody else took the number in that moment */
  refuse_by_answer(REFUSED_open, REFUSED_ANY, 1, 1, high);
  wf_fd_take_stdio();
  CHECK(!is_open(0) && !is_open(high));
  wf_fd_give_stdio();
}

static void on_pipe(int sig, siginfo_t *info, void *ud) { (void)sig, (void)info, (void)ud; }

/* A host's own handler stays, of whichever kind. */
static void broken_pipes(void) {
  struct sigaction sa = {.sa_sigaction = on_pipe, .sa_flags = SA_SIGINFO}, now;
  CHECK(sigaction(SIGPIPE, &sa, NULL) == 0);
  wf_sigpipe_ignore();
  CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_sigaction == on_pipe);
  signal(SIGPIPE, SIG_DFL);
  wf_sigpipe_ignore();
  CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
  wf_sigpipe_ignore();
}

static unsigned told;
static void on_ready(wf_watch *w, unsigned events) {
  (void)w;
  told |= events;
}

static void pollers_and_watches(void) {
  wf_poller p;
  char buf[4096];
  ONCE(epoll_create1, EMFILE);
  CHECK(wf_poller_open(&p) == EMFILE);
  wf_poller_close(&p);
  CHECK(wf_poller_open(&p) == 0);
  refuse_as(REFUSED_syscall, SYS_epoll_pwait2, 1, 1, ENOSYS); /* an old kernel waits by whole milliseconds */
  CHECK(wf_poller_wait(&p, 1000, NULL) == 0 && p.no_pwait2);
  refuse(-1, 0);
  wf_watch w;
  int fds[2];
  CHECK(pipe(fds) == 0);
  wf_watch_init(&w, fds[0], NULL);
  ONCE(epoll_ctl, ENOSPC);
  CHECK(wf_poller_arm(&p, &w, WF_IO_READ) == ENOSPC && p.count == 0);
  w.on_ready = on_ready;
  CHECK(wf_poller_arm(&p, &w, WF_IO_READ) == 0 && p.count == 1 && write(fds[1], "x", 1) == 1);
  CHECK(wf_poller_wait(&p, UINT64_MAX - 1, NULL) == 1 && (told & WF_IO_READ)); /* longer than a number of the kernel's */
  wf_poller_close(&p);
  wf_poller_close(&p);
  close(fds[0]);
  close(fds[1]);
  int fd = wf_fwatch_open("/tmp", 0);
  CHECK(fd > 2 && wf_fwatch_read(fd, buf, sizeof buf) == 0);
  ONCE(read, EINTR);
  CHECK(wf_fwatch_read(fd, buf, sizeof buf) == 0);
  ONCE(read, EIO);
  CHECK(wf_fwatch_read(fd, buf, sizeof buf) == -EIO);
  close(fd);
  ONCE(inotify_init1, EMFILE);
  CHECK(wf_fwatch_open("/tmp", 0) == -1 && errno == EMFILE);
  ONCE(inotify_add_watch, ENOSPC);
  CHECK(wf_fwatch_open("/tmp", 0) == -1 && errno == ENOSPC);
}

/* What is watched was moved; a record that is cut off is none. */
static void changes(void) {
  struct inotify_event e = {.mask = IN_MOVE_SELF};
  size_t at = 0;
  wf_fchange c;
  CHECK(wf_fwatch_next(&e, sizeof e, &at, &c) && strcmp(c.what, "moved") == 0 && c.name == NULL && !c.last);
  CHECK(!wf_fwatch_next(&e, sizeof e, &at, &c));
  at = 0;
  CHECK(!wf_fwatch_next(&e, sizeof e - 1, &at, &c));
}

/* ---- memory and stacks ---- */

static void areas(void) {
  wf_area a = {0};
  ONCE(mmap, ENOMEM);
  CHECK(wf_area_take(&a) == NULL && a.n == 0);
  void *chunk = wf_area_take(&a);
  CHECK(chunk != NULL && wf_area_has(&a, chunk));
  a.range[0].used = a.range[0].size; /* as if they were all taken */
  ONCE(mmap, ENOMEM);
  CHECK(wf_area_take(&a) == NULL && a.n == 1);
  void *more = wf_area_take(&a);
  CHECK(more != NULL && a.n == 2 && wf_area_has(&a, chunk) && wf_area_has(&a, more));
  wf_area_fini(&a);
  static wf_area full = {.n = WF_AREA_RANGES};
  CHECK(wf_area_take(&full) == NULL);
}

static void *no_base(void *ud, void *block, size_t osize, size_t nsize) {
  (void)osize;
  if (nsize == 0) free(block);
  return nsize == 0 || *(bool *)ud ? NULL : realloc(block, nsize);
}

/* A heap over another that gives nothing: a block that is to be smaller is, whatever happens. */
static void heaps_over_nothing(void) {
  bool out = false;
  wf_alloc_set(heap_plain, &memory);
  heap_order(&memory, 1, 0);
  CHECK(wf_heap_over_new(no_base, &out, NULL) == NULL);
  heap_heal(&memory);
  void *last = no_base(&out, NULL, 0, 100);
  wf_heap_over *o = wf_heap_over_new(no_base, &out, last);
  char *large = wf_heap_over_alloc(o, NULL, 0, 100000), *small = wf_heap_over_alloc(o, NULL, 0, 20);
  CHECK(large != NULL && small != NULL);
  memcpy(large, "text", 5);
  out = true;
  refuse_as(REFUSED_mmap, REFUSED_ANY, 1, 1000, ENOMEM);
  CHECK(wf_heap_over_alloc(o, small, 20, 100000) == NULL);
  o->area.range[0].used = o->area.range[0].size; /* and what is in pages already is used up */
  while (wf_heap_over_alloc(o, NULL, 0, 48) != NULL) continue;
  char *shrunk = wf_heap_over_alloc(o, large, 100000, 48);
  CHECK(shrunk == large && strcmp(shrunk, "text") == 0);
  refuse(-1, 0);
  out = false;
  wf_heap_over_alloc(o, shrunk, 48, 0);
  wf_heap_over_alloc(o, last, 100, 0);
}

static void stacks(void) {
  const void *low = NULL;
  size_t size = 0;
  const char *here = __builtin_frame_address(0);
  CHECK((const char *)wf_stack_low() < here);
  CHECK(wf_stack_of(wf_stack_mine(), &low, &size) && (const char *)low < here && here < (const char *)low + size);
  ONCE(pthread_getattr_np, ENOMEM);
  CHECK((const char *)wf_stack_low() < here); /* a guess */
  ONCE(pthread_attr_getstack, EINVAL);
  CHECK((const char *)wf_stack_low() < here);
  ONCE(pthread_getattr_np, ENOMEM);
  CHECK(!wf_stack_of(wf_stack_mine(), &low, &size));
  ONCE(pthread_attr_getstack, EINVAL);
  CHECK(!wf_stack_of(wf_stack_mine(), &low, &size));
#if WF_CSTACKS
  wf_cstack s;
  ONCE(mmap, ENOMEM);
  CHECK(!wf_cstack_open(&s, NULL));
  ONCE(mprotect, ENOMEM);
  CHECK(!wf_cstack_open(&s, NULL));
#endif
}

static void code(void) {
  CHECK(strcmp(wf_code_file(code), "") == 0 && wf_pin_code(code)); /* the program itself */
  ONCE(dladdr1, 0);
  CHECK(wf_code_file(code) == NULL);
  ONCE(dladdr1, 0);
  CHECK(!wf_pin_code(code));
  refuse(-1, 0);
  void (*theirs)(void) = (void (*)(void))(uintptr_t)dlsym(NULL, "strlen");
  CHECK(wf_code_file(theirs) != NULL && wf_code_file(theirs)[0] == '/' && wf_pin_code(theirs));
  ONCE(dlopen, 0);
  CHECK(!wf_pin_code(theirs));
}

/* ---- names ---- */

static void names(void) {
  struct addrinfo *found = NULL;
  wf_names_query q = {.name = "127.0.0.1", .service = "80", .canonname = true};
  char host[WF_NAMES_HOST], service[WF_NAMES_SERVICE];
  static const struct {
    int said, wanted;
  } answers[] = {{EAI_AGAIN, UV_EAI_AGAIN}, {EAI_NONAME, UV_EAI_NONAME}, {EAI_SYSTEM, UV_EAI_FAIL}, {-12345, UV_EAI_FAIL}};
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    refuse_by_answer(REFUSED_getaddrinfo, REFUSED_ANY, 1, 1, answers[i].said);
    CHECK(wf_names_find(&q, &found) == answers[i].wanted && found == NULL);
  }
  refuse(-1, 0);
  int err = 1;
  CHECK(wf_names_at_once(&q, &found, &err) && err == 0 && found != NULL && strcmp(found->ai_canonname, "127.0.0.1") == 0);
  wf_names_free(found);
  q.canonname = false;
  q.addrconfig = true;
  CHECK(wf_names_at_once(&q, &found, &err) && err == 0 && found != NULL && found->ai_canonname == NULL);
  wf_names_free(found);
  refuse_by_answer(REFUSED_getaddrinfo, REFUSED_ANY, 1, 1, EAI_FAIL);
  CHECK(wf_names_find(&q, &found) == UV_EAI_FAIL);
  q.service = "http";
  CHECK(!wf_names_at_once(&q, &found, &err));
  q = (wf_names_query){.name = "localhost"};
  CHECK(!wf_names_at_once(&q, &found, &err));
  wf_addr a;
  CHECK(wf_addr_parse(&a, "127.0.0.1", 1) == 0);
  refuse_by_answer(REFUSED_getnameinfo, REFUSED_ANY, 1, 1, EAI_NONAME);
  CHECK(wf_names_of(&a.sa, true, true, host, service) == UV_EAI_NONAME);
  CHECK(wf_names_of(&a.sa, false, false, host, service) == 0);
}

int main(void) {
  alarm(60);
  in_a_child(descriptors);
  in_a_child(standard_numbers);
  in_a_child(broken_pipes);
  in_a_child(pollers_and_watches);
  in_a_child(changes);
  in_a_child(areas);
  in_a_child(heaps_over_nothing);
  in_a_child(stacks);
  in_a_child(code);
  in_a_child(names);
  return failures != 0;
}

#else
int main(void) {
  printf("no calls can be refused here\n");
  return 0;
}
#endif
