/* See addr.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sys/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int wf_addr_parse(wf_addr *a, const char *host, unsigned port) {
  memset(a, 0, sizeof *a);
  if (inet_pton(AF_INET, host, &a->in.sin_addr) == 1) {
    a->in.sin_family = AF_INET;
    a->in.sin_port = htons((uint16_t)port);
    return 0;
  }
  char plain[INET6_ADDRSTRLEN];
  const char *zone = strchr(host, '%');
  size_t n = zone == NULL ? strlen(host) : (size_t)(zone - host);
  if (n >= sizeof plain) return EINVAL;
  memcpy(plain, host, n);
  plain[n] = '\0';
  if (inet_pton(AF_INET6, plain, &a->in6.sin6_addr) != 1) return EINVAL;
  a->in6.sin6_family = AF_INET6;
  a->in6.sin6_port = htons((uint16_t)port);
  if (zone != NULL) {
    a->in6.sin6_scope_id = if_nametoindex(zone + 1);
    if (a->in6.sin6_scope_id == 0) a->in6.sin6_scope_id = (uint32_t)strtoul(zone + 1, NULL, 10);
    if (a->in6.sin6_scope_id == 0) return EINVAL;
  }
  return 0;
}

socklen_t wf_addr_unix(wf_addr *a, const char *path, size_t len) {
  memset(a, 0, sizeof *a);
  a->un.sun_family = AF_UNIX;
  if (len == 0 || len >= sizeof a->un.sun_path) return 0;
#if defined(__linux__)
  if (path[0] == '\0') {
    memcpy(a->un.sun_path, path, len);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
  }
#endif
  if (memchr(path, '\0', len) != NULL) return 0;
  memcpy(a->un.sun_path, path, len);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
}

socklen_t wf_addr_len(const struct sockaddr *sa) {
  return sa->sa_family == AF_INET6 ? (socklen_t)sizeof(struct sockaddr_in6) : (socklen_t)sizeof(struct sockaddr_in);
}

bool wf_addr_host(const struct sockaddr *sa, char *text, size_t size, unsigned *port) {
  if (sa->sa_family == AF_INET) {
    const struct sockaddr_in *in = (const void *)sa;
    *port = ntohs(in->sin_port);
    return inet_ntop(AF_INET, &in->sin_addr, text, (socklen_t)size) != NULL;
  }
  if (sa->sa_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const void *)sa;
    char name[IF_NAMESIZE];
    *port = ntohs(in6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) /* a client that came by IPv4 */
      return inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text, (socklen_t)size) != NULL;
    if (inet_ntop(AF_INET6, &in6->sin6_addr, text, (socklen_t)size) == NULL) return false;
    size_t n = strlen(text);
    if (in6->sin6_scope_id == 0) return true;
    if (if_indextoname(in6->sin6_scope_id, name) != NULL)
      snprintf(text + n, size - n, "%%%s", name);
    else
      snprintf(text + n, size - n, "%%%u", in6->sin6_scope_id);
    return true;
  }
  return false;
}

const char *wf_addr_text(const struct sockaddr *sa, char *text, size_t size) {
  char host[WF_ADDR_TEXT];
  unsigned port;
  text[0] = '\0';
  if (!wf_addr_host(sa, host, sizeof host, &port)) return text;
  snprintf(text, size, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
  return text;
}
