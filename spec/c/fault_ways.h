/* How allocations fail in the fault tests. Way 0: the n-th alone (Lua collects and tries once more). Way 1: the n-th and all
 * later ones. Way k: from the n-th on k of them, then k succeed, and so on: memory comes back in the middle of a clean-up.
 * WEFT_FAULT_WAYS says how many ways are tried: 2, unless set. */
#ifndef FAULT_WAYS_H
#define FAULT_WAYS_H

#include <stdbool.h>
#include <stdlib.h>

static inline int fault_ways(void) {
  const char *ways = getenv("WEFT_FAULT_WAYS");
  int n = ways != NULL ? atoi(ways) : 0;
  return n > 0 ? n : 2;
}

/* Does allocation number n fail? at 0: none does. */
static inline bool fault_hits(long n, long at, int way) {
  if (at <= 0 || n < at) return false;
  return way == 0 ? n == at : way == 1 || (n - at) / way % 2 == 0;
}

#endif
