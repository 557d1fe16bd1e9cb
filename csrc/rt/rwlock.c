/* See rwlock.h. */
#include "rt/rwlock.h"

#include <string.h>

#include "rt/sched.h"

wf_rwlock *wf_rwlock_new(wf_iso *iso, lua_State *L) {
  wf_rwlock *rw = wf_sync_push(iso, L, WF_CLASS_RWLOCK, sizeof *rw, WF_RWLOCK_UV - 1);
  wf_rwlock_reset(&rw->s, false);
  return rw;
}

void wf_rwlock_reset(wf_sync *s, bool shared) {
  wf_rwlock *rw = (wf_rwlock *)s;
  memset(rw->few, 0, sizeof rw->few);
  rw->set = rw->few;
  rw->room = WF_FEW_READERS;
  rw->readers = rw->pending = 0;
  rw->watched = 0;
  rw->writer = shared ? WF_HOLDER_SHARED : 0;
  wf_watch_stop(&rw->watch);
}

/* The set of readers -------------------------------------------------------------------------- */

static inline uint32_t home(const wf_rwlock *rw, wf_holder h) {
  return (uint32_t)((h * 0x9E3779B97F4A7C15u) >> 32) & (rw->room - 1);
}

/* Where it is, or the free place where it would be. */
static uint32_t place(const wf_rwlock *rw, wf_holder h) {
  uint32_t i = home(rw, h);
  while (rw->set[i] != 0 && rw->set[i] != h) i = (i + 1) & (rw->room - 1);
  return i;
}

bool wf_rwlock_reads(const wf_rwlock *rw, wf_holder h) {
  if (wf_unlikely(rw->s.shared != NULL)) {
    const wf_hold *hold = wf_hold_find(rw->s.object.iso, rw->s.shared, (uint32_t)h);
    return hold != NULL && hold->want == WF_SHWANT_READ;
  }
  return rw->readers != 0 && rw->set[place(rw, h)] == h;
}

static void set_add(wf_rwlock *rw, wf_holder h) {
  uint32_t i = place(rw, h);
  wf_assert(rw->set[i] == 0 && rw->readers < rw->room / 2);
  rw->set[i] = h;
  rw->readers++;
}

/* Take it out, and move up those that a look-up would not find behind the gap. */
static void set_remove(wf_rwlock *rw, wf_holder h) {
  uint32_t mask = rw->room - 1, gap = place(rw, h);
  wf_assert(rw->set[gap] == h);
  for (uint32_t i = (gap + 1) & mask; rw->set[i] != 0; i = (i + 1) & mask) {
    uint32_t from_home = (i - home(rw, rw->set[i])) & mask, from_gap = (i - gap) & mask;
    if (from_home < from_gap) continue;
    rw->set[gap] = rw->set[i];
    gap = i;
  }
  rw->set[gap] = 0;
  rw->readers--;
}

void wf_rwlock_reserve(lua_State *L, wf_rwlock *rw, int self) {
  for (;;) { /* a finaliser that ran for the new set may have used the lock */
    uint32_t need = rw->readers + rw->pending + 1, room = rw->room;
    if (wf_likely(need <= room / 2)) return;
    while (need > room / 2) room *= 2;
    wf_holder *set = lua_newuserdatauv(L, room * sizeof *set, 0);
    if (rw->room >= room) {
      lua_pop(L, 1);
      continue;
    }
    const wf_holder *old = rw->set;
    uint32_t old_room = rw->room;
    memset(set, 0, room * sizeof *set);
    rw->set = set;
    rw->room = room;
    rw->readers = 0;
    for (uint32_t i = 0; i < old_room; i++)
      if (old[i] != 0) set_add(rw, old[i]);
    lua_setiuservalue(L, self, WF_RWLOCK_SET);
  }
}

wf_holder wf_rwlock_lost_reader(wf_iso *iso, const wf_rwlock *rw) {
  for (uint32_t i = 0; rw->readers != 0 && i < rw->room; i++)
    if (rw->set[i] != 0 && wf_holder_task(iso, rw->set[i]) == NULL) return rw->set[i];
  return 0;
}

/* A reader whose end to watch: the one that is watched already, if it still reads. There is one. */
static wf_holder some_reader(wf_rwlock *rw) {
  wf_assert(rw->readers > 0);
  if (rw->watched != 0) {
    uint32_t i = place(rw, rw->watched);
    while (rw->set[i] == 0) i = (i + 1) & (rw->room - 1);
    rw->watched = rw->set[i];
  } else {
    uint32_t i = 0;
    while (rw->set[i] == 0) i++;
    rw->watched = rw->set[i];
  }
  return rw->watched;
}

/* Locking ------------------------------------------------------------------------------------- */

/* Serve who can be served, tell those who wait in vain, and set the watch. */
static void rwlock_pass(wf_iso *iso, wf_rwlock *rw) {
  wf_node *n;
  while ((n = wf_waitq_first(&rw->s.waiters)) != NULL) {
    wf_holder h = rw->writer;
    if (h == 0 && n->task->won == WF_WANT_READ) {
      rw->pending--;
      set_add(rw, wf_holder_of(n->task));
      wf_node_wake(iso, n, WF_GOT);
      continue;
    }
    if (h == 0 && rw->readers == 0) {
      rw->writer = wf_holder_of(n->task);
      wf_node_wake(iso, n, WF_GOT);
      continue;
    }
    if (h == 0) h = some_reader(rw);
    wf_task *holder = wf_holder_task(iso, h);
    if (holder != NULL) {
      wf_watch_set(iso, &rw->watch, holder, n->task);
      return;
    }
    wf_node_wake(iso, n, WF_CLOSED);
  }
  wf_watch_stop(&rw->watch);
}

bool wf_rwlock_take(wf_iso *iso, lua_State *L, wf_rwlock *rw, enum wf_want want) {
  if (wf_unlikely(rw->s.shared != NULL)) return wf_lock_take(iso, L, &rw->s, WF_RWLOCK, (enum wf_shwant)want);
  if (wf_unlikely(!wf_list_empty(&rw->s.waiters))) {
    rwlock_pass(iso, rw); /* the first one may just have left */
    if (wf_waitq_first(&rw->s.waiters) != NULL) return false;
  }
  if (rw->writer != 0) return false;
  if (want == WF_WANT_READ) {
    set_add(rw, wf_holder_of(iso->cur));
  } else {
    if (rw->readers != 0) return false;
    rw->writer = wf_holder_of(iso->cur);
  }
  return true;
}

static int abandoned(wf_iso *iso, lua_State *L, const wf_rwlock *rw) {
  if (rw->s.shared != NULL) return wf_lock_abandoned(iso, L, &rw->s, WF_RWLOCK);
  if (rw->writer != 0) return wf_sync_abandoned(iso, L, &rw->s, WF_RWLOCK, rw->writer, "unlock");
  return wf_sync_abandoned(iso, L, &rw->s, WF_RWLOCK, wf_rwlock_lost_reader(iso, rw), "runlock");
}

void wf_rwlock_refuse(wf_iso *iso, lua_State *L, wf_rwlock *rw, enum wf_want want) {
  const char *how = wf_rwlock_writing(iso, rw) ? "writing" : wf_rwlock_reads(rw, wf_holder_of(iso->cur)) ? "reading" : NULL;
  if (how != NULL)
    luaL_error(L, "cannot lock rwlock %s for %s: this task holds it for %s already (locks are not recursive)", WF_SYNC_NUMBER(&rw->s),
               want == WF_WANT_READ ? "reading" : "writing", how);
  if (rw->s.shared != NULL) return; /* wf_rwlock_take has raised what there was to raise */
  if (rw->writer != 0 && wf_holder_task(iso, rw->writer) == NULL) abandoned(iso, L, rw);
  if (want == WF_WANT_WRITE && rw->readers != 0 && wf_holder_task(iso, some_reader(rw)) == NULL) abandoned(iso, L, rw);
}

int wf_rwlock_wait(wf_iso *iso, lua_State *L, wf_rwlock *rw, enum wf_want want, uint64_t deadline, lua_KFunction k) {
  wf_sync_prepare(iso, L, &rw->s, WF_RWLOCK, deadline);
  if (wf_unlikely(rw->s.shared != NULL)) return wf_shlock_wait(iso, L, &rw->s, (enum wf_shwant)want, WF_WHY_LOCK, deadline, k);
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_LOCK);
  t->won = (uint16_t)want;
  if (want == WF_WANT_READ) rw->pending++;
  if (wf_waitq_first(&rw->s.waiters) == NULL) {
    wf_task *holder = wf_holder_task(iso, rw->writer != 0 ? rw->writer : some_reader(rw));
    wf_assert(holder != NULL);
    wf_watch_set(iso, &rw->watch, holder, t);
  }
  wf_wait_queue(t, &rw->s.waiters);
  wf_wait_until(iso, t, deadline);
  return wf_wait_park(iso, L, t, wf_sync_id(&rw->s), k);
}

bool wf_rwlock_wait_end(wf_iso *iso, lua_State *L, wf_rwlock *rw, enum wf_want want, wf_task *t) {
  bool mine = t->claim == WF_GOT && t->won != WF_WON_ENDED;
  if (wf_unlikely(!mine && rw->s.shared == NULL)) {
    if (want == WF_WANT_READ) rw->pending--;
    rwlock_pass(iso, rw);
  }
  int how = wf_wait_end(L, t);
  if (wf_likely(mine)) return true;
  if (how == WF_TIMEOUT) return false;
  abandoned(iso, L, rw);
  return false;
}

void wf_rwlock_unlock(wf_iso *iso, wf_rwlock *rw) {
  if (wf_unlikely(rw->s.shared != NULL)) {
    wf_lock_release(iso, &rw->s, wf_holder_of(iso->cur));
    return;
  }
  rw->writer = 0;
  if (wf_unlikely(!wf_list_empty(&rw->s.waiters))) rwlock_pass(iso, rw);
}

void wf_rwlock_runlock(wf_iso *iso, wf_rwlock *rw, wf_holder h) {
  if (wf_unlikely(rw->s.shared != NULL)) {
    wf_lock_release(iso, &rw->s, h);
    return;
  }
  set_remove(rw, h);
  if (wf_unlikely(!wf_list_empty(&rw->s.waiters))) rwlock_pass(iso, rw);
}

void wf_rwlock_share(wf_iso *iso, lua_State *L, wf_sync *s, wf_shlock *to) {
  const wf_rwlock *rw = (wf_rwlock *)s;
  if (rw->writer != 0) wf_lock_move_holder(iso, L, to, rw->writer, WF_SHWANT_WRITE);
  for (uint32_t i = 0; rw->readers != 0 && i < rw->room; i++)
    if (rw->set[i] != 0) wf_lock_move_holder(iso, L, to, rw->set[i], WF_SHWANT_READ);
  wf_lock_move_waiters(iso, L, s, to, 0); /* t->won says which */
}
