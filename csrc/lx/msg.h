/* A message: values of one Lua state in flat bytes, owned by whoever holds the pointer.
 *
 * Made by wf_pack on one thread; handed from thread to thread by the holder (the hand-over is
 * the holder's synchronisation, a message has no lock of its own); read by wf_unpack any number
 * of times, also by several threads at once; freed once, on any thread.
 *
 * What bytes cannot hold lies in a table on the side: blobs (long strings and bytecode, shared by
 * reference count) and handles of objects that live outside Lua (channels, sockets). The message
 * owns one reference to each and drops them when it is freed.
 *
 * Blocks go back to the pool of the state that made them: memory that one thread allocates and
 * another frees is what makes malloc slow. A pool belongs to one state and is used by that state's
 * carrier; only its list of returned blocks is touched by others.
 */
#ifndef WF_LX_MSG_H
#define WF_LX_MSG_H

#include <lua.h>
#include <stdatomic.h>

#include "base/base.h"

typedef struct wf_msg wf_msg;
typedef struct wf_msg_pool wf_msg_pool;

/* How userdata of a class crosses isolates: the metatable field "__weft_transfer" is a light
 * userdata that points to one of these, which must outlive every message (static). */
typedef struct wf_transfer {
  const char *name;
  /* Make a handle that keeps the object alive without Lua: [-0, +0, m]. When this one cannot
   * cross: NULL with one error value pushed. Must not run Lua code. */
  void *(*take)(lua_State *L, int idx);
  /* Push a userdata for the handle, which retains a reference of its own: [-0, +1, e]. */
  void (*give)(lua_State *L, void *handle);
  /* Give up the message's reference. Any thread, no Lua. */
  void (*drop)(void *handle);
  /* For a message to a peer process (WF_REACH_PEERS): what kind of object it is there, 0: it stays here, and why is what
   * `take_for_peer` says, if it is there; and the handle, as `take`, NULL: `take` will do. */
  uint8_t peer_kind;
  void *(*take_for_peer)(lua_State *L, int idx);
  /* Of objects that are nothing but a message: that of a handle, and a handle for one (NULL: no memory). */
  const struct wf_msg *(*msg_of)(void *handle);
  void *(*of_msg)(struct wf_msg *m);
} wf_transfer;

/* Immutable bytes with a reference count. */
typedef struct wf_blob {
  atomic_uint refs; /* whoever drops the last one frees: release on drop, acquire before free */
  size_t len;
  char bytes[];
} wf_blob;

wf_blob *wf_blob_new(size_t len); /* one reference; NULL: out of memory */
wf_blob *wf_blob_ref(wf_blob *b);
void wf_blob_unref(wf_blob *b);

/* One entry beside the bytes. */
typedef struct wf_side {
  const wf_transfer *ops; /* NULL: `held` is a wf_blob */
  void *held;
} wf_side;

struct wf_msg {
  wf_msg *next;      /* for the holder: a link for whatever queue the message lies in */
  wf_msg_pool *home; /* where the block returns; NULL: it is freed */
  wf_side *side;     /* `nside` entries, or NULL */
  uint32_t nside;
  uint32_t side_room;
  uint8_t size_class; /* of the pool's free lists */
  bool peer;          /* made for a peer process, or by one */
  size_t room;        /* bytes that fit in `data` */
  size_t len;         /* bytes used */
  char data[];
};

/* Free a message. Any thread, no Lua. NULL is ignored. */
void wf_msg_free(wf_msg *m);

/* For the packer, on the carrier of the pool's state. All give NULL when memory is out. */
wf_msg_pool *wf_msg_pool_new(void);
void wf_msg_pool_close(wf_msg_pool *p);          /* its state ends; messages may outlive it */
wf_msg *wf_msg_new(wf_msg_pool *p, size_t room); /* p may be NULL */
wf_msg *wf_msg_grow(wf_msg *m, size_t room);     /* m stays valid when it gives NULL */
wf_side *wf_msg_side(wf_msg *m);                 /* a new entry, to be filled at once */
void wf_msg_clear(wf_msg *m);                    /* drop what is on the side; len = 0 */

#endif
