/* Where the calling thread's C stack ends. */
#ifndef WF_SYS_STACK_H
#define WF_SYS_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The lowest usable address of the calling thread's stack (stacks grow down), or, where the
 * system does not tell, an address 256 KiB below the caller. Costs up to some 50 us on a main
 * thread: ask once and keep the answer. */
const void *wf_stack_low(void);

/* The calling thread, for wf_stack_of. */
uint64_t wf_stack_mine(void);

/* The lowest address and the size of the stack of a thread, which must live; false where the system does not tell.
 * Allocates. */
bool wf_stack_of(uint64_t thread, const void **low, size_t *size);

#endif
