/* Work on files, for a task. Runs on the isolate's carrier.
 *
 * What cannot be had at once (wf_quick_* of sys/file.h) is a job (wf_file_job) for libuv's thread pool, all its
 * system calls together, in an operation (io.h). The box of the operation is the first value on the stack, so reports
 * show the path. A thread with an identity of its own (sys/identity.h) does its jobs itself, and waits: the pool has the
 * process's rights.
 *
 *   wf_file_op *u = wf_file_op_new(iso, L, wf_file_chmod, path, NULL);   box at index 1, the arguments follow
 *   u->job.mode = ...
 *   return wf_file_op_run(iso, L, chmod_k);
 *
 * and chmod_k begins with wf_file_op_end, which raises a cancellation. Whether the job has been done when a task is
 * cancelled is not known: it may be at it.
 */
#ifndef WF_RT_FILEOP_H
#define WF_RT_FILEOP_H

#include "rt/io.h"
#include "sys/file.h"

enum { WF_FILE_BOX = 1 };

typedef struct wf_file_op {
  wf_op op;
  uv_work_t req;
  uint64_t id;
  uint32_t labelled;
  wf_file_job job;
  size_t sent;              /* of what is to be written: in earlier pieces */
  struct wf_file *file;     /* whose descriptor it uses, held; or NULL */
  char text[];              /* the paths */
} wf_file_op;

/* A new operation; its box becomes the first value on the stack. The job is zeroed, fd -1, with copies of the paths (path2
 * may be NULL). [-0, +1, e] */
wf_file_op *wf_file_op_new(wf_iso *iso, lua_State *L, void (*run)(wf_file_job *), const char *path, const char *path2);

/* Do it, then continue in k; again with the same one after k has begun. [-0, +0, e] */
int wf_file_op_run(wf_iso *iso, lua_State *L, lua_KFunction k);

/* k's first call: the operation. [-0, +0, e] */
wf_file_op *wf_file_op_end(lua_State *L, lua_KContext ctx);

/* nil, "CODE: text: path", "CODE" for the job's error; the operation is gone. [-0, +3, m] */
int wf_file_op_fail(lua_State *L, const wf_file_op *u);

/* After an answer at once, of which the n results are on top: return them, when others have had their turn if many have
 * come at once. [-0, +0, e] */
int wf_file_at_once(wf_iso *iso, lua_State *L, int n);

/* May the calling thread try wf_quick_*? Not with an identity of its own: it does all in plain calls. */
bool wf_file_may_try(void);

/* The end of a path, as much as fits: "...long/name.txt". */
const char *wf_path_end(char *text, size_t size, const char *path);

#endif
