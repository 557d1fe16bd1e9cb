/* See run.h: the child's side. Everything here runs on the child's carrier. */
#include "rt/run.h"

#include <lualib.h>
#include <string.h>

#include "base/alloc.h"
#include "lx/error.h"
#include "lx/lean.h"
#include "lx/pack.h"
#include "rt/cancel.h"
#include "rt/copool.h"
#include "rt/exit.h"
#include "rt/own.h"
#include "rt/loaders.h"
#include "rt/press.h"
#include "rt/sched.h"
#include "rt/shutdown.h"

/* Being cancelled ------------------------------------------------------------------------------ */

/* Cancel the function, and what runs or waits on top of it on the C stack. Protected. Stack: isolate,
 * reason's message. */
static int cancel_here(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  const wf_msg *reason = lua_touserdata(L, 2);
  if (reason == NULL || wf_unpack(L, reason) != 1) lua_pushnil(L);
  int at = lua_gettop(L);
  wf_task_cancel(iso, L, &iso->main, at);
  wf_task_cancel(iso, L, iso->cur, at);
  for (uint32_t i = 1; i < iso->nslots; i++) {
    wf_task *t = wf_iso_slot(iso, i);
    if (t != NULL && (t->flags & WF_F_INLINE)) wf_task_cancel(iso, L, t, at);
  }
  return 0;
}

void wf_run_cancel_here(wf_iso *iso, wf_run *r) {
  lua_State *L = iso->bench;
  pthread_mutex_lock(&r->lock); /* the reason is never changed once set, and not freed while we hold r */
  wf_msg *reason = r->reason;
  pthread_mutex_unlock(&r->lock);
  for (int tries = 0; tries < 2 && lua_checkstack(L, 4); tries++) {
    lua_pushcfunction(L, cancel_here);
    lua_pushlightuserdata(L, iso);
    lua_pushlightuserdata(L, tries == 0 ? reason : NULL);
    if (lua_pcall(L, 2, 0, 0) == LUA_OK) return;
    lua_pop(L, 1);
  }
  wf_task_cancel_bare(iso, &iso->main);
  wf_task_cancel_bare(iso, iso->cur);
}

static void on_press(wf_iso *iso) { wf_run_cancel_here(iso, iso->run); }

/* os.exit in a child: the main isolate does it; this one is over. */
static int run_exit(wf_iso *iso, lua_State *L, int code) {
  if (!wf_exit_ask(iso, code)) return lx_raise_memory(L);
  wf_run_cancel_here(iso, iso->run);
  wf_task *t = iso->cur;
  t->flags &= ~(uint32_t)WF_F_UNWIND;
  wf_cancel_raise(iso, L, t);
  return 0;
}

/* Running ------------------------------------------------------------------------------------- */

/* Lua's own error for want of memory, whoever has raised it again, with a place in front of it when the cap was hit indeed
 * (error and assert add one): no output stands for it (child.c). */
static bool is_no_memory(lua_State *L, int idx) {
  static const char what[] = "not enough memory";
  size_t len, n = sizeof what - 1;
  const char *s = lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &len) : NULL;
  if (s == NULL || len < n || strcmp(s + len - n, what) != 0) return false;
  return len == n || (len >= n + 2 && memcmp(s + len - n - 2, ": ", 2) == 0 && wf_state_hit_cap(L));
}

/* Pack the values from `first` on as the run's output; what cannot travel becomes the outcome. */
static void keep_output(lua_State *L, wf_run *r, int first, const char *what) {
  if (r->outcome == WF_FAILED && is_no_memory(L, first)) return;
  enum wf_pack_reach reach = r->process ? WF_REACH_PEERS : WF_REACH_PROCESS;
  r->output = wf_pack_for(L, first, lua_gettop(L) - first + 1, what, reach);
  if (r->output != NULL) return;
  if (r->outcome == WF_DONE) {
    r->outcome = WF_FAILED;
  } else { /* an error value that cannot travel: say what it was */
    const char *why = luaL_tolstring(L, -1, NULL), *text = luaL_tolstring(L, first, NULL);
    lua_pushfstring(L, "%s (%s)", text, why);
  }
  r->output = wf_pack_for(L, lua_gettop(L), 1, "value", reach);
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

/* Keep what came of the function. Stack: run, isolate, message handler, results or error. */
static int body_k(lua_State *L, int status, lua_KContext ctx) {
  wf_run *r = (wf_run *)ctx;
  wf_iso *iso = lua_touserdata(L, 2);
  wf_unwind_end(iso, &iso->main);
  if (status == LUA_OK || status == LUA_YIELD) {
    r->outcome = WF_DONE;
    if (lua_gettop(L) > 3) keep_output(L, r, 4, "result"); /* no output: no results */
  } else {
    r->outcome = is_own_cancel(iso, L) ? WF_CANCELLED : WF_FAILED;
    keep_traceback(iso, L, r);
    keep_output(L, r, 4, "value");
  }
  return iso->pooled ? wf_iso_shutdown_parked(iso, L, (iso->main.flags & WF_F_ASKED) != 0) : 0;
}

int wf_run_body(lua_State *L) {
  wf_run *r = lua_touserdata(L, 1);
  wf_iso *iso = lua_touserdata(L, 2);
  lua_pushcfunction(L, wf_unwind_handler);
  wf_cancel_point(iso, L);
  if (r->locals != NULL) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->locals);
    wf_unpack(L, r->locals);
    lua_rawsetp(L, -2, &iso->main);
    lua_pop(L, 1);
    iso->main.flags |= WF_F_LOCALS;
  }
  if (r->loaders != NULL) wf_loaders_unpack(L, r->loaders);
  int n = wf_unpack(L, r->input);
  wf_msg_free(r->input);
  r->input = NULL;
  return body_k(L, lua_pcallk(L, n - 1, LUA_MULTRET, 3, (lua_KContext)r, body_k), (lua_KContext)r);
}

/* wf_run_body has raised: the function was cancelled before it began, the message could not be unpacked, or
 * the results not be packed, most likely for want of memory. Protected. Stack: run, isolate, error. */
static int keep_error(lua_State *L) {
  wf_run *r = lua_touserdata(L, 1);
  wf_iso *iso = lua_touserdata(L, 2);
  if (r->output != NULL) return 0;
  r->outcome = WF_FAILED;
  if (r->input != NULL && (iso->main.flags & WF_F_ASKED)) { /* whatever error the interruption has become */
    r->outcome = WF_CANCELLED;
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->cancels);
    if (lua_rawgetp(L, -1, &iso->main) != LUA_TNIL) lua_replace(L, 3);
    lua_settop(L, 3);
  }
  if (is_no_memory(L, 3)) return 0;
  if (wf_state_hit_cap(L)) wf_state_set_cap(L, 0); /* the message needs a little */
  r->output = wf_pack_for(L, 3, 1, "value", r->process ? WF_REACH_PEERS : WF_REACH_PROCESS);
  return 0;
}

/* Make the isolate; protected. */
static int run_open(lua_State *L) {
  wf_run *r = lua_touserdata(L, 1);
  wf_iso *iso = wf_iso_open(L, &r->member, r->unit);
  iso->run = r;
  iso->id = r->id;
  wf_card_take_up(iso);
  iso->name = r->name;
  iso->announced = wf_trace_on();
  iso->parent_task = r->parent_task;
  iso->on_library = r->on_library;
  iso->open_core = r->open_core;
  iso->parent = r->parent;
  iso->exit = run_exit;
  iso->on_press = on_press;
  iso->press_end = WF_NEVER;
  wf_trace(WF_TRACE_NEW, r->unit != NULL ? WF_WHY_ISOLATE : WF_WHY_THREAD, iso->id, wf_task_id(iso, &iso->main), r->parent_task);
  if (r->name != NULL) wf_trace_name(iso->id, wf_task_id(iso, &iso->main), r->name);
  wf_trace(WF_TRACE_RUN, WF_WHY_NONE, iso->id, wf_task_id(iso, &iso->main), 0);
  lua_pushlightuserdata(L, iso);
  return 1;
}

void wf_run_show(wf_run *r, wf_iso *iso) {
  wf_press_by_signal(iso);
  wf_port_hold(iso->port);
  pthread_mutex_lock(&r->lock);
  r->port = iso->port;
  bool cancelled = r->cancelled;
  pthread_mutex_unlock(&r->lock);
  if (!cancelled) return;
  /* No signal will come. */
  atomic_store(&iso->port->interrupt, 1);
  wf_press_begin(iso, WF_NEVER);
  wf_run_cancel_here(iso, r);
}

/* The parent can reach it no more. */
static void run_hide(wf_run *r) {
  pthread_mutex_lock(&r->lock);
  wf_port *port = r->port;
  r->port = NULL;
  pthread_mutex_unlock(&r->lock);
  wf_press_by_signal(NULL);
  wf_port_release(port);
}

/* Weft replaces some library functions once the library opens. */
static void on_opened(lua_State *L, const char *lib, void *ud) {
  (void)ud;
  wf_iso *iso = wf_iso_of(L);
  if (iso == NULL) return;
  if (iso->on_library != NULL) iso->on_library(iso, L, lib);
}

void wf_run_failed(wf_run *r, wf_iso *iso, lua_State *L) {
  if (lua_checkstack(L, 4)) {
    lua_pushcfunction(L, keep_error);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, r);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, iso);
    lua_insert(L, -2);
    if (lua_pcall(L, 3, 0, 0) == LUA_OK) return;
  }
  lua_pop(L, 1);
}

wf_iso *wf_run_open(wf_run *r, lua_State **L) {
  wf_state_opts o = {.memory = r->memory, .generational = r->generational, .path = r->path != NULL ? r->path->text : NULL,
                      .cpath = r->cpath != NULL ? r->cpath->text : NULL, .opened = on_opened,
                      .prepare = wf_own_prepare};
  r->outcome = WF_FAILED;
  if ((*L = wf_state_open(&o)) == NULL) return NULL;
  lua_pushcfunction(*L, run_open);
  lua_pushlightuserdata(*L, r);
  bool ok = lua_pcall(*L, 1, 1, 0) == LUA_OK;
  wf_iso *iso = ok ? lua_touserdata(*L, -1) : NULL;
  lua_pop(*L, 1);
  return iso;
}

void wf_run_finish(wf_run *r, wf_iso *iso, lua_State *L) {
  if (iso->main.flags & WF_F_ASKED) /* who cancels it cancels all that it started */
    wf_iso_shutdown_quietly(iso, L);
  else
    wf_iso_shutdown(iso, L);
  wf_trace(WF_TRACE_STOP, (enum wf_trace_why)((int)WF_WHY_DONE + r->outcome - (int)WF_DONE), iso->id, wf_task_id(iso, &iso->main), 0);
  run_hide(r);
}

void wf_run_close(wf_run *r, lua_State *L) {
  if (L != NULL) wf_state_close(L);
  /* The hold of this side goes with the mail. The parent's port must not be held by what may lie in it. */
  wf_port *parent = r->parent;
  wf_run_hold(r);
  r->parent = NULL;
  wf_port_post(parent, &r->mail);
  wf_family_leave(&r->member);
  wf_run_release(r);
  wf_port_release(parent);
}

void wf_run_never(wf_run *r) {
  r->outcome = WF_CANCELLED;
  wf_run_close(r, NULL);
}

void wf_run_main(void *arg) {
  wf_run *r = arg;
  lua_State *L;
  wf_iso *iso = wf_run_open(r, &L);
  if (iso != NULL) {
    wf_run_show(r, iso);
    lua_pushcfunction(L, wf_run_body);
    lua_pushlightuserdata(L, r);
    lua_pushlightuserdata(L, iso);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) wf_run_failed(r, iso, L);
    wf_run_finish(r, iso, L);
  }
  wf_run_close(r, L);
}
