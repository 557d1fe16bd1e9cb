/* The system's resolver: names to addresses and back. Blocks, except where it says that it does not; any thread. Errors are
 * libuv's numbers (UV_EAI_NONAME), which have names and texts. */
#ifndef WF_SYS_NAMES_H
#define WF_SYS_NAMES_H

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>

enum { WF_NAMES_HOST = 1025, WF_NAMES_SERVICE = 64 }; /* as the C library has them */

typedef struct wf_names_query {
  const char *name;
  const char *service; /* or NULL */
  int family, socktype;
  bool canonname, addrconfig;
} wf_names_query;

/* 0 and a list that is to be freed; or an error. */
int wf_names_find(const wf_names_query *q, struct addrinfo **found);

/* Does not block: if the name is a numeric address, and the service none or a number, the answer is in *found and *err. */
bool wf_names_at_once(const wf_names_query *q, struct addrinfo **found, int *err);

void wf_names_free(struct addrinfo *found);

/* The name of an address, and of its port. Without `required` an address that has no name is its own. 0 or an error. */
int wf_names_of(const struct sockaddr *sa, bool dgram, bool required, char host[WF_NAMES_HOST], char service[WF_NAMES_SERVICE]);

#endif
