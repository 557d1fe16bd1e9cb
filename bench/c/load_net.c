/* The one client of all the servers that are measured. It starts the server, on a CPU of its own, reads the port from
 * the first line that it prints, puts a load on it from another CPU and says what came of it.
 *
 *   load_net echo CONNECTIONS BYTES SECONDS -- server...     closed loop: each connection waits for its answer
 *   load_net http CONNECTIONS SECONDS -- server...           the same with a GET and its answer
 *   load_net bulk MIB -- server...                           one connection sends, the server counts and says "done\n"
 *   load_net idle CONNECTIONS -- server...                   memory of the server for each open connection
 *   load_net accept SECONDS -- server...                     connect, one echo of a byte, close: 8 at a time
 *
 * Prints "rate" (answers, MiB or connections a second), "cpu_us" (CPU time of the server for each), "p99_us" (of the
 * answers), or "bytes" (resident memory for each connection, the kernel's not counted). One thread. */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { MAX_CONNS = 20000, EVENTS = 512, SAMPLES = 1 << 20 };

static pid_t server = -1;
static struct sockaddr_in where = {.sin_family = AF_INET};

static void quit(const char *what) {
  fprintf(stderr, "load_net: %s: %s\n", what, strerror(errno));
  if (server > 0) kill(server, SIGKILL);
  exit(1);
}

static void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

static void start(char **argv) {
  int out[2];
  char line[64];
  long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  if (pipe(out) != 0) quit("pipe");
  server = fork();
  if (server == 0) {
    if (cpus > 1) pin(0);
    dup2(out[1], 1);
    close(out[0]);
    close(out[1]);
    execvp(argv[0], argv);
    quit(argv[0]);
  }
  close(out[1]);
  if (cpus > 1) pin(1);
  FILE *f = fdopen(out[0], "r");
  int port = f && fgets(line, sizeof line, f) ? atoi(line) : 0;
  if (port <= 0) quit("the server says no port");
  where.sin_port = htons((uint16_t)port);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static void stop(void) {
  kill(server, SIGKILL);
  waitpid(server, NULL, 0);
}

/* Fields of /proc/PID/stat after the name: 12 and 13 are user and system ticks, 22 resident pages. */
static double server_field(int n) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)server);
  int fd = open(path, O_RDONLY);
  ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (len <= 0) return 0;
  text[len] = '\0';
  char *p = strrchr(text, ')') + 1;
  for (int i = 0; i < n; i++) p = strchr(p + 1, ' ');
  return atof(p);
}

/* CPU seconds of the server; of all its threads. schedstat is exact, stat counts ticks. */
static double server_cpu(void) {
  return (server_field(11) + server_field(12)) / (double)sysconf(_SC_CLK_TCK);
}

static int dial(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  if (fd < 0 || connect(fd, (struct sockaddr *)&where, sizeof where) != 0) quit("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

typedef struct conn {
  int fd;
  size_t got;
  double sent;
} conn;

static conn conns[MAX_CONNS];
static float samples[SAMPLES];
static size_t nsamples;

static int by_size(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static void closed_loop(long n, const char *request, size_t len, size_t answer, double seconds) {
  static char in[1 << 16];
  struct epoll_event events[EVENTS];
  int ep = epoll_create1(EPOLL_CLOEXEC);
  for (long i = 0; i < n; i++) {
    conns[i].fd = dial();
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &conns[i]};
    epoll_ctl(ep, EPOLL_CTL_ADD, conns[i].fd, &e);
    conns[i].sent = now_ns();
    if (write(conns[i].fd, request, len) != (ssize_t)len) quit("write");
  }
  double begin = now_ns(), warm = begin + seconds * 0.2e9, end = begin + seconds * 1e9, cpu = 0, now = begin;
  long answers = 0;
  while (now < end) {
    int k = epoll_wait(ep, events, EVENTS, 1000);
    now = now_ns();
    if (warm > 0 && now > warm) {
      begin = now;
      cpu = server_cpu();
      answers = 0;
      warm = 0;
      nsamples = 0;
    }
    for (int i = 0; i < k; i++) {
      conn *c = events[i].data.ptr;
      ssize_t r = read(c->fd, in, sizeof in);
      if (r <= 0) quit("read");
      c->got += (size_t)r;
      if (answer == 0) { /* an HTTP answer: learn its size from the first */
        in[r < (ssize_t)sizeof in ? r : r - 1] = '\0';
        char *head = strstr(in, "\r\n\r\n"), *length = strcasestr(in, "content-length:");
        if (head == NULL || length == NULL || c->got != (size_t)r) quit("answer");
        answer = (size_t)(head + 4 - in) + (size_t)atol(length + 15);
      }
      if (c->got < answer) continue;
      c->got -= answer;
      answers++;
      if (nsamples < SAMPLES && (answers & 7) == 0) samples[nsamples++] = (float)((now - c->sent) / 1e3);
      c->sent = now;
      if (write(c->fd, request, len) != (ssize_t)len) quit("write");
    }
  }
  double took = now - begin;
  printf("rate %.0f\n", (double)answers / took * 1e9);
  printf("cpu_us %.3f\n", (server_cpu() - cpu) * 1e6 / (double)answers);
  qsort(samples, nsamples, sizeof *samples, by_size);
  if (nsamples > 0) printf("p99_us %.1f\n", samples[nsamples * 99 / 100]);
}

static void bulk(long mib) {
  static char out[1 << 18];
  char in[16];
  int fd = dial();
  double cpu = server_cpu(), begin = now_ns();
  for (long left = mib << 20; left > 0;) {
    ssize_t w = write(fd, out, (size_t)left < sizeof out ? (size_t)left : sizeof out);
    if (w <= 0) quit("write");
    left -= w;
  }
  shutdown(fd, SHUT_WR);
  if (read(fd, in, sizeof in) <= 0) quit("read");
  double took = (now_ns() - begin) / 1e9;
  printf("rate %.0f\ncpu_us %.1f\n", (double)mib / took, (server_cpu() - cpu) * 1e6 / (double)mib);
}

static void echo_byte(int fd) {
  char b = 'x';
  if (write(fd, &b, 1) != 1 || read(fd, &b, 1) != 1) quit("echo");
}

static void idle(long n) {
  long warm = n / 10 + 1;
  for (long i = 0; i < warm; i++) echo_byte(conns[i].fd = dial());
  double before = server_field(21);
  for (long i = warm; i < n; i++) echo_byte(conns[i].fd = dial());
  double pages = server_field(21) - before;
  printf("bytes %.0f\n", pages * (double)sysconf(_SC_PAGESIZE) / (double)(n - warm));
}

static void accepts(double seconds) {
  enum { AT_ONCE = 8 };
  double begin = now_ns(), end = begin + seconds * 1e9, cpu = server_cpu();
  long n = 0;
  struct linger gone = {1, 0}; /* no TIME_WAIT: ports are few */
  while (now_ns() < end) {
    int fds[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) fds[i] = dial();
    for (int i = 0; i < AT_ONCE; i++) {
      echo_byte(fds[i]);
      setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &gone, sizeof gone);
      close(fds[i]);
    }
    n += AT_ONCE;
  }
  printf("rate %.0f\ncpu_us %.3f\n", (double)n / (now_ns() - begin) * 1e9, (server_cpu() - cpu) * 1e6 / (double)n);
}

int main(int argc, char **argv) {
  int dash = 1;
  while (dash < argc && strcmp(argv[dash], "--") != 0) dash++;
  if (argc < 3 || dash + 1 >= argc) return 2;
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  start(argv + dash + 1);
  if (strcmp(argv[1], "echo") == 0) {
    static char request[1 << 16];
    size_t len = (size_t)arg_long(dash, argv, 3, 64);
    memset(request, 'x', sizeof request);
    if (len > 0) request[len - 1] = '\n';
    closed_loop(arg_long(dash, argv, 2, 50), request, len, len, (double)arg_long(dash, argv, 4, 3));
  } else if (strcmp(argv[1], "http") == 0) {
    const char *get = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n";
    closed_loop(arg_long(dash, argv, 2, 100), get, strlen(get), 0, (double)arg_long(dash, argv, 3, 3));
  } else if (strcmp(argv[1], "bulk") == 0) {
    bulk(arg_long(dash, argv, 2, 1024));
  } else if (strcmp(argv[1], "idle") == 0) {
    idle(arg_long(dash, argv, 2, 10000));
  } else if (strcmp(argv[1], "accept") == 0) {
    accepts((double)arg_long(dash, argv, 2, 3));
  }
  stop();
  return 0;
}
