/* Channels that have crossed to another isolate: what two or more isolates share of one channel.
 *
 * A bounded ring of parcels with waiting senders and receivers, under one lock. Values are encoded before
 * the lock is taken and decoded after it was released; no Lua call is made under it.
 *
 * Invariants under the lock: receivers wait only while nothing is kept and no sender waits; senders wait
 * only while count == capacity; nobody waits once closed. First come, first served.
 */
#ifndef WF_RT_SHCHAN_H
#define WF_RT_SHCHAN_H

#include "rt/channel.h"
#include "rt/swait.h"

struct wf_shchan {
  wf_shared shared;
  /* All below is guarded by shared.lock. */
  wf_link receivers, senders; /* wf_snodes */
  wf_parcel *ring;
  size_t room, head, count, capacity;
  uint32_t taken; /* as a private channel's */
  uint64_t id;    /* in traces: that of the channel in the isolate that shared it, or a mirror's own; set once, before others see it */
  bool closed;
  /* Between processes (peer_chan.c). A mirror stands for a channel of another process: what is sent here lies in the
   * ring until it is on its way there, what has come from there is in the inbox. */
  wf_link bells;      /* taps that are told when there is something to do */
  bool mirror;        /* set once, before it is known to others */
  bool drained;       /* a mirror: closed there, and nothing is left */
  bool wanted;        /* a mirror: somebody has looked for a value in vain */
  wf_parcel *inbox;
  size_t inbox_room, inbox_head, inbox_count;
  uint32_t inbox_taken; /* as `taken`; numbers with WF_SHCHAN_INBOX */
  uint64_t home_id;   /* what it is at home, in traces, and whose it is: set once, before others see it */
  uint64_t home_pid;
  /* It has crossed to a process: values are encoded for peers. Set once, read by senders: relaxed, for values that
   * were encoded before are made anew on their way. */
  _Atomic bool peers;
};

/* In traces, values that have come and those that go are numbered apart. */
#define WF_SHCHAN_INBOX 0x80000000u

/* What a channel's connection to another process is rung by. Any thread. */
typedef struct wf_bell {
  wf_link link;      /* in the channel's bells; under its lock */
  wf_mail mail;      /* to the port: look at the channel */
  wf_port *port;     /* held */
  bool rung;         /* the mail is on its way; under the channel's lock */
  bool receivers;    /* at home: it wants to know of receivers that begin to wait */
} wf_bell;

/* Make the private channel at `self` shared, with all that it keeps and all who wait. Raises when a value
 * cannot travel or memory is out; then it stays private. [-0, +0, e] */
wf_shchan *wf_channel_share(wf_iso *iso, lua_State *L, wf_channel *c, int self);

/* Push a channel for the shared part, the isolate's own if it has one. Takes a reference of its own.
 * [-0, +1, m] */
void wf_channel_push_shared(wf_iso *iso, lua_State *L, wf_shchan *s);

/* Send or receive if that does not have to wait. Sending takes the parcel over when WF_CHANNEL_OK. No Lua. */
enum wf_channel_now wf_shchan_send_now(wf_shchan *s, wf_parcel *p);
enum wf_channel_now wf_shchan_recv_now(wf_shchan *s, wf_parcel *p);

/* Take up to `most` of the parcels that are kept, in one step: no other receiver gets one in between, so what others
 * have got is older. Then what waiting senders offer. Returns how many. No Lua. */
size_t wf_shchan_drain(wf_shchan *s, wf_parcel *out, size_t most);

/* Either do it at once or put the node in the queue: WF_CHANNEL_WOULD_WAIT. A sender's node has its parcel. */
enum wf_channel_now wf_shchan_send_or_wait(wf_shchan *s, wf_snode *n);
enum wf_channel_now wf_shchan_recv_or_wait(wf_shchan *s, wf_snode *n, wf_parcel *p);

/* One case of a select. */
typedef struct wf_shcase {
  wf_shchan *chan;
  wf_snode *node;    /* its own; a sender's has the parcel, a receiver's gets it */
  bool send;
} wf_shcase;

/* All cases together, as Go does it: under the locks of all channels, do one that is ready, *done (from 0), or put
 * the node of each in its queue. `order` has room for n channels. WF_CHANNEL_WOULD_WAIT: they wait now. */
enum wf_channel_now wf_shchan_select(wf_shcase *cases, int n, wf_shchan **order, int *done);

/* Would a send, or a receive, be done at once? For select's choice; it may have changed since. */
bool wf_shchan_ready(wf_shchan *s, bool send);

void wf_shchan_close(wf_shchan *s);
static inline bool wf_shchan_for_peers(const wf_shchan *s) { return atomic_load_explicit(&s->peers, memory_order_relaxed); }

/* For connections to other processes, on any thread ------------------------------------------------- */

wf_shchan *wf_shchan_new(size_t capacity); /* NULL: no memory */
void wf_shchan_bell(wf_shchan *s, wf_bell *b);   /* it is rung from now on */
void wf_shchan_unbell(wf_shchan *s, wf_bell *b); /* and no more; its mail may be on the way */
void wf_shchan_heard(wf_shchan *s, wf_bell *b);  /* its mail has come: it may be rung again */
/* How many receivers and senders wait, at most `most` are counted; closed, and nothing is left to be sent. */
void wf_shchan_survey(wf_shchan *s, size_t most, size_t *receivers, size_t *senders, bool *closed);
/* The next two and `incoming` return 1 when a receiver has the value, 0 when it is kept, -1 when it is lost for want of memory. */
/* Put a value back, behind so many others: for the first receiver, or to be received before what came later. */
int wf_shchan_unrecv(wf_shchan *s, wf_parcel *p, size_t behind);
/* Add a value, whatever the capacity, also when it is closed. */
int wf_shchan_force(wf_shchan *s, wf_parcel *p);
/* Take a value if more than `leave` are kept. */
bool wf_shchan_spare(wf_shchan *s, wf_parcel *p, size_t leave);
/* A mirror: take the next value that is to go home; it has come: to a receiver or the inbox; take it back
 * from there; no more will be sent; nothing more will come. */
bool wf_shchan_outgoing(wf_shchan *s, wf_parcel *p);
int wf_shchan_incoming(wf_shchan *s, wf_parcel *p);
bool wf_shchan_uninbox(wf_shchan *s, wf_parcel *p);
void wf_shchan_shut(wf_shchan *s);
void wf_shchan_drain_out(wf_shchan *s);

size_t wf_shchan_count(wf_shchan *s);
bool wf_shchan_closed(wf_shchan *s);

#endif
