/* Descriptors: above the standard ones, closed on exec, never blocking. Any thread. */
#ifndef WF_SYS_FD_H
#define WF_SYS_FD_H

#include <stdbool.h>

/* Move a new descriptor out of 0-2, which belong to the standard streams even when they are closed. The old
 * number is closed. -1 (errno is set) when fd is -1 or there is no other number. */
int wf_fd_above_stdio(int fd);

/* For calls of libraries that may open descriptors at 0-2, where those are closed: what is free there is taken until
 * wf_fd_give_stdio; as often as it was asked for, if by several at once. */
void wf_fd_take_stdio(void);
void wf_fd_give_stdio(void);

/* Set or clear O_NONBLOCK; 0 or an errno. */
int wf_fd_nonblock(int fd, bool on);

/* Set FD_CLOEXEC; 0 or an errno. */
int wf_fd_cloexec(int fd);

/* Let a standard descriptor (0-2) lead to nowhere; it is not to be free, as another file would take its place. */
void wf_fd_to_null(int fd);

/* From now on a write to a closed pipe gives EPIPE, unless the process has a handler for SIGPIPE. The signal
 * stays as it is until somebody uses a pipe: sockets do not need it. */
void wf_sigpipe_ignore(void);

#endif
