/* weft.fs.watch: changes of a file or of what is in a folder, received like values of a channel.
 *
 * The system keeps a queue of changes; a watcher reads as many as fit into its buffer when it has none left, so a slow
 * receiver costs no memory of ours. What the system's queue has no room for is lost, and "overflow" says so. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lib/l_fs.h"
#include "lib/l_notifier.h"
#include "lx/error.h"
#include "sys/fwatch.h"

enum { SELF = 1, ROOM = 16 * 1024 };

typedef struct fwatch {
  wf_notifier source;
  wf_handle handle;
  wf_watch watch; /* fd -1: closed */
  wf_fchange next; /* the change that is received next, if `ready` */
  bool ready;
  bool promised;  /* it is for somebody who was woken and has not run yet */
  bool over;      /* nothing more will come */
  size_t at, size; /* in buf */
  char *buf;      /* ROOM bytes */
  char *path;
} fwatch;

static fwatch *check_watch(lua_State *L) {
  fwatch *w = wf_object_test(L, SELF, WF_CLASS_WATCH, sizeof *w);
  if (wf_unlikely(w == NULL)) luaL_typeerror(L, SELF, "weft.watch");
  return w;
}

/* Find the next change. */
static bool find_next(fwatch *w) {
  while (!w->ready && w->watch.fd >= 0 && !w->over) {
    if (w->at >= w->size) {
      int64_t n = wf_fwatch_read(w->watch.fd, w->buf, ROOM);
      if (n <= 0) break;
      w->at = 0;
      w->size = (size_t)n;
    }
    if (!wf_fwatch_next(w->buf, w->size, &w->at, &w->next)) {
      w->at = w->size;
      continue;
    }
    w->ready = w->next.what != NULL;
    if (w->next.last) w->over = true;
  }
  return w->ready;
}

/* Nobody looks any more, as nothing will come. */
static void watch_shut(fwatch *w) {
  wf_iso *iso = w->source.object.iso;
  int fd = w->watch.fd;
  if (fd < 0) return;
  if (iso->loop != NULL) wf_poller_del(&iso->loop->poller, &w->watch);
  w->watch.fd = -1;
  close(fd);
  wf_handle_close(iso, &w->handle);
  wf_world_release(iso);
  wf_notifier_close(&w->source);
}

static void look(wf_notifier *s) {
  fwatch *w = wf_container_of(s, fwatch, source);
  if (w->promised) return;
  if (find_next(w))
    s->pending = 1;
  else if (w->over)
    watch_shut(w);
}

static void arm(wf_notifier *s) {
  fwatch *w = wf_container_of(s, fwatch, source);
  if (w->watch.fd >= 0) wf_poller_arm(&s->object.iso->loop->poller, &w->watch, WF_IO_READ);
}

/* Give the next change to the first who waits, if there are both. */
static void serve(fwatch *w) {
  if (w->promised || wf_waitq_peek(&w->source.waiters) == NULL) return;
  if (find_next(w)) {
    w->promised = true;
    wf_notifier_tell(&w->source);
  } else if (w->over) {
    wf_notifier_close(&w->source); /* the descriptor goes when nobody is in the poller */
  } else {
    arm(&w->source);
  }
}

static void on_ready(wf_watch *pw, unsigned events) {
  (void)events;
  serve(wf_container_of(pw, fwatch, watch));
}

static void push_change(lua_State *L, wf_notifier *s, int idx) {
  fwatch *w = wf_container_of(s, fwatch, source);
  (void)idx;
  luaL_checkstack(L, 6, NULL);
  lua_createtable(L, 0, 5);
  w->promised = false;
  if (!find_next(w)) return;
  lua_pushstring(L, w->next.what);
  lua_setfield(L, -2, "event");
  lua_pushstring(L, w->path);
  if (w->next.name != NULL) {
    lua_pushstring(L, w->next.name);
    lua_setfield(L, -3, "name");
    lua_pushfstring(L, "%s/%s", w->path, w->next.name);
    lua_remove(L, -2);
  }
  lua_setfield(L, -2, "path");
  if (w->next.cookie != 0) {
    lua_pushinteger(L, (lua_Integer)w->next.cookie);
    lua_setfield(L, -2, "cookie");
  }
  lua_pushstring(L, w->next.folder ? "directory" : "file");
  lua_setfield(L, -2, "type");
  w->ready = false;
  serve(w);
}

static const wf_notifier_ops ops = {"watch", look, arm, push_change};

static void on_iso_end(wf_iso *iso, wf_handle *h) {
  (void)iso;
  watch_shut(wf_container_of(h, fwatch, handle));
}

static int watch_close(lua_State *L) {
  watch_shut(check_watch(L));
  return 0;
}

static int watch_gc(lua_State *L) {
  fwatch *w = wf_object_test(L, SELF, WF_CLASS_WATCH, sizeof *w);
  if (w == NULL) return 0;
  if (w->watch.fd >= 0) wf_handle_closing(w->source.object.iso, L, w);
  watch_shut(w);
  wf_free(w->buf);
  wf_free(w->path);
  w->buf = w->path = NULL;
  return 0;
}

static int watch_tostring(lua_State *L) {
  const fwatch *w = check_watch(L);
  lua_pushfstring(L, "weft.watch %d (%s%s)", (int)w->source.seq, w->path != NULL ? w->path : "", w->watch.fd < 0 ? ", closed" : "");
  return 1;
}

/* The events that the list at idx names, as bits. */
static uint32_t check_events(lua_State *L, int idx) {
  uint32_t wanted = 0;
  luaL_checktype(L, idx, LUA_TTABLE);
  for (lua_Integer i = 1; lua_geti(L, idx, i) != LUA_TNIL; i++) {
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    size_t k = 0;
    while (wf_fchange_names[k] != NULL && strcmp(wf_fchange_names[k], name) != 0) k++;
    if (wf_fchange_names[k] == NULL)
      luaL_argerror(L, idx, lua_pushfstring(L, "item %d is no event's name (\"created\", \"changed\" ...): %s", (int)i, luaL_tolstring(L, -1, NULL)));
    wanted |= UINT32_C(1) << k;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return wanted;
}

/* On a thread of the pool, or here. */
static void open_job(wf_file_job *j) {
  j->fd = wf_fwatch_open(j->path, (uint32_t)j->flags);
  if (j->fd < 0) j->err = errno;
}

static int opened_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_file_op *u = wf_file_op_end(L, ctx);
  wf_iso *iso = u->op.iso;
  if (u->job.err == 0) u->job.err = wf_io_open(iso);
  if (u->job.err != 0) return wf_file_op_fail(L, u);
  fwatch *w = wf_class_push(iso, L, WF_CLASS_WATCH, sizeof *w, 0);
  wf_notifier_init(iso, &w->source, WF_CLASS_WATCH, &ops);
  w->source.closed = true;
  wf_watch_init(&w->watch, -1, on_ready);
  wf_handle_note(iso, L, w);
  w->buf = wf_malloc(ROOM);
  w->path = wf_malloc(strlen(u->job.path) + 1);
  if (w->buf == NULL || w->path == NULL) {
    u->job.err = ENOMEM;
    return wf_file_op_fail(L, u);
  }
  strcpy(w->path, u->job.path);
  w->watch.fd = u->job.fd;
  u->job.fd = -1;
  w->source.closed = false;
  wf_handle_open(iso, &w->handle, on_iso_end);
  wf_world_hold(iso);
  wf_op_drop(L, WF_FILE_BOX);
  return 1;
}

/* core.fs_watch(path [, events]). */
static int lib_watch(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, 1);
  uint32_t wanted = lua_isnoneornil(L, 2) ? 0 : check_events(L, 2);
  wf_cancel_point(iso, L);
  wf_file_op_new(iso, L, open_job, path, NULL)->job.flags = (int)wanted;
  return wf_file_op_run(iso, L, opened_k);
}

void wf_lib_watch(wf_iso *iso, lua_State *L) {
  static const luaL_Reg methods[] = {{"recv", wf_notifier_recv}, {"try_recv", wf_notifier_try_recv}, {"close", watch_close}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", watch_gc}, {"__close", watch_close}, {"__call", wf_notifier_recv}, {"__tostring", watch_tostring}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"fs_watch", lib_watch}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_WATCH, "weft.watch", methods, meta);
  wf_lib_add(iso, L, funcs);
}
