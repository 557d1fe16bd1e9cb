/* See lane_run.h. */
#include "rt/lane_run.h"

#include <errno.h>
#include <signal.h>

#include "sys/identity.h"

static void on_lane(wf_lane_job *j) { wf_run_main(wf_container_of(j, wf_run, lane)); }

static int start_on_lane(wf_iso *iso, wf_run *r, void *ud, const char **what) {
  (void)ud;
  *what = "blocking";
  if (wf_identity_own()) return EPERM;
  r->lanes = wf_family_lanes(iso->member, WF_LANES_CALLS);
  if (r->lanes == NULL) return ENOMEM;
  wf_lanes_hold(r->lanes);
  r->lane.run = on_lane;
  return wf_lanes_submit(r->lanes, &r->lane);
}

wf_child *wf_lane_run_start(wf_iso *iso, lua_State *L, int nargs, const char *name, size_t memory) {
  wf_child_way way = {.noun = "a blocking call", .start = start_on_lane};
  return wf_child_begin(iso, L, nargs, name, memory, &way);
}

/* One that is neither in the queue nor open is about to begin, and will see that it is cancelled. */
void wf_lane_run_cancel(wf_run *r, bool first, bool open) {
  if (open)
    wf_lanes_signal(r->lanes, &r->lane, SIGURG);
  else if (first && wf_lanes_withdraw(r->lanes, &r->lane))
    wf_run_never(r);
}

int64_t wf_lane_run_tid(wf_run *r) {
  pthread_mutex_lock(&r->lock);
  int64_t tid = r->port == NULL ? 0 : atomic_load_explicit(&r->port->card.tid, memory_order_relaxed);
  pthread_mutex_unlock(&r->lock);
  return tid;
}
