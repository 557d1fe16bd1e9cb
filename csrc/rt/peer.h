/* Peers: the connection between a process and a worker process that it has started (process.h), on the carrier of the
 * isolate that holds it: the starter's here, the worker's main one there.
 *
 * A pair of connected sockets carries frames: a head, bytes, at times a descriptor. What is sent is collected and goes
 * out when the isolate next looks around (wf_peers_flush), many frames in one system call. What comes is taken
 * apart in a callback of the loop, where no Lua runs: values become messages (lx/msg.h) that wait for whoever receives.
 *
 * The two trust each other with bytecode (DESIGN.md D7), not with addresses: those never leave a process. Both ends
 * of a channel that has crossed keep a tap on the connection (peer_chan.c).
 */
#ifndef WF_RT_PEER_H
#define WF_RT_PEER_H

#include "lx/msg.h"
#include "rt/io.h"
#include "rt/swait.h"

typedef struct wf_peer wf_peer;

enum wf_peer_op {
  /* Jobs; for whom the connection is made (process.c). */
  WF_PEER_RUN = 1, WF_PEER_CANCEL, WF_PEER_END,
  WF_PEER_FAIL,    /* the worker ends: what came to it could not be taken; arg: an errno */
  WF_PEER_FORGET,  /* nothing here uses a buffer's memory, chan: its number; arg: how often it has come */
  WF_PEER_FORGOTTEN, /* the answer, unless it is on its way there again: it would come with another number */
  /* Channels, to the side where the channel is at home. */
  WF_PEER_DEMAND,  /* arg: how many may come, at least one of them is waited for */
  WF_PEER_BOUNCE,  /* a value that nobody waits for any more: it comes first again */
  WF_PEER_OFFER,   /* arg: so many want to send and have no leave */
  WF_PEER_PUT,     /* a value, by leave */
  WF_PEER_NOPUT,   /* arg: so many leaves are not used */
  WF_PEER_CLOSE,
  WF_PEER_RELEASE, /* the mirror is gone; arg: how often the channel has come */
  WF_PEER_LEAVE,   /* the mirror's process ends: nothing may come any more */
  /* and to its mirror. */
  WF_PEER_VALUE,
  WF_PEER_GRANT,   /* arg: leave to send so many */
  WF_PEER_SHUT,    /* it is closed: nothing can be sent */
  WF_PEER_DRAINED, /* and nothing will come */
  WF_PEER_LEFT,    /* the answer to LEAVE: what has come before is all */
};

typedef struct wf_peer_head {
  uint32_t size; /* of what follows */
  uint8_t op;
  uint8_t spare[3];
  uint64_t chan; /* number of the channel */
  uint64_t arg;
} wf_peer_head;

typedef struct wf_peer_fd {
  size_t at; /* offset in `out` of the frame that it goes with */
  int fd;
  wf_shared *owner; /* of the descriptor, held until it is sent */
} wf_peer_fd;

/* A part of what has come. */
typedef struct wf_peer_bytes {
  const char *at, *end;
} wf_peer_bytes;

struct wf_peer {
  wf_iso *iso;
  wf_handle handle;
  wf_watch watch;
  wf_link dirty;     /* in iso->peers_dirty while something is to be sent */
  char *in, *out;
  size_t in_len, in_room;
  size_t out_head, out_len, out_room; /* what is to be sent: out_head .. out_len */
  size_t frame;      /* the frame that has begun, from out_head */
  wf_peer_fd *fds_out;
  size_t nfds_out, fds_out_room;
  int *fds_in;       /* descriptors that have come before their frames were looked at; -1: lost */
  size_t nfds_in, fds_in_room;
  bool lost;         /* it has failed, or the other side is gone */
  bool deaf;         /* it does not take anything any more; what it has sent before is still to be read */
  int failed;        /* an errno: what came made no sense (EBADMSG), or could not be taken; or memory ran out. 0: in order */
  bool reading;
  bool is_child;     /* this is the worker's side */
  wf_link taps;      /* of channels, both kinds */
  uint64_t last_id;  /* of channels that are at home here */
  uint64_t here, there; /* the two processes */
  uint32_t shipped, landed; /* frames that a trace notes, so far, each way */
  uint32_t agents;   /* waits of taps so far (peer_chan.c) */
  uint32_t leaving;  /* answers to LEAVE that have not come */
  uint32_t mirrors, sweep_at; /* when to look for mirrors that nobody has any more */
  /* Frames that are not about channels. */
  void (*on_frame)(wf_peer *p, const wf_peer_head *h, wf_peer_bytes *b);
  void (*on_lost)(wf_peer *p); /* nothing more can be sent or will come */
  void (*on_flushed)(wf_peer *p, bool all); /* what was collected has been sent, all of it or what there was room for; may be NULL */
  void *owner;
  uint64_t last_memory; /* of buffers, here */
  uint32_t memories_come, sweep_memories_at;
  wf_link memories;
};

/* A connection on this descriptor, which is the peer's from now on; NULL: an errno in *err, and it is closed. */
wf_peer *wf_peer_new(wf_iso *iso, int fd, bool is_child, int *err);
void wf_peer_between(wf_peer *p, pid_t here, pid_t there); /* before anything is sent */

/* Close the connection: channels are parted. Frees it; not from on_frame. */
void wf_peer_free(wf_peer *p);

/* It is out of order from now on, for this reason, if it was not before. */
static inline void wf_peer_fail(wf_peer *p, int err) {
  if (p->failed == 0) p->failed = err;
}

/* The same, and nothing can be sent any more. */
void wf_peer_break(wf_peer *p, int err);

/* Read and serve all that is there. No Lua. */
void wf_peer_read(wf_peer *p);

/* Send what is collected. `wait`: until all is sent, or the other side is gone. */
void wf_peer_flush(wf_peer *p, bool wait);
void wf_peers_flush(wf_iso *iso);

/* After an operation on a channel: what goes to other processes should not wait until the task blocks, which may be
 * long. Now and then. [-0, +0, m] */
void wf_peers_due(wf_iso *iso);
static inline void wf_peers_hint(wf_iso *iso) {
  if (wf_unlikely(iso->npeers > 0)) wf_peers_due(iso);
}

/* For traces: the frame that was put, or has come, is the next on its way. A way is the worker's process and its direction. */
void wf_peer_ship(wf_peer *p, enum wf_trace_why why, uint64_t task);
void wf_peer_land(wf_peer *p, enum wf_trace_why why, uint64_t task);
void wf_peer_land_again(const wf_peer *p, uint64_t task); /* the same one */

/* Frames: begin, add bytes, end. When memory runs out the connection is lost. */
void wf_peer_begin(wf_peer *p, enum wf_peer_op op, uint64_t chan, uint64_t arg);
void wf_peer_put(wf_peer *p, const void *bytes, size_t n);
void wf_peer_put_u32(wf_peer *p, uint32_t v);
void wf_peer_put_u64(wf_peer *p, uint64_t v);
void wf_peer_attach(wf_peer *p, int fd, wf_shared *owner); /* goes with the frame that has begun */
void wf_peer_end(wf_peer *p);
void wf_peer_send(wf_peer *p, enum wf_peer_op op, uint64_t chan, uint64_t arg); /* without bytes */

/* Take what a frame has; false: it is shorter. What returns NULL or false below because of something else than the frame calls
 * wf_peer_fail. */
bool wf_peer_get(wf_peer_bytes *b, void *to, size_t n);
const char *wf_peer_get_bytes(wf_peer_bytes *b, size_t n);
int wf_peer_get_fd(wf_peer *p); /* -1: none has come, or it was lost */

/* Messages for peers (wf_pack_for, WF_REACH_PEERS) and parcels (peer_value.c). A message that was made for states of
 * this process is made anew, on iso->bench; NULL, or false, when that cannot be, with a line on stderr. */
void wf_peer_put_msg(wf_peer *p, const wf_msg *m);
wf_msg *wf_peer_get_msg(wf_peer *p, wf_peer_bytes *b);
bool wf_peer_put_parcel(wf_peer *p, wf_parcel *v);
bool wf_peer_get_parcel(wf_peer *p, wf_peer_bytes *b, wf_parcel *v);

/* Channels (peer_chan.c). */
struct wf_shchan;
void wf_peer_put_channel(wf_peer *p, struct wf_shchan *s);
struct wf_shchan *wf_peer_get_channel(wf_peer *p, wf_peer_bytes *b); /* with a hold */
void wf_peer_on_channel(wf_peer *p, const wf_peer_head *h, wf_peer_bytes *b);
void wf_peer_part_channels(wf_peer *p);
void wf_peer_settle(wf_peer *p); /* the worker ends; waits for its starter: see peer_chan.c */

/* Buffers (peer_buffer.c). */
struct wf_view;
void wf_peer_put_view(wf_peer *p, struct wf_view *v);
struct wf_view *wf_peer_get_view(wf_peer *p, wf_peer_bytes *b);
void wf_peer_part_buffers(wf_peer *p);
void wf_peer_on_forget(wf_peer *p, const wf_peer_head *h);

#endif
