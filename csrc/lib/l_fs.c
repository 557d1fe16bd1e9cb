/* weft.fs, the C half: whole files. l_fs_name.c has what is done to names, l_fs_dir.c folders, l_file.c open files.
 *
 * The stack of a call whose job is done elsewhere: 1 the box of the operation, then the arguments. */
#include "lib/l_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lib/l_stream.h"
#include "lx/error.h"
#include "lx/opts.h"
#include "sys/identity.h"

enum { PATH = 1, DATA = 2, OPTS = 3, QUICK_MOST = 256 * 1024, PIECE = 1024 * 1024, SHIFT = 1 /* of arguments, by the box */ };

/* Shared ------------------------------------------------------------------------------------------- */

const char *wf_check_name(lua_State *L, int arg) {
  size_t len;
  if (lua_type(L, arg) != LUA_TSTRING) luaL_typeerror(L, arg, "string");
  const char *path = lua_tolstring(L, arg, &len);
  if (strlen(path) != len) luaL_argerror(L, arg, lua_pushfstring(L, "a name without zero bytes expected, got \"%s\\0...\"", path));
  return path;
}

bool wf_fs_opts(lua_State *L, int arg, const char *const *known) {
  if (lua_isnoneornil(L, arg)) return false;
  luaL_checktype(L, arg, LUA_TTABLE);
  lx_opts_check(L, arg, known);
  return true;
}

/* The value on top as permissions. */
static bool is_mode(lua_State *L, lua_Integer *mode) {
  int ok = 0;
  if (lua_type(L, -1) == LUA_TNUMBER) *mode = lua_tointegerx(L, -1, &ok);
  if (lua_type(L, -1) == LUA_TSTRING) {
    const char *p = lua_tostring(L, -1);
    *mode = 0;
    for (ok = *p != '\0'; *p >= '0' && *p <= '7' && *mode <= 07777; p++) *mode = *mode * 8 + (*p - '0');
    ok = ok && *p == '\0';
  }
  return ok && *mode >= 0 && *mode <= 07777;
}

mode_t wf_check_mode(lua_State *L, int arg, const char *option, mode_t def) {
  lua_Integer mode = def;
  if (option == NULL)
    lua_pushvalue(L, arg);
  else if (lua_getfield(L, arg, option) == LUA_TNIL)
    lua_pushinteger(L, (lua_Integer)def);
  if (!is_mode(L, &mode)) {
    const char *got = luaL_tolstring(L, -1, NULL);
    const char *want = "permissions expected, as a number from 0 to 4095 or octal digits in a string, got";
    luaL_argerror(L, arg, option != NULL ? lua_pushfstring(L, "option '%s': %s %s", option, want, got) : lua_pushfstring(L, "%s %s", want, got));
  }
  lua_pop(L, 1);
  return (mode_t)mode;
}

int wf_fs_done_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  const wf_file_op *u = wf_file_op_end(L, ctx);
  if (u->job.err != 0) return wf_file_op_fail(L, u);
  lua_pushboolean(L, 1);
  return 1;
}

static int as_stream_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lua_gettop(L);
}

int wf_fs_as_stream(lua_State *L, const char *helper) {
  wf_op_drop(L, WF_FILE_BOX);
  int n = lua_gettop(L) - SHIFT;
  luaL_checkstack(L, 4, NULL);
  wf_lib_require(L, "weft.fs");
  luaL_getmetafield(L, -1, helper);
  lua_replace(L, WF_FILE_BOX);
  lua_pop(L, 1);
  lua_callk(L, n, LUA_MULTRET, 0, as_stream_k);
  return lua_gettop(L);
}

/* Reading ------------------------------------------------------------------------------------------ */

static int read_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  const wf_file_op *u = wf_file_op_end(L, ctx);
  if (u->job.special) return wf_fs_as_stream(L, "read_stream");
  if (u->job.err != 0) return wf_file_op_fail(L, u);
  lua_pushlstring(L, u->job.data != NULL ? u->job.data : "", u->job.size);
  wf_op_drop(L, WF_FILE_BOX);
  return 1;
}

/* Read a file whose contents are in memory: its size, or -EAGAIN, or a negative errno. *buf is `room` bytes; it may be
 * replaced by malloc'ed ones. */
static ssize_t read_at_once(const char *path, size_t most, char **buf, size_t room) {
  struct stat st;
  int fd = wf_quick_open(path);
  if (fd < 0) return fd;
  ssize_t size = -EAGAIN;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= QUICK_MOST && (size_t)st.st_size <= most) {
    size_t n = (size_t)st.st_size + 1; /* one more tells that it has not grown */
    char *to = n <= room ? *buf : wf_malloc(n);
    if (to != NULL) {
      *buf = to;
      int64_t got = wf_quick_read(fd, to, n, 0);
      if (got == st.st_size) size = (ssize_t)got;
      if (got < 0) size = (ssize_t)got;
    }
  }
  close(fd);
  return size;
}

/* core.fs_read(path [, {max=}]). */
static int lib_read(lua_State *L) {
  static const char *const known[] = {"max", NULL};
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, PATH);
  size_t most = SIZE_MAX;
  if (!lua_isnoneornil(L, 2) && wf_fs_opts(L, 2, known)) most = (size_t)lx_opt_integer(L, 2, "max", LUA_MAXINTEGER, 0, LUA_MAXINTEGER);
  lua_settop(L, 2);
  wf_cancel_point(iso, L);
  if (wf_file_may_try()) {
    char little[16 * 1024], *buf = little;
    ssize_t size = read_at_once(path, most, &buf, sizeof little);
    if (size >= 0 && buf == little) {
      lua_pushlstring(L, buf, (size_t)size);
      return wf_file_at_once(iso, L, 1);
    }
    if (size >= 0) { /* making the string can fail */
      wf_file_op *u = wf_file_op_new(iso, L, wf_file_read, path, NULL);
      u->job.data = buf;
      lua_pushlstring(L, buf, (size_t)size);
      wf_op_drop(L, WF_FILE_BOX);
      return wf_file_at_once(iso, L, 1);
    }
    if (buf != little) wf_free(buf);
    if (size != -EAGAIN) return lx_fail_errno(L, (int)-size, path);
  }
  wf_file_op *u = wf_file_op_new(iso, L, wf_file_read, path, NULL);
  u->job.most = most;
  return wf_file_op_run(iso, L, read_k);
}

/* Writing ------------------------------------------------------------------------------------------ */

/* Copy the next piece of what is to be written into the job. False: no memory. */
static bool next_piece(lua_State *L, wf_file_op *u) {
  const char *p = NULL;
  size_t n = 0;
  wf_bytes_of(L, DATA + SHIFT, &p, &n);
  size_t left = n > u->sent ? n - u->sent : 0, size = left < PIECE ? left : PIECE;
  char *to = size > 0 ? wf_realloc(u->job.data, size) : u->job.data;
  if (size > 0 && to == NULL) return false;
  if (size > 0) memcpy(to, p + u->sent, size);
  u->job.data = to;
  u->job.size = size;
  u->job.last = size == left;
  u->sent += size;
  return true;
}

static int write_k(lua_State *L, int status, lua_KContext ctx);

static int write_piece(lua_State *L, wf_iso *iso, wf_file_op *u) {
  if (next_piece(L, u)) return wf_file_op_run(iso, L, write_k);
  u->job.err = ENOMEM;
  return wf_file_op_fail(L, u);
}

static int write_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_file_op *u = wf_file_op_end(L, ctx);
  if (u->job.special) return wf_fs_as_stream(L, u->job.run == wf_file_append ? "append_stream" : "write_stream");
  if (u->job.err != 0) return wf_file_op_fail(L, u);
  if (!u->job.last) return write_piece(L, u->op.iso, u);
  wf_op_drop(L, WF_FILE_BOX);
  lua_pushboolean(L, 1);
  return 1;
}

static int write_begin(lua_State *L, void (*run)(wf_file_job *)) {
  static const char *const known[] = {"sync", "mode", "exclusive", NULL};
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, PATH);
  bool opts = wf_fs_opts(L, OPTS, known);
  wf_check_bytes_arg(L, DATA);
  lua_settop(L, OPTS);
  wf_cancel_point(iso, L);
  bool sync = opts && lx_opt_boolean(L, OPTS, "sync", false), exclusive = opts && lx_opt_boolean(L, OPTS, "exclusive", false);
  mode_t mode = opts ? wf_check_mode(L, OPTS, "mode", 0666) : 0666;
  if (exclusive && run == wf_file_append) luaL_argerror(L, OPTS, "unknown option 'exclusive'");
  wf_file_op *u = wf_file_op_new(iso, L, run, path, NULL);
  u->job.sync = sync;
  u->job.exclusive = exclusive;
  u->job.mode = mode;
  return write_piece(L, iso, u);
}

/* core.fs_write(path, data [, {sync=, mode=, exclusive=}]), core.fs_append(path, data [, {sync=, mode=}]). */
static int lib_write(lua_State *L) { return write_begin(L, wf_file_replace); }
static int lib_append(lua_State *L) { return write_begin(L, wf_file_append); }

/* core.fs_copy(from, to [, {sync=, exclusive=}]). */
static int lib_copy(lua_State *L) {
  static const char *const known[] = {"sync", "exclusive", NULL};
  wf_iso *iso = wf_iso_up(L);
  const char *from = wf_check_name(L, 1), *to = wf_check_name(L, 2);
  bool opts = wf_fs_opts(L, 3, known);
  bool sync = opts && lx_opt_boolean(L, 3, "sync", false), exclusive = opts && lx_opt_boolean(L, 3, "exclusive", false);
  wf_cancel_point(iso, L);
  wf_file_op *u = wf_file_op_new(iso, L, wf_file_copy, from, to);
  u->job.sync = sync;
  u->job.exclusive = exclusive;
  return wf_file_op_run(iso, L, wf_fs_done_k);
}

/* core.fs_pool([n]): how many threads libuv's pool has; n sets it before the pool's first use. */
static int lib_pool(lua_State *L) {
  int size, wanted = 0;
  if (!lua_isnoneornil(L, 1)) {
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n >= 1 && n <= 1024, 1, "a number of threads from 1 to 1024 expected");
    wanted = (int)n;
  }
  int err = wf_loop_pool_size(wanted, &size);
  if (err != 0) return lx_fail_errno(L, err, "the pool has its threads already");
  lua_pushinteger(L, size);
  return 1;
}

void wf_lib_fs(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"fs_read", lib_read},     {"fs_write", lib_write}, {"fs_append", lib_append},
                                   {"fs_copy", lib_copy},     {"fs_pool", lib_pool},   {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
  wf_lib_fs_names(iso, L);
  wf_lib_fs_dirs(iso, L);
  wf_lib_file(iso, L);
}
