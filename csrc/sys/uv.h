/* libuv's functions, found when they are first needed.
 *
 * Loading libuv takes as long as opening a Lua state twice, and much of what runs never asks it for anything: sockets,
 * pipes and time are the poller's (loop.h). So on Linux the module is not linked to libuv. A script loads it with the module,
 * when its identity, its root and its files are those that it began with; a worker process, which is to start fast, at first use.
 * Elsewhere, and where WF_UV_LINKED is defined (a static libuv), the table is filled by the linker.
 *
 * Calls are written wf_uv.run(...) for uv_run(...); whoever has a loop of libuv, by wf_loop_uv, has the functions. */
#ifndef WF_SYS_UV_H
#define WF_SYS_UV_H

#include <uv.h>

#if !defined(__linux__) && !defined(WF_UV_LINKED)
#define WF_UV_LINKED
#endif

#define WF_UV_CALLS(X)                                                                                                   \
  X(backend_fd) X(backend_timeout) X(cancel) X(close) X(err_name_r) X(is_closing) X(loop_alive) X(loop_close)            \
  X(loop_init) X(now) X(queue_work) X(run) X(signal_init) X(signal_start) X(strerror_r)        \
  X(version_string) X(walk)

typedef struct wf_uv_calls {
#define WF_UV_MEMBER(name) __typeof__(&uv_##name) name;
  WF_UV_CALLS(WF_UV_MEMBER)
#undef WF_UV_MEMBER
} wf_uv_calls;

/* Written once, under a lock that every reader has held since (wf_uv_load). */
extern wf_uv_calls wf_uv;

/* 0, or an errno: ELIBACC when there is no libuv, or not all of it; then wf_uv_trouble says what the system says. Any thread. */
int wf_uv_load(void);
const char *wf_uv_trouble(void);

#endif
