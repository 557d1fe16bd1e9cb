/* C stacks apart from the thread's: a function runs on one, hands the processor back in the middle, and goes on later
 * where it was. One thread enters and leaves a stack; nothing here is shared.
 *
 *   wf_cstack_enter(s)   runs s->body, or what left it last, until that calls wf_cstack_leave
 *   wf_cstack_leave(s)   on the stack itself: back to who entered it
 *   wf_cstack_hand(s, to)  on the stack itself: on to another one that was left, which goes back to who entered this one
 *
 * What a swap costs is some ten instructions. Registers are saved by the compiler, which is told that all are lost;
 * floating-point modes and the signal mask are the thread's and stay. Errors of Lua stay within a stack as long as the
 * lua_resume that they end is called on it. */
#ifndef WF_SYS_CSTACK_H
#define WF_SYS_CSTACK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

#if defined(__x86_64__) && defined(__ELF__) && !defined(__ILP32__)
#define WF_CSTACKS 1
#else
#define WF_CSTACKS 0 /* wf_cstack_open always fails */
#endif

typedef struct wf_cstack {
  void *sp;     /* its own while it does not run */
  void *caller; /* who entered it, while it runs */
  void (*body)(struct wf_cstack *s); /* never returns: it leaves, and goes on when it is entered again */
  char *low;    /* the lowest usable byte */
  size_t size;
#if WF_ASAN
  void *fake, *caller_fake;
  const void *caller_low;
  size_t caller_size;
  bool handed; /* it is gone on with from another stack, which has said who the caller is */
#endif
#if WF_TSAN
  void *fiber, *caller_fiber;
#endif
} wf_cstack;

/* A stack, with a page below it that may not be touched; its memory is taken as it is used. False: there is none. */
bool wf_cstack_open(wf_cstack *s, void (*body)(wf_cstack *s));

/* Not on the stack itself. What stands on it is lost. */
void wf_cstack_close(wf_cstack *s);

#if WF_CSTACKS

#if WF_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#if WF_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* Below the stack pointer lie up to 128 bytes that a leaf function uses without moving it. */
static inline __attribute__((always_inline)) void wf_cstack_swap(void **save, void *to) {
  __asm__ volatile(
      "leaq -128(%%rsp), %%rsp\n\t"
      "pushq %%rbp\n\t"
      "leaq 1f(%%rip), %%rdx\n\t"
      "pushq %%rdx\n\t"
      "movq %%rsp, (%%rax)\n\t"
      "movq %%rcx, %%rsp\n\t"
      "popq %%rdx\n\t"
      "jmpq *%%rdx\n"
      "1:\n\t"
      "popq %%rbp\n\t"
      "leaq 128(%%rsp), %%rsp"
      : "+a"(save), "+c"(to)
      :
      : "rbx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
        "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory");
}

static inline void wf_cstack_enter(wf_cstack *s) {
#if WF_TSAN
  s->caller_fiber = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(s->fiber, 0);
#endif
#if WF_ASAN
  __sanitizer_start_switch_fiber(&s->caller_fake, s->low, s->size);
#endif
  wf_cstack_swap(&s->caller, s->sp);
#if WF_ASAN
  __sanitizer_finish_switch_fiber(s->caller_fake, NULL, NULL);
#endif
}

#if WF_ASAN
static inline void wf_cstack_back(wf_cstack *s) {
  const void *low;
  size_t size;
  __sanitizer_finish_switch_fiber(s->fake, &low, &size);
  if (!s->handed) {
    s->caller_low = low;
    s->caller_size = size;
  }
  s->handed = false;
}
#endif

static inline void wf_cstack_leave(wf_cstack *s) {
#if WF_TSAN
  __tsan_switch_to_fiber(s->caller_fiber, 0);
#endif
#if WF_ASAN
  __sanitizer_start_switch_fiber(&s->fake, s->caller_low, s->caller_size);
#endif
  wf_cstack_swap(&s->sp, s->caller);
#if WF_ASAN
  wf_cstack_back(s);
#endif
}

static inline void wf_cstack_hand(wf_cstack *s, wf_cstack *to) {
  to->caller = s->caller;
#if WF_TSAN
  to->caller_fiber = s->caller_fiber;
  __tsan_switch_to_fiber(to->fiber, 0);
#endif
#if WF_ASAN
  to->caller_low = s->caller_low;
  to->caller_size = s->caller_size;
  to->handed = true;
  __sanitizer_start_switch_fiber(&s->fake, to->low, to->size);
#endif
  wf_cstack_swap(&s->sp, to->sp);
#if WF_ASAN
  wf_cstack_back(s);
#endif
}

#else

static inline void wf_cstack_enter(wf_cstack *s) { (void)s; }
static inline void wf_cstack_leave(wf_cstack *s) { (void)s; }
static inline void wf_cstack_hand(wf_cstack *s, wf_cstack *to) { (void)s, (void)to; }

#endif
#endif
