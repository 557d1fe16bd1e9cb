/* See shutdown.h. Called by the sentinel's finaliser, by os.exit, and when a child's function has
 * returned; on the carrier. */
#include "rt/shutdown.h"

#include <stdatomic.h>
#include <stdio.h>

#include "lx/error.h"
#include "lx/late.h"
#include "rt/cancel.h"
#include "rt/child.h"
#include "rt/copool.h"
#include "rt/explore.h"
#include "rt/family.h"
#include "rt/press.h"
#include "rt/process.h"
#include "rt/program.h"
#include "rt/sched.h"
#include "rt/task.h"

enum { DEADLINE_MS = 1500, LOOK_MS = 5, SHOWN = 4, STUCK_SHOWN = 16 };

int wf_fork_raise(lua_State *L) {
  lx_error_new(L, "closed", "weft does not work in a forked process that has not called exec");
  return lua_error(L);
}

/* The next task that is to end. */
static wf_task *next_live(wf_iso *iso, wf_walk *w) {
  wf_task *t = wf_iso_walk(iso, w);
  return t == iso->cur ? wf_iso_walk(iso, w) : t;
}

/* "task 7", with its name, in buf. Needs no memory. */
static const char *task_text(wf_iso *iso, const wf_task *t, char *buf, size_t size) {
  lua_State *L = iso->bench;
  snprintf(buf, size, "task %u", wf_task_number(iso, t));
  if (!(t->flags & WF_F_NAMED) || !lua_checkstack(L, 3)) return buf;
  wf_task_push_name(iso, L, t); /* which there is: no memory is needed */
  snprintf(buf, size, "task %u %s", wf_task_number(iso, t), lua_tostring(L, -1));
  lua_pop(L, 1);
  return buf;
}

/* Whose end it is. */
static const char *who_ended(const wf_iso *iso) {
  if (iso->run == NULL) return "the script";
  return iso->by_process ? "the function of a process" : iso->pooled ? "the function of an isolate" : "the function of a thread";
}

static void say_what_ran(wf_iso *iso) {
  enum { LINE = 1024, TEXT = 64 };
  _Static_assert(LINE > SHOWN * (LUA_IDSIZE + 16 + TEXT + 20), "room for those that are shown");
  uint32_t n = 0;
  char line[LINE], started[LUA_IDSIZE + 16], text[TEXT];
  size_t len = 0;
  wf_task *t;
  for (wf_walk w = {0, NULL}; (t = next_live(iso, &w)) != NULL;) {
    if ((t->flags & (WF_F_DETACHED | WF_F_ASKED)) || (t->more & WF_M_SERVES)) continue; /* nobody counts on its end */
    if (n++ >= SHOWN) continue;
    wf_task_started(iso, t, started, sizeof started);
    len += (size_t)snprintf(line + len, sizeof line - len, "%s %s%s%s", len == 0 ? "" : ",", task_text(iso, t, text, sizeof text),
                            started[0] != '\0' ? " started at " : "", started);
  }
  n += wf_children_list(iso, n < SHOWN ? SHOWN - n : 0, line, sizeof line, &len);
  if (n == 0) return;
  fprintf(stderr, "weft: %s ended while %u job%s still ran, now cancelled:%s%s\n", who_ended(iso), n, n == 1 ? "" : "s",
          len == 0 ? " " : line, n > SHOWN ? ", ..." : "");
  fflush(stderr);
}

static void say_what_is_stuck(wf_iso *iso) {
  char started[LUA_IDSIZE + 16];
  uint32_t n = 0;
  wf_task *t;
  for (wf_walk w = {0, NULL}; (t = next_live(iso, &w)) != NULL;) {
    if (n++ >= STUCK_SHOWN) continue;
    fprintf(stderr, "weft: task %u (started at %s) does not end and is left behind\n", t->seq,
            wf_task_started(iso, t, started, sizeof started));
  }
  if (n > STUCK_SHOWN) fprintf(stderr, "weft: so are %u more tasks\n", n - STUCK_SHOWN);
  if (!wf_list_empty(&iso->children)) wf_family_stuck(iso->member);
  wf_children_abandon(iso);
  fflush(stderr);
}

static int ended_k(lua_State *L, int status, lua_KContext ctx) {
  (void)L, (void)status, (void)ctx;
  return 0;
}

/* Cancel all. The walk must not be disturbed: cancelling without an error object allocates nothing, so no
 * finaliser runs. */
static void cancel_all(wf_iso *iso) {
  wf_task *t;
  for (wf_walk w = {0, NULL}; (t = next_live(iso, &w)) != NULL;) wf_task_cancel_bare(iso, t);
  wf_children_cancel(iso);
}

/* Wait for all. Protected: memory may be short. */
static int wait_all(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  wf_task *self = iso->cur;
  self->flags &= ~(uint32_t)WF_F_CANCEL; /* the end itself is not cancelled */
  uint64_t deadline = wf_clock_ns() + DEADLINE_MS * 1000000ull;
  wf_press_begin(iso, deadline);
  bool queue = wf_task_ext(iso, self) != NULL; /* else, a task without memory, it looks from time to time */
  while (!wf_iso_all_ended(iso, self) && wf_clock_ns() < deadline) {
    wf_wait_begin(iso, L, WF_WHY_WAIT);
    if (queue) wf_wait_queue(self, &iso->waiting_all);
    if (!wf_list_empty(&iso->children)) {
      self->flags |= WF_F_OUTSIDE;
      iso->outside++;
    }
    wf_wait_until(iso, self, queue ? deadline : wf_clock_ns() + LOOK_MS * 1000000ull);
    lua_State *running = iso->running;
    iso->running = iso->bench; /* wait inline, wherever this is */
    wf_wait_park(iso, L, self, 0, ended_k);
    iso->running = running;
    self->claim = WF_IDLE;
    self->flags &= ~(uint32_t)WF_F_CANCEL;
    lua_settop(L, 1);
  }
  return 0;
}

/* True: something runs still, and has been cancelled. */
static bool shutdown_begin(wf_iso *iso, lua_State *L, bool quiet) {
  if (iso->closing || iso->closed) return false;
  if (iso->explore != NULL) wf_explore_abandon(iso);
  iso->closing = 1;
  lx_late_begin(L);
  if (wf_forked()) return false;
  if (!iso->is_child) wf_family_ends(iso->member);
  if (!quiet && !(iso->is_child && wf_family_ending(iso->member))) say_what_ran(iso);
  if (iso->live == 0 && wf_list_empty(&iso->children)) return false;
  cancel_all(iso);
  return true;
}

static void end_all(wf_iso *iso, lua_State *L, bool quiet) {
  if (shutdown_begin(iso, L, quiet) && lua_checkstack(L, 8)) {
    lua_pushcfunction(L, wait_all);
    lua_pushlightuserdata(L, iso);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
    if (!wf_iso_all_ended(iso, iso->cur)) say_what_is_stuck(iso);
  }
  if (!iso->closed) wf_programs_end(iso);
  if (!wf_forked() && iso->run != NULL) wf_process_settle(iso->run);
  if (!wf_forked()) wf_thread_rest_join(&iso->rest); /* the second time too: os.exit while the first goes on */
}

static int parked_k(lua_State *L, int status, lua_KContext ctx);

/* Wait for all. Nothing here can fail: the function's task has its extra record. */
static int park(wf_iso *iso, lua_State *L) {
  wf_task *self = iso->cur;
  self->flags &= ~(uint32_t)WF_F_CANCEL;
  if (wf_iso_all_ended(iso, self) || wf_clock_ns() >= iso->press_end) {
    if (!wf_iso_all_ended(iso, self)) say_what_is_stuck(iso);
    return 0;
  }
  wf_wait_begin(iso, L, WF_WHY_WAIT);
  wf_wait_queue(self, &iso->waiting_all);
  if (!wf_list_empty(&iso->children)) wf_wait_outside(iso, self);
  wf_wait_until(iso, self, iso->press_end);
  return wf_wait_park(iso, L, self, 0, parked_k);
}

static int parked_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_task *self = (wf_task *)ctx;
  self->claim = WF_IDLE;
  return park(wf_iso_of(L), L);
}

int wf_iso_shutdown_parked(wf_iso *iso, lua_State *L, bool quiet) {
  if (!shutdown_begin(iso, L, quiet)) return 0;
  wf_press_begin(iso, wf_clock_ns() + DEADLINE_MS * 1000000ull);
  return park(iso, L);
}

void wf_iso_shutdown(wf_iso *iso, lua_State *L) { end_all(iso, L, false); }

void wf_iso_maybe_closing(wf_iso *iso, lua_State *L, int handles, const void *key) {
  if (iso->closed || iso->closing) return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, handles);
  lua_rawgetp(L, -1, key);
  bool there = lua_rawequal(L, -1, 1); /* the collector clears the entry before it calls the finaliser */
  lua_pop(L, 2);
  if (there) end_all(iso, L, false);
}

void wf_iso_shutdown_quietly(wf_iso *iso, lua_State *L) { end_all(iso, L, true); }
