/* See pages.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* madvise */
#endif
#include "sys/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void wf_pages_give_back(void *block, size_t size) {
#ifdef __linux__ /* elsewhere MADV_DONTNEED means less */
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)block, end = at + size;
  at = (at + page - 1) & ~(page - 1);
  end &= ~(page - 1);
  if (at < end) (void)madvise((void *)at, end - at, MADV_DONTNEED);
#else
  (void)block, (void)size;
#endif
}
