/* Buffers: typed memory outside Lua that every isolate may share, without copying and without a lock.
 *
 * Three things, each kept alive by the one before it:
 *   wf_buffer  the userdata that a script has: of one isolate, on its carrier; its finaliser drops its view
 *   wf_view    a window on memory, immutable, counted; what crosses from isolate to isolate
 *   wf_memory  the elements, and the tasks that wait for one of them to change; counted (wf_shared)
 * The memory's first view, of the whole, lies in it. A view that came back to an isolate which has a userdata for
 * it already gets that one (iso->shared_handles).
 *
 * The elements are read and written by any thread at any time, always atomically (base/elem.h). They begin at a
 * multiple of 64 and share no cache line with anything else.
 *
 * Waiting is a futex's: a task looks at the element and queues up in one step under the memory's lock, and who
 * wakes looks through the queue under it; so a change that is made before the wake is seen by the look, or its wake
 * finds the waiter. While the memory has not left its isolate, only that isolate can end such a wait.
 */
#ifndef WF_RT_BUFFER_H
#define WF_RT_BUFFER_H

#include "base/elem.h"
#include "rt/swait.h"

typedef struct wf_memory wf_memory;

typedef struct wf_view {
  /* Holders: relaxed increments by holders, acquire-release decrements; the last one frees. */
  _Atomic uint32_t refs;
  wf_memory *memory; /* held */
  wf_elems_view v;
} wf_view;

struct wf_memory {
  wf_shared shared;
  wf_view whole;
  /* Memory that other processes may map too (buffer_map.c): its descriptor and its size; -1, and 0: in this block. Changed
   * once, by the carrier of the only isolate that has it. */
  int fd;
  size_t mapped;
  /* It has been sent to another isolate. Set by the carrier of the only isolate that had it, before it is sent;
   * whoever it comes to has it set already. */
  bool crossed;
  /* Guarded by shared.lock: lists of wf_snodes, 1 << bits of them, one for each hash of an element. */
  wf_link *queues;
  uint8_t bits;
  wf_link first; /* the only list at first */
};

/* What a buffer holds. Not in the userdata: Lua frees that without its finaliser when it has no memory to call it. The
 * userdata of a view, if it lives, is the one in iso->shared_handles. */
typedef struct wf_buffer_hold {
  wf_link link;  /* in iso->buffers, until the buffer is closed */
  wf_view *view; /* NULL: it is about to be opened */
  size_t weight; /* counted in iso->outside_bytes */
} wf_buffer_hold;

typedef struct wf_buffer {
  wf_object object;
  wf_elems_view v;   /* as in the view; n is 0 once closed */
  wf_view *view;     /* NULL: closed */
  wf_buffer_hold *hold;
  uint32_t seq;      /* number in its isolate, for names in reports */
  uint32_t labelled; /* the trace in which it has its label */
} wf_buffer;

/* Push a new buffer, all zero. Raises "memory" when memory is out; n * stride is at most WF_BUFFER_MOST. [-0, +1, e] */
wf_buffer *wf_buffer_new(wf_iso *iso, lua_State *L, enum wf_elem type, size_t n, size_t stride);

/* The largest size in bytes: leaves room for what surrounds it. */
#define WF_BUFFER_MOST ((size_t)PTRDIFF_MAX - 4096)

/* Push a buffer for elements first .. first + n - 1, from 0, of the one at idx. [-0, +1, e] */
wf_buffer *wf_buffer_slice(wf_iso *iso, lua_State *L, int idx, size_t first, size_t n);

/* Give up what the buffer holds. Called by finalisers too: no Lua. */
void wf_buffer_close(wf_buffer *b);

/* The state closes. Buffers that finalisers have made since have none of their own. */
void wf_buffer_close_all(wf_iso *iso, lua_State *L);

/* The isolate's userdata of a view, or NULL. [-0, +0, -], two slots */
wf_buffer *wf_buffer_of(wf_iso *iso, lua_State *L, const wf_view *view);

/* Memory that processes share. A memory for the descriptor, which it takes over, of `bytes` bytes; the view is of all
 * of them as u8. NULL: errno says why, the descriptor is closed. */
wf_memory *wf_memory_of_fd(int fd, size_t bytes);
/* A view of it, with a hold for the caller. NULL: no memory. */
wf_view *wf_view_new(wf_memory *m, wf_elems_view v);
/* As wf_buffer_take, for another process: from now on the elements lie in memory that it can map. NULL after pushing an
 * error value: threads have it already, or memory is out. [-0, +(0|1), m] */
wf_view *wf_buffer_take_for_peer(lua_State *L, int idx);

/* Crossing: a view that keeps the elements alive, with a hold for the caller; and back. [-0, +0, m] [-0, +1, e] */
wf_view *wf_buffer_take(lua_State *L, int idx);
void wf_buffer_give(wf_iso *iso, lua_State *L, wf_view *view);
void wf_view_release(wf_view *view);

/* Put the node in the queue if the element at `at` has these bits; false: it has others. */
bool wf_memory_wait(wf_memory *m, wf_snode *n, const char *at, unsigned shift, uint64_t bits);

/* Wake up to `most` of those who wait for the element, first come, first served: how many. */
size_t wf_memory_wake(wf_iso *iso, wf_memory *m, const char *at, size_t most);

/* Identity in traces. */
static inline uint64_t wf_buffer_id(const wf_buffer *b) { return WF_OBJECT_ID(b->object.iso, b->seq); }

#endif
