/* See iso.h. Opening and the records of an isolate. */
#include "rt/iso.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "lx/error.h"
#include "lx/late.h"
#include "lx/release.h"
#include "rt/cancel.h"
#include "rt/child.h"
#include "rt/buffer.h"
#include "rt/copool.h"
#include "rt/family.h"
#include "rt/io.h"
#include "rt/port.h"
#include "rt/preempt.h"
#include "rt/press.h"
#include "rt/run.h"
#include "rt/sched.h"
#include "rt/seat.h"
#include "rt/shjob.h"
#include "rt/shlock.h"
#include "rt/shutdown.h"
#include "rt/swait.h"
#include "rt/task.h"
#include "sys/stack.h"

static const char KEY = 0; /* its address is the registry key of the isolate */

/* Numbers of isolates, from 1. Written by every thread that opens one; relaxed: only uniqueness
 * matters. */
static _Atomic uint32_t last_id;

wf_iso *wf_iso_of(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &KEY);
  wf_iso *iso = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return iso;
}

static wf_member *open_member(wf_member *m, wf_port *port) {
  if (m != NULL) {
    wf_family_set_port(m, port);
    return m;
  }
  m = wf_malloc(sizeof *m);
  if (m != NULL && wf_family_found(m, port)) return m;
  wf_free(m);
  return NULL;
}

/* A root leaves its family; a child's run does that later. Mail that has come is dropped. */
static void close_member(wf_iso *iso) {
  wf_member *m = iso->member;
  wf_family_set_port(m, NULL);
  wf_port_drain(iso->port);
  if (iso->is_child) return;
  wf_family_leave(m);
  wf_free(m);
}

static void ext_give_back(wf_iso *iso, wf_task *t) {
  if (t->ext == NULL) return;
  wf_scopes_forget(iso, t);
  t->ext->next_free = iso->free_ext;
  iso->free_ext = t->ext;
  t->ext = NULL;
  t->flags &= ~(uint32_t)WF_F_INNER;
}

/* Tasks that are left behind: what others send now must not go to them. */
static void leave_queues(wf_iso *iso) {
  wf_task *t;
  if (wf_forked()) return; /* the queues are the parent's */
  for (wf_walk w = {0, NULL}; (t = wf_iso_walk(iso, &w)) != NULL;)
    if (t->flags & WF_F_SHARED) wf_swait_abandon(t);
}

/* The sentinel: made before everything else of weft, hence finalised after it. */
static int iso_gc(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  if (iso->port == NULL) { /* never opened, or a script calls this by hand */
    iso->closed = 1;
    return 0;
  }
  wf_iso_shutdown(iso, L);
  lx_late_end(L);
  leave_queues(iso);
  wf_holds_end(iso, NULL);
  wf_shjobs_close(iso);
  wf_children_forget(iso, L);
  iso->closed = 1;
  wf_buffer_close_all(iso, L);
  wf_io_close(iso);
  wf_preempt_set(iso, 0);
  if (wf_press_iso() == iso) wf_press_by_signal(NULL);
  close_member(iso);
  wf_port_release(iso->port);
  iso->port = NULL;
  wf_wheel_fini(&iso->wheel);
  wf_text_release(iso->path);
  wf_text_release(iso->cpath);
  iso->path = iso->cpath = NULL;
  wf_scopes_forget(iso, &iso->main);
  iso->cur = &iso->main;
  wf_task *t; /* left behind */
  for (wf_walk w = {0, NULL}; (t = wf_iso_walk(iso, &w)) != NULL;) ext_give_back(iso, t);
  while (iso->free_ext != NULL) {
    wf_ext *x = iso->free_ext;
    iso->free_ext = x->next_free;
    wf_free(x);
  }
  wf_swait_forget(iso);
  wf_seats_close(iso);
  wf_free(iso->slots);
  wf_free(iso->idle);
  wf_free(iso->sources);
  wf_free(iso->places);
  /* Finalisers of objects that are older than weft in this state run after this, and may call it. */
  iso->slots = NULL;
  iso->idle = NULL;
  iso->sources = NULL;
  iso->places = NULL;
  iso->places_usable = false;
  iso->nslots = iso->slots_room = iso->nidle = iso->idle_room = iso->nsources = iso->sources_room = 0;
  return 0;
}

static int table_ref(lua_State *L, const char *mode) {
  lua_newtable(L);
  if (mode != NULL) {
    lua_createtable(L, 0, 1);
    lua_pushstring(L, mode);
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
  }
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

const char *wf_object_number(const wf_iso *iso, uint64_t id, char buf[WF_NUMBER_ROOM]) {
  unsigned home = (unsigned)(id >> 32) & 0x7FFFFFFF, seq = (unsigned)id;
  if (home == iso->id)
    snprintf(buf, WF_NUMBER_ROOM, "%u", seq);
  else
    snprintf(buf, WF_NUMBER_ROOM, "%u.%u", home, seq);
  return buf;
}

uint32_t wf_iso_number(void) { return atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1; }

int wf_iso_prepare(lua_State *L) {
  luaL_checkstack(L, 8, NULL);
  lx_unref_prepare(L);
  lx_late_prepare(L);
  lua_createtable(L, 0, 1); /* the sentinel's metatable, before there is anything that it would have to free */
  lua_pushcfunction(L, iso_gc);
  lua_setfield(L, -2, "__gc");
  wf_iso *iso = lua_newuserdatauv(L, sizeof *iso, 0);
  memset(iso, 0, sizeof *iso);
  wf_list_init(&iso->children);
  wf_list_init(&iso->buffers);
  wf_list_init(&iso->late);
  wf_list_init(&iso->holds);
  wf_list_init(&iso->shjobs);
  wf_list_init(&iso->waiting_all);
  wf_list_init(&iso->handles);
  wf_list_init(&iso->ops);
  wf_list_init(&iso->programs);
  wf_list_init(&iso->peers_dirty);
  wf_list_init(&iso->corked);
  lua_insert(L, -2);
  lua_setmetatable(L, -2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  iso->L = lua_tothread(L, -1);
  lua_pop(L, 1);
  iso->main.co = iso->L;
  iso->main.state = WF_RUNNING;
  iso->main.flags = WF_F_MAIN | WF_F_LOOKED;
  iso->main.ext = &iso->main_ext;
  wf_list_init(&iso->main_ext.joiners);
  iso->main.seq = iso->seq = 1;
  iso->cur = &iso->main;
  iso->running = iso->L;
  iso->anchors = table_ref(L, NULL);
  iso->cancels = table_ref(L, NULL);
  iso->watches = table_ref(L, NULL);
  iso->locals = table_ref(L, NULL);
  iso->names = table_ref(L, NULL);
  iso->tracebacks = table_ref(L, NULL);
  iso->guarded_ref = table_ref(L, "k");
  iso->shared_handles = table_ref(L, "v");
  iso->unhandled = LUA_NOREF;
  iso->nslots = 1;
  lua_rawsetp(L, LUA_REGISTRYINDEX, &KEY);
  return 0;
}

wf_iso *wf_iso_open(lua_State *L, wf_member *member, wf_port *pooled) {
  wf_iso *iso = wf_iso_of(L);
  if (iso == NULL) {
    wf_iso_prepare(L);
    iso = wf_iso_of(L);
  }
  if (iso->port != NULL || iso->closed) return iso;
  if (iso->bench == NULL && pooled == NULL) {
    iso->bench = lua_newthread(L);
    luaL_ref(L, LUA_REGISTRYINDEX);
  } else if (pooled != NULL) {
    iso->bench = iso->L; /* nothing runs on it */
  }
  wf_port *port = pooled;
  if (pooled != NULL)
    wf_port_hold(pooled);
  else
    port = wf_port_new(NULL, NULL);
  if (port != NULL && member == NULL) { /* the host's own thread takes signals */
    port->parker.interrupted = wf_iso_hook_changed;
    port->parker.ud = iso;
  }
  iso->member = port == NULL ? NULL : open_member(member, port);
  if (iso->member == NULL) {
    if (port != NULL) wf_port_release(port);
    lx_raise_memory(L);
  }
  iso->port = port;
  iso->is_child = member != NULL;
  iso->pooled = pooled != NULL;
  iso->id = wf_iso_number();
  wf_spin_init(&iso->spin);
  uint64_t now = wf_clock_ns();
  iso->rng = now ^ (uint64_t)(uintptr_t)iso * 0x9E3779B97F4A7C15u;
  if (iso->rng == 0) iso->rng = 1;
  wf_wheel_init(&iso->wheel, now);
  wf_seats_prepare(iso);
  if (pooled == NULL) wf_card_take_up(iso);
  return iso;
}

void *wf_iso_check(wf_iso *iso, lua_State *L, int idx, enum wf_class c) {
  void *p = wf_iso_test(iso, L, idx, c);
  if (p == NULL) {
    wf_class_open(iso, L, c);
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[c]);
    lua_getfield(L, -1, "__name");
    luaL_typeerror(L, idx, lua_tostring(L, -1));
  }
  return p;
}

void wf_class_push_table(lua_State *L, const luaL_Reg *list, int more) {
  for (const luaL_Reg *r = list; r != NULL && r->name != NULL; r++) more++;
  lua_createtable(L, 0, more);
}

enum { META_MORE = 4 }; /* __index, __name, and what classes add: __weft_transfer, __gc */

void wf_class_new(wf_iso *iso, lua_State *L, enum wf_class c, const char *name, const luaL_Reg *methods,
                  const luaL_Reg *meta) {
  wf_class_push_table(L, meta, META_MORE);
  if (methods != NULL) {
    wf_class_push_table(L, methods, 0);
    lua_pushlightuserdata(L, iso);
    luaL_setfuncs(L, methods, 1);
    lua_setfield(L, -2, "__index");
  }
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  if (meta != NULL) {
    lua_pushlightuserdata(L, iso);
    luaL_setfuncs(L, meta, 1);
  }
  iso->class_ptr[c] = lua_topointer(L, -1);
  iso->class_ref[c] = luaL_ref(L, LUA_REGISTRYINDEX);
}

void wf_class_new_light(wf_iso *iso, lua_State *L, enum wf_class c, const char *name, const luaL_Reg *methods, const luaL_Reg *meta) {
  if (methods != NULL) {
    wf_class_push_table(L, methods, 0);
    luaL_setfuncs(L, methods, 0);
  } else {
    lua_pushvalue(L, -1);
  }
  wf_class_push_table(L, meta, META_MORE);
  lua_insert(L, -2);
  lua_setfield(L, -2, "__index");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  luaL_setfuncs(L, meta, 0);
  iso->class_ptr[c] = lua_topointer(L, -1);
  iso->class_ref[c] = luaL_ref(L, LUA_REGISTRYINDEX);
}

void wf_class_open(wf_iso *iso, lua_State *L, enum wf_class c) {
  if (iso->class_ref[c] != 0) return;
  if (iso->open_class == NULL) {
    lua_pushcfunction(L, iso->open_core);
    lua_call(L, 0, 0);
  }
  wf_assert(iso->open_class != NULL); /* opening the core sets it */
  iso->open_class(iso, L, c);
}

/* A tombstone's finaliser speaks: it must not be called twice. */
static void note_latecomer(lua_State *L, enum wf_class c) {
  if (c == WF_CLASS_TOMBSTONE || luaL_getmetafield(L, -1, "__gc") == LUA_TNIL) return;
  lua_pop(L, 1);
  lx_late_note(L);
}

void *wf_class_push(wf_iso *iso, lua_State *L, enum wf_class c, size_t size, int nuv) {
  if (wf_unlikely(iso->class_ref[c] == 0)) wf_class_open(iso, L, c);
  void *p = lua_newuserdatauv(L, size, nuv);
  memset(p, 0, size);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[c]);
  lua_setmetatable(L, -2);
  if (wf_unlikely(iso->closing)) note_latecomer(L, c);
  return p;
}

void wf_class_finalised(wf_iso *iso, lua_State *L, int idx) {
  if (wf_likely(!iso->closing)) return;
  luaL_checkstack(L, 1, NULL);
  lua_pushvalue(L, idx);
  lx_late_note(L);
  lua_pop(L, 1);
}

bool wf_iso_stack_left(wf_iso *iso) {
  char here;
  if (iso->depth == 0) return true;
  if (iso->stack_low == NULL) iso->stack_low = (const char *)wf_stack_low() + WF_STACK_RESERVE;
  return (uintptr_t)&here > (uintptr_t)iso->stack_low;
}

wf_ext *wf_task_ext(wf_iso *iso, wf_task *t) {
  if (t->ext != NULL) return t->ext;
  wf_ext *x = iso->free_ext;
  if (x != NULL)
    iso->free_ext = x->next_free;
  else if ((x = wf_malloc(sizeof *x)) == NULL)
    return NULL;
  memset(x, 0, sizeof *x);
  wf_list_init(&x->joiners);
  return t->ext = x;
}
