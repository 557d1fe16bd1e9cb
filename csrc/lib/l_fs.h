/* What the files of weft.fs share. On the isolate's carrier. */
#ifndef WF_LIB_L_FS_H
#define WF_LIB_L_FS_H

#include "lib/lib.h"
#include "rt/fileop.h"

/* A path: a string without zero bytes. [-0, +0, e] */
const char *wf_check_name(lua_State *L, int arg);

/* The table of options at `arg`, checked; false: there is none. [-0, +0, e] */
bool wf_fs_opts(lua_State *L, int arg, const char *const *known);

/* Permissions: an integer, or octal digits in a string. [-0, +0, e] */
mode_t wf_check_mode(lua_State *L, int arg, const char *option, mode_t def);

/* The continuation of what has no result: true. */
int wf_fs_done_k(lua_State *L, int status, lua_KContext ctx);

/* The continuation of a stat: its table. */
int wf_fs_stat_k(lua_State *L, int status, lua_KContext ctx);

/* The job met something that has to be waited for as a stream: weft.fs[helper](the arguments of the call). */
int wf_fs_as_stream(lua_State *L, const char *helper);

void wf_lib_fs_names(wf_iso *iso, lua_State *L); /* l_fs_name.c */
void wf_lib_fs_dirs(wf_iso *iso, lua_State *L);  /* l_fs_dir.c */
void wf_lib_file(wf_iso *iso, lua_State *L);     /* l_file.c: open files */

#endif
