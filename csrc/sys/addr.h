/* Socket addresses as text and back; IPv4, IPv6 and unix. No state; any thread. */
#ifndef WF_SYS_ADDR_H
#define WF_SYS_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef union wf_addr {
  struct sockaddr sa;
  struct sockaddr_in in;
  struct sockaddr_in6 in6;
  struct sockaddr_un un;
  struct sockaddr_storage any;
} wf_addr;

/* The same without a unix path, for those who keep many. */
typedef union wf_addr_ip {
  struct sockaddr sa;
  struct sockaddr_in in;
  struct sockaddr_in6 in6;
} wf_addr_ip;

enum { WF_ADDR_TEXT = 80 }; /* a buffer for any address but a unix path: "[fe80::1%eth0]:65535" */

/* A numeric address, also "::1%lo": 0, or EINVAL when it is none. */
int wf_addr_parse(wf_addr *a, const char *host, unsigned port);

/* A path, or on Linux an abstract name when it begins with NUL: its length, 0 when it is too long or has a NUL
 * in it. */
socklen_t wf_addr_unix(wf_addr *a, const char *path, size_t len);

socklen_t wf_addr_len(const struct sockaddr *sa);

/* The numeric host; the port. False for a unix address. */
bool wf_addr_host(const struct sockaddr *sa, char *text, size_t size, unsigned *port);

/* "127.0.0.1:80", "[::1]:80", "" for others. */
const char *wf_addr_text(const struct sockaddr *sa, char *text, size_t size);

#endif
