/* See slice.h. */
#include "rt/slice.h"

#include <errno.h>
#include <signal.h>

#include "rt/io.h"
#include "rt/press.h"
#include "rt/report.h"
#include "rt/sched.h"
#include "rt/stream.h"

/* The coroutine of the function, ready to run. Protected. Stack: run, isolate. */
static int make_root(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 2);
  lua_State *co = lua_newthread(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &iso->main);
  lua_pushcfunction(co, wf_run_body);
  lua_pushlightuserdata(co, lua_touserdata(L, 1));
  lua_pushlightuserdata(co, iso);
  iso->main.co = co;
  iso->main.got = 2;
  wf_ready_push(iso, &iso->main);
  return 0;
}

/* This worker carries the isolate; and no more. */
static void enter(wf_iso *iso) {
  iso->stack_low = NULL; /* another thread, another stack */
  iso->slice_over = false;
  wf_press_by_signal(iso);
  /* A signal that was sent to the worker before has missed it. */
  if (wf_unlikely(atomic_load(&iso->port->interrupt))) atomic_store_explicit(&iso->pressed, true, memory_order_relaxed);
}

static void leave(void) { wf_press_by_signal(NULL); }

void wf_slice_lend(wf_iso *iso) {
  if (!iso->lent)
    iso->lent = wf_worker_block();
  else
    wf_worker_serve();
}

static void lend_end(wf_iso *iso) {
  if (iso->lent) wf_worker_unblock();
  iso->lent = false;
}

/* Begin. False: there is no memory. */
static bool begin(wf_port *p) {
  wf_run *r = p->run;
  lua_State *L;
  wf_iso *iso = wf_run_open(r, &L);
  if (iso == NULL) {
    wf_run_close(r, L);
    return false;
  }
  p->iso = iso;
  p->member = &r->member;
  iso->slice_ns = WF_SLICE_NS;
  lua_pushcfunction(L, make_root);
  lua_pushlightuserdata(L, r);
  lua_pushlightuserdata(L, iso);
  bool ok = lua_pcall(L, 2, 0, 0) == LUA_OK;
  enter(iso);
  wf_run_show(r, iso);
  if (ok) return true;
  wf_run_failed(r, iso, L);
  wf_run_finish(r, iso, L);
  wf_run_close(r, L);
  return false;
}

static void end(wf_run *r, wf_iso *iso) {
  lua_State *L = iso->L;
  if (iso->main_status != LUA_OK) {
    lua_xmove(iso->main.co, L, 1); /* the error */
    wf_run_failed(r, iso, L);
  }
  iso->main.co = L;
  iso->cur = &iso->main;
  iso->running = L;
  iso->main.state = WF_RUNNING;
  wf_run_finish(r, iso, L);
  wf_run_close(r, L);
}

/* Nothing in it is ready, and no timer will make it so, and nobody outside is waited for. */
static void deadlock(wf_iso *iso) {
  if (iso->main.claim == WF_ARMED) {
    wf_report_deadlock(iso, iso->L);
    wf_wait_fail(iso, iso->L, &iso->main);
  } else { /* somebody's lua_resume has run it meanwhile, and it failed there */
    lua_pushliteral(iso->L, "the function was resumed by others, and failed");
    wf_run_failed(iso->run, iso, iso->L);
    iso->ended = true;
  }
}

static enum wf_unit_end slice(wf_unit *u) {
  wf_port *p = wf_container_of(u, wf_port, unit);
  if (p->iso == NULL) {
    if (!begin(p)) return WF_UNIT_AWAY;
  } else {
    enter(p->iso);
  }
  wf_iso *iso = p->iso;
  for (;;) {
    bool over = wf_iso_slice(iso);
    if (wf_unlikely(iso->lent)) lend_end(iso);
    if (over) {
      if (iso->ended) {
        end(p->run, iso);
        return WF_UNIT_AWAY;
      }
      wf_io_leave(iso);
      leave();
      return WF_UNIT_AGAIN;
    }
    uint64_t next = wf_wheel_next(&iso->wheel);
    if (wf_unlikely(!wf_list_empty(&iso->corked))) wf_streams_flush(iso);
    if (next == WF_NEVER && (iso->outside == 0 || wf_iso_stuck(iso))) {
      deadlock(iso);
      if (!iso->ended) continue;
      end(p->run, iso);
      return WF_UNIT_AWAY;
    }
    wf_io_leave(iso);
    leave();
    p->quiet = next == WF_NEVER && iso->world == 0;
    wf_family *f = p->quiet ? p->member->family : NULL;
    if (wf_unit_park(u, next)) {
      if (f != NULL) wf_family_rested(f);
      return WF_UNIT_AWAY;
    }
    p->quiet = false;
    return WF_UNIT_AGAIN;
  }
}

int wf_slice_prepare(wf_iso *starter, wf_run *r) {
  wf_workers *pool = wf_family_workers(starter->member);
  if (pool == NULL || (r->unit = wf_port_new(pool, slice)) == NULL) return ENOMEM;
  r->unit->run = r;
  return wf_workers_begin(pool);
}

void wf_slice_start(wf_run *r) { wf_port_wake(r->unit); }

void wf_slice_interrupt(wf_run *r) { wf_unit_signal(&r->unit->unit, SIGURG); }
