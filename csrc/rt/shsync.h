/* Locks that have crossed, as their own isolates see them: how they become shared, how they come to another isolate, what
 * their operations raise. On the isolate's carrier. (shlock.h has the state that is shared.)
 */
#ifndef WF_RT_SHSYNC_H
#define WF_RT_SHSYNC_H

#include "rt/shlock.h"

/* What a class of locks says of itself. Static. */
typedef struct wf_lock_class {
  enum wf_class class;
  const char *name; /* "mutex" */
  size_t size;      /* of its userdata */
  int nuv;
  /* Put the private state into the shared part, waiters too. Raises when memory is out. [-0, +0, e] */
  void (*share)(wf_iso *iso, lua_State *L, wf_sync *s, wf_shlock *to);
  /* From now on the state is in the shared part (true), or the lock begins anew, private and free. May be NULL. */
  void (*reset)(wf_sync *s, bool shared);
} wf_lock_class;

/* Make the class's metatable for locks that have crossed, and let its locks cross. After wf_class_new; the same methods.
 * [-0, +0, m] */
void wf_lock_class_new(wf_iso *iso, lua_State *L, const wf_lock_class *c, const char *full_name, const luaL_Reg *methods,
                       const luaL_Reg *meta);

/* For `share`: all who wait in the private queue; what they want is `want`, or with 0 what t->won says. [-0, +0, e] */
void wf_lock_move_waiters(wf_iso *iso, lua_State *L, wf_sync *s, wf_shlock *to, enum wf_shwant want);
/* This one holds it. [-0, +0, e] */
void wf_lock_move_holder(wf_iso *iso, lua_State *L, wf_shlock *to, wf_holder h, enum wf_shwant want);

/* What the running task holds of the lock, or NULL. */
static inline wf_hold *wf_lock_mine(const wf_iso *iso, const wf_sync *s) { return wf_hold_find(iso, s->shared, iso->cur->seq); }

/* Take it for the running task: true; false when it has to be waited for. Raises when that would be in vain, also when
 * the task holds it already. [-0, +0, e] */
bool wf_lock_take(wf_iso *iso, lua_State *L, const wf_sync *s, const char *kind, enum wf_shwant want);

/* The continuation of a wait for it: true when the task has it, false when its time is over; raises all else. [-0, +0, e] */
bool wf_lock_wait_end(wf_iso *iso, lua_State *L, const wf_sync *s, const char *kind, wf_task *t);

/* Raise: it is left locked by one that has ended. [-0, +0, e] */
int wf_lock_abandoned(wf_iso *iso, lua_State *L, const wf_sync *s, const char *kind);

/* Give back what the running task holds, or what was lost; raises when it is neither's. [-0, +0, e] */
void wf_lock_unlock(wf_iso *iso, lua_State *L, const wf_sync *s, const char *kind, enum wf_shwant want);

/* Give back what the task of this number holds, if it does. */
void wf_lock_release(const wf_iso *iso, const wf_sync *s, wf_holder h);

/* Push "free", "held by task 7 of isolate 3", "read by task 2 and 3 more". [-0, +1, m] */
void wf_lock_describe(const wf_iso *iso, lua_State *L, const wf_sync *s);

#endif
