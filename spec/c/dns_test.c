/* dns_test.c: a resolver that never answers, or late, or wrongly. getaddrinfo and getnameinfo here stand in front of the C
 * library's, so that nothing depends on the network:
 *
 *   never.test   no answer, ever               late.test    an answer when `release` was called
 *   many.test    several addresses             again.test   EAI_AGAIN          system.test   EAI_SYSTEM, EIO
 *   file.test    opens a descriptor, as a true one does: EAI_FAIL when it lands where a standard one should be
 *   odd.test     an address of a family that nobody knows among others
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "host_state.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int released;
static atomic_int inside, lists;

static void wait_released(void) {
  pthread_mutex_lock(&lock);
  while (!released) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

/* An entry for an address; one of family 99 when it is none. */
static struct addrinfo *entry(const char *text, const struct addrinfo *hints, struct addrinfo *next) {
  struct addrinfo *a = calloc(1, sizeof *a + sizeof(struct sockaddr_in6));
  a->ai_addr = (struct sockaddr *)(a + 1);
  struct sockaddr_in *in = (struct sockaddr_in *)(a + 1);
  struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(a + 1);
  a->ai_family = inet_pton(AF_INET, text, &in->sin_addr) == 1 ? AF_INET : inet_pton(AF_INET6, text, &in6->sin6_addr) == 1 ? AF_INET6 : 99;
  a->ai_addr->sa_family = (sa_family_t)a->ai_family;
  a->ai_socktype = hints->ai_socktype;
  a->ai_next = next;
  return a;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  (void)service;
  *found = NULL;
  atomic_fetch_add(&inside, 1);
  if (strcmp(name, "never.test") == 0)
    for (;;) pause();
  if (strcmp(name, "late.test") == 0) wait_released();
  int fd = strcmp(name, "file.test") == 0 ? open("/dev/null", O_RDONLY) : -1;
  if (fd >= 0) close(fd);
  atomic_fetch_sub(&inside, 1);
  if (fd >= 0 && fd <= 2) return EAI_FAIL;
  if (strcmp(name, "again.test") == 0) return EAI_AGAIN;
  if (strcmp(name, "system.test") == 0) {
    errno = EIO;
    return EAI_SYSTEM;
  }
  atomic_fetch_add(&lists, 1);
  if (strcmp(name, "odd.test") == 0)
    *found = entry("?", hints, entry("192.0.2.1", hints, entry("?", hints, NULL)));
  else
    *found = entry("192.0.2.1", hints, entry("2001:db8::1", hints, NULL));
  return 0;
}

void freeaddrinfo(struct addrinfo *a) {
  atomic_fetch_sub(&lists, a != NULL);
  while (a != NULL) {
    struct addrinfo *next = a->ai_next;
    free(a);
    a = next;
  }
}

int getnameinfo(const struct sockaddr *sa, socklen_t len, char *host, socklen_t n, char *service, socklen_t m, int flags) {
  (void)sa, (void)len, (void)n, (void)m, (void)flags;
  strcpy(host, "late.test");
  strcpy(service, "late");
  wait_released();
  return 0;
}

static int l_release(lua_State *L) {
  pthread_mutex_lock(&lock);
  released = (int)lua_toboolean(L, 1);
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  return 0;
}

static int l_inside(lua_State *L) {
  lua_pushinteger(L, atomic_load(&inside));
  return 1;
}

static void script(const char *text) {
  lua_State *L = host_core();
  lua_register(L, "release", l_release);
  lua_register(L, "inside", l_inside);
  if (!host_run(L, text)) failures++;
  lua_close(L);
}

/* Standard streams that are closed stay closed, and nothing of ours takes their numbers. */
static void without_stdio(void) {
  int in = fcntl(0, F_DUPFD_CLOEXEC, 100), err = fcntl(2, F_DUPFD_CLOEXEC, 100);
  close(0);
  close(2);
  script("assert(weft.resolve('file.test'))");
  CHECK(fcntl(0, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0);
  dup2(in, 0);
  dup2(err, 2);
  close(in);
  close(err);
}

int main(void) {
  without_stdio();
  script("local r = weft.resolve('many.test') assert(#r == 2 and r[1].address == '192.0.2.1' and r[2].family == 'inet6')\n"
         "assert(not r[1].port)");
  script("local r = weft.resolve('odd.test') assert(#r == 1 and r[1].address == '192.0.2.1')");
  script("assert(select(3, weft.resolve('again.test')) == 'EAI_AGAIN')\n"
         "local r, m, c = weft.resolve('system.test') assert(c == 'EIO' and m == 'EIO: i/o error: system.test', m)");
  /* A numeric address asks nobody: it does not reach a lane. */
  script("for i = 1, 40 do weft.go(weft.resolve, 'never.test'):detach() end\n"
         "assert(weft.resolve('127.0.0.1')[1].address)");
  /* Time-outs and cancellation, while it hangs and while it is in the queue behind 32 that hang. */
  script("release(false)\n"
         "for i = 1, 40 do local r, m, c = weft.resolve('never.test', {timeout = 0}) assert(not r and c == 'ETIMEDOUT', m) end\n"
         "local r, m, c = weft.resolve('many.test', {timeout = 0.01}) assert(not r and c == 'ETIMEDOUT', m)\n"
         "local jobs = {}\n"
         "for i = 1, 5 do jobs[i] = weft.go(weft.resolve, 'many.test') end\n"
         "weft.yield() for i = 1, 5 do jobs[i]:cancel() end\n"
         "for i = 1, 5 do local ok, err = jobs[i]:result() assert(not ok and weft.is(err, 'cancelled')) end\n"
         "assert(inside() >= 32)");
  /* Others go on beside some that hang. */
  script("for i = 1, 20 do weft.go(weft.resolve, 'never.test'):detach() end\n"
         "for i = 1, 50 do assert(#weft.resolve('many.test') == 2) end");
  /* An answer that comes when nobody waits any more. */
  script("release(false)\n"
         "assert(select(3, weft.resolve('late.test', {timeout = 0})) == 'ETIMEDOUT')\n"
         "local job = weft.go(weft.resolve, 'late.test') weft.yield() release(true)\n"
         "assert(#job:join() == 2)");
  script("release(false)\n"
         "assert(select(3, weft.reverse('192.0.2.1', {timeout = 0, port = 80})) == 'ETIMEDOUT')\n"
         "local job = weft.go(weft.reverse, '192.0.2.1', {port = 80}) weft.yield() release(true)\n"
         "local host, service = job:join() assert(host == 'late.test' and service == 'late')");
  /* In isolates, which the end of the script finds waiting. */
  script("release(false)\n"
         "for i = 1, 4 do weft.spawn(function() require('weft.core').resolve('late.test') end):detach() end\n"
         "for i = 1, 2 do weft.thread(function() require('weft.core').resolve('never.test') end):detach() end\n"
         "weft.sleep(0.01)");
  /* And the end while answers come in. */
  for (int i = 0; i < 20; i++)
    script("release(false) for i = 1, 8 do weft.go(weft.resolve, 'late.test'):detach() end weft.yield() release(true)");
  for (int i = 0; i < 2000 && atomic_load(&lists) != 0; i++) usleep(1000);
  CHECK(atomic_load(&lists) == 0);
  return failures != 0;
}
