/* The poller of this system. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "poller_cases.h"

int main(void) { return poller_cases(); }
