/*
 * l_trace.c: the trace as Lua's side of weft sees it: functions trace_* of weft.core.
 *
 * What it is: starts and stops recording and turns a snapshot into a table that lua/weft/trace_model.lua
 * reads: events as one string of fixed records, everything small as tables.
 * Thread: the caller's carrier. Owner: a snapshot is C memory held by a box, a userdata with __gc, from
 * before it is taken until the table is built, so that an error while building leaks nothing.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#ifndef _WIN32
#include <sys/ioctl.h>
#include <unistd.h>
#endif

#include "lib/lib.h"
#include "lx/late.h"
#include "rt/announce.h"
#include "rt/buffer.h"
#include "rt/shchan.h"
#include "rt/sync.h"
#include "rt/trace.h"

/* The layout that trace_model.lua unpacks: "=I8BBI2I4i8i8". */
static_assert(sizeof(wf_trace_event) == 32 && offsetof(wf_trace_event, ev) == 8 &&
                  offsetof(wf_trace_event, thread) == 10 && offsetof(wf_trace_event, iso) == 12 &&
                  offsetof(wf_trace_event, task) == 16 && offsetof(wf_trace_event, arg) == 24,
              "records are read by string.unpack");

enum { CAPACITY_MAX = 1 << 26 }; /* records a lane: 2 GiB */

static const char *const ev_names[WF_TRACE_EV_COUNT] = {
    [WF_TRACE_NEW] = "new", [WF_TRACE_LIVE] = "live", [WF_TRACE_NAME] = "name", [WF_TRACE_LABEL] = "label",
    [WF_TRACE_RUN] = "run", [WF_TRACE_STOP] = "stop", [WF_TRACE_READY] = "ready", [WF_TRACE_MARK] = "mark",
    [WF_TRACE_PUT] = "put", [WF_TRACE_TAKE] = "take", [WF_TRACE_POST] = "post", [WF_TRACE_ENTER] = "enter",
    [WF_TRACE_LEAVE] = "leave", [WF_TRACE_SHIP] = "ship", [WF_TRACE_LAND] = "land", [WF_TRACE_SAME] = "same",
};

static const char *const why_names[WF_WHY_COUNT] = {
#define X(id, text) [WF_WHY_##id] = text,
    WF_TRACE_WHYS(X)
#undef X
};

static int box_gc(lua_State *L) {
  wf_trace_shot *shot = luaL_testudata(L, 1, "weft.trace.snapshot");
  if (shot != NULL) wf_trace_shot_free(shot);
  return 0;
}

wf_trace_shot *wf_trace_push_box(lua_State *L) {
  wf_trace_shot *shot = lua_newuserdatauv(L, sizeof *shot, 0);
  memset(shot, 0, sizeof *shot);
  lx_finaliser_set(L, "weft.trace.snapshot", box_gc);
  return shot;
}

static void set_integer(lua_State *L, const char *key, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}

/* A table of the texts of one kind by id; of moments by place, which is their events' arg. */
static void push_texts(lua_State *L, wf_trace_shot *shot, enum wf_trace_ev ev) {
  bool moments = wf_trace_is_moment(ev);
  lua_newtable(L);
  for (size_t i = 0; i < shot->ntexts; i++) {
    const wf_trace_note *note = &shot->texts[i];
    if (moments ? !wf_trace_is_moment(note->ev) : note->ev != ev) continue;
    lua_pushstring(L, note->text);
    lua_rawseti(L, -2, moments ? (lua_Integer)i : (lua_Integer)note->id);
  }
}

static void push_threads(lua_State *L, const wf_trace_shot *shot) {
  lua_createtable(L, (int)shot->nthreads, 0);
  for (size_t i = 0; i < shot->nthreads; i++) {
    const wf_trace_thread *t = &shot->threads[i];
    lua_createtable(L, 0, 5);
    set_integer(L, "tid", t->tid);
    set_integer(L, "lost", t->lost);
    set_integer(L, "count", t->count);
    lua_pushboolean(L, t->ended);
    lua_setfield(L, -2, "ended");
    lua_pushstring(L, t->name);
    lua_setfield(L, -2, "name");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_shot(lua_State *L, wf_trace_shot *shot) {
  lua_createtable(L, 0, 11);
  set_integer(L, "start", shot->start_ns);
#ifndef _WIN32
  set_integer(L, "pid", (uint64_t)getpid());
#endif
  set_integer(L, "wall", shot->wall_ns);
  set_integer(L, "cpu", shot->cpu_ns);
  set_integer(L, "lost", shot->lost);
  set_integer(L, "count", shot->nevents);
  lua_pushlstring(L, (const char *)shot->events, shot->nevents * sizeof *shot->events);
  lua_setfield(L, -2, "records");
  push_texts(L, shot, WF_TRACE_NAME);
  lua_setfield(L, -2, "names");
  push_texts(L, shot, WF_TRACE_LABEL);
  lua_setfield(L, -2, "labels");
  push_texts(L, shot, WF_TRACE_MARK);
  lua_setfield(L, -2, "marks");
  push_threads(L, shot);
  lua_setfield(L, -2, "threads");
}

int wf_trace_push_shot(lua_State *L, wf_trace_shot *shot) {
  push_shot(L, shot);
  wf_trace_shot_free(shot); /* its size is unknown to the collector, which may not come by for long */
  return 1;
}

/* trace_start(capacity) -> true | nil, message. capacity: records kept of each thread, 0 the default. The
 * tasks that this isolate has already are announced. */
static int trace_start(lua_State *L) {
  lua_Integer capacity = luaL_optinteger(L, 1, 0);
  luaL_argcheck(L, capacity >= 0 && capacity <= CAPACITY_MAX, 1, "capacity out of range");
  int error = wf_trace_start((size_t)capacity);
  if (error == 0) {
    wf_iso_announce(wf_iso_up(L), L);
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, error == EBUSY ? "a trace is running already" : strerror(error));
  return 2;
}

static int trace_take(lua_State *L, int (*take)(wf_trace_shot *)) {
  wf_trace_shot *shot = wf_trace_push_box(L);
  int error = take(shot);
  if (error != 0) {
    lua_pushnil(L);
    lua_pushstring(L, error == EINVAL ? "no trace is running" : "not enough memory for the records");
    return 2;
  }
  return wf_trace_push_shot(L, shot);
}

/* trace_stop() -> records | nil, message. Out of memory: tracing is off and the records are gone. */
static int trace_stop(lua_State *L) { return trace_take(L, wf_trace_stop); }

/* trace_snapshot() -> records so far | nil, message. */
static int trace_snapshot(lua_State *L) { return trace_take(L, wf_trace_snapshot); }

/* trace_on() -> whether a trace is running. */
static int trace_on(lua_State *L) {
  lua_pushboolean(L, wf_trace_on() != 0);
  return 1;
}

/* trace_mark(text) */
static int trace_mark(lua_State *L) {
  wf_trace_mark(luaL_checkstring(L, 1));
  return 0;
}

/* trace_enter(text): the running task begins a region; trace_leave() ends its innermost one. */
static int trace_enter(lua_State *L) {
  wf_trace_enter(luaL_checkstring(L, 1));
  return 0;
}

static int trace_leave(lua_State *L) {
  (void)L;
  wf_trace(WF_TRACE_LEAVE, WF_WHY_NONE, 0, 0, 0);
  return 0;
}

/* trace_id(object) -> the number of a channel, lock or buffer in traces | nil. */
static int trace_id(lua_State *L) {
  const wf_object *o = lua_touserdata(L, 1);
  const wf_channel *c = wf_object_test(L, 1, WF_CLASS_CHANNEL, sizeof *c);
  const wf_buffer *b = wf_object_test(L, 1, WF_CLASS_BUFFER, sizeof *b);
  uint64_t id = 0;
  if (c != NULL) {
    id = c->shared != NULL ? c->shared->id : wf_channel_id(c->object.iso, c);
  } else if (b != NULL) {
    id = wf_buffer_id(b);
  } else if (o != NULL && lua_rawlen(L, 1) >= sizeof(wf_sync)) {
    for (int k = WF_CLASS_MUTEX; k <= WF_CLASS_EVENT && id == 0; k++)
      if (o->seal == WF_SEAL(k)) id = wf_sync_id((const wf_sync *)o);
  }
  if (id == 0) return 0;
  lua_pushinteger(L, (lua_Integer)id);
  return 1;
}

/* pid() -> of this process. */
static int trace_pid(lua_State *L) {
#ifndef _WIN32
  lua_pushinteger(L, getpid());
#else
  lua_pushinteger(L, 0);
#endif
  return 1;
}

static void push_names(lua_State *L, const char *const *names, int n) {
  lua_createtable(L, n, 1);
  for (int i = 0; i < n; i++) {
    lua_pushstring(L, names[i] != NULL ? names[i] : "");
    lua_rawseti(L, -2, i);
  }
}

/* trace_words() -> names of events, names of reasons, each by number from 0. */
static int trace_words(lua_State *L) {
  push_names(L, ev_names, WF_TRACE_EV_COUNT);
  push_names(L, why_names, WF_WHY_COUNT);
  return 2;
}

/* trace_terminal([stderr]) -> whether standard output, or standard error, is a terminal, its columns or nil. */
static int trace_terminal(lua_State *L) {
#ifdef TIOCGWINSZ
  int fd = lua_toboolean(L, 1) ? STDERR_FILENO : STDOUT_FILENO;
  lua_pushboolean(L, isatty(fd));
  struct winsize size;
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    lua_pushinteger(L, size.ws_col);
    return 2;
  }
#else
  lua_pushboolean(L, 0);
#endif
  return 1;
}

void wf_lib_trace(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {
      {"trace_start", trace_start},       {"trace_stop", trace_stop}, {"trace_snapshot", trace_snapshot},
      {"trace_on", trace_on},             {"trace_mark", trace_mark}, {"trace_words", trace_words},
      {"trace_enter", trace_enter},       {"trace_leave", trace_leave}, {"trace_id", trace_id},
      {"pid", trace_pid},
      {"trace_terminal", trace_terminal}, {NULL, NULL},
  };
  wf_lib_add(iso, L, funcs);
}
