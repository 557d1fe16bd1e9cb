/* What all locks have in common: a queue of waiters, holders, the watch on a holder. Runs on the isolate's
 * carrier; nothing here is shared between threads.
 *
 * A lock is a userdata without finaliser whose struct begins with a wf_sync. While somebody waits for it, it
 * is anchored on the waiter's stack, so a node in its queue, or its watch in a holder's, never outlives it.
 *
 * Locks are handed over: who releases one makes the first waiter its holder and then wakes it, so nobody can
 * come in between, and a waiter that was handed the lock has it even when it is cancelled before it runs.
 *
 * A holder is a number, not a pointer: tasks go, and what they leave held must not be taken for another's.
 *
 * The watch: the first waiter of a lock with a holder would wait for ever if the holder ended. So it stands
 * in the queue of those who wait for the holder's end too, by a wf_case that lies in the lock; t->won then
 * tells which of the two woke it. Whoever changes holder or first waiter moves the watch.
 */
#ifndef WF_RT_SYNC_H
#define WF_RT_SYNC_H

#include "rt/iso.h"

/* Slot and number of a task. 0: nobody (slot 0 is the main chunk's, whose number is 1). */
typedef uint64_t wf_holder;

typedef struct wf_sync {
  wf_object object;
  wf_link waiters;   /* wf_nodes */
  uint32_t seq;      /* number in its isolate, for names in reports */
  uint32_t labelled; /* the trace in which it has its label */
  struct wf_shlock *shared; /* once it has crossed (shlock.h): all below is unused then */
} wf_sync;

/* wf_task.won of a waiter whose watch has found that the holder ended. Other values are the lock's own. */
enum { WF_WON_ENDED = UINT16_MAX };

/* What a private holder is once the lock has crossed: no task. */
#define WF_HOLDER_SHARED UINT64_MAX

static inline wf_holder wf_holder_of(const wf_task *t) { return (wf_holder)t->slot << 32 | t->seq; }

/* The task, or NULL when it has ended. */
wf_task *wf_holder_task(wf_iso *iso, wf_holder h);

/* Push "task 7", its name, or "task 7, which has ended". [-0, +1, m] */
void wf_holder_push(wf_iso *iso, lua_State *L, wf_holder h);

/* Push a new lock: a userdata of `size` bytes that begins with a wf_sync. [-0, +1, m] */
void *wf_sync_push(wf_iso *iso, lua_State *L, enum wf_class c, size_t size, int nuv);

static inline uint64_t wf_sync_id(const wf_sync *s) { return WF_OBJECT_ID(s->object.iso, s->seq); }

/* Its number for messages: that in the isolate where it was made. WF_SYNC_NUMBER lasts to the end of the block. */
const char *wf_sync_number(const wf_sync *s, char buf[WF_NUMBER_ROOM]);
#define WF_SYNC_NUMBER(s) wf_sync_number(s, (char[WF_NUMBER_ROOM]){0})

/* Prepare a wait for the lock: the record for a time-out, the name for the trace. May raise; called before
 * wf_wait_begin. [-0, +0, e] */
void wf_sync_prepare(wf_iso *iso, lua_State *L, wf_sync *s, const char *kind, uint64_t deadline);

/* Wait in the lock's queue until `deadline`, continue in k. For locks without a holder. [-0, +0, e] */
int wf_sync_wait(wf_iso *iso, lua_State *L, wf_sync *s, const char *kind, enum wf_trace_why why, uint64_t deadline,
                 lua_KFunction k);

/* How many wait. */
uint32_t wf_sync_waiting(wf_sync *s);

/* Let `waiter` know when `holder` ends, and nobody else. Out of memory: then nobody is told, and what the
 * holder leaves behind is found at the next attempt to lock, or by the deadlock report. */
void wf_watch_set(wf_iso *iso, wf_case *watch, wf_task *holder, wf_task *waiter);

static inline void wf_watch_stop(wf_case *watch) { wf_list_unlink(&watch->node.link); }

/* Raise the error of those who want what a task that has ended never released. `undo` is the method that
 * makes it usable again. [-0, +0, e] */
int wf_sync_abandoned(wf_iso *iso, lua_State *L, const wf_sync *s, const char *kind, wf_holder h, const char *undo);

#endif
