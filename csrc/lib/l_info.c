/* What the system says of processes and threads, as tables for lua/weft/info.lua; and what can be changed (core.set_...).
 *
 * What C has malloc'ed lies in a box, a userdata with a finaliser, made before it: Lua may raise at any push. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lib/lib.h"
#include "lx/error.h"
#include "lx/late.h"
#include "rt/card.h"
#include "rt/child.h"
#include "rt/family.h"
#include "rt/job.h"
#include "sys/facts.h"
#include "sys/limits.h"
#include "sys/signame.h"
#include "sys/thread.h"

extern char **environ;

typedef struct box {
  wf_facts facts;
  int64_t *numbers;
  char *text;
  wf_card_copy *cards;
} box;

static int box_gc(lua_State *L) {
  box *b = lua_touserdata(L, 1);
  wf_facts_free(&b->facts);
  wf_free(b->numbers);
  wf_free(b->text);
  wf_free(b->cards);
  memset(b, 0, sizeof *b);
  return 0;
}

static box *box_push(lua_State *L) {
  box *b = lua_newuserdatauv(L, sizeof *b, 0);
  memset(b, 0, sizeof *b);
  lx_finaliser_set(L, "weft.facts_box", box_gc);
  return b;
}

/* All set the field of the table on top. */
static void set_integer(lua_State *L, const char *key, int64_t v) {
  lua_pushinteger(L, (lua_Integer)v);
  lua_setfield(L, -2, key);
}

static void set_known(lua_State *L, const char *key, int64_t v) {
  if (v >= 0) set_integer(L, key, v);
}

static void set_number(lua_State *L, const char *key, double v) {
  lua_pushnumber(L, v);
  lua_setfield(L, -2, key);
}

static void set_string(lua_State *L, const char *key, const char *v) {
  lua_pushstring(L, v);
  lua_setfield(L, -2, key);
}

static void set_list(lua_State *L, const char *key, const int64_t *list, size_t n) {
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    lua_pushinteger(L, (lua_Integer)list[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, key);
}

/* A limit: an integer, or math.huge for none. */
static void push_limit(lua_State *L, uint64_t v) {
  if (v == WF_NO_LIMIT || v > (uint64_t)LUA_MAXINTEGER)
    lua_pushnumber(L, HUGE_VAL);
  else
    lua_pushinteger(L, (lua_Integer)v);
}

/* The names of the bits that are set. */
static void set_signals(lua_State *L, const char *key, uint64_t mask) {
  char buf[16];
  lua_newtable(L);
  for (int sig = 1, n = 0; sig <= WF_SIGNALS; sig++)
    if (mask >> (sig - 1) & 1) {
      lua_pushstring(L, wf_signal_text(sig, buf, sizeof buf));
      lua_rawseti(L, -2, ++n);
    }
  lua_setfield(L, -2, key);
}

static void set_caps(lua_State *L, const wf_facts *f) {
  static const char *const sets[WF_CAPS_SETS] = {"inheritable", "permitted", "effective", "bounding", "ambient"};
  lua_createtable(L, 0, WF_CAPS_SETS);
  for (int s = 0; s < WF_CAPS_SETS; s++) {
    const char *name;
    lua_newtable(L);
    for (int i = 0, n = 0; i < 64; i++)
      if (f->caps[s] >> i & 1) {
        if ((name = wf_capability_name(i)) != NULL)
          lua_pushstring(L, name);
        else
          lua_pushfstring(L, "capability %d", i);
        lua_rawseti(L, -2, ++n);
      }
    lua_setfield(L, -2, sets[s]);
  }
  lua_setfield(L, -2, "caps");
}

/* What processes and threads both have. */
static void set_common(lua_State *L, const wf_facts *f) {
  char state[2] = {f->state, '\0'};
  set_string(L, "name", f->name);
  set_string(L, "state", state);
  set_integer(L, "uid", f->uid[WF_ID_REAL]);
  set_integer(L, "euid", f->uid[WF_ID_EFFECTIVE]);
  set_integer(L, "suid", f->uid[WF_ID_SAVED]);
  set_integer(L, "fsuid", f->uid[WF_ID_FS]);
  set_integer(L, "gid", f->gid[WF_ID_REAL]);
  set_integer(L, "egid", f->gid[WF_ID_EFFECTIVE]);
  set_integer(L, "sgid", f->gid[WF_ID_SAVED]);
  set_integer(L, "fsgid", f->gid[WF_ID_FS]);
  set_list(L, "groups", f->groups, f->ngroups);
  set_caps(L, f);
  if (f->no_new_privs >= 0) {
    lua_pushboolean(L, f->no_new_privs != 0);
    lua_setfield(L, -2, "no_new_privs");
  }
  set_known(L, "seccomp", f->seccomp);
  set_integer(L, "nice", f->nice);
  set_string(L, "policy", wf_policy_name((int)f->policy));
  set_integer(L, "priority", f->priority);
  set_list(L, "affinity", f->cpus, f->ncpus);
  set_known(L, "last_cpu", f->last_cpu);
  set_number(L, "started", f->started);
  lua_createtable(L, 0, 2);
  set_number(L, "user", f->user);
  set_number(L, "system", f->system);
  lua_setfield(L, -2, "cpu");
  lua_createtable(L, 0, 2);
  set_known(L, "voluntary", f->voluntary);
  set_known(L, "involuntary", f->involuntary);
  lua_setfield(L, -2, "switches");
  set_signals(L, "sigmask", f->blocked);
}

/* Process ------------------------------------------------------------------------------------- */

static void set_link(lua_State *L, pid_t pid, const char *key, const char *link) {
  char target[4096];
  if (wf_proc_link(pid, link, target, sizeof target) == 0) set_string(L, key, target);
}

static void set_argv(lua_State *L, pid_t pid, box *b) {
  size_t len;
  if (wf_proc_read(pid, 0, "cmdline", &b->text, &len) != 0) return;
  lua_newtable(L);
  lua_Integer n = 0;
  for (const char *at = b->text, *end = at + len; at < end;) {
    size_t one = strlen(at);
    lua_pushlstring(L, at, one);
    lua_rawseti(L, -2, ++n);
    at += one + 1;
  }
  lua_setfield(L, -2, "argv");
  wf_free(b->text);
  b->text = NULL;
}

/* "K=V" into the table on top. */
static void add_variable(lua_State *L, const char *text) {
  const char *eq = strchr(text, '=');
  if (eq == NULL || eq == text) return;
  lua_pushlstring(L, text, (size_t)(eq - text));
  lua_pushstring(L, eq + 1);
  lua_rawset(L, -3);
}

/* Of this process as it is now, of another as it was when its program started. */
static void set_env(lua_State *L, pid_t pid, box *b) {
  size_t len;
  if (pid == getpid()) {
    lua_newtable(L);
    for (char **v = environ; v != NULL && *v != NULL; v++) add_variable(L, *v);
    lua_setfield(L, -2, "env");
    return;
  }
  if (wf_proc_read(pid, 0, "environ", &b->text, &len) != 0) return;
  lua_newtable(L);
  for (const char *at = b->text, *end = at + len; at < end; at += strlen(at) + 1) add_variable(L, at);
  lua_setfield(L, -2, "env");
  wf_free(b->text);
  b->text = NULL;
}

static void set_memory(lua_State *L, pid_t pid, const wf_facts *f, const wf_limit *limits) {
  uint64_t limit = wf_memory_limit_of_groups(pid);
  int rss = wf_limit_parse("rss"), as = wf_limit_parse("as");
  if (limits != NULL && rss >= 0 && limits[rss].soft < limit) limit = limits[rss].soft;
  if (limits != NULL && as >= 0 && limits[as].soft < limit) limit = limits[as].soft;
  lua_createtable(L, 0, 10);
  set_integer(L, "size", (int64_t)f->vm_size);
  set_integer(L, "size_peak", (int64_t)f->vm_peak);
  set_known(L, "mappings", wf_mappings_count(pid));
  set_integer(L, "rss", (int64_t)f->rss);
  set_integer(L, "peak", (int64_t)f->rss_peak);
  set_integer(L, "data", (int64_t)f->data);
  set_integer(L, "stack", (int64_t)f->stack);
  set_integer(L, "code", (int64_t)f->code);
  set_integer(L, "libraries", (int64_t)f->libraries);
  set_integer(L, "swap", (int64_t)f->swap);
  push_limit(L, limit);
  lua_setfield(L, -2, "limit");
  lua_setfield(L, -2, "memory");
}

static void set_fds(lua_State *L, pid_t pid, box *b) {
  size_t n;
  if (wf_proc_numbers(pid, "fd", &b->numbers, &n) != 0) return;
  lua_createtable(L, (int)n, 0);
  lua_Integer count = 0;
  for (size_t i = 0; i < n; i++) {
    wf_fd_facts f;
    if (wf_fd_facts_read(pid, b->numbers[i], &f) != 0) continue;
    lua_createtable(L, 0, 4);
    set_integer(L, "fd", b->numbers[i]);
    set_string(L, "kind", f.kind);
    set_string(L, "target", f.target);
    lua_pushboolean(L, f.cloexec);
    lua_setfield(L, -2, "cloexec");
    lua_rawseti(L, -2, ++count);
  }
  if (n > 0 && count == 0)
    lua_pop(L, 1); /* a stranger's: their numbers are all there is to see */
  else
    lua_setfield(L, -2, "fds");
  wf_free(b->numbers);
  b->numbers = NULL;
}

static void set_limits(lua_State *L, const wf_limit *limits) {
  lua_createtable(L, 0, wf_limit_count());
  for (int i = 0; i < wf_limit_count(); i++) {
    lua_createtable(L, 0, 2);
    push_limit(L, limits[i].soft);
    lua_setfield(L, -2, "soft");
    push_limit(L, limits[i].hard);
    lua_setfield(L, -2, "hard");
    lua_setfield(L, -2, wf_limit_name(i));
  }
  lua_setfield(L, -2, "limits");
}

static int fail_about(lua_State *L, int e, const char *what, lua_Integer id) {
  lua_pushfstring(L, "%s %I", what, id);
  return lx_fail_errno(L, e, lua_tostring(L, -1));
}

static pid_t check_pid(lua_State *L, int arg) {
  lua_Integer pid = luaL_checkinteger(L, arg);
  luaL_argcheck(L, pid > 0 && pid <= INT32_MAX, arg, "a process number, above 0, expected");
  return (pid_t)pid;
}

/* core.process_facts(pid): a table, with `tids` instead of threads; or nil, message, code. */
static int lib_process_facts(lua_State *L) {
  pid_t pid = check_pid(L, 1);
  wf_limit limits[WF_LIMITS_MAX];
  lua_settop(L, 1);
  box *b = box_push(L);
  int e = wf_facts_read(pid, 0, &b->facts);
  if (e == 0 && b->facts.pid != pid) e = ESRCH; /* the number of a thread */
  if (e != 0) return fail_about(L, e, "process", pid);
  bool limited = wf_limits_read(pid == getpid() ? 0 : pid, limits) == 0;
  lua_createtable(L, 0, 48);
  set_integer(L, "pid", pid);
  set_integer(L, "ppid", b->facts.ppid);
  set_integer(L, "pgid", b->facts.pgid);
  set_integer(L, "sid", b->facts.sid);
  set_common(L, &b->facts);
  set_known(L, "umask", b->facts.umask);
  set_link(L, pid, "exe", "exe");
  set_link(L, pid, "cwd", "cwd");
  set_link(L, pid, "root", "root");
  set_argv(L, pid, b);
  set_env(L, pid, b);
  set_memory(L, pid, &b->facts, limited ? limits : NULL);
  set_fds(L, pid, b);
  if (limited) set_limits(L, limits);
  lua_createtable(L, 0, 3);
  set_signals(L, "ignored", b->facts.ignored);
  set_signals(L, "caught", b->facts.caught);
  set_signals(L, "pending", b->facts.pending | b->facts.process_pending);
  lua_setfield(L, -2, "signals");
  size_t n;
  if (wf_proc_numbers(pid, "task", &b->numbers, &n) == 0) set_list(L, "tids", b->numbers, n);
  return 1;
}

/* Thread -------------------------------------------------------------------------------------- */

/* core.thread_facts(pid, tid): a table, or nil, message, code. */
static int lib_thread_facts(lua_State *L) {
  pid_t pid = check_pid(L, 1), tid = check_pid(L, 2);
  lua_settop(L, 2);
  box *b = box_push(L);
  int e = wf_facts_read(pid, tid, &b->facts);
  if (e != 0) return fail_about(L, e, "thread", tid);
  lua_createtable(L, 0, 28);
  set_integer(L, "tid", tid);
  set_integer(L, "pid", pid);
  set_common(L, &b->facts);
  return 1;
}

/* core.cards(): what weft knows of the threads that carry isolates of this family: tid -> table. */
static int lib_cards(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  size_t n;
  box *b = box_push(L);
  wf_card_note(iso);
  b->cards = wf_family_cards(iso->member, &n);
  if (b->cards == NULL) return luaL_error(L, "not enough memory");
  lua_createtable(L, 0, (int)n);
  for (size_t i = 0; i < n; i++) {
    const wf_card_copy *c = &b->cards[i];
    if (c->tid == 0) continue;
    lua_createtable(L, 0, 4);
    set_integer(L, "isolate", c->isolate);
    set_integer(L, "memory", (int64_t)c->memory);
    set_integer(L, "tasks", c->tasks);
    if (c->stack_low != NULL) {
      lua_createtable(L, 0, 3);
      set_integer(L, "address", (int64_t)(uintptr_t)c->stack_low);
      set_integer(L, "size", (int64_t)c->stack_size);
      set_integer(L, "used", (int64_t)c->stack_used);
      lua_setfield(L, -2, "stack");
    }
    lua_rawseti(L, -2, (lua_Integer)c->tid);
  }
  return 1;
}

/* core.own_ids(): the numbers of this process and of the calling thread. */
static int lib_own_ids(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)getpid());
  lua_pushinteger(L, (lua_Integer)wf_thread_self_tid());
  return 2;
}

/* core.job_tid(job): the thread that is the job's own, or nil: it is a task's job, or has ended. */
static int lib_job_tid(lua_State *L) {
  wf_job j = wf_job_check(wf_iso_up(L), L, 1);
  int64_t tid = j.child == NULL ? 0 : wf_child_tid(j.child);
  if (tid == 0) return 0;
  lua_pushinteger(L, (lua_Integer)tid);
  return 1;
}

/* core.job_pid(job): the process that is the job's own, or nil. */
static int lib_job_pid(lua_State *L) {
  wf_job j = wf_job_check(wf_iso_up(L), L, 1);
  int64_t pid = j.child == NULL ? 0 : wf_child_pid(j.child);
  if (pid == 0) return 0;
  lua_pushinteger(L, (lua_Integer)pid);
  return 1;
}

void wf_lib_info(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"process_facts", lib_process_facts}, {"thread_facts", lib_thread_facts}, {"cards", lib_cards},
                                   {"own_ids", lib_own_ids}, {"job_tid", lib_job_tid}, {"job_pid", lib_job_pid}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
