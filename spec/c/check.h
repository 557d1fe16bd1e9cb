/*
** What C tests of sys share: checks that go on after a failure, and bodies that
** run in a child process, because they spoil theirs.
*/
#ifndef WF_SPEC_CHECK_H
#define WF_SPEC_CHECK_H

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;

/* _exit, with the counts of `make coverage`, which links it in. */
void __gcov_dump(void) __attribute__((weak));
static inline void leave_child(int code) {
  if (__gcov_dump != NULL) __gcov_dump();
  _exit(code);
}

#define CHECK(cond)                                     \
  do {                                                  \
    if (!(cond)) {                                      \
      printf("%s:%d: %s\n", __FILE__, __LINE__, #cond); \
      failures++;                                       \
    }                                                   \
  } while (0)

/* A child that hangs is killed by its alarm, and fails. */
static inline void in_a_child(void (*body)(void)) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    failures = 0;
    alarm(60);
    body();
    fflush(stdout);
    leave_child(failures != 0);
  }
  int status = 1;
  waitpid(pid, &status, 0);
  CHECK(status == 0);
}

#endif
