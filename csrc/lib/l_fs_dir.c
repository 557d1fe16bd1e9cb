/* weft.fs: folders, removing, temporary files. */
#include <string.h>

#include "base/alloc.h"
#include "lib/l_fs.h"
#include "lx/error.h"
#include "lx/opts.h"

static int scandir_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  const wf_file_op *u = wf_file_op_end(L, ctx);
  lua_Integer n = 0;
  if (u->job.err != 0) return wf_file_op_fail(L, u);
  lua_newtable(L);
  for (const char *p = u->job.data, *end = p + u->job.size; p < end;) {
    size_t len = strlen(p + 1);
    lua_createtable(L, 0, 2);
    lua_pushlstring(L, p + 1, len);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, wf_file_type(*p));
    lua_setfield(L, -2, "type");
    lua_rawseti(L, -2, ++n);
    p += len + 2;
  }
  wf_op_drop(L, WF_FILE_BOX);
  return 1;
}

/* core.fs_scandir(path): a list of {name=, type=}, in the order of the names. */
static int lib_scandir(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, 1);
  wf_cancel_point(iso, L);
  wf_file_op_new(iso, L, wf_file_scan, path, NULL);
  return wf_file_op_run(iso, L, scandir_k);
}

/* core.fs_mkdir(path [, {parents=, mode=}]). */
static int lib_mkdir(lua_State *L) {
  static const char *const known[] = {"parents", "mode", NULL};
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, 1);
  bool opts = wf_fs_opts(L, 2, known), parents = opts && lx_opt_boolean(L, 2, "parents", false);
  mode_t mode = opts ? wf_check_mode(L, 2, "mode", 0777) : 0777;
  wf_cancel_point(iso, L);
  wf_file_job *j = &wf_file_op_new(iso, L, wf_file_mkdir, path, NULL)->job;
  j->flags = parents;
  j->mode = mode;
  return wf_file_op_run(iso, L, wf_fs_done_k);
}

/* core.fs_remove(path [, {recursive=}]). */
static int lib_remove(lua_State *L) {
  static const char *const known[] = {"recursive", NULL};
  wf_iso *iso = wf_iso_up(L);
  const char *path = wf_check_name(L, 1);
  bool recursive = wf_fs_opts(L, 2, known) && lx_opt_boolean(L, 2, "recursive", false);
  wf_cancel_point(iso, L);
  wf_file_op_new(iso, L, wf_file_remove, path, NULL)->job.flags = recursive;
  return wf_file_op_run(iso, L, wf_fs_done_k);
}

static int tempdir_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  wf_file_op *u = wf_file_op_end(L, ctx);
  if (u->job.err != 0) return wf_file_op_fail(L, u);
  lua_pushstring(L, u->job.temp);
  wf_free(u->job.temp);
  u->job.temp = NULL; /* it stays */
  return 1;
}

/* core.fs_tempdir(folder, prefix): the path of a new folder. */
static int lib_tempdir(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  const char *dir = wf_check_name(L, 1), *prefix = wf_check_name(L, 2);
  wf_cancel_point(iso, L);
  wf_file_op_new(iso, L, wf_file_tempdir, dir, prefix);
  return wf_file_op_run(iso, L, tempdir_k);
}

void wf_lib_fs_dirs(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"fs_scandir", lib_scandir}, {"fs_mkdir", lib_mkdir},     {"fs_remove", lib_remove},
                                   {"fs_tempdir", lib_tempdir}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
