/* Faults to order, in test builds: the next calls of a kind fail with an errno, or are given fewer bytes than they
 * asked for. Whoever makes such a call asks here first. Any thread; in builds without assertions it is nothing.
 */
#ifndef WF_SYS_INJECT_H
#define WF_SYS_INJECT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

enum wf_inject_call {
  WF_CALL_OPEN,
  WF_CALL_READ,
  WF_CALL_WRITE,
  WF_CALL_SYNC,
  WF_CALL_RENAME,
  WF_CALL_CLOSE,
  WF_CALL_LINK, /* links, folders and what else only changes names */
  WF_CALL_RECV, /* from sockets, pipes, terminals */
  WF_CALL_SEND, /* to them */
  WF_CALL_ACCEPT,
  WF_CALL_CONNECT,
  WF_CALL_KINDS
};

#ifdef WF_DEBUG

/* After `skip` more calls of the kind, `times` of them: those fail with `err`, or, when it is 0, get `most` bytes at
 * most. times 0: nothing is wrong any more. */
void wf_inject_order(enum wf_inject_call call, long skip, long times, int err, size_t most);

/* How many calls of the kind were asked about since the last order for it. */
long wf_inject_count(enum wf_inject_call call);

/* How many calls have gone wrong by order, of all kinds, since the process began. */
long wf_inject_total(void);

/* 0: make the call, of *n bytes; or the errno with which it is to fail. WF_CALL_RECV and WF_CALL_SEND are asked about in two
 * halves, here with n NULL and by wf_inject_size: a call counts for the one that its order is for. */
int wf_inject(enum wf_inject_call call, size_t *n);

/* The other half: *n bytes are about to be asked for, or fewer if that was ordered. */
void wf_inject_size(enum wf_inject_call call, size_t *n);

#else

static inline int wf_inject(enum wf_inject_call call, size_t *n) {
  (void)call, (void)n;
  return 0;
}

static inline void wf_inject_size(enum wf_inject_call call, size_t *n) { (void)call, (void)n; }

#endif

/* In a loop that makes a call again after EINTR: true, and errno is set, when it is to fail instead. */
static inline bool wf_inject_errno(enum wf_inject_call call) {
  int err = wf_inject(call, NULL);
  if (err != 0) errno = err;
  return err != 0;
}

#endif
