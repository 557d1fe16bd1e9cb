/* The methods of jobs, of every kind. */
#include <stdio.h>
#include <string.h>

#include "lib/lib.h"
#include "lx/error.h"
#include "rt/cancel.h"
#include "rt/channel.h"
#include "rt/child.h"
#include "rt/job.h"
#include "rt/report.h"
#include "rt/sched.h"
#include "rt/shjob.h"
#include "rt/shutdown.h"
#include "rt/task.h"

enum { SELF = 1 };

static const char *const state_names[] = {"ready", "running", "waiting", "done", "failed", "cancelled"};

/* Pushes what the method gives of the job at SELF, which has ended, or is not waited for any more: how many values. */
typedef int (*giver)(wf_iso *iso, lua_State *L, wf_job j);

/* Give, when the job at SELF has ended; all above it goes. Waits for that, then continues in k. */
static inline int await(wf_iso *iso, lua_State *L, wf_job j, uint64_t deadline, lua_KFunction k, giver give) {
  lua_settop(L, SELF);
  wf_cancel_point(iso, L);
  if (wf_job_finished(j)) return give(iso, L, j);
  if (j.task == iso->cur) return luaL_error(L, "a job cannot wait for itself");
  if (wf_job_joiners(iso, j) == NULL || (deadline != WF_NEVER && wf_task_ext(iso, iso->cur) == NULL))
    return lx_raise_memory(L);
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_JOIN);
  wf_job_wait(iso, j, t, NULL);
  wf_wait_until(iso, t, deadline);
  return wf_wait_park(iso, L, t, wf_job_id(iso, j), k);
}

/* The wait is over. */
static inline int awaited(lua_State *L, lua_KContext ctx, giver give) {
  wf_iso *iso = wf_iso_up(L);
  wf_wait_end(L, (wf_task *)ctx);
  return give(iso, L, wf_job_check(iso, L, SELF));
}

static int give_results(wf_iso *iso, lua_State *L, wf_job j) {
  wf_job_looked(iso, j);
  int n = wf_job_results(iso, L, j, SELF);
  return n < 0 ? lua_error(L) : n;
}

static int give_outcome(wf_iso *iso, lua_State *L, wf_job j) {
  wf_job_looked(iso, j);
  lua_pushboolean(L, wf_job_state(j) == WF_DONE);
  int n = wf_job_results(iso, L, j, SELF);
  return 1 + (n < 0 ? 1 : n);
}

static int give_finished(wf_iso *iso, lua_State *L, wf_job j) {
  bool finished = wf_job_finished(j);
  if (finished) wf_job_looked(iso, j);
  lua_pushboolean(L, finished);
  return 1;
}

static int give_nothing(wf_iso *iso, lua_State *L, wf_job j) {
  (void)iso, (void)L, (void)j;
  return 0;
}

static int join_k(lua_State *L, int status, lua_KContext ctx) { (void)status; return awaited(L, ctx, give_results); }
static int result_k(lua_State *L, int status, lua_KContext ctx) { (void)status; return awaited(L, ctx, give_outcome); }
static int wait_k(lua_State *L, int status, lua_KContext ctx) { (void)status; return awaited(L, ctx, give_finished); }
static int close_k(lua_State *L, int status, lua_KContext ctx) { (void)status; return awaited(L, ctx, give_nothing); }

static int job_join(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  return await(iso, L, wf_job_check(iso, L, SELF), WF_NEVER, join_k, give_results);
}

static int job_result(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  return await(iso, L, wf_job_check(iso, L, SELF), WF_NEVER, result_k, give_outcome);
}

static int job_wait(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_job j = wf_job_check(iso, L, SELF);
  return await(iso, L, j, wf_opt_deadline(iso, L, 2), wait_k, give_finished);
}

static bool cancel(wf_iso *iso, lua_State *L, wf_job j, int reason) {
  if (j.remote != NULL) return wf_remote_cancel(iso, L, j.remote, reason);
  return j.task != NULL ? wf_task_cancel(iso, L, j.task, reason) : wf_child_cancel(iso, L, j.child, reason);
}

/* job:cancel([reason]): true when there was something to cancel. */
static int job_cancel(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_job j = wf_job_check(iso, L, SELF);
  lua_settop(L, 2);
  lua_pushboolean(L, cancel(iso, L, j, 2));
  return 1;
}

static int job_status(lua_State *L) {
  lua_pushstring(L, state_names[wf_job_state(wf_job_check(wf_iso_up(L), L, SELF))]);
  return 1;
}

static int job_detach(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_job j = wf_job_check(iso, L, SELF);
  if (j.task != NULL)
    j.task->flags |= WF_F_DETACHED;
  else if (j.child != NULL)
    wf_child_detach(j.child);
  wf_job_looked(iso, j);
  lua_settop(L, SELF);
  return 1;
}

/* Push the traceback of a task that has failed, or of where it stands. */
static void push_stand(wf_iso *iso, lua_State *L, wf_task *t) {
  if (wf_task_finished(t)) {
    if ((t->flags & WF_F_PACKED) && t->state != WF_DONE) {
      lua_getiuservalue(L, SELF, 1);
      lua_rawgeti(L, -1, 2);
      lua_remove(L, -2);
    } else {
      lua_pushnil(L);
    }
  } else if (t->flags & WF_F_NEW) {
    lua_pushnil(L);
  } else {
    lua_State *co = t == iso->cur ? L : wf_task_lua(t);
    luaL_traceback(L, co, NULL, t == iso->cur ? 1 : 0);
  }
}

/* job:traceback(): where it stands now or where it failed, then where it was started. */
static int job_traceback(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_job j = wf_job_check(iso, L, SELF);
  char started[LUA_IDSIZE + 16];
  lua_settop(L, SELF);
  if (j.task != NULL) {
    push_stand(iso, L, j.task);
    wf_task_started(iso, j.task, started, sizeof started);
  } else if (j.remote != NULL) {
    wf_remote_traceback(L, j.remote);
    snprintf(started, sizeof started, "%s", wf_remote_started(j.remote));
  } else {
    wf_child_traceback(L, j.child);
    wf_child_started(iso, j.child, started, sizeof started);
  }
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushfstring(L, "(%s)", state_names[wf_job_state(j)]);
  }
  if (started[0] != '\0') lua_pushfstring(L, "\nstarted at %s", started);
  lua_concat(L, lua_gettop(L) - SELF);
  return 1;
}

/* The name as the script gave it, or nil. */
static void push_name(wf_iso *iso, lua_State *L, wf_job j) {
  if (j.child != NULL) {
    lua_pushstring(L, wf_child_name(j.child));
  } else if (j.remote != NULL) {
    lua_pushstring(L, wf_remote_name(j.remote));
  } else if (j.task->flags & WF_F_NAMED) {
    wf_task_push_name(iso, L, j.task);
  } else if ((j.task->flags & WF_F_PACKED)) {
    lua_getiuservalue(L, SELF, 1);
    lua_getfield(L, -1, "name");
    lua_remove(L, -2);
  } else {
    lua_pushnil(L);
  }
}

static const char *kind_of(wf_job j) {
  if (j.remote != NULL) return wf_remote_kind(j.remote);
  if (j.task == NULL) return wf_child_kind(j.child);
  uint32_t as = j.task->flags & (WF_F_AS_THREAD | WF_F_AS_ISOLATE);
  return as == (WF_F_AS_THREAD | WF_F_AS_ISOLATE) ? "process" : as == WF_F_AS_THREAD ? "thread" : as != 0 ? "isolate" : "task";
}

/* Methods that are written in Lua, in weft.groups. */
static bool is_lua_method(const char *key) { return strcmp(key, "on_done") == 0 || strcmp(key, "get") == 0 || strcmp(key, "set") == 0; }

/* job.id, job.name, job.kind; everything else is a method. Upvalue 2: the methods. */
static int job_index(lua_State *L) {
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) return 1;
  wf_iso *iso = wf_iso_up(L);
  if (lua_type(L, 2) == LUA_TSTRING && is_lua_method(lua_tostring(L, 2))) {
    wf_lib_require(L, "weft.groups");
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
    return 1;
  }
  wf_job j = wf_job_check(iso, L, SELF);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "id") == 0)
    lua_pushinteger(L, (lua_Integer)wf_job_id(iso, j));
  else if (strcmp(key, "name") == 0)
    push_name(iso, L, j);
  else if (strcmp(key, "kind") == 0)
    lua_pushstring(L, kind_of(j));
  return 1;
}

static int job_tostring(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  const wf_child *c = wf_iso_test(iso, L, SELF, WF_CLASS_CHILD);
  const wf_remote *r = wf_iso_test(iso, L, SELF, WF_CLASS_REMOTE);
  if ((c != NULL && c->run == NULL) || (r != NULL && r->job == NULL)) {
    lua_pushliteral(L, "weft.job thread (collected)");
    return 1;
  }
  wf_job j = wf_job_check(iso, L, SELF);
  push_name(iso, L, j);
  const char *name = lua_tostring(L, -1);
  if (j.remote != NULL) {
    uint64_t id = wf_remote_id(j.remote);
    const char *kind = wf_remote_kind(j.remote);
    bool task = strcmp(kind, "task") == 0;
    lua_pushfstring(L, "weft.job %s %d%s%s (%s, of another isolate)", kind, (int)(task ? (uint32_t)id : id >> 32), name != NULL ? " " : "",
                    name != NULL ? name : "", state_names[wf_job_state(j)]);
    return 1;
  }
  lua_pushfstring(L, "weft.job %s %d%s%s (%s)", j.task != NULL ? "task" : wf_child_kind(j.child), (int)(j.task != NULL ? wf_task_number(iso, j.task) : wf_job_id(iso, j) >> 32),
                  name != NULL ? " " : "", name != NULL ? name : "", state_names[wf_job_state(j)]);
  return 1;
}

/* local j <close>: cancel and join. */
static int job_close(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_job j = wf_job_check(iso, L, SELF);
  lua_settop(L, SELF);
  cancel(iso, L, j, 0);
  return await(iso, L, j, WF_NEVER, close_k, give_nothing);
}

/* core.is_job(value). */
static int lib_is_job(lua_State *L) {
  wf_job j;
  lua_pushboolean(L, wf_job_test(wf_iso_up(L), L, 1, &j));
  return 1;
}

/* core.job_methods(): the method tables of the kinds of jobs, for Lua code to add to. */
static int lib_job_methods(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_createtable(L, 3, 0);
  for (int c = WF_CLASS_TASK; c <= WF_CLASS_REMOTE; c++) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[c]);
    lua_getfield(L, -1, "__methods");
    lua_rawseti(L, -3, c + 1);
    lua_pop(L, 1);
  }
  return 1;
}

/* core.watch(job, channel, token): send the token to the channel, which has no limit, when the job has
 * ended. False when it has ended already: then nothing is sent. Counts as looking. */
static int lib_watch(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_job j = wf_job_check(iso, L, 1);
  if (wf_object_test(L, 2, WF_CLASS_CHANNEL, sizeof(wf_channel)) == NULL) luaL_typeerror(L, 2, "weft.channel");
  luaL_checkany(L, 3);
  lua_settop(L, 3);
  wf_job_looked(iso, j);
  if (wf_job_finished(j)) {
    lua_pushboolean(L, 0);
    return 1;
  }
  wf_channel_reserve(L, lua_touserdata(L, 2), 2, 3); /* the end may be for want of memory */
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->watches);
  const void *key = j.task != NULL ? (const void *)j.task : j.child != NULL ? (const void *)j.child : j.remote;
  if (lua_rawgetp(L, -1, key) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, key);
  }
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, n + 1);
  lua_pushvalue(L, 3);
  lua_rawseti(L, -2, n + 2);
  if (j.task != NULL)
    j.task->flags |= WF_F_WATCHED;
  else if (j.child != NULL)
    wf_child_watch(iso, j.child);
  else
    wf_remote_watch(iso, j.remote);
  lua_pushboolean(L, 1);
  return 1;
}

static int job_gc(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  if (wf_iso_test(iso, L, SELF, WF_CLASS_CHILD) != NULL) wf_child_gc(iso, L);
  wf_remote *r = wf_iso_test(iso, L, SELF, WF_CLASS_REMOTE);
  if (r == NULL || r->job == NULL) return 0;
  if (r->sub != NULL) wf_iso_shutdown(iso, L); /* anchored until the end has come: the state closes */
  wf_remote_gc(iso, r);
  return 0;
}

/* Crossing -------------------------------------------------------------------------------------- */

static void *job_take(lua_State *L, int idx) { return wf_shjob_of(wf_iso_of(L), L, idx); }

static void job_give(lua_State *L, void *handle) {
  wf_iso *iso = wf_iso_of(L);
  if (iso == NULL) luaL_error(L, "a weft.job cannot come to a Lua state without weft");
  wf_shjob_push(iso, L, handle);
}

static void job_drop(void *handle) { wf_shjob_release(handle); }

static const wf_transfer transfer = {"weft.job", job_take, job_give, job_drop, 0, NULL, NULL, NULL};

static const luaL_Reg methods[] = {{"join", job_join},     {"result", job_result}, {"wait", job_wait},
                                   {"cancel", job_cancel}, {"status", job_status}, {"detach", job_detach},
                                   {"traceback", job_traceback}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__tostring", job_tostring}, {"__close", job_close}, {NULL, NULL}};

static void class_new(wf_iso *iso, lua_State *L, enum wf_class c) {
  wf_class_new(iso, L, c, "weft.job", NULL, meta);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[c]);
  lua_pushlightuserdata(L, iso);
  wf_class_push_table(L, methods, 3);
  lua_pushlightuserdata(L, iso);
  luaL_setfuncs(L, methods, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "__methods"); /* so that Lua code can add to them (init.lua: on_done) */
  lua_pushcclosure(L, job_index, 2);
  lua_setfield(L, -2, "__index");
  lua_pushlightuserdata(L, (void *)(uintptr_t)&transfer);
  lua_setfield(L, -2, "__weft_transfer");
  if (c != WF_CLASS_TASK) {
    lua_pushlightuserdata(L, iso);
    lua_pushcclosure(L, job_gc, 1);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 1);
}

void wf_lib_job(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"watch", lib_watch}, {"is_job", lib_is_job}, {"job_methods", lib_job_methods}, {NULL, NULL}};
  class_new(iso, L, WF_CLASS_TASK);
  class_new(iso, L, WF_CLASS_CHILD);
  class_new(iso, L, WF_CLASS_REMOTE);
  wf_lib_add(iso, L, funcs);
}
