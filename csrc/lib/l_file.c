/* weft.file: open files. They are streams (l_stream.c reads, l_stream_write.c writes); here is the rest.
 *
 * What does not go through the stream's buffers (pread, truncate ...) is added to in lua/weft/fs.lua: what was written
 * before is flushed first. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lib/l_fs.h"
#include "lib/l_stream.h"
#include "lx/error.h"
#include "lx/msg.h"
#include "lx/opts.h"
#include "rt/file.h"
#include "sys/fd.h"

enum { SELF = WF_STREAM_SELF };

static wf_stream *check_file(lua_State *L) {
  wf_stream *s = wf_object_test(L, SELF, WF_CLASS_STREAM, sizeof *s);
  if (s == NULL || !s->is_file) luaL_typeerror(L, SELF, "weft.file");
  return s;
}

/* Opening ------------------------------------------------------------------------------------------ */

/* The flags of open for a mode as that of io.open, with "x": it must not be there. -1: it is none. */
static int open_flags(const char *mode) {
  int flags = *mode == 'r' ? 0 : *mode == 'w' ? O_CREAT | O_TRUNC : *mode == 'a' ? O_CREAT | O_APPEND : -1;
  bool plus = false;
  if (flags < 0) return -1;
  for (const char *p = mode + 1; *p != '\0'; p++) {
    if (strchr(mode, *p) != p) return -1; /* twice */
    if (*p == '+')
      plus = true;
    else if (*p == 'x' && *mode != 'r')
      flags |= O_EXCL;
    else if (*p != 'b')
      return -1;
  }
  return flags | (plus ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY);
}

/* The descriptor as what it is: a file, or what waits like a pipe. */
static int push_opened(lua_State *L, wf_iso *iso, wf_file_job *j, const char *path, bool removes) {
  int err = wf_io_open(iso);
  if (err == 0 && j->special) {
    enum wf_stream_kind kind = S_ISCHR(j->st.st_mode) ? WF_STREAM_TTY : WF_STREAM_PIPE;
    wf_sigpipe_ignore();
    wf_stream *s = wf_stream_push(iso, L, kind, &wf_pipe_ops);
    s->readable = kind == WF_STREAM_TTY; /* a pipe that nobody has opened to write yet is not at its end */
    wf_stream_own(s, j->fd);
    j->fd = -1;
    return 1;
  }
  if (err == 0 && wf_file_push(iso, L, j->fd, path, (j->flags & O_APPEND) != 0, removes) != NULL) {
    j->fd = -1;
    return 1;
  }
  j->err = err != 0 ? err : ENOMEM;
  return lx_fail_errno(L, j->err, path);
}

static int open_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_file_op *u = wf_file_op_end(L, ctx);
  if (u->job.err != 0) return wf_file_op_fail(L, u);
  int n = push_opened(L, u->op.iso, &u->job, u->job.path, false);
  wf_op_drop(L, WF_FILE_BOX);
  return n;
}

/* core.fs_open(path [, mode [, {mode=}]]). */
static int lib_open(lua_State *L) {
  static const char *const known[] = {"mode", NULL};
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, 1);
  size_t len;
  const char *mode = luaL_optlstring(L, 2, "r", &len);
  int flags = strlen(mode) == len ? open_flags(mode) : -1;
  if (flags < 0) luaL_argerror(L, 2, lua_pushfstring(L, "a mode such as \"r\", \"w\", \"a\", \"r+\" or \"wx\" expected, got \"%s\"", mode));
  mode_t perm = wf_fs_opts(L, 3, known) ? wf_check_mode(L, 3, "mode", 0666) : 0666;
  wf_cancel_point(iso, L);
  wf_file_op *u = wf_file_op_new(iso, L, wf_file_open, path, NULL);
  u->job.flags = flags;
  u->job.mode = perm;
  if (flags == O_RDONLY && wf_file_may_try()) {
    struct stat st;
    u->job.fd = wf_quick_open(path);
    if (u->job.fd >= 0 && fstat(u->job.fd, &st) == 0 && S_ISREG(st.st_mode)) return open_k(L, LUA_OK, 0);
    if (u->job.fd < 0 && u->job.fd != -EAGAIN) {
      u->job.err = -u->job.fd;
      return wf_file_op_fail(L, u);
    }
    if (u->job.fd < 0) u->job.fd = -1;
  }
  return wf_file_op_run(iso, L, open_k);
}

static int temp_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_file_op *u = wf_file_op_end(L, ctx);
  if (u->job.err != 0) return wf_file_op_fail(L, u);
  u->job.flags = 0;
  int n = push_opened(L, u->op.iso, &u->job, u->job.temp, u->job.last);
  if (u->job.err == 0) {
    wf_free(u->job.temp);
    u->job.temp = NULL;
  }
  wf_op_drop(L, WF_FILE_BOX);
  return n;
}

/* core.fs_tempfile(folder, prefix, removes): a new open file. */
static int lib_tempfile(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  const char *dir = wf_check_name(L, 1), *prefix = wf_check_name(L, 2);
  bool removes = lua_toboolean(L, 3);
  wf_cancel_point(iso, L);
  lua_pushfstring(L, "%s/", dir);
  wf_file_op_new(iso, L, wf_file_temp, lua_tostring(L, -1), prefix)->job.last = removes;
  return wf_file_op_run(iso, L, temp_k);
}

/* Methods that are operations ---------------------------------------------------------------------- */

/* EBADF: it is closed. */
static int failed(lua_State *L, int err, const wf_stream *s) {
  const char *path = wf_file_path(s->file);
  return err == EBADF ? lx_fail_closed(L, path) : lx_fail_errno(L, err, path);
}

/* An operation with the descriptor of the file, which is argument 1. NULL: it is closed, three results were pushed. */
static wf_file_op *file_op(lua_State *L, wf_stream *s, void (*run)(wf_file_job *)) {
  if (!wf_stream_open(s)) {
    failed(L, EBADF, s);
    return NULL;
  }
  wf_file_op *u = wf_file_op_new(s->object.iso, L, run, wf_file_path(s->file), NULL);
  wf_file_hold(s->file);
  u->file = s->file;
  u->job.fd = s->watch.fd;
  u->job.given = true;
  return u;
}

static int64_t check_offset(lua_State *L, int arg) {
  lua_Integer n = luaL_checkinteger(L, arg);
  if (n < 0) luaL_argerror(L, arg, lua_pushfstring(L, "a place in the file (>= 0) expected, got %I", n));
  return (int64_t)n;
}

static int pread_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  const wf_file_op *u = wf_file_op_end(L, ctx);
  if (u->job.err != 0) return wf_file_op_fail(L, u);
  if (u->job.size == 0 && u->job.most > 0)
    lua_pushnil(L);
  else
    lua_pushlstring(L, u->job.data, u->job.size);
  wf_op_drop(L, WF_FILE_BOX);
  return 1;
}

/* file:pread(n, offset). */
static int file_pread(lua_State *L) {
  wf_stream *s = check_file(L);
  lua_Integer n = luaL_checkinteger(L, 2);
  luaL_argcheck(L, n >= 0 && n <= PTRDIFF_MAX, 2, "a number of bytes >= 0 expected");
  int64_t offset = check_offset(L, 3);
  wf_iso *iso = s->object.iso;
  char little[4096];
  wf_cancel_point(iso, L);
  if (wf_stream_open(s) && (size_t)n <= sizeof little && n > 0 && wf_file_may_try() &&
      wf_quick_read(s->watch.fd, little, (size_t)n, offset) == n) {
    lua_pushlstring(L, little, (size_t)n);
    return wf_file_at_once(iso, L, 1);
  }
  wf_file_op *u = file_op(L, s, wf_file_pread);
  if (u == NULL) return 3;
  u->job.most = (size_t)n;
  u->job.offset = offset;
  return wf_file_op_run(iso, L, pread_k);
}

static int pwrite_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  const wf_file_op *u = wf_file_op_end(L, ctx);
  lua_Integer size = (lua_Integer)u->job.size;
  if (u->job.err == 0) return wf_fs_done_k(L, status, 0);
  int n = wf_file_op_fail(L, u);
  lua_pushinteger(L, size);
  return n + 1;
}

/* file:pwrite(data, offset). */
static int file_pwrite(lua_State *L) {
  wf_stream *s = check_file(L);
  const char *p = NULL;
  size_t n = 0;
  wf_check_bytes_arg(L, 2);
  int64_t offset = check_offset(L, 3);
  wf_cancel_point(s->object.iso, L);
  wf_file_op *u = file_op(L, s, wf_file_pwrite);
  if (u == NULL) return 3;
  wf_bytes_of(L, 3, &p, &n);
  u->job.data = wf_malloc(n);
  if (u->job.data == NULL) {
    u->job.err = ENOMEM;
    return wf_file_op_fail(L, u);
  }
  if (n > 0) memcpy(u->job.data, p, n);
  u->job.size = n;
  u->job.offset = offset;
  return wf_file_op_run(s->object.iso, L, pwrite_k);
}

static int simple(lua_State *L, void (*run)(wf_file_job *), int64_t offset, lua_KFunction k) {
  wf_stream *s = check_file(L);
  wf_cancel_point(s->object.iso, L);
  wf_file_op *u = file_op(L, s, run);
  if (u == NULL) return 3;
  u->job.offset = offset;
  return wf_file_op_run(s->object.iso, L, k);
}

/* file:sync(), file:stat(), file:truncate(size). */
static int file_sync(lua_State *L) { return simple(L, wf_file_flush, 0, wf_fs_done_k); }
static int file_stat(lua_State *L) { return simple(L, wf_file_fstat, 0, wf_fs_stat_k); }

static int file_truncate(lua_State *L) {
  check_file(L);
  return simple(L, wf_file_truncate, check_offset(L, 2), wf_fs_done_k);
}

/* Where it stands ---------------------------------------------------------------------------------- */

/* file:tell(), file:move(offset): for seek. */
static int file_tell(lua_State *L) {
  const wf_stream *s = check_file(L);
  if (!wf_stream_open(s)) return failed(L, EBADF, s);
  lua_pushinteger(L, (lua_Integer)wf_file_tell(s));
  return 1;
}

static int file_move(lua_State *L) {
  wf_stream *s = check_file(L);
  int64_t offset = luaL_checkinteger(L, 2);
  if (!wf_stream_open(s)) return failed(L, EBADF, s);
  if (offset < 0) return failed(L, EINVAL, s);
  wf_file_seek(s, offset);
  lua_pushinteger(L, (lua_Integer)offset);
  return 1;
}

/* __index. Upvalues: the isolate, the methods. */
static int file_index(lua_State *L) {
  size_t len;
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tolstring(L, 2, &len) : NULL;
  lua_settop(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL || key == NULL || strcmp(key, "path") != 0) return 1;
  const wf_stream *s = wf_object_test(L, SELF, WF_CLASS_STREAM, sizeof *s);
  if (s != NULL && s->is_file) lua_pushstring(L, wf_file_path(s->file));
  return 1;
}

/* core.file_methods(): the methods, and those that are steps of others. For Lua code to add to. */
static int lib_file_methods(lua_State *L) {
  static const luaL_Reg steps[] = {{"pread", file_pread}, {"pwrite", file_pwrite},     {"sync", file_sync}, {"stat", file_stat},
                                   {"tell", file_tell},   {"truncate", file_truncate}, {"move", file_move}, {NULL, NULL}};
  wf_iso *iso = wf_iso_up(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[WF_CLASS_FILE]);
  lua_getfield(L, -1, "__methods");
  lua_newtable(L);
  wf_lib_add(iso, L, steps);
  return 2;
}

void wf_lib_file(wf_iso *iso, lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", wf_stream_method_gc}, {"__tostring", wf_stream_method_tostring}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"flush", wf_stream_method_flush}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"fs_open", lib_open}, {"fs_tempfile", lib_tempfile}, {"file_methods", lib_file_methods}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_FILE, "weft.file", NULL, meta);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[WF_CLASS_FILE]);
  lua_pushlightuserdata(L, iso);
  lua_newtable(L);
  wf_lib_add(iso, L, wf_stream_read_methods);
  wf_lib_add(iso, L, wf_stream_write_methods);
  wf_lib_add(iso, L, methods);
  lua_pushnil(L);
  lua_setfield(L, -2, "shutdown"); /* of sockets */
  lua_getfield(L, -1, "close");
  lua_setfield(L, -4, "__close");
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "__methods");
  lua_pushcclosure(L, file_index, 2);
  lua_setfield(L, -2, "__index");
  lua_pushlightuserdata(L, (void *)(uintptr_t)&wf_stream_transfer);
  lua_setfield(L, -2, "__weft_transfer");
  lua_pop(L, 1);
  wf_lib_add(iso, L, funcs);
}
