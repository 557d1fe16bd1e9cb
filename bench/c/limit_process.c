/* The floor of processes: posix_spawn and waitpid of `true` ("exec_us", and with eight at once "exec8_us"), of the
 * interpreter with nothing to do ("lua_us"); a round trip of eight bytes between two processes over a socket pair
 * ("trip_us"); 64 bytes one way through a pipe, a write and a read each ("message_ns"). */
#include "bench.h"

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

extern char **environ;

static pid_t start(char **argv) {
  pid_t pid;
  if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0) abort();
  return pid;
}

static double spawn_us(char **argv, long n, int at_once) {
  pid_t pids[8];
  double t = now_ns();
  for (long i = 0; i < n; i += at_once) {
    for (int k = 0; k < at_once; k++) pids[k] = start(argv);
    for (int k = 0; k < at_once; k++) waitpid(pids[k], NULL, 0);
  }
  return (now_ns() - t) / 1e3 / (double)n;
}

static double trip_us(long n) {
  int fds[2];
  int64_t v = 0;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) abort();
  pid_t pid = fork();
  if (pid == 0) {
    close(fds[0]);
    while (read(fds[1], &v, sizeof v) == (ssize_t)sizeof v)
      if (write(fds[1], &v, sizeof v) < 0) break;
    _exit(0);
  }
  close(fds[1]);
  double t = 0;
  for (long i = -n / 10; i < n; i++) {
    if (i == 0) t = now_ns();
    if (write(fds[0], &v, sizeof v) < 0 || read(fds[0], &v, sizeof v) < 0) abort();
  }
  t = now_ns() - t;
  close(fds[0]);
  waitpid(pid, NULL, 0);
  return t / 1e3 / (double)n;
}

static double message_ns(long n) {
  int fds[2];
  char bytes[64] = {0};
  if (pipe(fds) != 0) abort();
  double t = now_ns();
  pid_t pid = fork();
  if (pid == 0) {
    close(fds[1]);
    for (long got = 0; got < n * 64;) {
      ssize_t r = read(fds[0], bytes, sizeof bytes);
      if (r <= 0) break;
      got += r;
    }
    _exit(0);
  }
  close(fds[0]);
  for (long i = 0; i < n; i++)
    if (write(fds[1], bytes, sizeof bytes) < 0) abort();
  close(fds[1]);
  waitpid(pid, NULL, 0);
  return (now_ns() - t) / (double)n;
}

int main(int argc, char **argv) {
  long n = arg_long(argc, argv, 1, 400);
  char *yes[] = {"true", NULL}, *lua[] = {argc > 2 ? argv[2] : "lua5.4", "-e", "", NULL};
  printf("exec_us %.2f\n", spawn_us(yes, n, 1));
  printf("exec8_us %.2f\n", spawn_us(yes, n / 8 * 8, 8));
  printf("lua_us %.2f\n", spawn_us(lua, n / 2, 1));
  printf("trip_us %.3f\n", trip_us(n * 50));
  printf("message_ns %.1f\n", message_ns(n * 1000));
  return 0;
}
