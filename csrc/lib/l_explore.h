/* What the parts of the binding of weft.explore share: the session (l_explore.c: runs; l_explore_ops.c: switch
 * points; l_explore_watch.c: watched tables). On the isolate's carrier.
 *
 * A session is a userdata that the Lua side keeps for one call of weft.explore; iso->explore is its first member while
 * a run goes on. What its code calls from inside a run is in the table of user value 1. */
#ifndef WF_LIB_L_EXPLORE_H
#define WF_LIB_L_EXPLORE_H

#include "lib/lib.h"
#include "rt/explore.h"

enum wf_points { WF_POINTS_OPERATIONS, WF_POINTS_LINES, WF_POINTS_INSTRUCTIONS };

typedef struct wf_session {
  wf_explore e;
  enum wf_points points;
  int calls;         /* registry reference, its table: log = function, failed = list of handles, stuck = list */
  bool logging;
  uint32_t fresh;    /* the task that has passed a point of the hook and no operation since */
  uint32_t busy_at;  /* the step at which the count hook looked last, and how often since that step */
  uint32_t busy;
  const char *skip;  /* sources that begin so are not the explored code's; kept by the table */
  size_t skip_len;
} wf_session;

/* The hook of the coroutines of explored tasks, as the session's options want it. */
void wf_session_hook(wf_session *s);

/* Tell the session's log function: the running task's number, what, then n values on top of the stack. [-n, +0, -] */
void wf_session_log(wf_iso *iso, lua_State *L, const char *what, int n);

/* core.explore_wrap, core.explore_watch. Tables of functions for l_explore.c to add. */
extern const luaL_Reg wf_explore_ops_funcs[];

#endif
