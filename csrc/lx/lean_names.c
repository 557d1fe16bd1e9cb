/*
** The names of a lean state: which there are, and what stands behind each.
**
** They are learnt from Lua itself, so that every 5.4 has its own: the first lean
** state of a process opens `base` and `string` in a scratch state and notes the
** functions found. From then on the tables here are constants, read by any
** thread without a lock.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/base.h"
#include "lx/lean_state.h"

enum { NAMES_MAX = 64, SLOTS = 128, EVENTS_MAX = 16 };

static wf_lean_name names[NAMES_MAX];
static unsigned count, base_count;
static uint8_t slots[SLOTS]; /* index into names, plus one; open addressing */
lua_CFunction wf_lean_stock[WF_DOORS];
static struct event {
  char text[16];
  lua_CFunction f;
} events[EVENTS_MAX];
static unsigned event_count;

/* 0, then 1 for ever. Written under `learning` after the tables (release), read
   before they are (acquire). */
static _Atomic int learnt;
static pthread_mutex_t learning = PTHREAD_MUTEX_INITIALIZER;

static const struct lib {
  const char *name;
  lua_CFunction open;
} libs[WF_LIBS] = {
  [WF_LIB_PACKAGE] = {LUA_LOADLIBNAME, luaopen_package}, [WF_LIB_COROUTINE] = {LUA_COLIBNAME, luaopen_coroutine},
  [WF_LIB_TABLE] = {LUA_TABLIBNAME, luaopen_table},      [WF_LIB_IO] = {LUA_IOLIBNAME, luaopen_io},
  [WF_LIB_OS] = {LUA_OSLIBNAME, luaopen_os},             [WF_LIB_STRING] = {LUA_STRLIBNAME, luaopen_string},
  [WF_LIB_MATH] = {LUA_MATHLIBNAME, luaopen_math},       [WF_LIB_UTF8] = {LUA_UTF8LIBNAME, luaopen_utf8},
  [WF_LIB_DEBUG] = {LUA_DBLIBNAME, luaopen_debug},
};

static const char *const door_names[WF_DOORS] = {
  [WF_DOOR_NEXT] = "next",     [WF_DOOR_PAIRS] = "pairs",          [WF_DOOR_RAWGET] = "rawget",
  [WF_DOOR_RAWSET] = "rawset", [WF_DOOR_GETMETA] = "getmetatable", [WF_DOOR_SETMETA] = "setmetatable",
};

/* Any text of any length comes here, at every global that is not there. */
static unsigned slot_of(const char *text, size_t len) {
  if (len == 0) return 0;
  unsigned first = (unsigned char)text[0], middle = (unsigned char)text[len / 2], last = (unsigned char)text[len - 1];
  return (unsigned)(len * 5 + first * 31 + middle * 17 + last * 7) % SLOTS;
}

const wf_lean_name *wf_lean_name_find(const char *text, size_t len) {
  for (unsigned i = slot_of(text, len); slots[i] != 0; i = (i + 1) % SLOTS) {
    const wf_lean_name *n = &names[slots[i] - 1];
    if (n->len == len && memcmp(n->text, text, len) == 0) return n;
  }
  return NULL;
}

static void name_add(const char *text, enum wf_name_kind kind, unsigned index, lua_CFunction f) {
  size_t len = strlen(text);
  wf_assert(count < NAMES_MAX && len < sizeof names[0].text);
  if (count >= NAMES_MAX || len >= sizeof names[0].text) return;
  names[count] = (wf_lean_name){.len = (uint8_t)len, .kind = (uint8_t)kind, .index = (uint8_t)index, .f = f};
  memcpy(names[count].text, text, len);
  unsigned i = slot_of(text, len);
  while (slots[i] != 0) i = (i + 1) % SLOTS;
  slots[i] = (uint8_t)++count;
}

/* In the scratch state; raises when memory is out, before anything was noted. */
static int learn(lua_State *L) {
  const lua_CFunction *replacement = lua_touserdata(L, 1);
  lua_pushcfunction(L, luaopen_base);
  lua_call(L, 0, 0);
  lua_pushcfunction(L, luaopen_string);
  lua_call(L, 0, 0);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  int meta = lua_gettop(L);
  lua_pushglobaltable(L);
  luaL_checkstack(L, 4, NULL);
  /* Nothing below allocates: keys and values are there. */
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    if (lua_type(L, -2) == LUA_TSTRING) {
      const char *text = lua_tostring(L, -2);
      lua_CFunction f = lua_tocfunction(L, -1);
      for (unsigned d = 0; f && d < WF_DOORS; d++) {
        if (strcmp(text, door_names[d]) != 0) continue;
        wf_lean_stock[d] = f;
        f = replacement[d];
      }
      name_add(text, WF_NAME_BASE, base_count++, f);
    }
    lua_pop(L, 1);
  }
  lua_pushnil(L);
  while (lua_next(L, meta)) {
    const char *text = lua_tostring(L, -2);
    lua_CFunction f = lua_tocfunction(L, -1);
    if (f && event_count < EVENTS_MAX && strlen(text) < sizeof events[0].text) {
      strcpy(events[event_count].text, text);
      events[event_count++].f = f;
    }
    lua_pop(L, 1);
  }
  for (unsigned i = 0; i < WF_LIBS; i++) name_add(libs[i].name, WF_NAME_LIB, i, NULL);
  name_add("require", WF_NAME_REQUIRE, WF_LIB_PACKAGE, NULL);
  return 0;
}

static int learn_locked(const lua_CFunction *replacement) {
  wf_heap heap;
  wf_heap_init(&heap, NULL, 0, 0);
  lua_State *L = lua_newstate(WF_LEAN_ALLOC, &heap);
  int ok = 0;
  if (L) {
    lua_pushcfunction(L, learn);
    lua_pushlightuserdata(L, (void *)(uintptr_t)replacement);
    ok = lua_pcall(L, 1, 0, 0) == LUA_OK;
    lua_close(L);
  }
  wf_heap_fini(&heap);
  return ok;
}

int wf_lean_names_learn(const lua_CFunction replacement[WF_DOORS]) {
  if (wf_likely(atomic_load_explicit(&learnt, memory_order_acquire))) return 1;
  pthread_mutex_lock(&learning);
  int ok = atomic_load_explicit(&learnt, memory_order_relaxed) || learn_locked(replacement);
  atomic_store_explicit(&learnt, ok, memory_order_release);
  pthread_mutex_unlock(&learning);
  return ok;
}

const wf_lean_name *wf_lean_name_base(unsigned index) {
  return index < base_count ? &names[index] : NULL; /* they were added first */
}

uint64_t wf_lean_names_base_bits(void) {
  wf_assert(base_count > 0 && base_count < 64);
  return ((uint64_t)1 << base_count) - 1;
}

const char *wf_lean_lib_name(enum wf_lib lib) { return libs[lib].name; }

lua_CFunction wf_lean_lib_opener(enum wf_lib lib) { return libs[lib].open; }

void wf_lean_push_string_meta(lua_State *L) {
  lua_createtable(L, 0, (int)event_count + 1);
  for (unsigned i = 0; i < event_count; i++) {
    lua_pushcfunction(L, events[i].f);
    lua_setfield(L, -2, events[i].text);
  }
}
