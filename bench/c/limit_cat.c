/* So many MiB through the standard input and output of `cat`, as one thread does it best: both pipes non-blocking, poll
 * when both are stuck, blocks of 64 KiB. Argument: MiB. */
#include "bench.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>

enum { BLOCK = 1 << 16 };

extern char **environ;

int main(int argc, char **argv) {
  long left = arg_long(argc, argv, 1, 256) << 20, got = 0, want = left;
  int in[2], out[2];
  static char from[BLOCK], into[BLOCK];
  char *cat[] = {"cat", NULL};
  pid_t pid;
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) return 1;
  memset(from, 'x', sizeof from);
  double t = now_ns();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  if (posix_spawnp(&pid, "cat", &actions, NULL, cat, environ) != 0) return 1;
  close(in[0]);
  close(out[1]);
  fcntl(in[1], F_SETFL, O_NONBLOCK);
  fcntl(out[0], F_SETFL, O_NONBLOCK);
  for (ssize_t r = -1; r != 0;) {
    ssize_t w = left > 0 ? write(in[1], from, left < BLOCK ? (size_t)left : BLOCK) : -1;
    if (w > 0 && (left -= w) == 0) close(in[1]);
    r = read(out[0], into, sizeof into);
    if (r > 0) got += r;
    if (r >= 0 || w > 0) continue;
    struct pollfd fds[2] = {{.fd = out[0], .events = POLLIN}, {.fd = in[1], .events = POLLOUT}};
    poll(fds, left > 0 ? 2 : 1, -1);
  }
  waitpid(pid, NULL, 0);
  if (got != want) return 1;
  printf("rate %.1f\n", (double)(want >> 20) / ((now_ns() - t) / 1e9));
  return 0;
}
