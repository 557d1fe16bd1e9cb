/* What the parts of the binding of weft.explore share: the session (l_explore.c: runs; l_explore_ops.c: switch
 * points; l_explore_watch.c: watched tables). On the isolate's carrier.
 *
 * A session is a userdata that the Lua side keeps for one call of weft.explore; iso->explore is its first member while
 * a run goes on. What its code calls from inside a run is in the table of user value 1. */
#ifndef WF_LIB_L_EXPLORE_H
#define WF_LIB_L_EXPLORE_H

#include "lib/lib.h"
#include "rt/explore.h"
#include "rt/race.h"

enum wf_points { WF_POINTS_OPERATIONS, WF_POINTS_LINES, WF_POINTS_INSTRUCTIONS };

/* What an operation orders, for the detection of races: who acquires an object comes after those who have released
 * into it. The object is the first argument unless said otherwise. */
enum wf_sync_mode {
  WF_SYNC_NONE,
  WF_SYNC_ACQUIRE,
  WF_SYNC_RELEASE,
  WF_SYNC_BOTH,
  WF_SYNC_AROUND,    /* acquire, and release when the call has returned: what it calls runs in between */
  WF_SYNC_SEND,      /* a channel has two sides: receivers come after senders, and senders after the receivers */
  WF_SYNC_RECEIVE,   /* that have made room */
  WF_SYNC_GUARD,     /* release the guard's lock */
  WF_SYNC_CONDITION, /* release the mutex, acquire it and the condition */
  WF_SYNC_READ,      /* read locks: readers come after writers, */
  WF_SYNC_UNREAD,    /* and writers after readers */
  WF_SYNC_READING,
  WF_SYNC_LOAD, /* of the element of a buffer, unless the order is relaxed */
  WF_SYNC_STORE,
  WF_SYNC_CHANGE,
  WF_SYNC_INDEX,  /* nothing: b[i] is a relaxed access, and no operation where i is no number */
  WF_SYNC_SELECT, /* both, of all channels and jobs in the list */
  WF_SYNC_ALL,    /* acquire what all tasks that have ended released */
  WF_SYNC_COUNT
};

typedef struct wf_session {
  wf_explore e;
  enum wf_points points;
  int calls; /* registry reference, its table: log = function, line = function, failed, stuck, holders = lists */
  bool logging;
  bool lines;       /* variables are watched: calls.line is to be called */
  uint32_t fresh;   /* the task that has passed a point of the hook and no operation since */
  uint32_t busy_at; /* the step at which the count hook looked last, and how often since that step */
  uint32_t busy;
  uint32_t strikes;             /* of the hook on cancelled code */
  uint32_t log_step, log_lines; /* lines logged since that step */
  wf_race *race;                /* NULL: nothing is watched; owned */
  const char *skip;             /* sources that begin so are not the explored code's; kept by the table */
  size_t skip_len;
} wf_session;

/* The hook of the coroutines of explored tasks, as the session's options want it. */
void wf_session_hook(wf_session *s);

/* Tell the session's log function: the running task's number, what, then n values on top of the stack. [-n, +0, -] */
void wf_session_log(wf_iso *iso, lua_State *L, const char *what, int n);

/* The operation with this mode is about to be called with the arguments on L. */
void wf_session_sync(wf_iso *iso, lua_State *L, wf_session *s, enum wf_sync_mode mode);

/* Tables of functions of the parts, for l_explore.c to add. */
extern const luaL_Reg wf_explore_ops_funcs[], wf_explore_watch_funcs[];

/* Key of an object in wf_race. */
static inline uint64_t wf_race_object(const void *p) { return (uint64_t)(uintptr_t)p; }

#endif
