/* fd_test.c: the standard numbers where they are closed (sys/fd.h): nobody's while somebody has them taken, free again
 * afterwards. */
#include "sys/fd.h"

#include <fcntl.h>

#include "check.h"

static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

/* What a library would open lies above them. */
static bool opens_above(void) {
  int fd = open("/dev/null", O_RDONLY);
  close(fd);
  return fd > 2;
}

static void taken_as_long_as_needed(void) {
  close(0);
  close(2);
  wf_fd_take_stdio();
  CHECK(opens_above());
  CHECK(fcntl(0, F_GETFD) == FD_CLOEXEC && fcntl(2, F_GETFD) == FD_CLOEXEC);
  wf_fd_take_stdio();
  wf_fd_give_stdio(); /* somebody else's */
  CHECK(opens_above());
  wf_fd_give_stdio();
  CHECK(!is_open(0) && is_open(1) && !is_open(2));
}

/* A number that one of ours had while the others were taken does not become free when that moves. */
static void a_number_that_moves(void) {
  close(0);
  int ours = open("/dev/zero", O_RDONLY);
  CHECK(ours == 0);
  wf_fd_take_stdio();
  int moved = wf_fd_above_stdio(ours);
  CHECK(moved > 2);
  CHECK(opens_above());
  CHECK(fcntl(0, F_GETFD) == FD_CLOEXEC);
  wf_fd_give_stdio();
  CHECK(!is_open(0));
  char c = 1;
  CHECK(read(moved, &c, 1) == 1 && c == 0);
  close(moved);
  int again = open("/dev/null", O_RDONLY); /* and when nobody has them, it is free at once */
  CHECK(again == 0 && (again = wf_fd_above_stdio(again)) > 2 && !is_open(0));
  close(again);
}

int main(void) {
  in_a_child(taken_as_long_as_needed);
  in_a_child(a_number_that_moves);
  return failures != 0;
}
