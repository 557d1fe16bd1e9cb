/* See notifier.h. */
#include "rt/notifier.h"

void wf_notifier_init(wf_iso *iso, wf_notifier *s, enum wf_class c, const wf_notifier_ops *ops) {
  s->object.seal = WF_SEAL(c);
  s->object.iso = iso;
  s->ops = ops;
  s->seq = ++iso->objects;
  wf_list_init(&s->waiters);
}

wf_notifier *wf_notifier_test(lua_State *L, int idx) {
  wf_notifier *s = lua_touserdata(L, idx);
  if (s == NULL || lua_rawlen(L, idx) < sizeof *s) return NULL;
  return s->object.seal == WF_SEAL(WF_CLASS_SIGNAL) || s->object.seal == WF_SEAL(WF_CLASS_TICKER) ||
                 s->object.seal == WF_SEAL(WF_CLASS_WATCH)
             ? s
             : NULL;
}

void wf_notifier_tell(wf_notifier *s) {
  wf_node *n = wf_waitq_first(&s->waiters);
  if (n != NULL)
    wf_io_wake_node(s->object.iso, n, WF_GOT);
  else if (s->pending < UINT32_MAX)
    s->pending++;
}

void wf_notifier_close(wf_notifier *s) {
  s->closed = true;
  s->pending = 0;
  wf_waitq_wake_all(s->object.iso, &s->waiters, WF_CLOSED);
}
