/* What a script says to the scheduler: go, current, sleep, yield, now, cpus, wait. */
#include "lib/lib.h"
#include "lx/error.h"
#include "lx/opts.h"
#include "rt/preempt.h"
#include "rt/sched.h"
#include "rt/task.h"
#include "sys/thread.h"

static const lua_Number SLICE_MIN = 0.001, SLICE_MAX = 60;

/* weft.go([opts,] f, ...): options: name. */
static int lib_go(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  int nargs = lua_gettop(L) - 1;
  int name = 0;
  if (wf_unlikely(lua_type(L, 1) != LUA_TFUNCTION)) {
    if (lua_type(L, 1) == LUA_TTABLE && !lx_callable(L, 1)) {
      static const char *const known[] = {"name", NULL};
      lx_opts_check(L, 1, known);
      nargs--;
      lx_check_callable(L, 2);
      if (lx_opt_string(L, 1, "name", NULL) != NULL) {
        lua_getfield(L, 1, "name");
        lua_replace(L, 1);
        name = 1;
      }
    } else {
      lx_check_callable(L, 1);
    }
  }
  wf_task_start(iso, L, nargs, name);
  return 1;
}

static int done_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_wait_end(L, (wf_task *)ctx);
  return 0;
}

/* weft.yield(): let the other ready tasks run. */
static int lib_yield(lua_State *L) { return wf_yield(wf_iso_up(L), L, done_k); }

/* weft.sleep(seconds). */
static int lib_sleep(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  uint64_t when = wf_check_deadline(iso, L, 1);
  if (lua_tonumber(L, 1) <= 0) return wf_yield(iso, L, done_k);
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_SLEEP);
  wf_wait_until(iso, t, when);
  return wf_wait_park(iso, L, t, 0, done_k);
}

/* weft.preempt(slice | false): time-slice the tasks of this isolate, in slices of that many seconds of CPU time.
 * true, or nil, message, code where the system cannot. */
static int lib_preempt(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  if (iso->pooled) return luaL_error(L, "an isolate of weft.spawn is time-sliced by its worker");
  uint64_t ns = 0;
  luaL_checkany(L, 1);
  if (lua_toboolean(L, 1)) {
    lua_Number s = luaL_checknumber(L, 1);
    luaL_argcheck(L, s >= SLICE_MIN && s <= SLICE_MAX, 1, "a slice from 0.001 to 60 seconds, or false, expected");
    ns = (uint64_t)(s * 1e9);
  }
  int err = wf_preempt_set(iso, ns);
  if (err != 0) return lx_fail_errno(L, err, "preempt");
  lua_pushboolean(L, 1);
  return 1;
}

/* weft.now(): seconds of the monotonic clock. */
static int lib_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)wf_iso_now(wf_iso_up(L)) / 1e9);
  return 1;
}

static int lib_nanotime(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)wf_iso_now(wf_iso_up(L)));
  return 1;
}

/* weft.cpus(): how many CPUs this thread may run on. */
static int lib_cpus(lua_State *L) {
  lua_pushinteger(L, wf_cpu_count());
  return 1;
}

/* core.live(): unfinished tasks of this isolate, without the main chunk and the caller. */
static int lib_live(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_pushinteger(L, (lua_Integer)iso->live - (iso->cur->flags & WF_F_MAIN ? 0 : 1));
  return 1;
}

/* weft.wait(): until every other task and every child of this isolate has finished. */
static int wait_k(lua_State *L, int status, lua_KContext ctx);

static int wait_more(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_cancel_point(iso, L);
  if (wf_iso_all_done(iso, iso->cur)) return 0;
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_WAIT);
  wf_wait_queue(t, &iso->waiting_all);
  if (!wf_list_empty(&iso->children)) {
    t->flags |= WF_F_OUTSIDE;
    iso->outside++;
  }
  return wf_wait_park(iso, L, t, 0, wait_k);
}

static int wait_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_wait_end(L, (wf_task *)ctx);
  return wait_more(L);
}

static int lib_wait(lua_State *L) {
  if (lua_type(L, 1) == LUA_TNUMBER) luaL_argerror(L, 1, "it takes no time: weft.timeout(s, weft.wait)");
  lua_settop(L, 0);
  return wait_more(L);
}

void wf_lib_task(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"go", lib_go},     {"yield", lib_yield}, {"sleep", lib_sleep},
                                   {"now", lib_now},   {"nanotime", lib_nanotime}, {"cpus", lib_cpus},
                                   {"live", lib_live}, {"wait", lib_wait}, {"preempt", lib_preempt},   {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
