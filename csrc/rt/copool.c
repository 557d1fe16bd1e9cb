/* See copool.h. */
#include "rt/copool.h"

#include "base/alloc.h"
#include "lx/host_heap.h"

enum { IDLE_MAX = 4096, ROOM_MIN = 64 };

/* A free slot holds the next free index, tagged by an odd value, which no task's address is. */
static wf_task *slot_link(uint32_t next) { return (wf_task *)(((uintptr_t)next << 1) | 1); }
static uint32_t slot_next(const wf_task *t) { return (uint32_t)((uintptr_t)t >> 1); }

wf_task *wf_iso_slot(const wf_iso *iso, uint32_t i) {
  wf_task *t = iso->slots[i];
  return t == NULL || ((uintptr_t)t & 1) ? NULL : t;
}

static bool grow(void **array, uint32_t *room, size_t item) {
  uint32_t n = *room < ROOM_MIN ? ROOM_MIN : *room + *room / 2;
  void *p = wf_realloc(*array, n * item);
  if (p == NULL) return false;
  *array = p;
  *room = n;
  return true;
}

/* More tasks live at once than ever did: the coroutine of one more, about a kilobyte, is memory that grows and not
 * garbage to come, so it does not hasten the next collection. Each would look at the stacks of all coroutines. (A step
 * of negative size; at a stopped collector it would be a step all the same.) */
static void grow_quietly(lua_State *L) {
  if (lua_gc(L, LUA_GCISRUNNING)) lua_gc(L, LUA_GCSTEP, -1);
}

/* Push a new coroutine into `anchors`. Protected. Stack: isolate, slot. */
static int make(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->anchors);
  lua_State *co = lua_newthread(L);
  lua_rawseti(L, 3, lua_tointeger(L, 2));
  if (lua_tointeger(L, 2) == (lua_Integer)iso->nslots) grow_quietly(L);
  lua_pushlightuserdata(L, co);
  return 1;
}

static lua_State *co_new(wf_iso *iso, uint32_t *at) {
  uint32_t slot = iso->free_slot != 0 ? iso->free_slot : iso->nslots;
  lua_State *L = iso->bench;
  if (slot >= iso->slots_room) {
    if (slot > ROOM_MIN) lx_host_heap(L); /* it lives on many tasks */
    if (!grow((void **)&iso->slots, &iso->slots_room, sizeof *iso->slots)) return NULL;
  }
  /* Room for all to come back at once, within reason. */
  if (iso->idle_room <= slot && iso->idle_room < IDLE_MAX && !grow((void **)&iso->idle, &iso->idle_room, sizeof *iso->idle))
    return NULL;
  if (!lua_checkstack(L, 4)) return NULL;
  lua_pushcfunction(L, make);
  lua_pushlightuserdata(L, iso);
  lua_pushinteger(L, slot);
  int status = lua_pcall(L, 2, 1, 0);
  lua_State *co = status == LUA_OK ? lua_touserdata(L, -1) : NULL;
  lua_pop(L, 1);
  if (co == NULL) return NULL;
  if (slot == iso->free_slot)
    iso->free_slot = slot_next(iso->slots[slot]);
  else
    iso->nslots++;
  *at = slot;
  return co;
}

bool wf_co_take(wf_iso *iso, wf_task *t) {
  if (wf_likely(iso->nidle > 0)) {
    iso->nidle--;
    t->co = iso->idle[iso->nidle].co;
    t->slot = iso->idle[iso->nidle].slot;
  } else if ((t->co = co_new(iso, &t->slot)) == NULL) {
    return false;
  }
  iso->slots[t->slot] = t;
  return true;
}

/* Forget a coroutine; the collector takes it. */
static void co_drop(wf_iso *iso, const lua_State *co, uint32_t slot) {
  lua_State *L = iso->bench;
  if (iso->running == co) iso->running = L; /* where a signal handler would set a hook */
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->anchors);
  lua_pushnil(L);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
  iso->slots[slot] = slot_link(iso->free_slot);
  iso->free_slot = slot;
}

void wf_co_done(wf_iso *iso, lua_State *co, uint32_t slot, bool again) {
  if (wf_likely(again && iso->nidle < IDLE_MAX && iso->nidle < iso->idle_room)) {
    iso->slots[slot] = NULL;
    iso->idle[iso->nidle++] = (struct wf_idle){co, slot};
  } else {
    co_drop(iso, co, slot);
  }
}

wf_task *wf_iso_walk(const wf_iso *iso, wf_walk *w) {
  while (w->fresh == NULL && ++w->slot < iso->nslots) {
    wf_task *t = wf_iso_slot(iso, w->slot);
    if (t != NULL && !wf_task_finished(t)) return t;
  }
  wf_task *t = w->fresh == NULL ? iso->head : w->fresh->u.next;
  while (t != NULL && !(t->flags & WF_F_NEW)) t = t->u.next;
  if (t != NULL) w->fresh = t;
  return t;
}
