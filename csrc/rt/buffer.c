/* See buffer.h. */
#include "rt/buffer.h"

#include "base/alloc.h"
#include "lx/error.h"
#include "rt/buffer_map.h"
#include "rt/sched.h"

enum {
  LINE = 64,           /* bytes of a cache line */
  COLLECT_MORE = 32 << 20, /* bytes of new buffers that are worth a collection, at least */
  STRANGERS = 8,       /* waiters for other elements in a queue that are worth more queues */
  MOST_BITS = 16
};

/* Memory and views ------------------------------------------------------------------------------ */

static void memory_free(wf_shared *shared) {
  wf_memory *m = wf_container_of(shared, wf_memory, shared);
  if (m->queues != &m->first) wf_free(m->queues);
  wf_memory_unmap(m);
  wf_free(m);
}

/* With one hold on its whole view; NULL: memory is out. */
wf_memory *wf_memory_new(enum wf_elem type, size_t n, size_t stride) {
  size_t bytes = n * stride;
  /* The last line is whole too. */
  wf_memory *m = wf_calloc(1, sizeof *m + LINE + (bytes + LINE - 1) / LINE * LINE);
  if (m == NULL) return NULL;
  wf_shared_init(&m->shared, memory_free);
  atomic_init(&m->whole.refs, 1);
  m->whole.memory = m;
  m->fd = -1;
  m->whole.v = (wf_elems_view){(char *)(((uintptr_t)(m + 1) + LINE - 1) / LINE * LINE), n, stride, type};
  wf_list_init(&m->first);
  m->queues = &m->first;
  return m;
}

static void view_hold(wf_view *view) { atomic_fetch_add_explicit(&view->refs, 1, memory_order_relaxed); }

void wf_view_release(wf_view *view) {
  if (atomic_fetch_sub_explicit(&view->refs, 1, memory_order_acq_rel) != 1) return;
  wf_memory *m = view->memory;
  if (view != &m->whole) wf_free(view);
  wf_shared_release(&m->shared);
}

/* Userdata -------------------------------------------------------------------------------------- */

/* Lua's collector does not see what buffers weigh. So when new ones are half of all that there are, and weigh as
 * much as Lua's own values, those that nobody can reach any more are looked for. */
static void collect_some(wf_iso *iso, lua_State *L, size_t bytes) {
  iso->outside_new += bytes;
  if (iso->outside_new < COLLECT_MORE || iso->outside_new < (iso->outside_bytes + bytes) / 2) return;
  if (iso->closing || lua_gc(L, LUA_GCISRUNNING) != 1) return;
  if (iso->outside_new / 1024 < (size_t)lua_gc(L, LUA_GCCOUNT)) return;
  iso->outside_new = 0;
  lua_gc(L, LUA_GCCOLLECT);
}

/* Push a closed buffer, to be opened at once. [-0, +1, m] */
static wf_buffer *buffer_push(wf_iso *iso, lua_State *L, size_t bytes) {
  if (iso->closed) luaL_error(L, "weft is closed in this Lua state");
  luaL_checkstack(L, 6, NULL);
  collect_some(iso, L, bytes);
  wf_buffer *b = wf_class_push(iso, L, WF_CLASS_BUFFER, sizeof *b, 0);
  b->object.seal = WF_SEAL(WF_CLASS_BUFFER);
  b->object.iso = iso;
  b->seq = ++iso->objects;
  b->hold = wf_calloc(1, sizeof *b->hold);
  if (b->hold == NULL) lx_raise_memory(L);
  wf_list_append(&iso->buffers, &b->hold->link);
  return b;
}

/* Give the buffer, which is on top, the caller's hold on the view. [-0, +0, m] */
static void buffer_open(wf_buffer *b, lua_State *L, wf_view *view) {
  wf_iso *iso = b->object.iso;
  b->view = b->hold->view = view;
  b->v = view->v;
  b->hold->weight = b->v.n * b->v.stride;
  iso->outside_bytes += b->hold->weight;
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->shared_handles);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, view);
  lua_pop(L, 1);
}

wf_buffer *wf_buffer_of(wf_iso *iso, lua_State *L, const wf_view *view) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->shared_handles);
  lua_rawgetp(L, -1, view);
  wf_buffer *b = lua_touserdata(L, -1);
  lua_pop(L, 2);
  return b != NULL && b->view == view ? b : NULL; /* else it was closed, and the view is another one */
}

static void hold_end(wf_iso *iso, wf_buffer_hold *hold) {
  iso->outside_bytes -= hold->weight;
  wf_list_unlink(&hold->link);
  if (hold->view != NULL) wf_view_release(hold->view);
  wf_free(hold);
}

void wf_buffer_close(wf_buffer *b) {
  wf_buffer_hold *hold = b->hold;
  if (hold == NULL) return;
  b->hold = NULL;
  b->view = NULL;
  b->v.n = 0;
  b->v.data = NULL;
  hold_end(b->object.iso, hold);
}

void wf_buffer_close_all(wf_iso *iso, lua_State *L) {
  while (!wf_list_empty(&iso->buffers)) {
    wf_buffer_hold *hold = wf_list_entry(iso->buffers.next, wf_buffer_hold, link);
    wf_buffer *b = hold->view == NULL ? NULL : wf_buffer_of(iso, L, hold->view);
    if (b != NULL)
      wf_buffer_close(b);
    else
      hold_end(iso, hold);
  }
}

wf_buffer *wf_buffer_new(wf_iso *iso, lua_State *L, enum wf_elem type, size_t n, size_t stride) {
  size_t bytes = n * stride;
  wf_buffer *b = buffer_push(iso, L, bytes);
  wf_memory *m = wf_memory_new(type, n, stride);
  if (m == NULL) {
    lx_error_new(L, "memory", "not enough memory for a buffer of %I bytes", (lua_Integer)bytes);
    lua_error(L);
  }
  buffer_open(b, L, &m->whole);
  return b;
}

wf_buffer *wf_buffer_slice(wf_iso *iso, lua_State *L, int idx, size_t first, size_t n) {
  const wf_buffer *of = lua_touserdata(L, idx);
  wf_buffer *b = buffer_push(iso, L, n * of->v.stride);
  if (of->view == NULL) luaL_error(L, "the buffer is closed"); /* by a finaliser, just now */
  wf_view *view = wf_malloc(sizeof *view);
  if (view == NULL) lx_raise_memory(L);
  atomic_init(&view->refs, 1);
  view->memory = of->view->memory;
  wf_shared_hold(&view->memory->shared);
  view->v = (wf_elems_view){of->v.data + first * of->v.stride, n, of->v.stride, of->v.type};
  buffer_open(b, L, view);
  return b;
}

/* Crossing -------------------------------------------------------------------------------------- */

/* From now on others can end the waits: those that are on already too. */
static void memory_cross(wf_iso *iso, wf_memory *m) {
  if (m->crossed) return;
  m->crossed = true;
  pthread_mutex_lock(&m->shared.lock);
  for (size_t q = 0; q < (size_t)1 << m->bits; q++)
    for (const wf_link *l = m->queues[q].next; l != &m->queues[q]; l = l->next) {
      wf_swait *w = wf_list_entry(l, wf_snode, link)->wait;
      if (wf_swait_open(w)) wf_wait_outside(iso, w->task);
    }
  pthread_mutex_unlock(&m->shared.lock);
}

wf_view *wf_buffer_take(lua_State *L, int idx) {
  const wf_buffer *b = lua_touserdata(L, idx);
  memory_cross(b->object.iso, b->view->memory);
  view_hold(b->view);
  return b->view;
}

void wf_buffer_give(wf_iso *iso, lua_State *L, wf_view *view) {
  luaL_checkstack(L, 6, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->shared_handles);
  if (lua_rawgetp(L, -1, view) == LUA_TUSERDATA) {
    const wf_buffer *b = lua_touserdata(L, -1);
    if (b->view == view) { /* else it was closed */
      lua_remove(L, -2);
      return;
    }
  }
  lua_pop(L, 2);
  wf_buffer *b = buffer_push(iso, L, view->v.n * view->v.stride);
  view_hold(view);
  buffer_open(b, L, view);
}

/* Waiting ----------------------------------------------------------------------------------------- */

static wf_link *queue_of_locked(wf_memory *m, const char *at) {
  if (m->bits == 0) return m->queues;
  uint64_t element = (uint64_t)(at - m->whole.v.data);
  return &m->queues[element * UINT64_C(0x9E3779B97F4A7C15) >> (64 - m->bits)];
}

/* Twice as many queues. Without memory for them it stays as it is. */
static void queues_double_locked(wf_memory *m) {
  if (m->bits == MOST_BITS) return;
  wf_link *old = m->queues;
  size_t count = (size_t)1 << m->bits;
  wf_link *queues = wf_malloc(2 * count * sizeof *queues);
  if (queues == NULL) return;
  for (size_t q = 0; q < 2 * count; q++) wf_list_init(&queues[q]);
  m->queues = queues;
  m->bits++;
  for (size_t q = 0; q < count; q++)
    while (!wf_list_empty(&old[q])) {
      wf_snode *n = wf_list_entry(old[q].next, wf_snode, link);
      wf_list_unlink(&n->link);
      wf_list_append(queue_of_locked(m, n->at), &n->link);
    }
  if (old != &m->first) wf_free(old);
}

bool wf_memory_wait(wf_memory *m, wf_snode *n, const char *at, unsigned shift, uint64_t bits) {
  n->at = at;
  pthread_mutex_lock(&m->shared.lock);
  bool same = wf_elem_load(shift, at, WF_SEQ_CST) == bits;
  if (same) wf_list_append(queue_of_locked(m, at), &n->link);
  pthread_mutex_unlock(&m->shared.lock);
  return same;
}

/* Move those to be woken to a list of ours: how many. */
static size_t claim_waiters_locked(wf_memory *m, const wf_port *own, const char *at, size_t most, wf_link *woken) {
  wf_link *queue = queue_of_locked(m, at), *l, *tmp;
  size_t count = 0, strangers = 0;
  if (most == 0) return 0;
  wf_list_each(l, tmp, queue) {
    wf_snode *n = wf_list_entry(l, wf_snode, link);
    if (n->at != at) {
      strangers++;
      continue;
    }
    wf_list_unlink(l); /* won or lost, it is of no more use here */
    if (!wf_snode_claim_locked(n, n->wait->port == own)) continue;
    wf_list_append(woken, l);
    if (++count == most) break;
  }
  if (strangers > STRANGERS) queues_double_locked(m);
  return count;
}

size_t wf_memory_wake(wf_iso *iso, wf_memory *m, const char *at, size_t most) {
  wf_link woken;
  wf_list_init(&woken);
  pthread_mutex_lock(&m->shared.lock);
  size_t count = claim_waiters_locked(m, iso->port, at, most, &woken);
  pthread_mutex_unlock(&m->shared.lock);
  while (!wf_list_empty(&woken)) {
    wf_snode *n = wf_list_entry(woken.next, wf_snode, link);
    wf_swait *w = n->wait;
    wf_list_unlink(&n->link);
    if (w->port == iso->port) {
      w->task->won = n->index;
      wf_wake(iso, w->task, WF_GOT);
    } else {
      w->won = n->index;
      w->how = WF_GOT;
      wf_swait_post(w);
    }
  }
  return count;
}
