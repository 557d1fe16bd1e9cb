/* See sync.h. */
#include "rt/sync.h"

#include <stdio.h>

#include "lx/error.h"
#include "rt/copool.h"
#include "rt/sched.h"
#include "rt/shlock.h"
#include "rt/task.h"

wf_task *wf_holder_task(wf_iso *iso, wf_holder h) {
  uint32_t slot = (uint32_t)(h >> 32);
  if (slot == 0) return &iso->main;
  if (iso->closed) return NULL;
  wf_task *t = wf_iso_slot(iso, slot);
  return t != NULL && t->seq == (uint32_t)h && !wf_task_finished(t) ? t : NULL;
}

void wf_holder_push(wf_iso *iso, lua_State *L, wf_holder h) {
  const wf_task *t = wf_holder_task(iso, h);
  if (t != NULL)
    wf_task_push_name(iso, L, t);
  else
    lua_pushfstring(L, "task %d, which has ended", (int)(uint32_t)h);
}

void *wf_sync_push(wf_iso *iso, lua_State *L, enum wf_class c, size_t size, int nuv) {
  wf_sync *s = wf_class_push(iso, L, c, size, nuv);
  s->object.seal = WF_SEAL(c);
  s->object.iso = iso;
  wf_list_init(&s->waiters);
  s->seq = ++iso->objects;
  return s;
}

/* Give the lock its name in the running trace. */
static void sync_label(wf_sync *s, const char *kind) {
  uint32_t trace = wf_trace_on();
  char text[WF_TRACE_TEXT + 1];
  if (trace == 0 || s->labelled == trace) return;
  s->labelled = trace;
  snprintf(text, sizeof text, "%s %u", kind, s->seq);
  wf_trace_label(wf_sync_id(s), text);
}

void wf_sync_prepare(wf_iso *iso, lua_State *L, wf_sync *s, const char *kind, uint64_t deadline) {
  if (deadline != WF_NEVER && wf_task_ext(iso, iso->cur) == NULL) lx_raise_memory(L);
  if (wf_unlikely(wf_trace_on() != 0)) sync_label(s, kind);
}

int wf_sync_wait(wf_iso *iso, lua_State *L, wf_sync *s, const char *kind, enum wf_trace_why why, uint64_t deadline,
                 lua_KFunction k) {
  wf_sync_prepare(iso, L, s, kind, deadline);
  if (wf_unlikely(s->shared != NULL)) return wf_shlock_wait(iso, L, s, WF_SHWANT_PASS, why, deadline, k);
  wf_task *t = wf_wait_begin(iso, L, why);
  wf_wait_queue(t, &s->waiters);
  wf_wait_until(iso, t, deadline);
  return wf_wait_park(iso, L, t, wf_sync_id(s), k);
}

const char *wf_sync_number(const wf_sync *s, char buf[WF_NUMBER_ROOM]) {
  return wf_object_number(s->object.iso, s->shared != NULL ? s->shared->id : wf_sync_id(s), buf);
}

uint32_t wf_sync_waiting(wf_sync *s) {
  if (s->shared != NULL) return wf_shlock_waiting(s->shared);
  uint32_t n = 0;
  for (wf_link *l = s->waiters.next; l != &s->waiters; l = l->next) n += wf_list_entry(l, wf_node, link)->task->claim == WF_ARMED;
  return n;
}

void wf_watch_set(wf_iso *iso, wf_case *watch, wf_task *holder, wf_task *waiter) {
  wf_list_unlink(&watch->node.link);
  if (holder->flags & WF_F_MAIN) return; /* when it ends, so do the others */
  wf_ext *x = wf_task_ext(iso, holder);
  if (x == NULL) return;
  watch->node.task = waiter;
  watch->index = WF_WON_ENDED;
  wf_list_append(&x->joiners, &watch->node.link);
}

int wf_sync_abandoned(wf_iso *iso, lua_State *L, const wf_sync *s, const char *kind, wf_holder h, const char *undo) {
  if (h == 0 || wf_holder_task(iso, h) != NULL) /* somebody has freed it in the meantime */
    lua_pushliteral(L, "a task that has ended");
  else
    wf_holder_push(iso, L, h);
  lx_error_new(L, "deadlock", "cannot lock %s %s: it was left locked by %s (%s() by any task frees it)", kind, WF_SYNC_NUMBER(s),
               lua_tostring(L, -1), undo);
  lx_error_place(L);
  return lua_error(L);
}
