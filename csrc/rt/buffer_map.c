/* Buffers whose elements lie in memory that other processes map too. On the carrier of the isolate that has the buffer.
 *
 * A buffer moves there when it first goes to a process: as long as no other thread has it, all who know where its elements
 * lie are buffers and waits of this isolate, and are told. Atomic operations work across processes; wait and wake
 * concern the tasks of one process. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "rt/buffer_map.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lx/error.h"

static size_t rounded(size_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  return bytes == 0 ? page : (bytes + page - 1) / page * page;
}

void wf_memory_unmap(wf_memory *m) {
  if (m->mapped > 0) munmap(m->whole.v.data, m->mapped);
  if (m->fd >= 0) close(m->fd);
  m->mapped = 0;
  m->fd = -1;
}

static int anonymous_memory(void) {
#ifdef MFD_CLOEXEC
  return memfd_create("weft buffer", MFD_CLOEXEC);
#else
  errno = ENOTSUP;
  return -1;
#endif
}

wf_memory *wf_memory_of_fd(int fd, size_t bytes) {
  struct stat st;
  size_t size = rounded(bytes);
  void *at = MAP_FAILED;
  wf_memory *m = NULL;
  if (fstat(fd, &st) != 0 || (uint64_t)st.st_size < size)
    errno = EINVAL;
  else
    at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at != MAP_FAILED && (m = wf_memory_new(WF_U8, 0, 1)) == NULL) {
    munmap(at, size);
    errno = ENOMEM;
  }
  if (m == NULL) {
    close(fd);
    return NULL;
  }
  m->whole.v = (wf_elems_view){at, bytes, 1, WF_U8};
  m->fd = fd;
  m->mapped = size;
  m->crossed = true;
  return m;
}

wf_view *wf_view_new(wf_memory *m, wf_elems_view v) {
  wf_view *view = wf_malloc(sizeof *view);
  if (view == NULL) return NULL;
  atomic_init(&view->refs, 1);
  view->memory = m;
  wf_shared_hold(&m->shared);
  view->v = v;
  return view;
}

/* The elements lie at `to` now. */
static void move_to(wf_iso *iso, lua_State *L, wf_memory *m, char *to) {
  const char *from = m->whole.v.data;
  for (wf_link *l = iso->buffers.next; l != &iso->buffers; l = l->next) {
    wf_view *view = wf_list_entry(l, wf_buffer_hold, link)->view;
    if (view == NULL || view->memory != m) continue;
    wf_buffer *b = wf_buffer_of(iso, L, view);
    char *data = to + (view->v.data - from);
    if (b != NULL) b->v.data = data;
    if (view != &m->whole) view->v.data = data;
  }
  pthread_mutex_lock(&m->shared.lock);
  for (size_t q = 0; q < (size_t)1 << m->bits; q++)
    for (wf_link *l = m->queues[q].next; l != &m->queues[q]; l = l->next) {
      wf_snode *n = wf_list_entry(l, wf_snode, link);
      n->at = to + ((const char *)n->at - from);
    }
  m->whole.v.data = to;
  pthread_mutex_unlock(&m->shared.lock);
}

/* 0 or an errno. */
static int memory_map(wf_iso *iso, lua_State *L, wf_memory *m) {
  size_t bytes = m->whole.v.n * m->whole.v.stride, size = rounded(bytes);
  int fd = anonymous_memory();
  if (fd < 0) return errno;
  void *at = ftruncate(fd, (off_t)size) == 0 ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  if (at == MAP_FAILED) {
    int err = errno;
    close(fd);
    return err;
  }
  memcpy(at, m->whole.v.data, bytes);
  move_to(iso, L, m, at);
  m->fd = fd;
  m->mapped = size;
  return 0;
}

wf_view *wf_buffer_take_for_peer(lua_State *L, int idx) {
  wf_buffer *b = lua_touserdata(L, idx);
  if (b->view == NULL) luaL_error(L, "the buffer is closed");
  wf_memory *m = b->view->memory;
  if (m->fd < 0 && m->crossed) {
    lua_pushliteral(L, "a weft.buffer that threads share cannot go to a process (send it there first)");
    return NULL;
  }
  luaL_checkstack(L, 2, NULL);
  int err = m->fd >= 0 ? 0 : memory_map(b->object.iso, L, m);
  if (err != 0) {
    lx_fail_errno(L, err, "memory for a buffer that processes share");
    lua_pop(L, 1);
    return NULL;
  }
  return wf_buffer_take(L, idx);
}
