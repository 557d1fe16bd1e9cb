/* The table of weft.core, whose parts open when they are first needed. On the isolate's carrier.
 *
 * What is not there yet is looked for by the table's __index: it opens the part that has the name. A class that has no
 * metatable yet is opened by wf_class_push and by what comes from other isolates (iso->open_class). An opener that raises is
 * called again the next time.
 */
#include <string.h>

#include "lib/lib.h"
#include "lx/lean.h"
#include "rt/errand.h"
#include "rt/io.h"
#include "rt/report.h"

#define NO_CLASS WF_CLASS_COUNT

typedef struct part {
  void (*open)(wf_iso *iso, lua_State *L);
  const char *names;                 /* its functions, each followed by a blank */
  enum wf_class first, last;         /* its classes */
} part;

static void open_report(wf_iso *iso, lua_State *L) { wf_report_open(iso, L); }

static void open_programs(wf_iso *iso, lua_State *L) {
  wf_lib_program(iso, L);
  wf_lib_exec(iso, L);
}

/* What is not a function. */
static void open_values(wf_iso *iso, lua_State *L) {
  lua_pushlightuserdata(L, iso);
  lua_setfield(L, -2, "isolate");
  wf_lib_need_uv(L);
  lua_pushfstring(L, "%s, libuv %s", LUA_RELEASE, wf_uv.version_string());
  lua_setfield(L, -2, "versions");
}

static void open_net(wf_iso *iso, lua_State *L) {
  wf_lib_stream(iso, L);
  wf_lib_net(iso, L);
  wf_lib_server(iso, L);
  wf_lib_udp(iso, L);
}

static void open_files(wf_iso *iso, lua_State *L) {
  wf_lib_fs(iso, L);
#ifdef WF_DEBUG
  wf_lib_inject(iso, L);
#endif
}

static void open_notifiers(wf_iso *iso, lua_State *L) {
  wf_lib_signal(iso, L);
  wf_lib_ticker(iso, L);
}

static void open_descriptors(wf_iso *iso, lua_State *L) {
  wf_lib_stdio(iso, L);
  wf_lib_poll(iso, L);
}

void wf_lib_need_uv(lua_State *L) {
  if (wf_uv_load() != 0) luaL_error(L, "weft needs libuv, which cannot be loaded: %s", wf_uv_trouble());
}

void wf_lib_require(lua_State *L, const char *name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  bool there = lua_getfield(L, -1, name) != LUA_TNIL;
  lua_remove(L, -2);
  if (there) return;
  lua_pop(L, 1);
  int how = wf_lean_preload(L, name);
  if (how < 0) lua_error(L);
  if (how > 0) return;
  lua_getglobal(L, "require");
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
}

static const part parts[] = {
    {wf_lib_core, "is error on_unhandled get set identity handle cancelled register ", NO_CLASS, NO_CLASS},
    {wf_lib_task, "go yield sleep now nanotime cpus live wait preempt ", NO_CLASS, NO_CLASS},
    {wf_lib_job, "watch is_job job_methods ", WF_CLASS_TASK, WF_CLASS_REMOTE},
    {wf_lib_channel, "channel channel_for ", WF_CLASS_CHANNEL, WF_CLASS_SHARED_CHANNEL},
    {wf_lib_buffer, "buffer atomic ", WF_CLASS_BUFFER, WF_CLASS_BUFFER},
    {wf_lib_select, "select ", WF_CLASS_SELECT, WF_CLASS_SELECT},
    {wf_lib_sync, "mutex rwlock semaphore condition barrier waitgroup once event ", WF_CLASS_MUTEX, WF_CLASS_GUARD},
    {wf_lib_scope, "scope scope_run scope_cancel timeout shield ", WF_CLASS_SCOPE, WF_CLASS_SCOPE},
    {open_report, "", WF_CLASS_TOMBSTONE, WF_CLASS_TOMBSTONE},
    {wf_lib_thread, "thread ", NO_CLASS, NO_CLASS},
    {wf_lib_spawn, "spawn workers worker_facts worker ", NO_CLASS, NO_CLASS},
    {wf_lib_ps, "ps ", NO_CLASS, NO_CLASS},
    {wf_lib_pool, "seal unseal discard stand_in place background failure fail atomically bare drain seal_for_peers ", NO_CLASS, NO_CLASS},
    {wf_lib_trace, "trace_start trace_stop trace_snapshot trace_on trace_mark trace_words trace_terminal "
                    "trace_enter trace_leave trace_id pid ", NO_CLASS, NO_CLASS},
    {wf_io_classes, "", WF_CLASS_OP, WF_CLASS_OP},
    {wf_errand_classes, "", WF_CLASS_ERRAND, WF_CLASS_ERRAND},
    {open_net, "tcp_connect unix_connect attach walltime tcp_listen unix_listen udp ", WF_CLASS_STREAM, WF_CLASS_UDP},
    {open_notifiers, "signal ticker ", WF_CLASS_SIGNAL, WF_CLASS_TICKER},
    {open_descriptors, "stdio poll ", WF_CLASS_POLL, WF_CLASS_POLL},
    {wf_lib_dns, "resolve reverse ", NO_CLASS, NO_CLASS},
    {wf_lib_blocking, "blocking blocking_call blocking_pool ", NO_CLASS, NO_CLASS},
    {open_files, "fs_read fs_write fs_append fs_copy fs_pool fs_stat fs_lstat fs_exists fs_access fs_rename fs_link fs_symlink "
                 "fs_readlink fs_realpath fs_chmod fs_chown fs_utime fs_truncate fs_scandir fs_mkdir fs_remove fs_tempdir fs_open "
                 "fs_tempfile file_methods inject injected at_once ", WF_CLASS_FILE, WF_CLASS_FILE},
    {wf_lib_watch, "fs_watch ", WF_CLASS_WATCH, WF_CLASS_WATCH},
    {open_programs, "program_methods exec ", WF_CLASS_PROGRAM, WF_CLASS_PROGRAM},
    {wf_lib_process, "process interpreter serve trace_children ", NO_CLASS, NO_CLASS},
    {wf_lib_info, "process_facts thread_facts cards own_ids job_tid job_pid ", NO_CLASS, NO_CLASS},
    {wf_lib_set, "set_facts ", NO_CLASS, NO_CLASS},
    {wf_lib_explore, "explore_new explore_run explore_trace explore_unseen explore_current explore_wrap explore_classes "
                     "explore_lines explore_watch explore_unwatch explore_access ", WF_CLASS_EXPLORE, WF_CLASS_EXPLORE},
    {wf_lib_recorder, "recorder_start recorder_stop recorder_dump ", NO_CLASS, NO_CLASS},
    {open_values, "isolate versions ", NO_CLASS, NO_CLASS},
};

enum { PARTS = sizeof parts / sizeof *parts };

_Static_assert(PARTS <= 32, "iso->parts has a bit for each");

#ifdef WF_DEBUG
static bool has_name(const part *p, const char *name, size_t len);

/* What the part has added must be in its list, or nobody would find it in another order of first uses. */
static void check_names(lua_State *L, const part *p) {
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    size_t len;
    const char *name = lua_tolstring(L, -2, &len);
    bool known = has_name(p, name, len);
    for (unsigned i = 0; i < PARTS && !known; i++) known = has_name(&parts[i], name, len);
    if (!known) luaL_error(L, "core.%s is in no part's list (csrc/lib/open.c)", name);
    lua_pop(L, 1);
  }
}
#else
static void check_names(lua_State *L, const part *p) { (void)L, (void)p; }
#endif

/* Protected. Stack: isolate, number of the part, the table. */
static int open_now(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  const part *p = &parts[lua_tointeger(L, 2)];
  p->open(iso, L);
  check_names(L, p);
  return 0;
}

/* The table is on top. [-0, +0, m] */
static void open_part(wf_iso *iso, lua_State *L, unsigned i) {
  if (iso->parts >> i & 1) return;
  luaL_checkstack(L, 8, NULL);
  lua_pushcfunction(L, open_now);
  lua_pushlightuserdata(L, iso);
  lua_pushinteger(L, (lua_Integer)i);
  lua_pushvalue(L, -4);
  if (lua_pcall(L, 3, 0, 0) != LUA_OK) { /* a class that is half made is none */
    for (int c = (int)parts[i].first; parts[i].first != NO_CLASS && c <= (int)parts[i].last; c++) {
      if (iso->class_ref[c] != 0) luaL_unref(L, LUA_REGISTRYINDEX, iso->class_ref[c]);
      iso->class_ref[c] = 0;
      iso->class_ptr[c] = NULL;
    }
    lua_error(L);
  }
  iso->parts |= UINT32_C(1) << i;
}

static bool has_name(const part *p, const char *name, size_t len) {
  for (const char *at = p->names; (at = strstr(at, name)) != NULL; at += len)
    if ((at == p->names || at[-1] == ' ') && at[len] == ' ') return true;
  return false;
}

/* __index: core, name. */
static int core_index(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  size_t len;
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *name = lua_tolstring(L, 2, &len);
  if (len == 0) return 0;
  for (unsigned i = 0; i < PARTS; i++) {
    if ((iso->parts >> i & 1) || !has_name(&parts[i], name, len)) continue;
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->module);
    open_part(iso, L, i);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    return 1;
  }
  return 0;
}

/* __pairs: all of it. */
static int core_pairs(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->module);
  for (unsigned i = 0; i < PARTS; i++) open_part(iso, L, i);
  lua_getglobal(L, "next");
  lua_insert(L, -2);
  return 2;
}

static void open_class(wf_iso *iso, lua_State *L, enum wf_class c) {
  wf_lib_push_core(iso, L);
  for (unsigned i = 0; i < PARTS; i++)
    if (parts[i].first != NO_CLASS && parts[i].first <= c && c <= parts[i].last) open_part(iso, L, i);
  lua_pop(L, 1);
}

void wf_lib_push_core(wf_iso *iso, lua_State *L) {
  static const luaL_Reg meta[] = {{"__index", core_index}, {"__pairs", core_pairs}, {NULL, NULL}};
  luaL_checkstack(L, 6, NULL);
  if (iso->module != 0) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->module);
    return;
  }
  iso->open_class = open_class;
  wf_lib_libraries(iso, L);
  lua_newtable(L);
  lua_createtable(L, 0, 2);
  wf_lib_add(iso, L, meta);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  iso->module = luaL_ref(L, LUA_REGISTRYINDEX);
}
