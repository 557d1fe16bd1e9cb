/* See program.h. */
#include "rt/program.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lx/release.h"
#include "rt/shutdown.h"
#include "sys/signals.h"

enum { KILL_AFTER_MS = 2000, END_TERM_MS = 500, END_KILL_MS = 1000 };

/* Where there are no pidfds ---------------------------------------------------------------------- */

/* A watcher of SIGCHLD, as long as the isolate has programs that need it. malloc'ed: libuv lets go of it late. */
typedef struct wf_reaper {
  wf_handle handle;
  uv_signal_t sig;
  wf_iso *iso;
} wf_reaper;

static void post_end(wf_program *p) {
  if (p->posted || p->ended) return;
  p->posted = true;
  wf_port_post(p->object.iso->port, &p->mail);
}

static void on_sigchld(uv_signal_t *sig, int number) {
  (void)number;
  const wf_reaper *r = sig->data;
  for (wf_link *l = r->iso->programs.next; l != &r->iso->programs; l = l->next) {
    wf_program *p = wf_list_entry(l, wf_program, link);
    if (p->process.pidfd < 0) post_end(p); /* whether it was this one is seen when it is looked at */
  }
}

static void on_reaper_closed(uv_handle_t *h) {
  wf_reaper *r = h->data;
  wf_signal_release(SIGCHLD);
  wf_handle_close(r->iso, &r->handle);
  wf_free(r);
}

static void reaper_close(wf_iso *iso, wf_handle *h) {
  int err;
  wf_reaper *r = wf_container_of(h, wf_reaper, handle);
  if (iso->reaper == r) iso->reaper = NULL;
  if (wf_uv.is_closing((uv_handle_t *)&r->sig)) return;
  wf_io_uv(iso, &err);
  wf_uv.close((uv_handle_t *)&r->sig, on_reaper_closed);
}

/* SIGCHLD is watched from now on: 0 or an errno. */
static int reaper_open(wf_iso *iso) {
  int err;
  if (iso->reaper != NULL) return 0;
  uv_loop_t *uv = wf_io_uv(iso, &err);
  if (uv == NULL) return err;
  wf_reaper *r = wf_calloc(1, sizeof *r);
  if (r == NULL) return ENOMEM;
  r->iso = iso;
  r->sig.data = r;
  err = wf_uv.signal_init(uv, &r->sig);
  if (err != 0) {
    wf_free(r);
    return -err;
  }
  wf_handle_open(iso, &r->handle, reaper_close);
  wf_signal_hold(SIGCHLD);
  err = wf_uv.signal_start(&r->sig, on_sigchld, SIGCHLD);
  iso->reaper = r;
  if (err == 0) return 0;
  reaper_close(iso, &r->handle);
  return -err;
}

static void reaper_unneeded(wf_iso *iso) {
  if (iso->reaper == NULL) return;
  for (const wf_link *l = iso->programs.next; l != &iso->programs; l = l->next)
    if (wf_list_entry(l, wf_program, link)->process.pidfd < 0) return;
  reaper_close(iso, &iso->reaper->handle);
}

/* The end of one ----------------------------------------------------------------------------------- */

static void on_ready(wf_watch *w, unsigned events) {
  (void)events;
  post_end(wf_container_of(w, wf_program, watch));
}

/* It may be collected from now on. */
static void loosen(wf_iso *iso, const wf_program *p) {
  lua_State *L = iso->bench;
  if (!lua_checkstack(L, 3)) return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->anchors);
  lx_rawdelp(L, -1, p);
  lua_pop(L, 1);
}

/* It has been reaped, or is let go. */
static void program_over(wf_iso *iso, wf_program *p) {
  p->ended = true;
  wf_alarm_stop(iso, &p->alarm);
  wf_list_unlink(&p->link);
  wf_handle_close(iso, &p->handle);
  reaper_unneeded(iso);
}

static void on_end(wf_iso *iso, wf_mail *m) {
  wf_program *p = wf_container_of(m, wf_program, mail);
  bool watched = p->watch.listed != 0;
  p->posted = false;
  if (p->ended) return;
  if (watched) wf_poller_del(&iso->loop->poller, &p->watch);
  if (wf_process_reap(&p->process, &p->end) == EAGAIN) {
    if (watched) wf_poller_arm(&iso->loop->poller, &p->watch, WF_IO_READ);
    return;
  }
  program_over(iso, p);
  wf_waitq_wake_all(iso, &p->waiters, WF_GOT);
  if (p->on_ended != NULL) p->on_ended(iso, p);
  loosen(iso, p);
}

static void on_dropped(wf_mail *m) { (void)m; }

/* Time is over: ask it to end, then make it. */
static void on_alarm(wf_iso *iso, wf_alarm *a) {
  wf_program *p = wf_container_of(a, wf_program, alarm);
  wf_assert(!p->ended); /* the end stops the alarm */
  wf_program_signal(p, p->timed_out ? SIGKILL : SIGTERM, p->own_group);
  if (p->timed_out) return;
  p->timed_out = true;
  wf_alarm_set(iso, &p->alarm, NULL, wf_clock_ns() + KILL_AFTER_MS * 1000000ull, on_alarm);
}

/* Starting ------------------------------------------------------------------------------------------ */

static void on_iso_end(wf_iso *iso, wf_handle *h) {
  wf_program *p = wf_container_of(h, wf_program, handle);
  wf_programs_end(iso);
  wf_handle_close(iso, &p->handle);
}

wf_program *wf_program_push(wf_iso *iso, lua_State *L, int nuv) {
  wf_program *p = wf_class_push(iso, L, WF_CLASS_PROGRAM, sizeof *p, nuv);
  p->object.seal = WF_SEAL(WF_CLASS_PROGRAM);
  p->object.iso = iso;
  p->process = (wf_process){0, -1};
  p->seq = ++iso->objects;
  p->ended = true;
  p->mail.deliver = on_end;
  p->mail.drop = on_dropped;
  wf_list_init(&p->waiters);
  wf_watch_init(&p->watch, -1, on_ready);
  return p;
}

void wf_program_prepare(wf_iso *iso, lua_State *L, wf_program *p) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->anchors);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, p);
  lua_pop(L, 1);
}

void wf_program_failed(wf_iso *iso, wf_program *p) { loosen(iso, p); }

void wf_program_started(wf_iso *iso, wf_program *p, wf_process process, uint64_t timeout) {
  p->process = process;
  p->pid = process.pid;
  p->ended = false;
  wf_list_append(&iso->programs, &p->link);
  wf_handle_open(iso, &p->handle, on_iso_end);
  p->watch.fd = process.pidfd;
  if (process.pidfd < 0 || wf_poller_arm(&iso->loop->poller, &p->watch, WF_IO_READ) != 0) {
    if (process.pidfd >= 0) close(process.pidfd);
    p->process.pidfd = p->watch.fd = -1;
    reaper_open(iso);
    post_end(p); /* it may have ended before anybody looked */
  }
  if (timeout != WF_NEVER) wf_alarm_set(iso, &p->alarm, NULL, wf_clock_ns() + timeout, on_alarm);
}

int wf_program_signal(wf_program *p, int sig, bool group) {
  if (p->ended) return ESRCH;
  return wf_process_signal(&p->process, sig, group);
}

/* The end of all ------------------------------------------------------------------------------------ */

/* Wait until all have ended, or the time is over. False: some run still. */
static bool await_all(wf_iso *iso, uint64_t deadline) {
  enum { STEP_MS = 5 };
  for (;;) {
    wf_link *l, *next;
    int fd = -1;
    wf_list_each(l, next, &iso->programs) {
      wf_program *p = wf_list_entry(l, wf_program, link);
      if (p->watch.listed != 0 && iso->loop != NULL) wf_poller_del(&iso->loop->poller, &p->watch);
      if (wf_process_reap(&p->process, &p->end) == EAGAIN)
        fd = p->process.pidfd;
      else {
        program_over(iso, p);
        if (p->on_ended != NULL) p->on_ended(iso, p);
      }
    }
    if (wf_list_empty(&iso->programs)) return true;
    uint64_t now = wf_clock_ns();
    if (now >= deadline) return false;
    int left = (int)((deadline - now) / 1000000u) + 1;
    struct pollfd one = {fd, POLLIN, 0};
    poll(&one, fd >= 0 ? 1 : 0, fd >= 0 ? left : STEP_MS); /* the last of those that run: the others end meanwhile */
  }
}

static void signal_all(wf_iso *iso, int sig) {
  for (wf_link *l = iso->programs.next; l != &iso->programs; l = l->next) {
    wf_program *p = wf_list_entry(l, wf_program, link);
    wf_process_signal(&p->process, sig, p->own_group);
    if (sig == SIGTERM) wf_process_signal(&p->process, SIGCONT, p->own_group); /* a stopped one does not hear */
  }
}

void wf_programs_end(wf_iso *iso) {
  wf_link *l, *next;
  if (wf_forked()) return; /* they are the parent's */
  wf_list_each(l, next, &iso->programs) {
    wf_program *p = wf_list_entry(l, wf_program, link);
    if (!p->detached) continue;
    if (p->watch.listed != 0 && iso->loop != NULL) wf_poller_del(&iso->loop->poller, &p->watch);
    wf_process_disown(&p->process);
    program_over(iso, p);
  }
  if (wf_list_empty(&iso->programs)) return;
  signal_all(iso, SIGTERM);
  if (await_all(iso, wf_clock_ns() + END_TERM_MS * 1000000ull)) return;
  signal_all(iso, SIGKILL);
  await_all(iso, wf_clock_ns() + END_KILL_MS * 1000000ull);
  wf_list_each(l, next, &iso->programs) program_over(iso, wf_list_entry(l, wf_program, link)); /* stuck in the kernel */
}
