/* Where the calling thread's C stack ends. */
#ifndef WF_SYS_STACK_H
#define WF_SYS_STACK_H

/* The lowest usable address of the calling thread's stack (stacks grow down), or, where the
 * system does not tell, an address 256 KiB below the caller. Costs up to some 50 us on a main
 * thread: ask once and keep the answer. */
const void *wf_stack_low(void);

#endif
