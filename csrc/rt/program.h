/* Programs: child processes that an isolate has started (weft.exec). On the isolate's carrier.
 *
 * A program is a userdata, anchored under its address in iso->anchors while its process lives, so that it is waited for
 * even if the script has forgotten it: no zombie stays. Its end is seen by the pidfd in the isolate's loop, or, where
 * there is none, by SIGCHLD. The callback only posts a mail to the isolate itself; its delivery reaps and wakes.
 * Until then the process keeps its number, so a signal never reaches another one.
 *
 * At the end of the isolate programs that still run get SIGTERM and, half a second later, SIGKILL; detached ones are
 * let go.
 */
#ifndef WF_RT_PROGRAM_H
#define WF_RT_PROGRAM_H

#include "rt/io.h"
#include "rt/port.h"
#include "sys/spawn.h"

typedef struct wf_program {
  wf_object object;
  wf_handle handle;
  wf_watch watch;
  wf_mail mail;         /* to the isolate itself: it has ended */
  wf_process process;
  wf_process_end end;   /* once `ended` */
  wf_link waiters;
  wf_link link;         /* in iso->programs while it runs */
  wf_alarm alarm;       /* its time-out, then the time for SIGKILL */
  pid_t pid;
  void (*on_ended)(wf_iso *iso, struct wf_program *p); /* whom to tell, or NULL */
  void *owner;
  uint32_t seq;
  uint32_t labelled;
  bool ended, posted;
  bool detached;
  bool own_group;       /* it leads a process group */
  bool timed_out;
} wf_program;

/* Push a program that has not started. [-0, +1, m] */
wf_program *wf_program_push(wf_iso *iso, lua_State *L, int nuv);

/* Before its process is started, with the program on top of the stack: everything that may raise. If there is no
 * process then after all, wf_program_failed takes it back. [-0, +0, m] */
void wf_program_prepare(wf_iso *iso, lua_State *L, wf_program *p);
void wf_program_failed(wf_iso *iso, wf_program *p);

/* The process is the program's from now on. `timeout` in ns from now, WF_NEVER: none. The isolate has its loop. */
void wf_program_started(wf_iso *iso, wf_program *p, wf_process process, uint64_t timeout);

/* Send a signal: 0 or an errno. */
int wf_program_signal(wf_program *p, int sig, bool group);

/* The isolate ends: end those that run. No Lua. */
void wf_programs_end(wf_iso *iso);

static inline uint64_t wf_program_id(const wf_program *p) { return WF_OBJECT_ID(p->object.iso, p->seq); }

#endif
