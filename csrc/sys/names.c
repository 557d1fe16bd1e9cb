/* See names.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sys/names.h"

#include <errno.h>
#include <string.h>

#include "sys/addr.h"
#include "sys/fd.h"
#include "sys/uv.h" /* UV_EAI_* */

static int answer(int r) {
  static const struct {
    int eai, uv;
  } known[] = {
      {EAI_AGAIN, UV_EAI_AGAIN},   {EAI_BADFLAGS, UV_EAI_BADFLAGS}, {EAI_FAIL, UV_EAI_FAIL},         {EAI_FAMILY, UV_EAI_FAMILY},
      {EAI_MEMORY, UV_EAI_MEMORY}, {EAI_NONAME, UV_EAI_NONAME},     {EAI_OVERFLOW, UV_EAI_OVERFLOW}, {EAI_SERVICE, UV_EAI_SERVICE},
      {EAI_SOCKTYPE, UV_EAI_SOCKTYPE},
#ifdef EAI_NODATA
      {EAI_NODATA, UV_EAI_NODATA},
#endif
#ifdef EAI_ADDRFAMILY
      {EAI_ADDRFAMILY, UV_EAI_ADDRFAMILY},
#endif
  };
  if (r == 0) return 0;
  if (r == EAI_SYSTEM && errno != 0) return -errno;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].eai == r) return known[i].uv;
  return UV_EAI_FAIL;
}

static int find(const wf_names_query *q, int flags, struct addrinfo **found) {
  struct addrinfo hints = {.ai_family = q->family, .ai_socktype = q->socktype, .ai_flags = flags};
  *found = NULL;
  wf_fd_take_stdio(); /* it opens files and sockets */
  errno = 0;
  int err = answer(getaddrinfo(q->name, q->service, &hints, found));
  wf_fd_give_stdio();
  return err;
}

int wf_names_find(const wf_names_query *q, struct addrinfo **found) {
  return find(q, (q->canonname ? AI_CANONNAME : 0) | (q->addrconfig ? AI_ADDRCONFIG : 0), found);
}

bool wf_names_at_once(const wf_names_query *q, struct addrinfo **found, int *err) {
  wf_addr numeric;
  if (wf_addr_parse(&numeric, q->name, 0) != 0) return false;
  if (q->service != NULL && strspn(q->service, "0123456789") != strlen(q->service)) return false;
  *err = find(q, AI_NUMERICHOST | AI_NUMERICSERV | (q->canonname ? AI_CANONNAME : 0), found);
  return true;
}

void wf_names_free(struct addrinfo *found) { freeaddrinfo(found); }

int wf_names_of(const struct sockaddr *sa, bool dgram, bool required, char host[WF_NAMES_HOST], char service[WF_NAMES_SERVICE]) {
  int flags = (dgram ? NI_DGRAM : 0) | (required ? NI_NAMEREQD : 0);
  wf_fd_take_stdio();
  errno = 0;
  int err = answer(getnameinfo(sa, wf_addr_len(sa), host, WF_NAMES_HOST, service, WF_NAMES_SERVICE, flags));
  wf_fd_give_stdio();
  return err;
}
