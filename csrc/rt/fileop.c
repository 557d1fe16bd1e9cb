/* See fileop.h. */
#include "rt/fileop.h"

#include <stdio.h>
#include <string.h>

#include "lx/error.h"
#include "rt/file.h"
#include "sys/identity.h"

const char *wf_path_end(char *text, size_t size, const char *path) {
  size_t n = strlen(path);
  if (n < size) return memcpy(text, path, n + 1);
  size_t cut = n - (size - 1) + 3;
  while (((unsigned char)path[cut] & 0xC0) == 0x80) cut++; /* not inside of a character */
  snprintf(text, size, "...%s", path + cut);
  return text;
}

bool wf_file_may_try(void) { return !wf_identity_own(); }

static void op_free(wf_op *op) {
  wf_file_op *u = wf_container_of(op, wf_file_op, op);
  wf_file_clean(&u->job);
  if (u->file != NULL) wf_file_release(u->file);
}

static void op_abandon(wf_op *op) {
  wf_file_op *u = wf_container_of(op, wf_file_op, op);
  atomic_store_explicit(&u->job.stop, true, memory_order_relaxed);
}

wf_file_op *wf_file_op_new(wf_iso *iso, lua_State *L, void (*run)(wf_file_job *), const char *path, const char *path2) {
  size_t n = strlen(path) + 1, n2 = path2 != NULL ? strlen(path2) + 1 : 0;
  luaL_checkstack(L, 8, NULL);
  wf_file_op *u = wf_op_push(iso, L, sizeof *u + n + n2, op_free);
  lua_insert(L, WF_FILE_BOX);
  u->op.abandon = op_abandon;
  u->op.label = u->text;
  u->id = WF_OBJECT_ID(iso, ++iso->objects);
  u->job.run = run;
  u->job.fd = -1;
  u->job.most = SIZE_MAX;
  u->job.path = memcpy(u->text, path, n);
  if (path2 != NULL) u->job.path2 = memcpy(u->text + n, path2, n2);
  return u;
}

/* On a thread of the pool. */
static void work(uv_work_t *req) {
  wf_file_op *u = wf_container_of(req, wf_file_op, req);
  wf_quick_look();
  u->job.run(&u->job);
  if (atomic_load_explicit(&u->job.stop, memory_order_relaxed)) wf_file_clean(&u->job); /* here, where it may take its time */
}

static void on_done(uv_work_t *req, int status) {
  wf_file_op *u = wf_container_of(req, wf_file_op, req);
  if (status != 0) u->job.err = ECANCELED;
  wf_op_done(&u->op);
}

int wf_file_op_run(wf_iso *iso, lua_State *L, lua_KFunction k) {
  wf_file_op *u = wf_op_of(L, WF_FILE_BOX);
  int err;
  if (wf_identity_own()) {
    u->job.run(&u->job);
    return k(L, LUA_OK, 0);
  }
  uv_loop_t *uv = wf_io_uv(iso, &err);
  if (uv != NULL) err = wf_loop_start_pool();
  if (err == 0) err = -wf_uv.queue_work(uv, &u->req, work, on_done);
  if (err != 0) {
    u->job.err = err;
    return wf_file_op_fail(L, u);
  }
  u->op.handle.lasts = true;
  wf_op_started(&u->op, (uv_req_t *)&u->req);
  if (wf_unlikely(wf_trace_on() != 0)) {
    char text[WF_TRACE_TEXT + 1];
    wf_io_label(u->id, &u->labelled, "%s", wf_path_end(text, sizeof text, u->job.path));
  }
  return wf_op_wait(iso, L, WF_FILE_BOX, WF_NEVER, u->id, k);
}

wf_file_op *wf_file_op_end(lua_State *L, lua_KContext ctx) {
  if (ctx != 0) wf_op_end(L, (wf_task *)ctx, WF_FILE_BOX);
  return wf_op_of(L, WF_FILE_BOX);
}

int wf_file_op_fail(lua_State *L, const wf_file_op *u) {
  if (u->job.path2 != NULL)
    lua_pushfstring(L, "%s -> %s", u->job.path, u->job.path2);
  else
    lua_pushstring(L, u->job.path);
  int n = lx_fail_errno(L, u->job.err, lua_tostring(L, -1));
  wf_op_drop(L, WF_FILE_BOX);
  return n;
}

/* At once ---------------------------------------------------------------------------------------- */

static int turn_over(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_task *t = (wf_task *)ctx;
  wf_wait_end(L, t);
  return lua_gettop(L); /* nothing else is there */
}

int wf_file_at_once(wf_iso *iso, lua_State *L, int n) {
  enum { TURN = 16 };
  if (wf_likely(++iso->files_at_once % TURN != 0)) return n;
  if (n < lua_gettop(L)) {
    lua_rotate(L, 1, n);
    lua_settop(L, n);
  }
  return wf_yield(iso, L, turn_over);
}
