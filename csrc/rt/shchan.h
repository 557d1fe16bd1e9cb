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
  uint64_t id;    /* in traces: that of the channel in the isolate that shared it; set once, before others see it */
  bool closed;
};

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
size_t wf_shchan_count(wf_shchan *s);
bool wf_shchan_closed(wf_shchan *s);

#endif
