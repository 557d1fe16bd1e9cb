/* Channels between processes.
 *
 * A channel is at home in the process that it was made in. In the other process of a connection a mirror stands for it
 * (shchan.h). Each has a tap on the connection, which moves the values; taps belong to the isolate that holds the
 * connection, channels are any thread's. A tap is rung by its channel (wf_bell) when there is something to do.
 *
 * From home: the mirror's tap demands as many values as receivers wait there; for each, the tap at home has a wait
 * in the channel's queue, among those of its own process, first come, first served. With the values that are waited
 * for come others if there are plenty, for the receivers to come; those that nobody takes for a while go back.
 *
 * To home: by leave. A channel with room gives leave for so many at once, and anew as values find their place; the
 * mirror has the same room again, so sending need not wait for the way. A rendezvous offers first and gets leave when
 * a receiver waits; should that one be gone when the value comes, the value waits at home, for the next.
 *
 * So each value is received once: it is in one ring, one frame or one wait at a time. When the connection is lost, what
 * was on its way to the other process is lost with it; what came from there stays. A worker that ends in good order
 * takes leave: it says that it receives no more, waits until home has heard it, and gives back what has come till then.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/alloc.h"
#include "rt/peer.h"
#include "rt/shchan.h"

enum {
  WINDOW_MOST = 1024,  /* leaves at once */
  DEMAND_MOST = 4096,  /* values that are demanded at once */
  AHEAD_MOST = 256,    /* values that may come besides */
  SPARE = 4,           /* one in so many of those that are kept */
  REST_MS = 50,        /* until values that nobody takes go back */
  SWEEP_FIRST = 32,
};

/* Agents in traces: beside the ids of tasks and objects. */
#define AGENT_ID ((uint64_t)1 << 62)

typedef struct wf_tap {
  wf_bell bell;
  wf_link link;      /* in peer->taps */
  wf_peer *peer;     /* NULL: parted; then only mail that is on the way refers to it */
  wf_shchan *chan;   /* held */
  uint64_t id;
  bool home;
  bool left;         /* LEAVE was said, or heard */
  /* At home. */
  uint32_t times;    /* how often it was sent there */
  uint64_t offers;   /* senders there that wait for leave */
  uint64_t leaves;   /* given and not used */
  uint32_t used;     /* used since leave was given last */
  bool shut, drained; /* told */
  size_t back;       /* values that came back together, so far */
  wf_link waits;     /* agents */
  /* The mirror's. */
  uint32_t came;     /* how often it has come */
  uint64_t demanded, offered, leave;
  uint32_t ahead;    /* how many may come besides */
  bool closed;       /* told */
  bool asked;        /* it has demanded something at least once */
  wf_alarm rest;
} wf_tap;

/* A wait of the tap in the queue of its channel, as a task would have one. */
typedef struct agent {
  wf_swait wait;
  wf_snode node;
  wf_link link;
  wf_tap *tap;       /* NULL: the connection is gone */
  wf_shchan *chan;   /* held */
  bool sends;
} agent;

static void home_look(wf_tap *t);
static void mirror_look(wf_tap *t);

static uint64_t window_of(const wf_shchan *s) { return s->capacity < WINDOW_MOST ? s->capacity : WINDOW_MOST; }

/* Taps ------------------------------------------------------------------------------------------------- */

static void tap_free(wf_tap *t) {
  wf_port_release(t->bell.port);
  wf_free(t);
}

static void on_bell(wf_iso *iso, wf_mail *m) {
  wf_tap *t = wf_container_of(wf_container_of(m, wf_bell, mail), wf_tap, bell);
  (void)iso;
  if (t->peer == NULL) {
    tap_free(t);
    return;
  }
  wf_shchan_heard(t->chan, &t->bell);
  if (t->home)
    home_look(t);
  else
    mirror_look(t);
}

static void on_bell_dropped(wf_mail *m) {
  wf_tap *t = wf_container_of(wf_container_of(m, wf_bell, mail), wf_tap, bell);
  if (t->peer == NULL) tap_free(t);
}

static wf_tap *tap_new(wf_peer *p, wf_shchan *s, uint64_t id, bool home) {
  wf_tap *t = wf_calloc(1, sizeof *t);
  if (t == NULL) return NULL;
  t->peer = p;
  t->chan = s;
  wf_shared_hold(&s->shared);
  t->id = id;
  t->home = home;
  t->bell.mail.deliver = on_bell;
  t->bell.mail.drop = on_bell_dropped;
  t->bell.port = p->iso->port;
  t->bell.receivers = home && s->capacity == 0;
  wf_port_hold(t->bell.port);
  wf_list_init(&t->waits);
  wf_list_append(&p->taps, &t->link);
  wf_shchan_bell(s, &t->bell);
  return t;
}

static void agent_free(agent *a) {
  wf_port_release(a->wait.port);
  wf_shared_release(&a->chan->shared);
  wf_free(a);
}

/* Nothing is received for the mirror any more. */
static void withdraw(wf_tap *t) {
  wf_link *l, *next;
  wf_list_each(l, next, &t->waits) {
    agent *a = wf_list_entry(l, agent, link);
    if (a->sends) continue;
    wf_list_unlink(&a->link);
    a->tap = NULL;
    pthread_mutex_lock(&t->chan->shared.lock);
    wf_list_unlink(&a->node.link);
    pthread_mutex_unlock(&t->chan->shared.lock);
    if (wf_swait_take_here(&a->wait)) agent_free(a); /* else its mail is on the way */
  }
}

/* The channel crosses no more by this connection. */
static void tap_part(wf_tap *t) {
  wf_shchan *s = t->chan;
  wf_list_unlink(&t->link);
  wf_shchan_unbell(s, &t->bell);
  wf_alarm_stop(t->peer->iso, &t->rest);
  withdraw(t);
  wf_link *l, *next;
  wf_list_each(l, next, &t->waits) { /* of those that send the value is the channel's: it stays until it is received */
    wf_list_unlink(l);
    wf_list_entry(l, agent, link)->tap = NULL;
  }
  bool rung = t->bell.rung; /* nobody rings it any more */
  t->peer = NULL;
  if (!t->home) { /* a mirror can be at home, too, for workers of its own process: it lives on without them */
    wf_shchan_shut(s);
    wf_shchan_drain_out(s);
  }
  if (!rung) tap_free(t);
  wf_shared_release(&s->shared);
}

void wf_peer_part_channels(wf_peer *p) {
  while (!wf_list_empty(&p->taps)) tap_part(wf_list_entry(p->taps.next, wf_tap, link));
}

static wf_tap *tap_of(wf_peer *p, uint64_t id, bool home) {
  for (wf_link *l = p->taps.next; l != &p->taps; l = l->next) {
    wf_tap *t = wf_list_entry(l, wf_tap, link);
    if (t->id != id || t->home != home) continue;
    wf_list_unlink(l); /* those that are used come first */
    wf_link *first = p->taps.next;
    l->next = first;
    l->prev = &p->taps;
    first->prev = l;
    p->taps.next = l;
    return t;
  }
  return NULL;
}

/* Channels as values -------------------------------------------------------------------------------------- */

/* A channel in a message: whether it is at home with the reader, or else whether it is closed, and empty too, which a new mirror has
 * not been told; its number, its capacity. */
enum { YOURS = 1, IS_CLOSED = 2, IS_DRAINED = 4 };

void wf_peer_put_channel(wf_peer *p, wf_shchan *s) {
  wf_tap *t = NULL;
  for (wf_link *l = p->taps.next; l != &p->taps && t == NULL; l = l->next)
    if (wf_list_entry(l, wf_tap, link)->chan == s) t = wf_list_entry(l, wf_tap, link);
  if (t == NULL) {
    atomic_store_explicit(&s->peers, true, memory_order_relaxed);
    t = tap_new(p, s, ++p->last_id, true);
    if (t == NULL) {
      wf_peer_break(p, ENOMEM);
      return;
    }
    t->leaves = window_of(s);
  }
  uint8_t says = t->home ? 0 : YOURS;
  if (t->home) {
    t->times++;
    if (!t->shut) t->shut = wf_shchan_closed(s);
    if (t->shut) says |= IS_CLOSED;
    if (t->drained) says |= IS_DRAINED;
  }
  wf_peer_put(p, &says, sizeof says);
  wf_peer_put_u64(p, t->id);
  wf_peer_put_u64(p, s->capacity);
  wf_peer_put_u64(p, s->mirror ? s->home_id : s->id);
  wf_peer_put_u64(p, s->mirror ? s->home_pid : p->here);
}

/* Mirrors that nobody but their taps has any more are let go, now and then. Nothing is on its way to one then: what it demanded
 * would be missing still, and what comes besides follows the demanded in one piece (on_demand), so it would be here, unless it has
 * been received or has gone back. */
static void sweep(wf_peer *p) {
  uint32_t n = 0;
  wf_link *l, *next;
  if (++p->mirrors < p->sweep_at) return;
  wf_list_each(l, next, &p->taps) {
    wf_tap *t = wf_list_entry(l, wf_tap, link);
    if (t->home || t->left) continue;
    n++;
    /* One hold: nobody can make another. */
    if (atomic_load_explicit(&t->chan->shared.refs, memory_order_acquire) != 1 || wf_shchan_count(t->chan) > 0) continue;
    if (t->demanded > 0 && !t->chan->drained) continue;
    wf_peer_send(p, WF_PEER_RELEASE, t->id, t->came);
    tap_part(t);
    n--;
  }
  p->mirrors = n;
  p->sweep_at = n * 2 + SWEEP_FIRST;
}

wf_shchan *wf_peer_get_channel(wf_peer *p, wf_peer_bytes *b) {
  uint8_t says;
  uint64_t id, capacity, home_id, home_pid;
  if (!wf_peer_get(b, &says, sizeof says) || !wf_peer_get(b, &id, sizeof id) || !wf_peer_get(b, &capacity, sizeof capacity) || id == 0) return NULL;
  if (!wf_peer_get(b, &home_id, sizeof home_id) || !wf_peer_get(b, &home_pid, sizeof home_pid)) return NULL;
  bool mine = (says & YOURS) != 0;
  wf_tap *t = tap_of(p, id, mine);
  if (t == NULL) {
    if (mine) return NULL;
    sweep(p);
    wf_shchan *s = wf_shchan_new((size_t)capacity);
    if (s == NULL) {
      wf_peer_fail(p, ENOMEM);
      return NULL;
    }
    s->mirror = true;
    s->home_id = home_id;
    s->home_pid = home_pid;
    s->id = WF_OBJECT_ID(p->iso, WF_MIRROR_SEQ | ++p->iso->mirrors);
    wf_trace(WF_TRACE_SAME, WF_WHY_NONE, (uint32_t)home_pid, s->id, home_id);
    atomic_store_explicit(&s->peers, true, memory_order_relaxed);
    t = tap_new(p, s, id, false);
    wf_shared_release(&s->shared);
    if (t == NULL) {
      wf_peer_fail(p, ENOMEM);
      return NULL;
    }
    t->leave = window_of(s);
  }
  wf_shared_hold(&t->chan->shared);
  if (t->home) return t->chan;
  t->came++;
  if (says & (IS_CLOSED | IS_DRAINED)) {
    t->closed = true;
    wf_shchan_shut(t->chan);
  }
  if (says & IS_DRAINED) wf_shchan_drain_out(t->chan);
  return t->chan;
}

/* At home --------------------------------------------------------------------------------------------------- */

static void send_value(wf_tap *t, enum wf_peer_op op, wf_parcel *v, uint64_t arg, uint64_t from) {
  wf_peer *p = t->peer;
  wf_peer_ship(p, WF_WHY_NONE, from);
  wf_peer_begin(p, op, t->id, arg);
  size_t before = p->out_len;
  if (!wf_peer_put_parcel(p, v)) { /* said so; there must be something, for it was asked for */
    wf_parcel nothing;
    memset(&nothing, 0, sizeof nothing);
    p->out_len = before;
    wf_peer_put_parcel(p, &nothing);
  }
  wf_peer_end(p);
  wf_parcel_free(v);
}

static void say_drained(wf_tap *t) {
  if (t->drained) return;
  t->drained = true;
  wf_peer_send(t->peer, WF_PEER_DRAINED, t->id, 0);
}

static void give_leave(wf_tap *t) {
  uint64_t window = window_of(t->chan);
  if (t->used == 0 || t->used < window / 2) return;
  t->leaves += t->used;
  wf_peer_send(t->peer, WF_PEER_GRANT, t->id, t->used);
  t->used = 0;
}

/* A value from there has found its place. */
static void put_done(wf_tap *t) {
  if (t->chan->capacity == 0) return;
  t->used++;
  give_leave(t);
}

/* The wait of an agent is over. Its isolate. */
static void agent_over(agent *a) {
  wf_tap *t = a->tap;
  wf_swait *w = &a->wait;
  wf_list_unlink(&a->link);
  if (a->sends) {
    /* It was accepted before. */
    if (w->how == WF_CLOSED && wf_shchan_force(a->chan, &a->node.parcel) < 0 && t != NULL) wf_peer_break(t->peer, ENOMEM);
    if (t != NULL) put_done(t);
  } else if (w->how == WF_CLOSED) {
    if (t != NULL) say_drained(t);
  } else if (t == NULL) {
    wf_shchan_unrecv(a->chan, &w->parcel, 0);
  } else {
    send_value(t, WF_PEER_VALUE, &w->parcel, 1, w->id);
  }
  agent_free(a);
}

static void on_agent(wf_iso *iso, wf_mail *m) {
  (void)iso;
  agent_over(wf_container_of(wf_container_of(m, wf_swait, mail), agent, wait));
}

/* The isolate has closed, its connection before it. */
static void on_agent_dropped(wf_mail *m) { agent_over(wf_container_of(wf_container_of(m, wf_swait, mail), agent, wait)); }

static agent *agent_new(wf_tap *t, bool sends) {
  agent *a = wf_calloc(1, sizeof *a);
  if (a == NULL) {
    wf_peer_break(t->peer, ENOMEM);
    return NULL;
  }
  a->tap = t;
  a->chan = t->chan;
  wf_shared_hold(&t->chan->shared);
  a->sends = sends;
  a->wait.mail.deliver = on_agent;
  a->wait.mail.drop = on_agent_dropped;
  a->wait.port = t->bell.port;
  wf_port_hold(a->wait.port);
  a->wait.id = AGENT_ID | (uint64_t)t->peer->iso->id << 32 | ++t->peer->agents;
  a->node.wait = &a->wait;
  a->node.owner = &t->chan->shared;
  a->node.index = 1;
  a->node.committed = sends;
  return a;
}

static void on_demand(wf_tap *t, uint64_t arg) {
  uint32_t n = (uint32_t)arg, more = (uint32_t)(arg >> 32);
  wf_parcel v;
  if (t->left) return;
  for (uint32_t i = 0; i < n; i++) {
    agent *a = agent_new(t, false);
    if (a == NULL) return;
    enum wf_channel_now now = wf_shchan_recv_or_wait(t->chan, &a->node, &v);
    if (now == WF_CHANNEL_WOULD_WAIT) {
      wf_list_append(&t->waits, &a->link);
      continue;
    }
    agent_free(a);
    if (now == WF_CHANNEL_OK) {
      send_value(t, WF_PEER_VALUE, &v, 1, 0);
    } else {
      say_drained(t);
      return;
    }
  }
  for (uint32_t i = 0; i < more && wf_shchan_spare(t->chan, &v, (size_t)(i + 1) * (SPARE - 1)); i++)
    send_value(t, WF_PEER_VALUE, &v, 0, 0);
}

static void on_put(wf_tap *t, wf_parcel *v) {
  if (t->leaves > 0) t->leaves--;
  agent *a = NULL;
  enum wf_channel_now now = wf_shchan_send_now(t->chan, v);
  if (now == WF_CHANNEL_WOULD_WAIT && (a = agent_new(t, true)) != NULL) {
    a->node.parcel = *v;
    v->msg = NULL;
    wf_peer_land_again(t->peer, a->wait.id);
    now = wf_shchan_send_or_wait(t->chan, &a->node);
    if (now == WF_CHANNEL_WOULD_WAIT) {
      wf_list_append(&t->waits, &a->link);
      return;
    }
    if (now != WF_CHANNEL_OK) *v = a->node.parcel;
    agent_free(a);
  }
  /* Closed since: it was accepted before; or no memory. */
  if (now != WF_CHANNEL_OK && wf_shchan_force(t->chan, v) < 0) wf_peer_break(t->peer, ENOMEM);
  put_done(t);
}

/* Rendezvous: leave for as many as can be received now. And the end is told. */
static void home_look(wf_tap *t) {
  size_t receivers, senders;
  bool closed;
  wf_shchan_survey(t->chan, DEMAND_MOST, &receivers, &senders, &closed);
  if (t->chan->mirror) receivers = DEMAND_MOST; /* its own tap sees to it that they go on */
  if (t->chan->capacity == 0 && t->offers > 0 && receivers > t->leaves) {
    uint64_t n = receivers - t->leaves;
    if (n > t->offers) n = t->offers;
    t->offers -= n;
    t->leaves += n;
    wf_peer_send(t->peer, WF_PEER_GRANT, t->id, n);
  }
  if (!t->shut && wf_shchan_closed(t->chan)) {
    t->shut = true;
    wf_peer_send(t->peer, WF_PEER_SHUT, t->id, 0);
  }
}

/* The mirror -------------------------------------------------------------------------------------------------- */

/* Send what has leave. */
static void push_out(wf_tap *t, bool all) {
  wf_parcel v;
  while ((t->leave > 0 || all) && wf_shchan_outgoing(t->chan, &v)) {
    if (t->leave > 0) t->leave--;
    send_value(t, WF_PEER_PUT, &v, 0, 0);
  }
}

static void mirror_look(wf_tap *t) {
  size_t receivers, senders;
  bool closed;
  wf_peer *p = t->peer;
  push_out(t, false);
  wf_shchan_survey(t->chan, DEMAND_MOST, &receivers, &senders, &closed);
  if (receivers > t->demanded && !t->chan->drained && !t->left) {
    uint64_t n = receivers - t->demanded;
    if (t->chan->capacity > 0) t->ahead = t->ahead == 0 ? 1 : t->ahead * 2 < AHEAD_MOST ? t->ahead * 2 : AHEAD_MOST;
    t->demanded += n;
    t->asked = true;
    wf_peer_send(p, WF_PEER_DEMAND, t->id, n | (uint64_t)t->ahead << 32);
  }
  if (t->chan->capacity == 0) {
    if (senders > t->offered && t->leave == 0) {
      wf_peer_send(p, WF_PEER_OFFER, t->id, senders - t->offered);
      t->offered = senders;
    }
    if (t->leave > 0 && senders == 0) {
      wf_peer_send(p, WF_PEER_NOPUT, t->id, t->leave);
      t->leave = 0;
    }
  }
  if (closed && !t->closed) {
    t->closed = true;
    wf_peer_send(p, WF_PEER_CLOSE, t->id, 0);
  }
}

/* What has come and nobody takes goes home. */
static void send_back(wf_tap *t) {
  wf_parcel v;
  for (uint64_t i = 0; wf_shchan_uninbox(t->chan, &v); i++) send_value(t, WF_PEER_BOUNCE, &v, i, 0);
  t->ahead = 0;
}

static void on_rest(wf_iso *iso, wf_alarm *a) {
  (void)iso;
  send_back(wf_container_of(a, wf_tap, rest));
}

static void on_value(wf_tap *t, wf_parcel *v, uint64_t asked) {
  if (asked && t->demanded > 0) t->demanded--;
  int now = wf_shchan_incoming(t->chan, v);
  if (now < 0) wf_peer_break(t->peer, ENOMEM);
  if (now != 0) return;
  wf_alarm_set(t->peer->iso, &t->rest, NULL, wf_clock_ns() + REST_MS * 1000000ull, on_rest);
}

/* The end of a worker: what was sent is sent, what has come for nobody goes back, and so does what is on its way. */
void wf_peer_settle(wf_peer *p) {
  for (wf_link *l = p->taps.next; l != &p->taps; l = l->next) {
    wf_tap *t = wf_list_entry(l, wf_tap, link);
    if (t->home) continue;
    push_out(t, true);
    mirror_look(t);
    if (!t->asked || t->left) continue;
    t->left = true;
    p->leaving++;
    wf_peer_send(p, WF_PEER_LEAVE, t->id, 0);
  }
  wf_peer_flush(p, true);
  while (p->leaving > 0 && !p->lost) {
    struct pollfd fd = {p->watch.fd, POLLIN, 0};
    if (poll(&fd, 1, -1) > 0) wf_peer_read(p);
  }
  for (wf_link *l = p->taps.next; l != &p->taps; l = l->next) {
    wf_tap *t = wf_list_entry(l, wf_tap, link);
    if (!t->home) send_back(t);
  }
  wf_peer_flush(p, true);
}

/* Frames ------------------------------------------------------------------------------------------------------- */

static void on_home_frame(wf_tap *t, const wf_peer_head *h, wf_parcel *v) {
  int kept;
  switch (h->op) {
    case WF_PEER_DEMAND: on_demand(t, h->arg); break;
    case WF_PEER_BOUNCE: /* arg: the how manyth of those that come together */
      if (h->arg == 0) t->back = 0;
      kept = wf_shchan_unrecv(t->chan, v, t->back);
      if (kept < 0) wf_peer_break(t->peer, ENOMEM);
      if (kept == 0) t->back++;
      break;
    case WF_PEER_PUT: on_put(t, v); break;
    case WF_PEER_OFFER:
      t->offers += h->arg;
      home_look(t);
      break;
    case WF_PEER_NOPUT:
      t->leaves -= h->arg < t->leaves ? h->arg : t->leaves;
      home_look(t);
      break;
    case WF_PEER_CLOSE:
      t->shut = true;
      wf_shchan_close(t->chan);
      break;
    case WF_PEER_RELEASE:
      t->times -= h->arg < t->times ? (uint32_t)h->arg : t->times;
      if (t->times == 0) tap_part(t); /* else it is on its way there again, where it gets another mirror */
      break;
    case WF_PEER_LEAVE:
      t->left = true;
      withdraw(t);
      wf_peer_send(t->peer, WF_PEER_LEFT, t->id, 0);
      break;
    default: break;
  }
}

static void on_mirror_frame(wf_tap *t, const wf_peer_head *h, wf_parcel *v) {
  switch (h->op) {
    case WF_PEER_VALUE: on_value(t, v, h->arg); break;
    case WF_PEER_GRANT:
      t->leave += h->arg;
      if (t->chan->capacity == 0) t->offered -= h->arg < t->offered ? h->arg : t->offered;
      mirror_look(t);
      break;
    case WF_PEER_SHUT:
      t->closed = true;
      wf_shchan_shut(t->chan);
      break;
    case WF_PEER_DRAINED:
      t->closed = true;
      wf_shchan_shut(t->chan);
      wf_shchan_drain_out(t->chan);
      break;
    case WF_PEER_LEFT:
      if (t->peer->leaving > 0) t->peer->leaving--;
      break;
    default: break;
  }
}

void wf_peer_on_channel(wf_peer *p, const wf_peer_head *h, wf_peer_bytes *b) {
  bool home = h->op < WF_PEER_VALUE;
  bool valued = h->op == WF_PEER_VALUE || h->op == WF_PEER_PUT || h->op == WF_PEER_BOUNCE;
  wf_parcel v = {.msg = NULL};
  if (valued && !wf_peer_get_parcel(p, b, &v)) {
    wf_peer_fail(p, EBADMSG);
    return;
  }
  wf_tap *t = tap_of(p, h->chan, home);
  if (valued) wf_peer_land(p, WF_WHY_NONE, 0);
  if (t != NULL && home)
    on_home_frame(t, h, &v);
  else if (t != NULL)
    on_mirror_frame(t, h, &v);
  else if (h->op == WF_PEER_LEAVE) /* who leaves waits for an answer */
    wf_peer_send(p, WF_PEER_LEFT, h->chan, 0);
  if (valued) wf_parcel_free(&v);
}
