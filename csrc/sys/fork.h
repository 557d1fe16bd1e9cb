/* Is this process a forked child that has not called exec? Nothing of what was open in the parent works there, and what it shares
 * with the parent, such as an epoll, is left alone. */
#ifndef WF_SYS_FORK_H
#define WF_SYS_FORK_H

#include <stdatomic.h>
#include <stdbool.h>

/* How many forks lie between this process and the one that loaded weft. Written in a forked child, before it runs anything
 * else, when it has one thread; read by that one, and those that it starts. */
extern __attribute__((visibility("hidden"))) _Atomic unsigned wf_forks;

static inline unsigned wf_fork_number(void) { return atomic_load_explicit(&wf_forks, memory_order_relaxed); }
static inline bool wf_forked(void) { return wf_fork_number() != 0; }

#endif
