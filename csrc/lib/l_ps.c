/*
 * l_ps.c: what lives in this isolate now, for lua/weft/ps.lua: core.tasks() and core.children().
 *
 * Thread: the carrier. The lists are made in one go and keep nothing alive. What a task waits for, and where, is what a
 * deadlock report would say of it (rt/report.h).
 */
#include "lib/lib.h"
#include "rt/child.h"
#include "rt/copool.h"
#include "rt/report.h"
#include "rt/run.h"
#include "rt/task.h"

static void set_text(lua_State *L, const char *key, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, key);
}

/* Push the table of a task. [-0, +1, m] */
static void push_task(wf_iso *iso, lua_State *L, const wf_task *t) {
  static const char *const states[] = {[WF_READY] = "ready", [WF_RUNNING] = "running", [WF_WAITING] = "waiting"};
  static const char *const whys[] = {
#define X(id, text) text,
      WF_TRACE_WHYS(X)
#undef X
  };
  char started[LUA_IDSIZE + 16];
  lua_createtable(L, 0, 8);
  lua_pushinteger(L, (lua_Integer)wf_task_id(iso, t));
  lua_setfield(L, -2, "id");
  wf_task_push_name(iso, L, t);
  lua_setfield(L, -2, "name");
  set_text(L, "kind", t->flags & WF_F_MAIN ? "main" : "task");
  set_text(L, "state", t->state < WF_DONE ? states[t->state] : "done");
  set_text(L, "started", wf_task_started(iso, t, started, sizeof started));
  if (t == iso->cur) return;
  if (t->state == WF_WAITING) set_text(L, "why", whys[t->why]);
  lua_pushliteral(L, "");
  wf_report_wait(iso, L, t);
  lua_setfield(L, -2, "text");
}

/* tasks() -> a list of { id, name, kind, state, started, why, text }, the main chunk first. */
static int lib_tasks(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_Integer n = 0;
  lua_newtable(L);
  wf_walk w = {0, NULL};
  for (const wf_task *t = &iso->main; t != NULL; t = wf_iso_walk(iso, &w)) {
    if (wf_task_finished(t)) continue;
    push_task(iso, L, t);
    lua_rawseti(L, 1, ++n);
  }
  return 1;
}

/* children() -> a list of { id, name, kind, started, tid, pid }: threads, pool isolates and processes started here that have not ended. */
static int lib_children(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_Integer n = 0;
  char started[LUA_IDSIZE + 16];
  lua_newtable(L);
  for (wf_link *l = iso->children.next; l != &iso->children; l = l->next) {
    const wf_run *r = wf_list_entry(l, wf_run, link);
    if (r->child == NULL) continue;
    lua_createtable(L, 0, 5);
    lua_pushinteger(L, (lua_Integer)wf_child_id(r->child));
    lua_setfield(L, -2, "id");
    set_text(L, "kind", wf_child_kind(r->child));
    set_text(L, "name", wf_child_name(r->child)); /* NULL: no name, no field */
    int64_t tid = r->thread != NULL ? wf_thread_tid(r->thread) : 0;
    if (tid > 0) { /* it has begun to run */
      lua_pushinteger(L, (lua_Integer)tid);
      lua_setfield(L, -2, "tid");
    }
    if (wf_child_pid(r->child) != 0) {
      lua_pushinteger(L, (lua_Integer)wf_child_pid(r->child));
      lua_setfield(L, -2, "pid");
    }
    set_text(L, "started", wf_child_started(iso, r->child, started, sizeof started));
    lua_rawseti(L, 1, ++n);
  }
  return 1;
}

void wf_lib_ps(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"tasks", lib_tasks}, {"children", lib_children}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
