/* weft.fs: what is done to files by their names. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "lib/l_fs.h"
#include "lx/error.h"
#include "lx/opts.h"

/* What a file is ------------------------------------------------------------------------------------ */

static void set_integer(lua_State *L, const char *key, lua_Integer n) {
  lua_pushinteger(L, n);
  lua_setfield(L, -2, key);
}

static void set_time(lua_State *L, const char *key, const struct timespec *t) {
  lua_pushnumber(L, (lua_Number)t->tv_sec + (lua_Number)t->tv_nsec * 1e-9);
  lua_setfield(L, -2, key);
}

#if defined(__APPLE__)
#define TIME_OF(st, which) ((st)->st_##which##timespec)
#else
#define TIME_OF(st, which) ((st)->st_##which##tim)
#endif

static void push_stat(lua_State *L, const struct stat *st) {
  struct timespec a = TIME_OF(st, a), m = TIME_OF(st, m), c = TIME_OF(st, c);
  lua_createtable(L, 0, 13);
  set_integer(L, "size", (lua_Integer)st->st_size);
  set_integer(L, "mode", (lua_Integer)(st->st_mode & 07777));
  lua_pushstring(L, wf_file_type(wf_file_letter(st->st_mode)));
  lua_setfield(L, -2, "type");
  set_time(L, "mtime", &m);
  set_time(L, "atime", &a);
  set_time(L, "ctime", &c);
  set_integer(L, "uid", (lua_Integer)st->st_uid);
  set_integer(L, "gid", (lua_Integer)st->st_gid);
  set_integer(L, "ino", (lua_Integer)st->st_ino);
  set_integer(L, "dev", (lua_Integer)st->st_dev);
  set_integer(L, "nlink", (lua_Integer)st->st_nlink);
  set_integer(L, "blocks", (lua_Integer)st->st_blocks);
  set_integer(L, "rdev", (lua_Integer)st->st_rdev);
}

int wf_fs_stat_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  const wf_file_op *u = wf_file_op_end(L, ctx);
  if (u->job.err != 0) return wf_file_op_fail(L, u);
  push_stat(L, &u->job.st);
  return 1;
}

static int stat_begin(lua_State *L, bool follow) {
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, 1);
  struct stat st;
  wf_cancel_point(iso, L);
  int r = wf_file_may_try() ? wf_quick_stat(path, follow, &st) : -EAGAIN;
  if (r == 0) {
    push_stat(L, &st);
    return wf_file_at_once(iso, L, 1);
  }
  if (r != -EAGAIN) return lx_fail_errno(L, -r, path);
  wf_file_op_new(iso, L, follow ? wf_file_stat : wf_file_lstat, path, NULL);
  return wf_file_op_run(iso, L, wf_fs_stat_k);
}

static int lib_stat(lua_State *L) { return stat_begin(L, true); }
static int lib_lstat(lua_State *L) { return stat_begin(L, false); }

static bool is_nowhere(int err) { return err == ENOENT || err == ENOTDIR; }

static int exists_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  const wf_file_op *u = wf_file_op_end(L, ctx);
  if (u->job.err != 0 && !is_nowhere(u->job.err)) return wf_file_op_fail(L, u);
  lua_pushboolean(L, u->job.err == 0);
  return 1;
}

/* core.fs_exists(path): also false for a link that leads nowhere. */
static int lib_exists(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, 1);
  struct stat st;
  wf_cancel_point(iso, L);
  int r = wf_file_may_try() ? wf_quick_stat(path, true, &st) : -EAGAIN;
  if (r == 0 || is_nowhere(-r)) {
    lua_pushboolean(L, r == 0);
    return wf_file_at_once(iso, L, 1);
  }
  if (r != -EAGAIN) return lx_fail_errno(L, -r, path);
  wf_file_op_new(iso, L, wf_file_stat, path, NULL);
  return wf_file_op_run(iso, L, exists_k);
}

static int access_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  const wf_file_op *u = wf_file_op_end(L, ctx);
  int err = u->job.err;
  if (err != 0 && err != EACCES && err != EROFS && err != ETXTBSY) return wf_file_op_fail(L, u);
  lua_pushboolean(L, err == 0);
  return 1;
}

/* core.fs_access(path [, "rwx"]): may we? */
static int lib_access(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, 1), *how = luaL_optstring(L, 2, "r");
  int flags = 0;
  for (const char *p = how; *p != '\0'; p++) {
    if (strchr("rwx", *p) == NULL) luaL_argerror(L, 2, lua_pushfstring(L, "letters of \"rwx\" expected, got \"%s\"", how));
    flags |= *p == 'r' ? R_OK : *p == 'w' ? W_OK : X_OK;
  }
  wf_cancel_point(iso, L);
  wf_file_op_new(iso, L, wf_file_access, path, NULL)->job.flags = flags;
  return wf_file_op_run(iso, L, access_k);
}

/* Changing names ------------------------------------------------------------------------------------ */

static int two_paths(lua_State *L, void (*run)(wf_file_job *), bool has_opts) {
  static const char *const known[] = {"exclusive", NULL};
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, 1), *path2 = wf_check_name(L, 2);
  bool exclusive = has_opts && wf_fs_opts(L, 3, known) && lx_opt_boolean(L, 3, "exclusive", false);
  wf_cancel_point(iso, L);
  wf_file_op_new(iso, L, run, path, path2)->job.exclusive = exclusive;
  return wf_file_op_run(iso, L, wf_fs_done_k);
}

static int lib_rename(lua_State *L) { return two_paths(L, wf_file_rename, true); }
static int lib_link(lua_State *L) { return two_paths(L, wf_file_link, false); }
static int lib_symlink(lua_State *L) { return two_paths(L, wf_file_symlink, false); }

static int path_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  const wf_file_op *u = wf_file_op_end(L, ctx);
  if (u->job.err != 0) return wf_file_op_fail(L, u);
  lua_pushlstring(L, u->job.data, u->job.size);
  return 1;
}

static int path_of(lua_State *L, void (*run)(wf_file_job *)) {
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, 1);
  wf_cancel_point(iso, L);
  wf_file_op_new(iso, L, run, path, NULL);
  return wf_file_op_run(iso, L, path_k);
}

static int lib_readlink(lua_State *L) { return path_of(L, wf_file_readlink); }
static int lib_realpath(lua_State *L) { return path_of(L, wf_file_realpath); }

/* Attributes --------------------------------------------------------------------------------------- */

/* core.fs_chmod(path, mode). */
static int lib_chmod(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, 1);
  mode_t mode = wf_check_mode(L, 2, NULL, 0);
  wf_cancel_point(iso, L);
  wf_file_op_new(iso, L, wf_file_chmod, path, NULL)->job.mode = mode;
  return wf_file_op_run(iso, L, wf_fs_done_k);
}

/* -1 leaves it as it is. */
static lua_Integer check_id(lua_State *L, int arg) {
  lua_Integer id = luaL_optinteger(L, arg, -1);
  if (id < -1 || id > (lua_Integer)UINT32_MAX - 1)
    luaL_argerror(L, arg, lua_pushfstring(L, "a number of a user or group expected, got %I", id));
  return id;
}

static int follow_flag(lua_State *L, int arg) {
  static const char *const known[] = {"follow", NULL};
  return wf_fs_opts(L, arg, known) && !lx_opt_boolean(L, arg, "follow", true) ? AT_SYMLINK_NOFOLLOW : 0;
}

/* core.fs_chown(path, uid | nil, gid | nil [, {follow=}]). */
static int lib_chown(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, 1);
  lua_Integer uid = check_id(L, 2), gid = check_id(L, 3);
  int flags = follow_flag(L, 4);
  wf_cancel_point(iso, L);
  wf_file_job *j = &wf_file_op_new(iso, L, wf_file_chown, path, NULL)->job;
  j->uid = (uid_t)uid;
  j->gid = (gid_t)gid;
  j->flags = flags;
  return wf_file_op_run(iso, L, wf_fs_done_k);
}

/* Seconds since 1970, or nil: now. */
static struct timespec check_time(lua_State *L, int arg) {
  struct timespec t = {0, UTIME_NOW};
  if (lua_isnoneornil(L, arg)) return t;
  lua_Number s = luaL_checknumber(L, arg);
  if (!(s >= -1e11 && s <= 1e11)) luaL_argerror(L, arg, lua_pushfstring(L, "seconds since 1970 expected, got %f", s));
  lua_Number whole = floor(s);
  t.tv_sec = (time_t)whole;
  t.tv_nsec = (long)((s - whole) * 1e9);
  return t;
}

/* core.fs_utime(path [, mtime [, atime [, {follow=}]]]). */
static int lib_utime(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, 1);
  struct timespec m = check_time(L, 2), a = lua_isnoneornil(L, 3) ? m : check_time(L, 3);
  int flags = follow_flag(L, 4);
  wf_cancel_point(iso, L);
  wf_file_job *j = &wf_file_op_new(iso, L, wf_file_utime, path, NULL)->job;
  j->times[0] = a;
  j->times[1] = m;
  j->flags = flags;
  return wf_file_op_run(iso, L, wf_fs_done_k);
}

/* core.fs_truncate(path, size). */
static int lib_truncate(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, 1);
  lua_Integer size = luaL_checkinteger(L, 2);
  luaL_argcheck(L, size >= 0, 2, "a number of bytes >= 0 expected");
  wf_cancel_point(iso, L);
  wf_file_op_new(iso, L, wf_file_truncate, path, NULL)->job.offset = size;
  return wf_file_op_run(iso, L, wf_fs_done_k);
}

void wf_lib_fs_names(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {
      {"fs_stat", lib_stat},     {"fs_lstat", lib_lstat},       {"fs_exists", lib_exists},     {"fs_access", lib_access},
      {"fs_rename", lib_rename}, {"fs_link", lib_link},         {"fs_symlink", lib_symlink},   {"fs_readlink", lib_readlink},
      {"fs_chmod", lib_chmod},   {"fs_realpath", lib_realpath}, {"fs_truncate", lib_truncate}, {"fs_chown", lib_chown},
      {"fs_utime", lib_utime},   {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
