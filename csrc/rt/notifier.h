/* Notifiers: what is received from like from a channel, but sent to by nobody: signals, tickers, watched files. Runs on the isolate's
 * carrier.
 *
 * A notifier is a userdata that begins with a wf_notifier. Whoever receives waits in `waiters`; what happens while nobody
 * waits is counted in `pending`. Who waits holds the notifier on its stack. Nothing is allocated when something
 * happens: what is received is made by the receiver.
 */
#ifndef WF_RT_NOTIFIER_H
#define WF_RT_NOTIFIER_H

#include "rt/io.h"

typedef struct wf_notifier wf_notifier;

typedef struct wf_notifier_ops {
  const char *kind;
  /* Look whether something has happened that nobody told (a clock): counts it in `pending`. May be NULL. */
  void (*look)(wf_notifier *s);
  /* Before somebody waits: see to it that it is told. May be NULL. */
  void (*arm)(wf_notifier *s);
  /* Push what is received; the notifier is at idx. [-0, +1, m] */
  void (*push)(lua_State *L, wf_notifier *s, int idx);
} wf_notifier_ops;

struct wf_notifier {
  wf_object object;
  const wf_notifier_ops *ops;
  wf_link waiters; /* wf_nodes */
  uint32_t pending;
  bool closed;
  uint32_t seq;
  uint32_t labelled;
};

/* Make the zeroed userdata of this class a notifier. */
void wf_notifier_init(wf_iso *iso, wf_notifier *s, enum wf_class c, const wf_notifier_ops *ops);

/* The notifier at idx, of any class, or NULL. [-0, +0, -] */
wf_notifier *wf_notifier_test(lua_State *L, int idx);

/* Something has happened: the first waiter has it, or it is kept. */
void wf_notifier_tell(wf_notifier *s);

/* Is there something to receive, or the end? */
static inline bool wf_notifier_ready(wf_notifier *s) {
  if (s->pending == 0 && s->ops->look != NULL && !s->closed) s->ops->look(s);
  return s->pending > 0 || s->closed;
}

/* Take one: false at the end. Only when it is ready. */
static inline bool wf_notifier_take(wf_notifier *s) {
  if (s->pending > 0) {
    s->pending--;
    return true;
  }
  return false;
}

/* Nothing more will come. */
void wf_notifier_close(wf_notifier *s);

static inline uint64_t wf_notifier_id(const wf_notifier *s) { return WF_OBJECT_ID(s->object.iso, s->seq); }

#endif
