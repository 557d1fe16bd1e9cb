/* See child.h: the parent's side of a child. Everything here runs on the parent's carrier. */
#include "rt/child.h"

#include <errno.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "lx/error.h"
#include "lx/lean.h"
#include "lx/pack.h"
#include "lx/release.h"
#include "rt/cancel.h"
#include "rt/lane_run.h"
#include "rt/loaders.h"
#include "rt/process.h"
#include "rt/report.h"
#include "rt/results.h"
#include "rt/run.h"
#include "rt/sched.h"
#include "rt/shjob.h"
#include "rt/shutdown.h"
#include "rt/slice.h"
#include "rt/task.h"
#include "sys/identity.h"

/* Runs ---------------------------------------------------------------------------------------- */

wf_run *wf_run_new(void) {
  wf_run *r = wf_calloc(1, sizeof *r);
  if (r == NULL) return NULL;
  atomic_init(&r->refs, 1);
  pthread_mutex_init(&r->lock, NULL);
  return r;
}

void wf_run_hold(wf_run *r) { atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed); }

void wf_run_release(wf_run *r) {
  if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1) return;
  wf_msg_free(r->input);
  wf_msg_free(r->locals);
  wf_msg_free(r->loaders);
  wf_msg_free(r->output);
  wf_msg_free(r->reason);
  if (r->parent != NULL) wf_port_release(r->parent);
  if (r->port != NULL) wf_port_release(r->port);
  if (r->unit != NULL) wf_port_release(r->unit);
  if (r->lanes != NULL) wf_lanes_release(r->lanes);
  pthread_mutex_destroy(&r->lock);
  wf_free(r->name);
  wf_text_release(r->path);
  wf_text_release(r->cpath);
  wf_free(r->traceback);
  wf_free(r);
}

static const char *run_kind(const wf_run *r) { return r->process ? "process" : r->unit != NULL ? "isolate" : "thread"; }

/* A copy of a string, NULL for NULL. [-0, +0, m] */
static char *copied(lua_State *L, const char *s) {
  if (s == NULL) return NULL;
  size_t n = strlen(s) + 1;
  char *p = wf_malloc(n);
  if (p == NULL) lx_raise_memory(L);
  return memcpy(p, s, n);
}

/* Starting ------------------------------------------------------------------------------------ */

/* The run's box until it is safe in a handle: it is released if something raises before. */
static wf_child *child_push(wf_iso *iso, lua_State *L) {
  wf_child *c = wf_class_push(iso, L, WF_CLASS_CHILD, sizeof *c, 1);
  wf_list_init(&c->joiners);
  c->run = wf_run_new();
  if (c->run == NULL) lx_raise_memory(L);
  c->run->child = c;
  c->run->looked = true; /* nothing to report about what has not started */
  return c;
}

wf_text *wf_text_hold(wf_text *t) {
  if (t != NULL) atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
  return t;
}

void wf_text_release(wf_text *t) {
  if (t != NULL && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) wf_free(t);
}

/* Keep the string on top in *kept, if that is not what is there already. [-1, +0, m] */
static void keep_text(lua_State *L, wf_text **kept) {
  size_t n;
  const char *now = lua_tolstring(L, -1, &n);
  if (now == NULL || *kept == NULL || strcmp((*kept)->text, now) != 0) {
    wf_text *t = now == NULL ? NULL : wf_malloc(sizeof *t + n + 1);
    if (now != NULL && t == NULL) luaL_error(L, "not enough memory");
    wf_text_release(*kept);
    *kept = t;
    if (t != NULL) {
      atomic_init(&t->refs, 1);
      memcpy(t->text, now, n + 1);
    }
  }
  lua_pop(L, 1);
}

/* package.path and cpath as this state has them now; what its own parent gave it while package is unopened. */
static void note_paths(wf_iso *iso, lua_State *L, wf_run *r) {
  if (iso->run != NULL && wf_state_package_closed(L)) {
    r->path = wf_text_hold(iso->run->path);
    r->cpath = wf_text_hold(iso->run->cpath);
    return;
  }
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, LUA_LOADLIBNAME) == LUA_TTABLE) {
    lua_getfield(L, -1, "path");
    keep_text(L, &iso->path);
    lua_getfield(L, -1, "cpath");
    keep_text(L, &iso->cpath);
    r->path = wf_text_hold(iso->path);
    r->cpath = wf_text_hold(iso->cpath);
  }
  lua_pop(L, 2);
}

/* The handle may be collected from now on. [-0, +0, -] */
static void child_loosen(wf_iso *iso, lua_State *L, const wf_child *c) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->anchors);
  lx_rawdelp(L, -1, c);
  lua_pop(L, 1);
}

static void on_end(wf_iso *iso, wf_mail *m);

/* The parent closed before the child ended: the mail is all that is left. */
static void on_end_dropped(wf_mail *m) {
  wf_run *r = wf_container_of(m, wf_run, mail);
  if (r->thread != NULL) wf_thread_detach(r->thread);
  wf_run_release(r);
}

static int start_isolate(wf_iso *iso, wf_run *r, void *ud, const char **what) {
  (void)ud;
  if (wf_identity_own()) { /* the workers would do it with other rights, or one that is started now would have ours for good */
    *what = "isolates of the pool have the rights of the process, use weft.thread";
    return EPERM;
  }
  int err = wf_slice_prepare(iso, r);
  if (err == 0) wf_slice_start(r);
  return err;
}

wf_child *wf_child_begin(wf_iso *iso, lua_State *L, int nargs, const char *name, size_t memory, const wf_child_way *way) {
  enum wf_pack_reach reach = way->process ? WF_REACH_PEERS : WF_REACH_PROCESS;
  if (iso->closing || wf_family_ending(iso->member)) luaL_error(L, "cannot start %s: the script is ending", way->noun);
  if (wf_forked()) wf_fork_raise(L);
  int first = lua_gettop(L) - nargs;
  wf_child *c = child_push(iso, L);
  wf_run *r = c->run;
  r->process = way->process;
  r->input = wf_pack_for(L, first, nargs + 1, "arg", reach);
  if (r->input == NULL) lua_error(L);
  if (iso->cur->flags & WF_F_LOCALS) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->locals);
    lua_rawgetp(L, -1, iso->cur);
    r->locals = wf_pack_for(L, lua_gettop(L), 1, "locals", reach);
    if (r->locals == NULL) lua_error(L);
    lua_pop(L, 2);
  }
  r->name = copied(L, name);
  r->id = wf_iso_number();
  r->memory = memory;
  note_paths(iso, L, r);
  r->loaders = wf_loaders_pack(L, reach);
  r->parent = iso->port;
  wf_port_hold(iso->port);
  r->on_library = iso->on_library;
  r->open_core = iso->open_core;
  r->parent_task = wf_task_id(iso, iso->cur);
  r->mail.deliver = on_end;
  r->mail.drop = on_end_dropped;
  wf_task at = {0};
  wf_where_note(iso, L, &at);
  r->line = at.line;
  r->source = at.source;
  if (way->prepare != NULL) way->prepare(iso, L, way->ud);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->anchors);
  lua_pushvalue(L, first + nargs + 1);
  lua_rawsetp(L, -2, c);
  lua_pop(L, 1);
  c->state = WF_RUNNING;
  r->looked = false;
  wf_run_hold(r); /* the list's */
  wf_run_hold(r); /* the thread's */
  wf_list_append(&iso->children, &r->link);
  wf_member_id who = {.iso = r->id, .name = r->name, .kind = way->pooled ? WF_MEMBER_ISOLATE : WF_MEMBER_THREAD};
  if (!way->process) wf_family_join(&r->member, iso->member, &who);
  const char *what = "thread";
  int err = way->start(iso, r, way->ud, &what);
  if (err == 0) {
    lua_replace(L, first);
    lua_settop(L, first);
    return c;
  }
  if (!way->process) wf_family_leave(&r->member);
  wf_list_unlink(&r->link);
  wf_run_release(r);
  wf_run_release(r);
  r->looked = true;
  c->state = WF_FAILED;
  child_loosen(iso, L, c);
  lua_settop(L, first - 1);
  lx_fail_errno(L, err, what);
  return NULL;
}

static int start_thread(wf_iso *iso, wf_run *r, void *ud, const char **what) {
  (void)iso;
  return wf_thread_start(&r->thread, ud, wf_run_main, r, what);
}

wf_child *wf_child_start(wf_iso *iso, lua_State *L, int nargs, const char *name, size_t memory, const wf_thread_opts *o) {
  wf_child_way way = {.noun = "an isolate", .pooled = true, .start = start_isolate};
  if (o != NULL) way = (wf_child_way){.noun = "a thread", .start = start_thread, .ud = (void *)(uintptr_t)o};
  return wf_child_begin(iso, L, nargs, name, memory, &way);
}

/* Ending -------------------------------------------------------------------------------------- */

/* It was cancelled before it began; else memory ran out over there. */
void wf_run_push_missing(lua_State *L, const wf_run *r) {
  if (r->outcome == WF_CANCELLED) {
    if (r->reason == NULL || wf_unpack(L, r->reason) != 1) lua_pushnil(L);
    wf_cancel_error(L, lua_gettop(L));
    lua_remove(L, -2);
  } else if (r->memory != 0)
    lx_error_new(L, "memory", "not enough memory: %s %d may hold %I bytes", run_kind(r), (int)r->id, (lua_Integer)r->memory);
  else
    lx_error_new(L, "memory", "not enough memory for %s %d", run_kind(r), (int)r->id);
}

/* What the run left (results.h). */
static int unpack_output(lua_State *L) {
  const wf_child *c = lua_touserdata(L, 1);
  const wf_run *r = c->run;
  int n = 0;
  lua_newtable(L);
  if (r->output != NULL)
    n = wf_unpack(L, r->output);
  else if (r->outcome != WF_DONE) {
    wf_run_push_missing(L, r);
    n = 1;
  }
  wf_results_keep(L, n);
  return 0;
}

int wf_child_results(wf_iso *iso, lua_State *L, wf_child *c, int idx) {
  (void)iso;
  return wf_results_push(L, idx, &c->unpacked, &c->state, unpack_output);
}

/* Tell the channels that watch the child. Protected by the caller. */
static int tell_watchers(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  const wf_child *c = lua_touserdata(L, 2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->watches);
  if (lua_rawgetp(L, -1, c) != LUA_TTABLE) return 0;
  wf_watchers_tell(iso, L);
  lx_rawdelp(L, 3, c);
  return 0;
}

/* Report the failure of a run. Protected. Stack: isolate, run, then the handle if it can be shown. */
static int report(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  wf_run *r = lua_touserdata(L, 2);
  char started[LUA_IDSIZE + 16];
  if (lua_gettop(L) < 3) {
    lua_pushfstring(L, "weft.job %s %d%s%s (failed)", run_kind(r), (int)r->id,
                    r->name != NULL ? " " : "", r->name != NULL ? r->name : "");
  }
  if (r->output == NULL)
    wf_run_push_missing(L, r);
  else if (wf_unpack(L, r->output) < 1)
    lua_pushnil(L);
  lua_settop(L, 4);
  lua_pushstring(L, r->traceback);
  if (r->traceback != NULL && wf_where_text(iso, r->source, r->line, started, sizeof started)[0] != '\0') {
    lua_pushfstring(L, "%s\nstarted at %s", r->traceback, started);
    lua_replace(L, 5);
  }
  wf_report_failure(iso, L);
  return 0;
}

/* Call f with isolate, p and the nargs values on top of the stack. [-nargs, +0, -] */
static void call_protected(wf_iso *iso, lua_State *L, lua_CFunction f, void *p, int nargs) {
  if (lua_checkstack(L, 4)) {
    lua_pushcfunction(L, f);
    lua_pushlightuserdata(L, iso);
    lua_pushlightuserdata(L, p);
    lua_rotate(L, -(nargs + 3), 3);
    if (lua_pcall(L, 2 + nargs, 0, 0) == LUA_OK) return;
    const char *text = lua_tostring(L, -1);
    fprintf(stderr, "weft: %s\n", text != NULL ? text : "an error that is no string");
    nargs = 1;
  }
  lua_pop(L, nargs);
}

static bool is_unseen(const wf_run *r) { return r->outcome == WF_FAILED && !r->looked && !r->detached; }

/* The run's mail has come: it is over, its thread is about to exit. */
static void on_end(wf_iso *iso, wf_mail *m) {
  wf_run *r = wf_container_of(m, wf_run, mail);
  wf_child *c = r->child;
  lua_State *L = iso->bench;
  if (r->thread != NULL) wf_thread_retire(&iso->rest, r->thread);
  r->thread = NULL;
  wf_list_unlink(&r->link);
  c->state = r->outcome;
  if (c->crossed) wf_shjob_child_ended(iso, c);
  if (c->watched) {
    c->watched = false;
    iso->outside--;
    call_protected(iso, L, tell_watchers, c, 0);
  }
  wf_waitq_wake_all(iso, &c->joiners, WF_GOT);
  if (is_unseen(r)) iso->unseen++;
  if (r->finalised) {
    wf_list_append(&iso->late, &r->link); /* the list's hold goes along */
  } else {
    child_loosen(iso, L, c);
    wf_run_release(r); /* the list's */
  }
  wf_run_release(r); /* the thread's, which came with the mail */
  wf_iso_tell_all_done(iso);
}

void wf_child_gc(wf_iso *iso, lua_State *L) {
  wf_child *c = lua_touserdata(L, 1);
  wf_run *r = c->run;
  if (r == NULL) return;
  /* The handle is anchored while the thread runs: the state closes. End all that runs, before more of what it
   * uses is finalised. */
  if (c->state < WF_DONE && wf_link_in_list(&r->link)) wf_iso_shutdown(iso, L);
  if (c->state < WF_DONE && wf_link_in_list(&r->link)) {
    r->finalised = true;
    return;
  }
  lua_settop(L, 1);
  if (is_unseen(r)) {
    lua_pushvalue(L, 1); /* the handle stays here too: short of memory, Lua collects even now */
    call_protected(iso, L, report, r, 1);
  }
  c->run = NULL;
  wf_run_release(r);
}

void wf_children_forget(wf_iso *iso, lua_State *L) {
  wf_link *lists[] = {&iso->late, &iso->children};
  for (size_t i = 0; i < 2; i++) {
    while (!wf_list_empty(lists[i])) {
      wf_run *r = wf_list_entry(lists[i]->next, wf_run, link);
      bool late = i == 0;
      wf_list_unlink(&r->link);
      if (late && is_unseen(r)) call_protected(iso, L, report, r, 0);
      r->child->run = NULL;
      wf_run_release(r); /* the handle's */
      wf_run_release(r); /* the list's */
    }
  }
}

/* From the handle ------------------------------------------------------------------------------ */

enum wf_state wf_child_state(const wf_child *c) { return (enum wf_state)c->state; }

void wf_child_looked(wf_child *c) { c->run->looked = true; }

void wf_child_watch(wf_iso *iso, wf_child *c) {
  if (c->watched) return;
  c->watched = true;
  iso->outside++;
}

void wf_child_detach(wf_child *c) { c->run->detached = true; }

void wf_child_background(wf_iso *iso, wf_child *c) {
  c->run->looked = c->run->detached = c->run->background = true;
  wf_iso_tell_all_done(iso);
}

bool wf_children_all_background(const wf_iso *iso) {
  for (const wf_link *l = iso->children.next; l != &iso->children; l = l->next)
    if (!wf_list_entry(l, wf_run, link)->background) return false;
  return true;
}

wf_link *wf_child_joiners(wf_child *c) { return &c->joiners; }

uint64_t wf_child_id(const wf_child *c) {
  return (uint64_t)c->run->id << 32 | 1;
}

const char *wf_child_name(const wf_child *c) { return c->run->name; }

int64_t wf_child_pid(const wf_child *c) { return c->state >= WF_DONE || !c->run->process ? 0 : wf_process_pid(c->run); }

int64_t wf_child_tid(const wf_child *c) {
  if (c->state >= WF_DONE) return 0;
  if (c->run->lanes != NULL) return wf_lane_run_tid(c->run);
  return c->run->thread == NULL ? 0 : wf_thread_await_tid(c->run->thread);
}

const char *wf_child_kind(const wf_child *c) { return run_kind(c->run); }

void wf_child_traceback(lua_State *L, const wf_child *c) {
  if (c->state >= WF_DONE)
    lua_pushstring(L, c->run->traceback);
  else
    lua_pushnil(L);
}

const char *wf_child_started(const wf_iso *iso, const wf_child *c, char *buf, size_t size) {
  return wf_where_text(iso, c->run->source, c->run->line, buf, size);
}

/* Cancelling ----------------------------------------------------------------------------------- */

static void cancel_dropped(wf_mail *m) { wf_run_release(wf_container_of(m, wf_run, cancel)); }

static void on_cancel(wf_iso *iso, wf_mail *m) {
  wf_run_cancel_here(iso, wf_container_of(m, wf_run, cancel));
  cancel_dropped(m);
}

/* Ask the run to end; takes the reason over. From the parent's carrier. It allocates nothing: when memory is out,
 * ending what runs is what helps. */
static void run_cancel(wf_run *r, wf_msg *reason) {
  pthread_mutex_lock(&r->lock);
  bool first = !r->cancelled;
  r->cancelled = true;
  if (first) r->reason = reason;
  bool open = first && r->port != NULL;
  if (open) { /* only once: the mail is not on the way yet */
    r->cancel.deliver = on_cancel;
    r->cancel.drop = cancel_dropped;
    wf_run_hold(r);
    wf_port_post(r->port, &r->cancel);
    atomic_store(&r->port->interrupt, 1);
  }
  pthread_mutex_unlock(&r->lock);
  if (!first) wf_msg_free(reason);
  if (first && r->process) wf_process_cancel(r);
  if (r->lanes != NULL)
    wf_lane_run_cancel(r, first, open);
  else if (open && r->unit != NULL)
    wf_slice_interrupt(r);
  else if (open)
    wf_thread_signal(r->thread, SIGURG);
}

bool wf_child_cancel(wf_iso *iso, lua_State *L, wf_child *c, int reason) {
  (void)iso;
  if (c->state >= WF_DONE) return false;
  wf_msg *m = NULL;
  if (reason != 0 && !lua_isnil(L, reason) && (m = wf_pack_for(L, reason, 1, "value", c->run->process ? WF_REACH_PEERS : WF_REACH_PROCESS)) == NULL)
    lua_error(L);
  run_cancel(c->run, m);
  return true;
}

void wf_children_cancel(wf_iso *iso) {
  wf_link *l, *next;
  wf_list_each(l, next, &iso->children) run_cancel(wf_list_entry(l, wf_run, link), NULL);
}

uint32_t wf_children_list(wf_iso *iso, uint32_t most, char *line, size_t size, size_t *len) {
  uint32_t n = 0;
  char started[LUA_IDSIZE + 16];
  wf_link *l, *next;
  wf_list_each(l, next, &iso->children) {
    wf_run *r = wf_list_entry(l, wf_run, link);
    if (r->detached || r->cancelled) continue;
    if (n++ >= most || *len >= size) continue;
    wf_where_text(iso, r->source, r->line, started, sizeof started);
    *len += (size_t)snprintf(line + *len, size - *len, "%s %s%s%s%s%s", *len == 0 ? "" : ",", run_kind(r), r->name != NULL ? " " : "",
                             r->name != NULL ? r->name : "", started[0] != '\0' ? " started at " : "", started);
  }
  return n;
}

void wf_children_abandon(wf_iso *iso) {
  wf_link *l, *next;
  wf_list_each(l, next, &iso->children) {
    wf_run *r = wf_list_entry(l, wf_run, link);
    if (r->process) continue; /* it will be killed */
    fprintf(stderr, "weft: %s %u%s%s does not end (in a C call, or a finaliser?) and is left behind\n",
            run_kind(r), r->id, r->name != NULL ? " " : "", r->name != NULL ? r->name : "");
  }
}
