/* peer_fds_test.c: descriptors from a worker process (rt/peer.h). One that sends more of them than a frame has, or some that are
 * no memory, fails its job; its starter keeps none and goes on. The worker is this program, when WEFT_SAYS says what. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/elem.h"
#include "check.h"
#include "host_state.h"
#include "rt/peer.h"

enum {
  WORKER_FD = 3,
  AT_ONCE = 8, /* descriptors with each byte: no more are taken from one */
  MESSAGES = 1000,
  HANDLE = 2, BUFFER = 2, /* as in rt/peer_value.c */
};

/* As in rt/peer_buffer.c. */
typedef struct view {
  uint64_t id, bytes, offset, n, stride;
  uint8_t yours, first, type, spare[5];
} view;

/* The worker ---------------------------------------------------------------------------------------- */

/* One message with these bytes and n copies of the descriptor; false: nobody listens any more. */
static bool say(const void *bytes, size_t len, int fd, size_t n) {
  char control[CMSG_SPACE(AT_ONCE * sizeof(int))] = {0};
  struct iovec iov = {(void *)bytes, len};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
  if (n > 0) {
    m.msg_control = control;
    m.msg_controllen = CMSG_SPACE(n * sizeof fd);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof fd);
    for (size_t i = 0; i < n; i++) memcpy(CMSG_DATA(c) + i * sizeof fd, &fd, sizeof fd);
  }
  return sendmsg(WORKER_FD, &m, MSG_NOSIGNAL) == (ssize_t)len;
}

/* A buffer of 8 numbers, for the channel that comes first. */
static void say_buffer(int fd, size_t nfds) {
  view v = {.id = 1, .bytes = 64, .n = 8, .stride = 8, .first = 1, .type = WF_I64};
  char frame[sizeof(wf_peer_head) + 2 + sizeof v];
  wf_peer_head h = {.size = 2 + sizeof v, .op = WF_PEER_PUT, .chan = 1};
  memcpy(frame, &h, sizeof h);
  memcpy(frame + sizeof h, (char[]){HANDLE, BUFFER}, 2);
  memcpy(frame + sizeof h + 2, &v, sizeof v);
  memcpy(frame, &h, sizeof h);
  say(frame, sizeof frame, fd, nfds);
}

static int work(const char *says) {
  wf_peer_head h = {.size = 1 << 20, .op = WF_PEER_PUT, .chan = 1};
  if (strcmp(says, "many") == 0) { /* of a frame that never gets whole */
    say(&h, sizeof h, 1, 1);
    for (int i = 0; i < MESSAGES; i++)
      if (!say("x", 1, 1, AT_ONCE)) pause();
    return 0; /* all were taken */
  }
  int pipes[2];
  if (pipe(pipes) != 0) return 1;
  int memory = fileno(tmpfile());
  if (strcmp(says, "memory") == 0 || strcmp(says, "more") == 0) {
    if (ftruncate(memory, 65536) == 0) say_buffer(memory, says[1] == 'e' ? 1 : AT_ONCE); /* the rest is nobody's */
    return 0;
  }
  if (strcmp(says, "short") == 0 && ftruncate(memory, 1) == 0) say_buffer(memory, 1);
  if (strcmp(says, "pipe") == 0) say_buffer(pipes[0], 1);
  if (strcmp(says, "null") == 0) say_buffer(open("/dev/null", O_RDWR), 1);
  if (strcmp(says, "none") == 0) say_buffer(-1, 0);
  pause(); /* it is for the other side to end this */
  return 1;
}

/* The starter --------------------------------------------------------------------------------------- */

static int descriptors(void) {
  int n = 0;
  DIR *d = opendir("/proc/self/fd");
  while (readdir(d) != NULL) n++;
  closedir(d);
  return n;
}

static bool try_worker(const char *program, const char *says, const char *then) {
  static const char script[] =
      "local weft, program, then_ = require 'weft', ...\n"
      "weft.interpreter(program)\n"
      "local ch = weft.channel(9)\n"
      "job = weft.process(function() end, ch)\n"
      "check = assert(load(then_))\n"
      "check(ch)\n"
      "job:wait()\n"
      "weft.spawn(function() end):join()\n";
  lua_State *L = host_whole();
  setenv("WEFT_SAYS", says, 1);
  bool ok = luaL_loadstring(L, script) == LUA_OK;
  lua_pushstring(L, program);
  lua_pushstring(L, then);
  ok = ok && lua_pcall(L, 2, 0, 0) == LUA_OK;
  if (!ok) printf("%s: %s\n", says, luaL_tolstring(L, -1, NULL));
  lua_close(L);
  return ok;
}

int main(int argc, char **argv) {
  const char *says = getenv("WEFT_SAYS");
  if (says != NULL) return work(says);
  static const char fails[] =
      "local ok, err = job:result() assert(not ok)\n"
      "assert(tostring(err):find('failed here: Bad message', 1, true), tostring(err))\n"
      "assert(#... == 0)";
  static const char comes[] = "local b = (...):recv() assert(#b == 8) b[1] = 5 assert(b[1] == 5)";
  (void)argc;
  alarm(120);
  for (int round = 0; round < 2; round++) {
    int before = descriptors();
    CHECK(try_worker(argv[0], "memory", comes));
    CHECK(try_worker(argv[0], "more", comes));
    CHECK(try_worker(argv[0], "many", fails));
    CHECK(try_worker(argv[0], "short", fails));
    CHECK(try_worker(argv[0], "pipe", fails));
    CHECK(try_worker(argv[0], "null", fails));
    CHECK(try_worker(argv[0], "none", fails));
    if (round > 0) CHECK(descriptors() == before); /* the first one opens what stays */
  }
  printf("%d failures\n", failures);
  return failures != 0;
}
