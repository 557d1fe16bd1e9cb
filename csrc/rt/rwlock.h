/* Read-write locks. See sync.h for what all locks share. Runs on the isolate's carrier.
 *
 * Policy: one queue, first come, first served, and readers that stand next to each other enter together. A
 * reader that comes while a writer waits goes behind it, so readers cannot starve writers; a writer that
 * comes while readers wait goes behind them, so writers cannot starve readers.
 *
 * Readers are known by number, in an open-addressed set, so that a task cannot release what others hold.
 *
 * Invariants: writer == 0 or readers == 0; somebody waits only while the lock is held; the first waiter of a
 * lock that readers hold is a writer; the set has room for all readers and for those that wait. A writer
 * that leaves the queue may break the third for a moment: it serves those behind it when it runs.
 */
#ifndef WF_RT_RWLOCK_H
#define WF_RT_RWLOCK_H

#include "rt/shsync.h"
#include "rt/sync.h"

enum wf_want { WF_WANT_READ = WF_SHWANT_READ, WF_WANT_WRITE = WF_SHWANT_WRITE }; /* also wf_task.won while a task waits */

enum { WF_FEW_READERS = 16 };

typedef struct wf_rwlock {
  wf_sync s;
  wf_holder writer;
  wf_holder *set;     /* 0: free place; a power of two of them, at most half of them taken */
  uint32_t room;
  uint32_t readers;   /* members of the set */
  uint32_t pending;   /* readers that wait, or have left the queue and have not run yet */
  wf_holder watched;  /* the reader whose end the watch would tell */
  wf_case watch;
  wf_holder few[WF_FEW_READERS]; /* the first set; later ones are in user value WF_RWLOCK_SET */
} wf_rwlock;

#define WF_RWLOCK "rwlock"
enum { WF_RWLOCK_SET = 2, WF_RWLOCK_UV };

/* Push a new one. [-0, +1, m] */
wf_rwlock *wf_rwlock_new(wf_iso *iso, lua_State *L);

/* Does the running task hold it for writing? Does the task with this number hold it for reading? */
static inline bool wf_rwlock_writing(const wf_iso *iso, const wf_rwlock *rw) {
  if (wf_unlikely(rw->s.shared != NULL)) {
    const wf_hold *h = wf_lock_mine(iso, &rw->s);
    return h != NULL && h->want == WF_SHWANT_WRITE;
  }
  return rw->writer == wf_holder_of(iso->cur);
}

bool wf_rwlock_reads(const wf_rwlock *rw, wf_holder h);

/* Make room for one more reader; the lock is at `self`. Before wf_rwlock_take(READ), nothing in between
 * that collects garbage. [-0, +0, m] */
void wf_rwlock_reserve(lua_State *L, wf_rwlock *rw, int self);

/* Lock it for the running task if nobody is in the way, and nobody waits. One that has crossed may raise. [-0, +0, e] */
bool wf_rwlock_take(wf_iso *iso, lua_State *L, wf_rwlock *rw, enum wf_want want);

/* As wf_lock_class says. */
void wf_rwlock_share(wf_iso *iso, lua_State *L, wf_sync *s, wf_shlock *to);
void wf_rwlock_reset(wf_sync *s, bool shared);

/* Raise when waiting would be in vain: the running task holds it, or one that has ended. [-0, +0, e] */
void wf_rwlock_refuse(wf_iso *iso, lua_State *L, wf_rwlock *rw, enum wf_want want);

/* As their namesakes of mutexes (mutex.h). */
int wf_rwlock_wait(wf_iso *iso, lua_State *L, wf_rwlock *rw, enum wf_want want, uint64_t deadline, lua_KFunction k);
bool wf_rwlock_wait_end(wf_iso *iso, lua_State *L, wf_rwlock *rw, enum wf_want want, wf_task *t);

/* Take it from the writer, or from the reader `h`, which holds it, and serve those who wait. */
void wf_rwlock_unlock(wf_iso *iso, wf_rwlock *rw);
void wf_rwlock_runlock(wf_iso *iso, wf_rwlock *rw, wf_holder h);

/* A reader that has ended, or 0. */
wf_holder wf_rwlock_lost_reader(wf_iso *iso, const wf_rwlock *rw);

#endif
