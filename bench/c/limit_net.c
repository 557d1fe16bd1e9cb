/* Plain C on libuv, the limit of what weft.net could do: an echo server, or one that counts what comes ("bulk").
 * One static buffer, uv_try_write first, no allocation for a message. */
#include "bench.h"

#include <uv.h>

static char memory[64 * 1024];
static int counts;

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *buf) {
  (void)h, (void)size;
  *buf = uv_buf_init(memory, sizeof memory);
}

static void on_close(uv_handle_t *h) { free(h); }

typedef struct late {
  uv_write_t req;
  char bytes[];
} late;

static void on_written(uv_write_t *req, int status) {
  (void)status;
  free(req);
}

static void send_all(uv_stream_t *s, char *p, size_t n) {
  uv_buf_t buf = uv_buf_init(p, (unsigned)n);
  int put = uv_try_write(s, &buf, 1);
  if (put == (int)n) return;
  if (put < 0) put = 0;
  late *w = malloc(sizeof *w + n - (size_t)put);
  memcpy(w->bytes, p + put, n - (size_t)put);
  buf = uv_buf_init(w->bytes, (unsigned)(n - (size_t)put));
  uv_write(&w->req, s, &buf, 1, on_written);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf) {
  if (n > 0 && !counts) send_all(s, buf->base, (size_t)n);
  if (n < 0) {
    if (counts) send_all(s, (char *)(uintptr_t)"done\n", 5);
    uv_close((uv_handle_t *)s, on_close);
  }
}

static void on_connection(uv_stream_t *server, int status) {
  if (status != 0) return;
  uv_tcp_t *c = malloc(sizeof *c);
  uv_tcp_init(server->loop, c);
  if (uv_accept(server, (uv_stream_t *)c) != 0) return;
  uv_tcp_nodelay(c, 1);
  uv_read_start((uv_stream_t *)c, on_alloc, on_read);
}

int main(int argc, char **argv) {
  uv_loop_t *loop = uv_default_loop();
  uv_tcp_t server;
  struct sockaddr_in a;
  int len = sizeof a;
  counts = argc > 1 && strcmp(argv[1], "bulk") == 0;
  uv_tcp_init(loop, &server);
  uv_ip4_addr("127.0.0.1", 0, &a);
  uv_tcp_bind(&server, (struct sockaddr *)&a, 0);
  if (uv_listen((uv_stream_t *)&server, 1024, on_connection) != 0) return 1;
  uv_tcp_getsockname(&server, (struct sockaddr *)&a, &len);
  printf("%d\n", ntohs(a.sin_port));
  fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}
