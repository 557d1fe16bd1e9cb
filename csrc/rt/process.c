/* See process.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "rt/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lx/error.h"
#include "lx/pack.h"
#include "lx/release.h"
#include "rt/cancel.h"
#include "rt/peer.h"
#include "rt/press.h"
#include "rt/sched.h"
#include "rt/shutdown.h"
#include "sys/fd.h"
#include "sys/signame.h"

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif

/* The starter's side --------------------------------------------------------------------------------- */

/* What the connection and the program of a worker belong to; has the run's hold that its end gives back. */
typedef struct worker {
  wf_run *run;
  wf_program *program;
  bool said;       /* the last frame has come */
  int failed;      /* an errno: it could not take what came, and ends */
  bool cancel_due; /* the signal goes when the frame has */
} worker;

pid_t wf_process_pid(const wf_run *r) {
  const worker *w = r->peer == NULL ? NULL : r->peer->owner;
  return w == NULL ? 0 : w->program->pid;
}

static void on_end_frame(worker *w, wf_peer *p, wf_peer_bytes *b) {
  wf_run *r = w->run;
  uint8_t outcome, has_output;
  uint32_t len;
  if (w->said || !wf_peer_get(b, &outcome, sizeof outcome) || !wf_peer_get(b, &has_output, sizeof has_output)) return;
  if (outcome != WF_DONE && outcome != WF_FAILED && outcome != WF_CANCELLED) return;
  r->outcome = outcome;
  if (has_output && (r->output = wf_peer_get_msg(p, b)) == NULL) {
    wf_peer_fail(p, EBADMSG);
    return;
  }
  if (wf_peer_get(b, &len, sizeof len) && len > 0) {
    const char *text = wf_peer_get_bytes(b, len);
    if (text != NULL && (r->traceback = wf_malloc(len + 1)) != NULL) {
      memcpy(r->traceback, text, len);
      r->traceback[len] = '\0';
    }
  }
  w->said = true;
}

static void on_worker_frame(wf_peer *p, const wf_peer_head *h, wf_peer_bytes *b) {
  worker *w = p->owner;
  if (h->op == WF_PEER_END) on_end_frame(w, p, b);
  if (h->op == WF_PEER_FAIL) w->failed = (int)h->arg;
}

/* Without a connection that is in order it has nobody to work for, and its job will not end otherwise. */
static void on_worker_lost(wf_peer *p) {
  const worker *w = p->owner;
  if (p->failed != 0) wf_program_signal(w->program, SIGKILL, false);
}

/* One that computes reads when a signal says so: also to make room for the frame. */
static void on_flushed(wf_peer *p, bool all) {
  worker *w = p->owner;
  if (!w->cancel_due) return;
  w->cancel_due = !all;
  wf_program_signal(w->program, SIGURG, false);
}

/* Push why the worker did not come to its end. Protected: keeps it as the run's output. Stack: isolate, worker. */
static int keep_death(lua_State *L) {
  const worker *w = lua_touserdata(L, 2);
  const wf_process_end *e = &w->program->end;
  wf_run *r = w->run;
  char buf[16];
  if (r->cancelled) {
    if (r->reason == NULL || wf_unpack(L, r->reason) != 1) lua_pushnil(L);
    wf_cancel_error(L, lua_gettop(L));
  } else if (r->peer->failed != 0) {
    lx_error_new(L, "process", "the process was killed: the connection to it failed here: %s", strerror(r->peer->failed));
  } else if (w->failed != 0) {
    lx_error_new(L, "process", "the process ended: its connection failed there: %s", strerror(w->failed));
  } else if (e->signal != 0) {
    lx_error_new(L, "process", "the process was killed by %s before its function had ended", wf_signal_text(e->signal, buf, sizeof buf));
  } else {
    lx_error_new(L, "process", "the process exited with code %d before its function had ended", e->code);
  }
  r->output = wf_pack_for(L, lua_gettop(L), 1, "value", WF_REACH_PEERS);
  return 0;
}

/* The process has ended. */
static void on_exit_of(wf_iso *iso, wf_program *program) {
  worker *w = program->owner;
  wf_run *r = w->run;
  wf_peer *p = r->peer;
  lua_State *L = iso->bench;
  program->on_ended = NULL;
  wf_peer_read(p);
  if (!w->said) {
    r->outcome = r->cancelled ? WF_CANCELLED : WF_FAILED;
    wf_msg_free(r->output);
    r->output = NULL;
    if (lua_checkstack(L, 4)) {
      lua_pushcfunction(L, keep_death);
      lua_pushlightuserdata(L, iso);
      lua_pushlightuserdata(L, w);
      if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1);
    }
  }
  r->peer = NULL;
  wf_peer_free(p);
  wf_free(w);
  r->mail.deliver(iso, &r->mail); /* with the worker's hold */
}

static void put_text(wf_peer *p, const char *text) {
  size_t n = text == NULL ? 0 : strlen(text);
  wf_peer_put_u32(p, (uint32_t)n);
  wf_peer_put(p, text, n);
}

/* Whether there is one, and it. */
static void put_optional(wf_peer *p, const wf_msg *m) {
  uint8_t has = m != NULL;
  wf_peer_put(p, &has, sizeof has);
  if (has) wf_peer_put_msg(p, m);
}

static bool get_optional(wf_peer *p, wf_peer_bytes *b, wf_msg **m) {
  uint8_t has;
  if (!wf_peer_get(b, &has, sizeof has)) return false;
  return has == 0 || (*m = wf_peer_get_msg(p, b)) != NULL;
}

static void send_run(wf_peer *p, wf_run *r) {
  wf_peer_begin(p, WF_PEER_RUN, 0, r->memory);
  put_text(p, r->name);
  wf_peer_put_msg(p, r->input);
  put_optional(p, r->locals);
  put_optional(p, r->loaders);
  wf_peer_end(p);
  wf_peer_ship(p, WF_WHY_PROCESS, (uint64_t)r->id << 32 | 1);
  wf_msg_free(r->input);
  r->input = NULL;
}

/* The connection and the process at its other end; NULL: an errno in *err. */
static wf_peer *start_worker(wf_iso *iso, const wf_process_start_opts *o, wf_process *process, int *err, const char **what) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    *err = errno;
    return NULL;
  }
  for (int i = 0; i < 2; i++) fds[i] = wf_fd_above_stdio(fds[i]);
  wf_peer *p = wf_peer_new(iso, fds[0], false, err);
  if (p != NULL) {
    const wf_spawn_fd list[] = {{0, 0}, {1, 1}, {2, 2}, {WF_PROCESS_FD, fds[1]}};
    o->spawn->fds = list;
    o->spawn->nfds = sizeof list / sizeof *list;
    *err = wf_spawn(process, o->spawn, what);
    if (*err != 0) wf_peer_free(p);
  }
  close(fds[1]);
  return *err == 0 ? p : NULL;
}

int wf_process_start(wf_iso *iso, wf_run *r, void *ud, const char **what) {
  const wf_process_start_opts *o = ud;
  int err = ENOMEM;
  wf_process process;
  *what = "process";
  worker *w = wf_calloc(1, sizeof *w);
  wf_peer *p = w == NULL ? NULL : start_worker(iso, o, &process, &err, what);
  if (p == NULL) {
    wf_program_failed(iso, o->program);
    wf_free(w);
    return err;
  }
  *w = (worker){.run = r, .program = o->program};
  o->program->on_ended = on_exit_of;
  o->program->owner = w;
  r->peer = p;
  p->owner = w;
  wf_peer_between(p, getpid(), process.pid);
  p->on_frame = on_worker_frame;
  p->on_flushed = on_flushed;
  p->on_lost = on_worker_lost;
  wf_program_started(iso, o->program, process, WF_NEVER);
  send_run(p, r);
  wf_peer_flush(p, false);
  return 0;
}

void wf_process_cancel(wf_run *r) {
  wf_peer *p = r->peer;
  if (p == NULL || p->lost || p->deaf) return;
  worker *w = p->owner;
  wf_peer_begin(p, WF_PEER_CANCEL, 0, 0);
  put_optional(p, r->reason);
  wf_peer_end(p);
  w->cancel_due = true;
  wf_peer_flush(p, false);
}

/* The worker's side ------------------------------------------------------------------------------------- */

static void on_run_frame(wf_peer *p, wf_run *r, const wf_peer_head *h, wf_peer_bytes *b) {
  uint32_t len;
  const char *name;
  if (r->input != NULL || !wf_peer_get(b, &len, sizeof len) || (name = wf_peer_get_bytes(b, len)) == NULL) return;
  r->memory = (size_t)h->arg;
  if (len > 0 && (r->name = wf_malloc(len + 1)) != NULL) {
    memcpy(r->name, name, len);
    r->name[len] = '\0';
  }
  r->input = wf_peer_get_msg(p, b);
  if (r->input == NULL || !get_optional(p, b, &r->locals) || !get_optional(p, b, &r->loaders)) wf_peer_fail(p, EBADMSG);
  wf_peer_land(p, WF_WHY_PROCESS, 0);
}

static void on_cancel_mail(wf_iso *iso, wf_mail *m) { wf_run_cancel_here(iso, wf_container_of(m, wf_run, mail)); }
static void on_cancel_dropped(wf_mail *m) { (void)m; }
static void on_late_cancel(wf_iso *iso, wf_mail *m) { (void)iso, (void)m; }

static void on_starter_frame(wf_peer *p, const wf_peer_head *h, wf_peer_bytes *b) {
  wf_run *r = p->owner;
  if (h->op == WF_PEER_RUN) {
    on_run_frame(p, r, h, b);
  } else if (h->op == WF_PEER_CANCEL && !r->cancelled) {
    get_optional(p, b, &r->reason);
    r->cancelled = true;
    wf_port_post(p->iso->port, &r->mail);
  }
}

/* Nobody wants to know any more what this process does. */
static void on_starter_lost(wf_peer *p) {
  (void)p;
  _exit(1);
}

/* A signal has come while the function computes: from the starter, or a stray one. */
static void on_press(wf_iso *iso) {
  wf_run *r = iso->run;
  atomic_store(&iso->port->interrupt, 0); /* before it reads: a signal that comes meanwhile is for what comes after */
  atomic_store_explicit(&iso->pressed, false, memory_order_relaxed);
  if (r->peer != NULL) wf_peer_read(r->peer);
  if (!r->cancelled) return;
  atomic_store(&iso->port->interrupt, 1);
  atomic_store_explicit(&iso->pressed, true, memory_order_relaxed);
  wf_run_cancel_here(iso, r);
}

/* The cap of the state's memory: an allocator around the interpreter's own. One state a process. */
static struct {
  lua_State *L;
  lua_Alloc f;
  void *ud;
  size_t used, cap;
} capped;

static void *capped_alloc(void *ud, void *p, size_t old, size_t new) {
  size_t had = p == NULL ? 0 : old;
  (void)ud;
  if (new > had && capped.used + (new - had) > capped.cap &&
      capped.used + (new - had) - capped.cap > (lx_in_finaliser(capped.L) ? LX_FINALISERS : 0))
    return NULL;
  void *q = capped.f(capped.ud, p, old, new);
  if (q != NULL || new == 0) capped.used += new - had;
  return q;
}

static void cap_memory(lua_State *L, size_t cap) {
  capped.L = L;
  capped.f = lua_getallocf(L, &capped.ud);
  capped.used = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
  capped.cap = cap;
  lua_setallocf(L, capped_alloc, NULL);
}

void wf_process_settle(wf_run *r) {
  if (!r->process || r->peer == NULL || !r->peer->is_child) return;
  wf_peer_settle(r->peer);
}

static void send_end(wf_peer *p, const wf_run *r) {
  uint8_t outcome = r->outcome, has_output = r->output != NULL;
  wf_peer_begin(p, WF_PEER_END, 0, 0);
  wf_peer_put(p, &outcome, sizeof outcome);
  wf_peer_put(p, &has_output, sizeof has_output);
  if (has_output) wf_peer_put_msg(p, r->output);
  put_text(p, r->traceback);
  wf_peer_end(p);
  p->on_lost = NULL;
  wf_peer_flush(p, true);
}

static void await_function(wf_peer *p, const wf_run *r) {
  for (wf_peer_read(p); r->input == NULL; wf_peer_read(p)) {
    struct pollfd fd = {p->watch.fd, POLLIN, 0};
    poll(&fd, 1, -1);
  }
}

void wf_process_serve(wf_iso *iso, lua_State *L, int fd) {
  int err = wf_fd_cloexec(fd);
  wf_run *r = wf_run_new();
  wf_peer *p = NULL;
  if (r != NULL && err == 0) p = wf_peer_new(iso, fd, true, &err);
  if (p == NULL) {
    luaL_error(L, "a worker process cannot begin: %s", strerror(r == NULL ? ENOMEM : err));
    return; /* not reached */
  }
  r->process = true;
  r->peer = p;
  r->mail.deliver = on_cancel_mail;
  r->mail.drop = on_cancel_dropped;
  p->owner = r;
  wf_peer_between(p, getpid(), getppid());
  p->on_frame = on_starter_frame;
  p->on_lost = on_starter_lost;
  signal(SIGINT, SIG_IGN); /* Ctrl-C is for the starter to see; it ends its workers */
  await_function(p, r);
  iso->run = r;
  iso->name = r->name;
  if (r->name != NULL) wf_trace_name(iso->id, wf_task_id(iso, iso->cur), r->name);
  iso->on_press = on_press;
  iso->by_process = true;
  if (r->name != NULL) wf_trace_name(iso->id, wf_task_id(iso, &iso->main), r->name);
  iso->press_end = WF_NEVER;
  wf_press_by_signal(iso);
  wf_peer_read(p); /* a signal that came before found no handler; what it was about is there */
  if (r->cancelled) {
    atomic_store(&iso->port->interrupt, 1);
    wf_press_begin(iso, WF_NEVER);
    wf_run_cancel_here(iso, r);
  }
  if (r->memory > 0) cap_memory(L, r->memory);
  r->outcome = WF_FAILED;
  lua_pushcfunction(L, wf_run_body);
  lua_pushlightuserdata(L, r);
  lua_pushlightuserdata(L, iso);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) wf_run_failed(r, iso, L);
  if (capped.f != NULL) capped.cap = SIZE_MAX / 2;
  if (r->cancelled)
    wf_iso_shutdown_quietly(iso, L);
  else
    wf_iso_shutdown(iso, L);
  wf_trace(WF_TRACE_STOP, (enum wf_trace_why)((int)WF_WHY_DONE + r->outcome - (int)WF_DONE), iso->id, wf_task_id(iso, &iso->main), 0);
  wf_press_by_signal(NULL);
  atomic_store_explicit(&iso->pressed, false, memory_order_relaxed); /* a hook may be set still; not for our caller */
  send_end(p, r);
  iso->run = NULL;
  iso->on_press = NULL;
  iso->name = NULL;
  r->peer = NULL;
  wf_peer_free(p);
  r->mail.deliver = on_late_cancel; /* it may be in the inbox still */
  wf_port_deliver(iso->port, iso);
  wf_run_release(r);
}
