/* Attributes of a running thread that can be changed: affinity, niceness, scheduling policy, signal mask. Any thread, about any
 * thread of this process or, with the rights, of another: `tid` is the kernel's number, 0 is the calling thread. All
 * return 0 or an errno; ENOTSUP where the system has no such thing a thread. */
#ifndef WF_SYS_ATTR_H
#define WF_SYS_ATTR_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* A CPU that the machine or its container does not have is EINVAL: the kernel would leave it out silently. */
int wf_set_affinity(int64_t tid, const int *cpus, int ncpus);

/* -20..19. Linux keeps niceness a thread, whatever POSIX says. */
int wf_set_nice(int64_t tid, int nice_);

/* has_policy false keeps the policy; has_priority false takes the least of the policy. *what names the culprit. */
int wf_set_policy(int64_t tid, bool has_policy, int policy, bool has_priority, int priority, const char **what);

/* No program that the thread executes from now on gets rights that it has not. For good; of the calling thread. */
int wf_set_no_new_privs(void);

/* The calling thread, which has inherited them from whoever started it, takes affinity, policy and niceness of the process's
 * first thread, as far as it may. */
void wf_attr_as_process(void);

/* Signals are bits here, sig - 1. May this one be blocked in a thread of ours? Not those by which isolates are stopped and
 * faults are told, nor those that the system delivers in any case. */
bool wf_signal_blockable(int sig);
void wf_sigset(sigset_t *set, uint64_t signals);

/* The calling thread blocks these signals, and no others. */
int wf_set_sigmask(uint64_t blocked);

/* As many CPUs as the kernel can have; a cpu_set_t holds an eighth. */
enum { WF_CPUS_MAX = 8192 };

#endif
