/* See report.h. Runs on the isolate's carrier.
 *
 * Handles of tasks have no finaliser. A task that failed unseen gets a tombstone, a small userdata
 * with one, in the table of its results: when the handle is collected, so is the tombstone, and it
 * tells. The two hold each other, so the finaliser still finds the handle. */
#include "rt/report.h"

#include <stdio.h>
#include <string.h>

#include "lx/error.h"
#include "rt/channel.h"
#include "rt/copool.h"
#include "rt/recorder.h"
#include "rt/sched.h"
#include "rt/task.h"

enum { TASKS_SHOWN = 50 };

void wf_report_unseen(wf_iso *iso, lua_State *L, wf_task *t, int handle, int kept) {
  char started[LUA_IDSIZE + 16];
  lua_pushvalue(L, handle);
  lua_setfield(L, kept, "job");
  lua_pushstring(L, wf_task_started(iso, t, started, sizeof started));
  lua_setfield(L, kept, "started");
  wf_class_push(iso, L, WF_CLASS_TOMBSTONE, 0, 1);
  lua_pushvalue(L, kept);
  lua_setiuservalue(L, -2, 1);
  lua_setfield(L, kept, "tombstone");
  iso->unseen++;
}

static int tombstone_gc(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_settop(L, 1);
  if (wf_iso_test(iso, L, 1, WF_CLASS_TOMBSTONE) == NULL) return 0;
  lua_getiuservalue(L, 1, 1);
  lua_getfield(L, 2, "job");
  const wf_task *t = lua_touserdata(L, 3);
  if (t->flags & (WF_F_LOOKED | WF_F_DETACHED)) return 0;
  lua_rawgeti(L, 2, 1);
  if (lua_rawgeti(L, 2, 2) == LUA_TSTRING) {
    lua_getfield(L, 2, "started");
    lua_pushfstring(L, "%s\nstarted at %s", lua_tostring(L, -2), lua_tostring(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
  wf_report_failure(iso, L);
  return 0;
}

static int to_string(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* Push the value at idx as text, whatever its __tostring does. [-0, +1, m] */
static const char *push_text(lua_State *L, int idx) {
  lua_pushvalue(L, idx);
  lua_pushcfunction(L, to_string);
  lua_insert(L, -2);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    lua_pop(L, 1);
    lua_pushfstring(L, "(a %s whose __tostring fails)", luaL_typename(L, idx));
  }
  return lua_tostring(L, -1);
}

void wf_report_failure(wf_iso *iso, lua_State *L) {
  static const char CLASS[] = "weft.job ", STATE[] = " (failed)";
  luaL_checkstack(L, 6, NULL);
  int base = lua_gettop(L) - 2;
  if (iso->unhandled != LUA_NOREF) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->unhandled);
    lua_insert(L, base);
    if (lua_pcall(L, 3, 0, 0) == LUA_OK) return;
    fprintf(stderr, "weft: the on_unhandled handler failed: %s\n", push_text(L, lua_gettop(L)));
    lua_pop(L, 2);
    return;
  }
  const char *job = push_text(L, base);
  size_t len = strlen(job), class_len = sizeof CLASS - 1, state_len = sizeof STATE - 1;
  if (strncmp(job, CLASS, class_len) == 0 && len > class_len + state_len) { /* that it has failed is said anyway */
    job += class_len;
    len -= class_len;
    if (strcmp(job + len - state_len, STATE) == 0) len -= state_len;
  }
  fprintf(stderr, "weft: %.*s failed and nobody looked: %s\n", (int)len, job, push_text(L, base + 1));
  if (lua_isstring(L, base + 2)) fprintf(stderr, "%s\n", lua_tostring(L, base + 2));
  fflush(stderr);
  lua_settop(L, base - 1);
}

static int collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

static int start_collector(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  lua_pushcfunction(L, collect);
  wf_task *t = wf_task_start(iso, L, 0, 0);
  t->flags |= WF_F_DETACHED;
  return 0;
}

bool wf_report_flush(wf_iso *iso, lua_State *L) {
  iso->unseen = 0;
  if (iso->closing) return false;
  lua_pushcfunction(L, start_collector);
  lua_pushlightuserdata(L, iso);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return true;
  lua_pop(L, 1);
  return false;
}

/* The function that blocks is the first C function from the top whose first local is its subject. */
static int blocked_level(lua_State *co, lua_Debug *ar, const lua_State *L) {
  int level = co == L ? 1 : 0; /* above it runs the function that reports */
  if (!lua_getstack(co, level, ar)) return -1;
  return level;
}

/* What for, when the one who waits does so in a channel that the script does not know; NULL: it is none of these. */
static const char *use_of(lua_State *L, int idx) {
  static const char *const uses[] = {
#define X(id, text) text,
      WF_CHANNEL_USES(X)
#undef X
  };
  const wf_channel *c = wf_object_test(L, idx, WF_CLASS_CHANNEL, sizeof *c);
  return c == NULL ? NULL : uses[c->use];
}

/* The list of a select is on top: replace it by the texts of what its cases wait for, or by nil. */
static void tell_cases(lua_State *L) {
  enum { SHOWN_CASES = 4 };
  int list = lua_gettop(L), n = (int)lua_rawlen(L, list), pieces = 0;
  luaL_checkstack(L, 3 * SHOWN_CASES + 8, NULL);
  for (int i = 1; i <= n && i <= SHOWN_CASES; i++) {
    if (lua_rawgeti(L, list, i) != LUA_TTABLE || lua_rawgeti(L, -1, 1) != LUA_TUSERDATA) {
      lua_settop(L, list + pieces);
      continue;
    }
    lua_pushliteral(L, "send");
    bool sends = lua_rawget(L, -3) != LUA_TNIL;
    lua_pop(L, 1);
    luaL_tolstring(L, -1, NULL);
    lua_pushfstring(L, "%s%s%s", pieces > 0 ? ", " : "", sends ? "to send to " : "", lua_tostring(L, -1));
    lua_replace(L, list + ++pieces);
    lua_settop(L, list + pieces);
  }
  if (n > SHOWN_CASES && pieces > 0) {
    lua_pushfstring(L, " and %d more", n - SHOWN_CASES);
    pieces++;
  }
  if (pieces > 0)
    lua_concat(L, pieces);
  else
    lua_pushnil(L);
  lua_remove(L, list);
}

/* Push the text of the subject on top of co, which goes; or nil. */
static const char *push_subject(lua_State *co, lua_State *L, uint8_t why) {
  const char *use = NULL;
  if (why == WF_WHY_SELECT && lua_istable(co, -1)) {
    if (co != L) lua_xmove(co, L, 1);
    tell_cases(L);
    return NULL;
  }
  if (!lua_isuserdata(co, -1) || lua_islightuserdata(co, -1)) {
    lua_pop(co, 1);
    lua_pushnil(L);
    return NULL;
  }
  if (co != L) lua_xmove(co, L, 1);
  if ((use = use_of(L, -1)) != NULL)
    lua_pushnil(L);
  else
    luaL_tolstring(L, -1, NULL);
  lua_remove(L, -2);
  return use;
}

const char *wf_report_place(lua_State *L, const wf_task *t) {
  lua_State *co = wf_task_lua(t);
  lua_Debug ar;
  const char *use = NULL;
  luaL_checkstack(L, 6, NULL);
  if (co != NULL) lua_checkstack(co, 4);
  int level = co == NULL ? -1 : blocked_level(co, &ar, L);
  bool waits = t->state == WF_WAITING || (t->flags & WF_F_INLINE);
  if (level >= 0 && waits && lua_getlocal(co, &ar, 1) != NULL)
    use = push_subject(co, L, t->why);
  else
    lua_pushnil(L);
  if (level >= 0)
    lx_place_push(co, L, level);
  else
    lua_pushnil(L);
  return use;
}

void wf_report_wait(wf_iso *iso, lua_State *L, const wf_task *t) {
  char started[LUA_IDSIZE + 16];
  int n = 1; /* pieces to join */
  luaL_checkstack(L, 12, NULL);
  const char *use = wf_report_place(L, t);
  int at = lua_gettop(L), on = at - 1;
  wf_task_push_name(iso, L, t);
  if (t->flags & WF_F_INLINE && t->claim != WF_ARMED) {
    lua_pushliteral(L, ": ready, but under ");
    wf_task_push_name(iso, L, iso->cur);
    lua_pushliteral(L, ", which waits inside a function that cannot yield");
    n += 4;
  } else if (t->state == WF_WAITING) {
    lua_pushfstring(L, ": waits in %s", use != NULL ? use : wf_trace_why_text((enum wf_trace_why)t->why));
    n += 2;
  } else {
    lua_pushliteral(L, ": ready");
    n += 2;
  }
  if (lua_isstring(L, on)) {
    lua_pushfstring(L, " for %s", lua_tostring(L, on));
    n++;
  }
  if (lua_isstring(L, at)) {
    lua_pushfstring(L, " at %s", lua_tostring(L, at));
    n++;
  }
  if (wf_task_started(iso, t, started, sizeof started)[0] != '\0') {
    lua_pushfstring(L, " (started at %s)", started);
    n++;
  }
  lua_remove(L, at);
  lua_remove(L, on);
  lua_concat(L, n);
}

/* "\n  " and a line for each unfinished task; in front of it, in a child, which thread. */
static int build_lines(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  int shown = 0, left_out = 0;
  lua_pushliteral(L, "");
  wf_walk w = {0, NULL};
  for (const wf_task *t = &iso->main; t != NULL; t = wf_iso_walk(iso, &w)) {
    if (++shown > TASKS_SHOWN) {
      left_out++;
      continue;
    }
    if (iso->parent_task != 0)
      lua_pushfstring(L, "\n  %s %d, ", iso->pooled ? "isolate" : "thread", (int)iso->id);
    else
      lua_pushliteral(L, "\n  ");
    wf_report_wait(iso, L, t);
    lua_concat(L, 2);
  }
  if (left_out > 0) {
    lua_pushfstring(L, "\n  ... and %d more", left_out);
    lua_concat(L, 2);
  }
  return 1;
}

bool wf_report_lines(wf_iso *iso, lua_State *L) {
  if (!lua_checkstack(L, 4)) return false;
  lua_pushcfunction(L, build_lines);
  lua_pushlightuserdata(L, iso);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) return true;
  lua_pop(L, 1);
  return false;
}

/* Stack: how many tasks, their lines. */
static int build_deadlock(lua_State *L) {
  int n = (int)lua_tointeger(L, 1);
  const char *lines = lua_tostring(L, 2);
  if (n == 1)
    lx_error_new(L, "deadlock", "deadlock: the only task is asleep%s", lines);
  else
    lx_error_new(L, "deadlock", "deadlock: all %d tasks are asleep%s", n, lines);
  return 1;
}

/* Lines on top -> the error value. */
static void to_error(lua_State *L, uint32_t tasks) {
  if (atomic_load_explicit(&wf_recorder_on, memory_order_relaxed)) wf_recorder_deadlock();
  lua_pushcfunction(L, build_deadlock);
  lua_insert(L, -2);
  lua_pushinteger(L, tasks);
  lua_insert(L, -2);
  lua_pcall(L, 2, 1, 0);
}

void wf_report_deadlock(wf_iso *iso, lua_State *L) {
  if (!wf_report_lines(iso, L)) lua_pushliteral(L, "");
  to_error(L, iso->live + 1);
}

void wf_report_raise(wf_iso *iso, uint32_t tasks, const char *lines) {
  wf_task *t = iso->cur;
  lua_State *L = iso->L;
  if (t->claim != WF_ARMED || !lua_checkstack(L, 6)) return;
  lua_pushstring(L, lines);
  to_error(L, tasks);
  wf_wait_fail(iso, L, t);
}

void wf_report_open(wf_iso *iso, lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", tombstone_gc}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_TOMBSTONE, "weft.tombstone", NULL, meta);
}
