/* See announce.h. The isolate that starts a trace announces its tasks at once; others may when they
 * notice it. What a waiting task waits for is known by kind only: tasks do not keep the resource. */
#include "rt/announce.h"

#include "rt/copool.h"

static void task_announce(wf_iso *iso, lua_State *L, wf_task *t) {
  uint64_t id = wf_task_id(iso, t);
  wf_trace(WF_TRACE_LIVE, !(t->flags & WF_F_MAIN) ? WF_WHY_TASK : iso->pooled ? WF_WHY_ISOLATE : iso->is_child ? WF_WHY_THREAD : WF_WHY_MAIN, iso->id, id, 0);
  if (t->flags & WF_F_NAMED) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->names);
    lua_rawgetp(L, -1, t);
    const char *name = lua_tostring(L, -1);
    if (name != NULL) wf_trace_name(iso->id, id, name);
    lua_pop(L, 2);
  }
  if ((t->flags & WF_F_MAIN) && iso->name != NULL) wf_trace_name(iso->id, id, iso->name);
  if (t == iso->cur && t->state == WF_RUNNING)
    wf_trace(WF_TRACE_RUN, WF_WHY_NONE, iso->id, id, 0);
  else if (t->state == WF_WAITING)
    wf_trace(WF_TRACE_STOP, (enum wf_trace_why)t->why, iso->id, id, 0);
  else
    wf_trace(WF_TRACE_READY, WF_WHY_NONE, iso->id, id, 0);
}

void wf_iso_announce(wf_iso *iso, lua_State *L) {
  uint32_t number = wf_trace_on();
  if (number == 0 || number == iso->announced) return;
  iso->announced = number;
  if (!wf_task_finished(&iso->main)) task_announce(iso, L, &iso->main);
  wf_walk w = {0, NULL};
  for (wf_task *t; (t = wf_iso_walk(iso, &w)) != NULL;) task_announce(iso, L, t);
}
