/* Worker processes: a function in a fresh interpreter process, with the job interface of threads.
 *
 * The starter's side: a run (run.h) whose `process` is set, a program (program.h) for the process, a connection (peer.h).
 * The run ends when the process has: with what the worker has said in its last frame, or, when it died before, with an
 * error of kind "process".
 *
 * The worker's side: the interpreter's own state and main chunk call wf_process_serve, which takes the function from the
 * connection and runs it as a thread would. The worker dies with its starter: by a signal of the kernel's, and because it
 * sees the connection end.
 */
#ifndef WF_RT_PROCESS_H
#define WF_RT_PROCESS_H

#include "rt/program.h"
#include "rt/run.h"

enum { WF_PROCESS_FD = 3 }; /* the connection, in the worker */

typedef struct wf_process_start_opts {
  wf_spawn_opts *spawn;   /* but for the descriptors */
  wf_program *program;    /* prepared */
} wf_process_start_opts;

/* For wf_child_way: ud is wf_process_start_opts. */
int wf_process_start(wf_iso *iso, wf_run *r, void *ud, const char **what);

/* The run was asked to end: tell the worker, also when it computes. */
void wf_process_cancel(wf_run *r);

/* The process's number. */
pid_t wf_process_pid(const wf_run *r);

/* A worker ends, by os.exit perhaps: what it has sent goes, what has come for nobody goes back. Nothing for other runs. */
void wf_process_settle(wf_run *r);

/* The worker: serve the connection on this descriptor, until the function has ended. [-0, +0, e] */
void wf_process_serve(wf_iso *iso, lua_State *L, int fd);

#endif
