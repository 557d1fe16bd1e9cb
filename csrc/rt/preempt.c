/* See preempt.h. */
#include "rt/preempt.h"

#include "rt/port.h"
#include "rt/press.h"
#include "rt/sched.h"
#include "rt/slice.h"
#include "sys/loop.h"

enum {
  NOW = 1,
  TRIES = 10,
  STRIKES_SPACED = 3,
  LATER = 1000, /* instructions until the next attempt where the coroutine cannot yield */
};

int wf_preempt_set(wf_iso *iso, uint64_t slice_ns) {
  wf_ticker_stop(&iso->slice_ticker);
  iso->slice_ns = 0;
  if (slice_ns == 0) return 0;
  wf_press_by_signal(iso);
  int err = wf_ticker_start(&iso->slice_ticker, slice_ns);
  if (err == 0) iso->slice_ns = slice_ns;
  return err;
}

/* Is a task ready, or may one become so when the scheduler looks? Also asked in the signal handler, which may
 * have interrupted a change of what is read here: then the answer is wrong for one slice. */
static bool others_want(wf_iso *iso) {
  if ((iso->pooled && wf_worker_wanted()) || iso->head != NULL || wf_mpsc_maybe_nonempty(&iso->port->inbox)) return true;
  uint64_t now = wf_clock_ns();
  return wf_wheel_maybe_due(&iso->wheel, now) || (iso->loop != NULL && wf_loop_due(iso->loop, now));
}

/* At the first instruction after the tick. May yield, which in a hook returns to the resumer as any yield. */
static void on_slice(lua_State *L, lua_Debug *ar) {
  (void)ar;
  wf_iso *iso = wf_press_iso();
  lua_sethook(L, NULL, 0, 0);
  if (iso == NULL || iso->slice_ns == 0) return;
  if (iso->atomic != 0) { /* soon */
    if (L != iso->L) lua_sethook(L, on_slice, LUA_MASKCOUNT, LATER);
    return;
  }
  wf_task *t = iso->cur;
  if (t->flags & WF_F_CANCEL) {
    /* It was cancelled and does not come to a blocking call. If it catches the error and goes on, it is struck
     * with every slice, and after some at every instruction. */
    uint64_t id = wf_task_id(iso, t); /* the record may have been another task's */
    if (id != iso->struck) { /* it may be on its way back from a call that was done before the cancellation: that is to be told */
      iso->struck = id;
      iso->struck_times = 0;
      if (L != iso->L) lua_sethook(L, on_slice, LUA_MASKCOUNT, LATER);
      return;
    }
    if (++iso->struck_times > STRIKES_SPACED) lua_sethook(L, on_slice, LUA_MASKCOUNT, NOW);
    wf_cancel_raise(iso, L, t);
  }
  if (!others_want(iso)) return;
  if (L != iso->running || !lua_isyieldable(L) || t->claim != WF_IDLE) {
    /* The main chunk never can. Others may soon; but a hook that is on for long slows Lua down by half. */
    if (L != iso->L && ++iso->slice_tries < TRIES)
      lua_sethook(L, on_slice, LUA_MASKCOUNT, LATER);
    else if (iso->pooled)
      wf_slice_lend(iso);
    return;
  }
  iso->slice_over = iso->pooled;
  wf_turn_end(iso, L, t);
  lua_yield(L, 0);
}

/* lua_sethook is what lua.c calls in its handler too. Ticks may follow each other within microseconds (the kernel looks at
 * a thread's time with its own period): a hook that counts to LATER is left to it, as it gives what was promised. One that on_slice
 * was about to take away when a tick came may be half set: it is set anew. */
void wf_preempt_tick(wf_iso *iso) {
  if (iso->slice_ns == 0 || (!(iso->cur->flags & WF_F_CANCEL) && !others_want(iso))) return;
  lua_State *L = iso->running;
  lua_Hook h = lua_gethook(L);
  iso->slice_tries = 0;
  if (h == on_slice && lua_gethookmask(L) == LUA_MASKCOUNT && lua_gethookcount(L) == LATER) return;
  if (h == NULL || h == on_slice) lua_sethook(L, on_slice, LUA_MASKCOUNT, NOW);
}
