/* Open files: streams (stream.h) over a descriptor that never tells when it is ready. Runs on the isolate's carrier.
 *
 * Reading is tried at once (wf_quick_read); what is not in memory is fetched by a job of libuv's pool, more than was asked
 * for. Now and then a job fetches what could have been had at once: so that others have their turn while one task reads a
 * great deal. Writing collects: bytes go into `out` until a job takes all of them to the system, which begins at the next
 * look of the scheduler, or when much has come together; meanwhile the next ones are collected. So a line costs a copy, and
 * the failure of a write is told by the next write, flush or close.
 *
 * At most one job of a file runs for its stream (`busy`), so reads and writes keep their order. All system calls name
 * the place in the file (pread, pwrite), but for files opened to append.
 *
 * A wf_file outlives its stream while jobs use its descriptor. Once the stream is closed (`closing`), what was collected is
 * still written, then the descriptor is closed, by a job if anything was written, and the memory freed. At the end of the
 * isolate that is waited for (wf_io_close). A thread with an identity of its own does its jobs itself.
 */
#ifndef WF_RT_FILE_H
#define WF_RT_FILE_H

#include "rt/fileop.h"
#include "rt/stream.h"

typedef struct wf_file wf_file;

/* Push the file for the descriptor, which its stream takes over. On failure NULL, and it is still the caller's.
 * `appends`: each write goes to the end. `removes`: the file goes with the close. [-0, +(0|1), m] */
wf_stream *wf_file_push(wf_iso *iso, lua_State *L, int fd, const char *path, bool appends, bool removes);

/* The stream's userdata is collected. */
void wf_file_forget(wf_file *f);

const char *wf_file_path(const wf_file *f);

/* An operation uses the descriptor; and no more. */
void wf_file_hold(wf_file *f);
void wf_file_release(wf_file *f);

/* Where the next read or write of the stream is. */
int64_t wf_file_tell(const wf_stream *s);

/* Be there from now on. What was written is with the system already (wf_stream_method_flush). */
void wf_file_seek(wf_stream *s, int64_t offset);

#endif
