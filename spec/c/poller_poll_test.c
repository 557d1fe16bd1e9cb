/* The poller that systems without epoll get, on this one. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define WF_POLLER_POLL
#include "sys/poller.c"

#include "poller_cases.h"

int main(void) { return poller_cases(); }
