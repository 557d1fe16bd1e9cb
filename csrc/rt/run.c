/* See run.h: the child's side. Everything here runs on the child's thread.
 *
 * Spinning code is stopped by a signal: the parent sets port->interrupt, then sends SIGURG to this very
 * thread; the handler arms a count hook on the coroutine that runs; the hook raises the cancellation.
 * A handler that finds another coroutine running in the moment of a switch is made up for by
 * wf_interrupt_check, which every resumer calls after the switch.
 */
#include "rt/run.h"

#include <string.h>

#include "base/alloc.h"
#include "lx/error.h"
#include "lx/lean.h"
#include "lx/pack.h"
#include "rt/cancel.h"
#include "rt/carrier.h"
#include "rt/sched.h"
#include "rt/shutdown.h"
#include "rt/task.h"

enum {
  HOOK_NOW = 1,          /* instructions until the hook: at the next one */
  HOOK_SOON = 1000,      /* between two strikes */
  STRIKES_SPACED = 3,    /* strikes with a pause for cleaning up in between; then at every instruction */
  STRIKE_PAUSE_NS = 20 * 1000 * 1000,
};

/* This thread's run, and how often its code was struck. */
static __thread wf_run *here_run __attribute__((tls_model("initial-exec")));
static __thread uint32_t strikes __attribute__((tls_model("initial-exec")));
static __thread uint64_t quiet_until __attribute__((tls_model("initial-exec")));

/* Interrupting ------------------------------------------------------------------------------- */

void wf_run_cancel_here(wf_iso *iso, wf_run *r) {
  lua_State *L = iso->L;
  wf_task *t, *root = &iso->main;
  if (!lua_checkstack(L, 8)) return;
  lua_pushnil(L);
  pthread_mutex_lock(&r->lock); /* the reason is never changed once set, and not freed while we hold r */
  const wf_msg *reason = r->reason;
  pthread_mutex_unlock(&r->lock);
  if (reason != NULL) {
    lua_pop(L, 1);
    if (wf_unpack(L, reason) != 1) lua_pushnil(L);
  }
  int at = lua_gettop(L);
  wf_task_cancel(iso, L, root, at);
  t = iso->cur;
  if (t != root && !wf_task_finished(t)) wf_task_cancel(iso, L, t, at);
  lua_settop(L, at - 1);
}

static int cancel_here(lua_State *L) {
  wf_run_cancel_here(lua_touserdata(L, 1), here_run);
  return 0;
}

static void on_count(lua_State *L, lua_Debug *ar) {
  (void)ar;
  wf_iso *iso = wf_carrier_iso();
  if (iso == NULL || !atomic_load(&iso->port->interrupt)) {
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_SOON);
  wf_task *t = iso->cur;
  if (!(t->flags & WF_F_ASKED)) {
    lua_checkstack(L, 4);
    lua_pushcfunction(L, cancel_here);
    lua_pushlightuserdata(L, iso);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
  }
  wf_cancel_look(iso, t);
  if (!(t->flags & WF_F_CANCEL)) return; /* shielded for now */
  uint64_t now = wf_clock_ns();
  if (now < quiet_until) return;
  if (++strikes < STRIKES_SPACED)
    quiet_until = now + STRIKE_PAUSE_NS;
  else
    lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_NOW);
  wf_cancel_raise(iso, L, t);
}

/* lua_sethook is what lua.c calls in its handler too. */
void wf_run_interrupt(wf_iso *iso) { lua_sethook(iso->running, on_count, LUA_MASKCOUNT, HOOK_NOW); }

void wf_interrupt_arm(wf_iso *iso, lua_State *L) {
  if (iso == wf_carrier_iso() && lua_gethook(L) != on_count) lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_NOW);
}

/* os.exit in a child: the main isolate does it; this one is over. */
static int run_exit(wf_iso *iso, lua_State *L, int code) {
  if (!wf_exit_ask(iso->parent, code)) return luaL_error(L, "not enough memory");
  wf_run_cancel_here(iso, here_run);
  wf_task *t = iso->cur;
  t->flags &= ~(uint32_t)WF_F_UNWIND;
  wf_cancel_raise(iso, L, t);
  return 0;
}

/* Running ------------------------------------------------------------------------------------- */

/* Pack the values from `first` on as the run's output; what cannot travel becomes the outcome. */
static void keep_output(lua_State *L, wf_run *r, int first, const char *what) {
  r->output = wf_pack(L, first, lua_gettop(L) - first + 1, what);
  if (r->output != NULL) return;
  if (r->outcome == WF_DONE) {
    r->outcome = WF_FAILED;
  } else { /* an error value that cannot travel: say what it was */
    lua_pushfstring(L, "%s (the error value itself: %s)", luaL_tolstring(L, first, NULL), luaL_tolstring(L, -2, NULL));
  }
  r->output = wf_pack(L, lua_gettop(L), 1, "value");
}

static void keep_traceback(wf_iso *iso, lua_State *L, wf_run *r) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->tracebacks);
  size_t n;
  lua_rawgetp(L, -1, &iso->main);
  const char *text = lua_tolstring(L, -1, &n);
  if (text != NULL && (r->traceback = wf_malloc(n + 1)) != NULL) memcpy(r->traceback, text, n + 1);
  lua_pop(L, 2);
}

static bool is_own_cancel(wf_iso *iso, lua_State *L) {
  if (!(iso->main.flags & WF_F_ASKED)) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->cancels);
  lua_rawgetp(L, -1, &iso->main);
  bool same = lua_rawequal(L, -1, -3);
  lua_pop(L, 2);
  return same;
}

/* Call the function; protected. Stack: run, isolate. */
static int run_body(lua_State *L) {
  wf_run *r = lua_touserdata(L, 1);
  wf_iso *iso = lua_touserdata(L, 2);
  lua_pushcfunction(L, wf_unwind_handler);
  if (r->locals != NULL) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->locals);
    wf_unpack(L, r->locals);
    lua_rawsetp(L, -2, &iso->main);
    lua_pop(L, 1);
    iso->main.flags |= WF_F_LOCALS;
  }
  int n = wf_unpack(L, r->input);
  wf_msg_free(r->input);
  r->input = NULL;
  wf_cancel_point(iso, L);
  int status = lua_pcall(L, n - 1, LUA_MULTRET, 3);
  wf_unwind_end(iso, &iso->main);
  if (status == LUA_OK) {
    r->outcome = WF_DONE;
    keep_output(L, r, 4, "result");
  } else {
    r->outcome = is_own_cancel(iso, L) ? WF_CANCELLED : WF_FAILED;
    keep_traceback(iso, L, r);
    keep_output(L, r, 4, "value");
  }
  return 0;
}

/* Make the isolate; protected. */
static int run_open(lua_State *L) {
  wf_run *r = lua_touserdata(L, 1);
  wf_iso *iso = wf_iso_open(L, &r->member);
  atomic_store_explicit(&r->id, iso->id, memory_order_relaxed);
  iso->parent_task = r->parent_task;
  iso->on_library = r->on_library;
  iso->open_core = r->open_core;
  iso->parent = r->parent;
  iso->exit = run_exit;
  wf_trace(WF_TRACE_NEW, WF_WHY_THREAD, iso->id, wf_task_id(iso, &iso->main), r->parent_task);
  if (r->name != NULL) wf_trace_name(iso->id, wf_task_id(iso, &iso->main), r->name);
  wf_trace(WF_TRACE_RUN, WF_WHY_NONE, iso->id, wf_task_id(iso, &iso->main), 0);
  wf_carrier_is(iso);
  pthread_mutex_lock(&r->lock);
  wf_port_hold(iso->port);
  r->port = iso->port;
  bool cancelled = r->cancelled;
  pthread_mutex_unlock(&r->lock);
  if (cancelled) wf_run_cancel_here(iso, r);
  lua_pushlightuserdata(L, iso);
  return 1;
}

/* The state failed outside the function: most likely for want of memory. */
static void run_failed(lua_State *L, wf_run *r) {
  if (r->output != NULL) return;
  r->outcome = WF_FAILED;
  if (L != NULL && wf_state_hit_cap(L)) wf_state_set_cap(L, 0); /* the message needs a little */
}

static int keep_error(lua_State *L) {
  wf_run *r = lua_touserdata(L, 1);
  r->output = wf_pack(L, 2, 1, "value");
  return 0;
}

/* Weft replaces some library functions once the library opens. */
static void on_opened(lua_State *L, const char *lib, void *ud) {
  (void)ud;
  wf_iso *iso = wf_iso_of(L);
  if (iso != NULL && iso->on_library != NULL) iso->on_library(iso, L, lib);
}

void wf_run_main(void *arg) {
  wf_run *r = arg;
  wf_carrier_handle_signals();
  here_run = r;
  strikes = 0;
  quiet_until = 0;
  wf_state_opts o = {.memory = r->memory, .generational = r->generational, .path = r->path, .cpath = r->cpath, .opened = on_opened};
  lua_State *L = wf_state_open(&o);
  r->outcome = WF_FAILED;
  if (L != NULL) {
    lua_pushcfunction(L, run_open);
    lua_pushlightuserdata(L, r);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK) {
      wf_iso *iso = lua_touserdata(L, -1);
      lua_pushcfunction(L, run_body);
      lua_pushlightuserdata(L, r);
      lua_pushlightuserdata(L, iso);
      if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
        run_failed(L, r);
        lua_pushcfunction(L, keep_error);
        lua_pushlightuserdata(L, r);
        lua_pushvalue(L, -3);
        if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1);
      }
      wf_iso_shutdown(iso, L);
      wf_trace(WF_TRACE_STOP, (enum wf_trace_why)((int)WF_WHY_DONE + r->outcome - (int)WF_DONE), iso->id, wf_task_id(iso, &iso->main), 0);
      pthread_mutex_lock(&r->lock);
      wf_port *port = r->port;
      r->port = NULL;
      pthread_mutex_unlock(&r->lock);
      wf_carrier_is(NULL);
      wf_port_release(port);
    }
    wf_state_close(L);
  }
  /* The hold of this thread goes with the mail. */
  wf_port *parent = r->parent;
  wf_port_hold(parent);
  wf_run_hold(r);
  wf_port_post(parent, &r->mail);
  wf_family_leave(&r->member);
  wf_run_release(r);
  wf_port_release(parent);
}
