/* See cstack.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include "sys/cstack.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/thread.h"

#if WF_CSTACKS

enum { SIZE = WF_THREAD_STACK }; /* what is enough for a thread is enough here */

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifndef MAP_STACK
#define MAP_STACK 0
#endif

/* Where a new stack begins: what was pushed below is the address of the record. */
__asm__(
    ".text\n"
    ".hidden wf_cstack_first\n"
    ".globl wf_cstack_first\n"
    ".type wf_cstack_first, @function\n"
    "wf_cstack_first:\n"
    "\t.cfi_startproc\n"
    "\t.cfi_undefined rip\n"
    "\tpopq %rdi\n"
    "\txorl %ebp, %ebp\n"
    "\tcall wf_cstack_run\n"
    "\tud2\n"
    "\t.cfi_endproc\n"
    ".size wf_cstack_first, .-wf_cstack_first\n");

void wf_cstack_first(void);
__attribute__((visibility("hidden"), used)) void wf_cstack_run(wf_cstack *s);

void wf_cstack_run(wf_cstack *s) {
#if WF_ASAN
  __sanitizer_finish_switch_fiber(NULL, &s->caller_low, &s->caller_size);
#endif
  s->body(s);
}

bool wf_cstack_open(wf_cstack *s, void (*body)(wf_cstack *s)) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *at = mmap(NULL, page + SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (at == MAP_FAILED) return false;
  if (mprotect(at, page, PROT_NONE) != 0) {
    munmap(at, page + SIZE);
    return false;
  }
  *s = (wf_cstack){.body = body, .low = at + page, .size = SIZE};
  void **top = (void **)(void *)(s->low + s->size);
  *--top = s;
  *--top = (void *)(uintptr_t)wf_cstack_first;
  s->sp = top;
#if WF_TSAN
  s->fiber = __tsan_create_fiber(0);
#endif
  return true;
}

void wf_cstack_close(wf_cstack *s) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
#if WF_TSAN
  __tsan_destroy_fiber(s->fiber);
#endif
  munmap(s->low - page, page + s->size);
}

#else

bool wf_cstack_open(wf_cstack *s, void (*body)(wf_cstack *s)) {
  (void)s, (void)body;
  return false;
}

void wf_cstack_close(wf_cstack *s) { (void)s; }

#endif
