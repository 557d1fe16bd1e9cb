/* See errand.h. */
#include "rt/errand.h"

#include <errno.h>

#include "base/alloc.h"
#include "rt/io.h"
#include "rt/port.h"
#include "rt/shutdown.h"

typedef struct box {
  wf_errand *errand;
} box;

static void errand_release(wf_errand *e) {
  if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1) return;
  if (e->free != NULL) e->free(e);
  if (e->lanes != NULL) wf_lanes_release(e->lanes);
  wf_free(e);
}

/* The carrier. */
static void on_done(wf_iso *iso, wf_mail *m) {
  wf_errand *e = wf_container_of(m, wf_errand, mail);
  if (e->task != NULL) wf_wake(iso, e->task, WF_GOT);
  errand_release(e);
}

/* The isolate has closed before. Any thread. */
static void on_dropped(wf_mail *m) { errand_release(wf_container_of(m, wf_errand, mail)); }

/* The lane. */
static void on_lane(wf_lane_job *j) {
  wf_errand *e = wf_container_of(j, wf_errand, job);
  wf_port *port = e->port; /* a port must not be held by what lies in it */
  e->work(e);
  wf_port_post(port, &e->mail);
  wf_port_release(port);
}

void *wf_errand_push(wf_iso *iso, lua_State *L, size_t size, void (*work)(wf_errand *), void (*free_more)(wf_errand *)) {
  box *b = wf_class_push(iso, L, WF_CLASS_ERRAND, sizeof *b, 0);
  wf_errand *e = b->errand = wf_calloc(1, size);
  if (e == NULL) luaL_error(L, "not enough memory");
  atomic_init(&e->refs, 1);
  e->job.run = on_lane;
  e->mail.deliver = on_done;
  e->mail.drop = on_dropped;
  e->work = work;
  e->free = free_more;
  return e;
}

void *wf_errand_of(lua_State *L, int idx) { return ((box *)lua_touserdata(L, idx))->errand; }

int wf_errand_start(wf_iso *iso, lua_State *L, int at, enum wf_lanes_for what) {
  wf_errand *e = wf_errand_of(L, at);
  e->lanes = wf_family_lanes(iso->member, what);
  if (e->lanes == NULL) return ENOMEM;
  e->port = iso->port;
  wf_lanes_hold(e->lanes);
  wf_port_hold(e->port);
  atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
  int err = wf_lanes_submit(e->lanes, &e->job);
  if (err == 0) return 0;
  wf_port_release(e->port);
  errand_release(e);
  return err;
}

int wf_errand_wait(wf_iso *iso, lua_State *L, int at, uint64_t deadline, uint64_t resource, lua_KFunction k) {
  wf_errand *e = wf_errand_of(L, at);
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_IO);
  e->task = t;
  wf_wait_world(iso, t);
  wf_wait_until(iso, t, deadline);
  return wf_wait_park(iso, L, t, resource, k);
}

int wf_errand_end(lua_State *L, wf_task *t, int at) {
  box *b = lua_touserdata(L, at);
  if (b->errand != NULL) {
    b->errand->task = NULL;
    if (t->claim != WF_GOT) wf_errand_drop(L, at);
  }
  return wf_wait_end(L, t);
}

void wf_errand_drop(lua_State *L, int at) {
  box *b = lua_touserdata(L, at);
  wf_errand *e = b->errand;
  if (e == NULL) return;
  b->errand = NULL;
  e->task = NULL;
  if (e->lanes != NULL && wf_lanes_withdraw(e->lanes, &e->job)) { /* it will never be on its way */
    wf_port_release(e->port);
    errand_release(e);
  }
  errand_release(e);
}

static int errand_gc(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  box *b = wf_iso_test(iso, L, 1, WF_CLASS_ERRAND);
  if (b == NULL || b->errand == NULL) return 0;
  wf_iso_closes_if(b->errand->task != NULL, iso, L);
  wf_errand_drop(L, 1);
  return 0;
}

void wf_errand_classes(wf_iso *iso, lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", errand_gc}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_ERRAND, "weft.errand", NULL, meta);
}
