/*
** Dedicated OS threads with attributes.
**
** A wf_thread is the record of one thread that weft started. It is made by
** wf_thread_start on any thread and owned by whoever called it, who ends the
** ownership with exactly one of wf_thread_join or wf_thread_detach; until then
** the record stays valid, however long ago the thread itself ended.
**
** Every thread starts with all signals blocked except SIGURG (preemption, see
** DESIGN.md D6) and the synchronous faults, so the host's handlers never run on
** it.  Nothing here allocates on the new thread: a thread's first malloc makes
** glibc build an arena for it, which costs more than all else together.
*/
#ifndef WF_SYS_THREAD_H
#define WF_SYS_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

/*
** The least stack a thread gets, and the default: recursion to Lua's C-call
** limit through string.gsub needs about 448 KiB. Sanitizers fatten frames.
*/
#define WF_THREAD_STACK ((size_t)(WF_ASAN || WF_TSAN ? 4 : 1) << 20)

#define WF_THREAD_NAME 16  /* bytes with the final zero: the kernel's limit */

typedef struct wf_thread wf_thread;

/* All zero is the default of everything. Nothing here is kept after start. */
typedef struct wf_thread_opts {
  const char *name;   /* cut to 15 bytes, never inside a UTF-8 character */
  size_t stack;       /* bytes; rounded up to WF_THREAD_STACK at least */
  bool has_nice;
  int nice;           /* -20..19, of this thread alone */
  bool has_policy;
  int policy;         /* as wf_policy_parse gives it */
  bool has_priority;
  int priority;       /* 1..99 with fifo and rr, else 0 */
  const int *cpus;    /* the CPUs that it may run on, the system's numbers */
  int ncpus;
  bool has_sigmask;
  uint64_t sigmask;   /* what it blocks (sys/attr.h); else all but SIGURG and the faults */
  /* Runs on the new thread after the rest and before fn; an errno fails the
     start. It may set *what to a constant string that names the culprit. */
  int (*setup)(void *arg, const char **what);
  void *setup_arg;
} wf_thread_opts;

/*
** Starts fn(arg) on a new thread; `o` may be NULL. Returns 0 and the record in
** *out, or an errno with *what (may be NULL) naming the option that failed
** ("stack" "nice" "policy" "priority" "affinity" or what setup said) or
** "thread" when the system would not make one; then nothing is left behind
** and fn never ran. Waits for the new thread only when an option is given
** that must be applied there (nice, policy, priority, affinity, setup).
*/
int wf_thread_start(wf_thread **out, const wf_thread_opts *o,
                    void (*fn)(void *), void *arg, const char **what);

/* Waits for the end of the thread and frees the record. Not from itself. */
void wf_thread_join(wf_thread *t);

/*
** Threads that are about to end, or have ended, for an owner that need not wait for
** it. Zeroed at first; of one owner, on one thread.
*/
typedef struct wf_thread_rest {
  wf_thread *first; /* the oldest */
} wf_thread_rest;

/* Ends the ownership as wf_thread_join does, but not at once: `t`, which does nothing more but
   return from fn, joins the rest, and those of the rest that have ended are freed. Waits
   only when there are more than a few. */
void wf_thread_retire(wf_thread_rest *rest, wf_thread *t);

/* Waits for all. */
void wf_thread_rest_join(wf_thread_rest *rest);

/*
** As join, but gives up at deadline_ns (CLOCK_MONOTONIC): returns ETIMEDOUT and
** leaves the record as it was, else 0. A deadline in the past only looks.
*/
int wf_thread_timedjoin(wf_thread *t, uint64_t deadline_ns);

/* Gives the record up; the thread frees it when it ends. May be called by the
   thread itself. */
void wf_thread_detach(wf_thread *t);

/* Has fn returned? Then join will not wait for more than the thread's exit. */
bool wf_thread_ended(wf_thread *t);

/* The kernel's id, 0 before the thread first ran (and on systems without). */
int64_t wf_thread_tid(wf_thread *t);

/* The same, but waits for the moment that the thread needs to say it. */
int64_t wf_thread_await_tid(wf_thread *t);

/* The CPU time that it has used; 0 when that is not known, or it has ended. */
uint64_t wf_thread_cpu_ns(wf_thread *t);

/* The calling thread's. */
uint64_t wf_thread_self_cpu_ns(void);

/*
** Sends a signal to that very thread: 0, or ESRCH once fn has returned. The id
** cannot have been recycled, because the thread cannot pass its end meanwhile.
** From any thread that knows the record to be alive.
*/
int wf_thread_signal(wf_thread *t, int sig);

/* Names the calling thread. Cut as above. 0 or an errno. */
int wf_thread_set_name(const char *name);

/* The name of the calling thread, "" on systems without. */
void wf_thread_get_name(char name[WF_THREAD_NAME]);

/* The calling thread's kernel id, 0 on systems without. */
int64_t wf_thread_self_tid(void);

/* The policy of that name ("other" "batch" "idle" "fifo" "rr"), or -1 when it
   is none or this system lacks it; and back, "?" when unknown. */
int wf_policy_parse(const char *name);
const char *wf_policy_name(int policy);

/* The number of CPUs that the calling thread may run on, at least 1. */
int wf_cpu_count(void);

/* The same when it was first asked: before the script gave its threads processors of their own. Any thread. */
int wf_cpus_at_first(void);

#endif
