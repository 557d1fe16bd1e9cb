/* core.ps: what lives now, as a list of tables; lua/weft/ps.lua makes weft.ps of it. */
#include "lib/lib.h"
#include "lx/late.h"
#include "rt/ps.h"
#include "rt/sched.h"
#include "rt/shutdown.h"
#include "rt/trace.h"
#include "sys/workers.h"

/* Upvalue 1 of all: the isolate; upvalue 2 of ps: the metatable of boxes. */
enum { TIMEOUT = 1, BOX = 2, LIST = 3 };

typedef struct ps_box {
  wf_ps *ps;
} ps_box;

static void box_drop(ps_box *b) {
  if (b->ps == NULL) return;
  wf_ps_waiter(b->ps, NULL);
  wf_ps_release(b->ps);
  b->ps = NULL;
}

static int box_gc(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  ps_box *b = lua_touserdata(L, 1);
  wf_iso_closes_if(b->ps != NULL && wf_ps_waited(b->ps), iso, L);
  box_drop(b);
  return 0;
}

static void push_workers(lua_State *L) {
  wf_worker_facts f;
  lua_Integer n = (lua_Integer)lua_rawlen(L, LIST);
  for (uint32_t i = 1; wf_workers_facts(i, &f); i++) {
    lua_createtable(L, 0, 8);
    lua_pushliteral(L, "worker");
    lua_setfield(L, -2, "kind");
    lua_pushinteger(L, (lua_Integer)i);
    lua_setfield(L, -2, "id");
    lua_pushinteger(L, (lua_Integer)f.tid);
    lua_setfield(L, -2, "tid");
    lua_pushstring(L, f.blocked ? "blocked" : f.asleep ? "asleep" : "awake");
    lua_setfield(L, -2, "state");
    lua_pushnumber(L, (lua_Number)f.cpu_ns * 1e-9);
    lua_setfield(L, -2, "cpu");
    lua_pushinteger(L, (lua_Integer)f.slices);
    lua_setfield(L, -2, "slices");
    lua_pushinteger(L, (lua_Integer)f.stolen);
    lua_setfield(L, -2, "stolen");
    lua_rawseti(L, LIST, ++n);
  }
}

static int ps_end(lua_State *L) {
  ps_box *b = lua_touserdata(L, BOX);
  lua_settop(L, LIST);
  wf_ps_collect(b->ps, L, LIST);
  push_workers(L);
  box_drop(b);
  lua_settop(L, LIST);
  return 1;
}

static int ps_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  ps_box *b = lua_touserdata(L, BOX);
  wf_ps_waiter(b->ps, NULL); /* whatever ended the wait: the answers do not end another one */
  wf_wait_end(L, (wf_task *)ctx);
  return ps_end(L);
}

/* core.ps(timeout). */
static int lib_ps(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  uint64_t deadline = wf_check_deadline(iso, L, TIMEOUT);
  lua_settop(L, TIMEOUT);
  ps_box *b = lua_newuserdatauv(L, sizeof *b, 0);
  b->ps = NULL;
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_setmetatable(L, BOX);
  lx_late_note(L);
  wf_cancel_point(iso, L);
  wf_ps_rows(iso, L);
  b->ps = wf_ps_ask(iso);
  if (b->ps == NULL) return luaL_error(L, "not enough memory");
  if (wf_ps_complete(b->ps)) return ps_end(L);
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_WAIT);
  wf_ps_waiter(b->ps, t);
  wf_wait_outside(iso, t);
  wf_wait_until(iso, t, deadline);
  return wf_wait_park(iso, L, t, 0, ps_k);
}

void wf_lib_ps(wf_iso *iso, lua_State *L) {
  lua_pushlightuserdata(L, iso);
  lua_createtable(L, 0, 1);
  lua_pushlightuserdata(L, iso);
  lua_pushcclosure(L, box_gc, 1);
  lua_setfield(L, -2, "__gc");
  lua_pushcclosure(L, lib_ps, 2);
  lua_setfield(L, -2, "ps");
}
