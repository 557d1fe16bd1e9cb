/* addr_test.c: addresses from text and back (sys/addr.c), with zones, with paths, with too little room; signals from names and
 * back (sys/signame.c). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "check.h"
#include "sys/addr.h"
#include "sys/signals.h"
#include "sys/signame.h"

static void says(const char *host, unsigned port, const char *wanted) {
  wf_addr a;
  char text[WF_ADDR_TEXT + 16];
  int e = wf_addr_parse(&a, host, port);
  if (e != 0 || strcmp(wf_addr_text(&a.sa, text, sizeof text), wanted) != 0) {
    printf("%s: error %d, %s, not %s\n", host, e, e == 0 ? text : "", wanted);
    failures++;
  }
}

static void is_none(const char *host) {
  wf_addr a;
  if (wf_addr_parse(&a, host, 1) != EINVAL) printf("%s is an address\n", host), failures++;
}

static void addresses(void) {
  wf_addr a;
  char text[WF_ADDR_TEXT], name[IF_NAMESIZE];
  unsigned port = 0;
  says("127.0.0.1", 80, "127.0.0.1:80");
  says("::1", 65535, "[::1]:65535");
  says("0:0:1::2", 9, "[0:0:1::2]:9");
  says("::ffff:1.2.3.4", 1, "1.2.3.4:1"); /* a client that came by IPv4 */
  says("fe80::1%4294967295", 7, "[fe80::1%4294967295]:7"); /* an interface that is not there, by its number */
  const char *first = if_indextoname(1, name);
  if (first != NULL) {
    char host[64], wanted[80];
    snprintf(host, sizeof host, "fe80::2%%%s", first);
    snprintf(wanted, sizeof wanted, "[%s]:8", host);
    says(host, 8, wanted);
    says("fe80::2%1", 8, wanted);
  }
  is_none("");
  is_none("localhost");
  is_none("1.2.3");
  is_none("fe80::1%none");
  is_none("fe80::1%");
  is_none("1.2.3.4%1");
  is_none("%1");
  is_none("1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8:9:1:2:3");
  for (int i = 0; i < 3; i++) { /* no room */
    static const char *const hosts[] = {"127.0.0.1", "::1:2:3", "::ffff:1.2.3.4"};
    CHECK(wf_addr_parse(&a, hosts[i], 1) == 0 && !wf_addr_host(&a.sa, text, 4, &port) && port == 1);
  }
  a.sa.sa_family = AF_UNIX;
  CHECK(strcmp(wf_addr_text(&a.sa, text, sizeof text), "") == 0);
}

static void paths(void) {
  wf_addr a;
  char path[200];
  memset(path, 'x', sizeof path);
  enum { HEAD = offsetof(struct sockaddr_un, sun_path), MOST = sizeof a.un.sun_path };
  CHECK(wf_addr_unix(&a, "/tmp/s", 6) == HEAD + 7 && strcmp(a.un.sun_path, "/tmp/s") == 0);
  CHECK(wf_addr_unix(&a, path, MOST - 1) == HEAD + MOST && wf_addr_unix(&a, path, MOST) == 0);
  CHECK(wf_addr_unix(&a, "", 0) == 0 && wf_addr_unix(&a, "a\0b", 3) == 0);
#if defined(__linux__)
  CHECK(wf_addr_unix(&a, "\0name", 5) == HEAD + 5 && memcmp(a.un.sun_path, "\0name", 5) == 0); /* no file, and no end */
#endif
}

static void names_of_signals(void) {
  char text[32];
  static const char *const none[] = {"", "SIG", "NONE", "SIGSIGTERM", "RTMIN+", "RTMIN+x", "RTMIN+0", "RTMIN+1x", "RTMIN+1000", "RTMIN-1",
                                     "SIGRTMINX", "a name that is longer than any signal has"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    if (wf_signal_parse(none[i]) != 0) printf("%s is a signal\n", none[i]), failures++;
  CHECK(wf_signal_parse("TERM") == SIGTERM && wf_signal_parse("SIGTERM") == SIGTERM);
  CHECK(strcmp(wf_signal_text(SIGTERM, text, sizeof text), "SIGTERM") == 0);
#ifdef SIGRTMIN
  CHECK(wf_signal_parse("RTMIN") == SIGRTMIN && wf_signal_parse("SIGRTMIN+2") == SIGRTMIN + 2);
  CHECK(strcmp(wf_signal_text(SIGRTMIN, text, sizeof text), "SIGRTMIN") == 0);
  CHECK(strcmp(wf_signal_text(SIGRTMIN + 3, text, sizeof text), "SIGRTMIN+3") == 0);
  CHECK(strcmp(wf_signal_text(SIGRTMAX + 1, text, sizeof text), "65") == 0);
#endif
  CHECK(strcmp(wf_signal_text(0, text, sizeof text), "0") == 0);
}

/* What was there before the first watcher is there again after the last. Numbers that are no signal's are let be. */
static void on_signal(int sig) { (void)sig; }
static void held_signals(void) {
  struct sigaction now;
  signal(SIGUSR1, on_signal);
  wf_signal_hold(SIGUSR1);
  wf_signal_hold(SIGUSR1);
  signal(SIGUSR1, SIG_IGN);
  wf_signal_release(SIGUSR1);
  CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
  wf_signal_release(SIGUSR1);
  CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == on_signal);
  static const int none[] = {0, -1, 65, 1000};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    wf_signal_hold(none[i]);
    wf_signal_release(none[i]);
  }
}

int main(void) {
  addresses();
  paths();
  names_of_signals();
  held_signals();
  return failures != 0;
}
