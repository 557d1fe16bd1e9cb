/* Reads n files of 4 KiB, one after the other: open, read, close, and nothing else. "us" is wall-clock time a file. */
#include "bench.h"

#include <fcntl.h>

static long read_all(long n) {
  long bytes = 0;
  for (long i = 1; i <= n; i++) {
    char path[64], data[8192];
    snprintf(path, sizeof path, "build/bench/files/f%ld", i);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bytes += read(fd, data, sizeof data);
    close(fd);
  }
  return bytes;
}

int main(int argc, char **argv) {
  long n = arg_long(argc, argv, 1, 10000);
  read_all(n);
  double t = now_ns();
  if (read_all(n) != n * 4096) return 1;
  printf("us %.3f\n", (now_ns() - t) / (double)n / 1e3);
  return 0;
}
