/* What travels by name: the globals, modules, and functions and files found in modules.
 *
 * Full mode only (packer.h). A module is what package.loaded holds now; a table that is one is written as its name.
 * Functions are looked for in the fields of modules, and in the tables found there (weft.net.connect);
 * what was found is remembered in the state's table STATE_NAMES and checked again before it is used.
 */
#include <lauxlib.h>

#include "lx/packer.h"

enum {
  NAME_ROOM = 200,
  INNER_MAX = 1000, /* fields looked at in a table inside a module */
};

/* ---- the filter: is an address perhaps a module? ---- */

static void filter_bits(const void *address, unsigned bit[2]) {
  uint64_t h = (uint64_t)(uintptr_t)address * UINT64_C(0x9E3779B97F4A7C15);
  bit[0] = (unsigned)(h >> 56);
  bit[1] = (unsigned)(h >> 48) & 255;
}

static void filter_add(wf_packer *p, const void *address) {
  unsigned bit[2];
  filter_bits(address, bit);
  for (int i = 0; i < 2; i++) p->modules[bit[i] >> 6] |= UINT64_C(1) << (bit[i] & 63);
}

/* [-0, +1, m] package.loaded, or nil. */
static bool push_loaded(lua_State *L) { return lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) == LUA_TTABLE; }

/* Made when a message first asks. */
static void filter_make(wf_packer *p) {
  lua_State *L = p->L;
  int top = lua_gettop(L);
  luaL_checkstack(L, 8, "packing");
  memset(p->modules, 0, sizeof p->modules);
  if (push_loaded(L)) {
    lua_pushnil(L);
    while (lua_next(L, top + 1)) {
      if (lua_istable(L, -1)) filter_add(p, lua_topointer(L, -1));
      lua_pop(L, 1);
    }
  }
  lua_settop(L, top);
  p->modules_known = true;
}

/* Never wrong when it says no. */
static bool filter_has(wf_packer *p, const void *address) {
  unsigned bit[2];
  if (wf_unlikely(!p->modules_known)) filter_make(p);
  filter_bits(address, bit);
  return (p->modules[bit[0] >> 6] >> (bit[0] & 63) & 1) && (p->modules[bit[1] >> 6] >> (bit[1] & 63) & 1);
}

/* Is the table on top a module? */
static bool is_module(wf_packer *p) {
  lua_State *L = p->L;
  int top = lua_gettop(L);
  bool found = false;
  if (wf_likely(!filter_has(p, lua_topointer(L, top)))) return false;
  luaL_checkstack(L, 4, "packing");
  if (push_loaded(L))
    for (lua_pushnil(L); !found && lua_next(L, top + 1); lua_pop(L, 1)) found = lua_rawequal(L, -1, top);
  lua_settop(L, top);
  return found;
}

void wf_pack_names_begin(wf_packer *p) {
  p->modules_known = false;
  lua_rawgeti(p->L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  p->globals = lua_topointer(p->L, -1);
  lua_pop(p->L, 1);
}

/* The name at stack index idx, which a table of this state anchors. */
static enum wf_packed put_name(wf_packer *p, int idx) {
  wf_assert(packer_has(p, 16));
  put_tag(p, TAG_NAMED);
  return wf_pack_string(p, idx);
}

enum wf_packed wf_pack_named_table(wf_packer *p, int idx, int top, bool *named) {
  lua_State *L = p->L;
  const void *address = lua_topointer(L, idx);
  *named = false;
  if (p->reach == WF_REACH_ANYONE) return PACK_OK;
  if (address == p->globals) {
    put_tag(p, TAG_GLOBALS);
    *named = true;
    return PACK_OK;
  }
  if (wf_likely(!filter_has(p, address))) return PACK_OK;
  luaL_checkstack(L, 8, "packing");
  enum wf_packed r = PACK_OK;
  if (push_loaded(L)) {
    int best = 0; /* of several names the shortest, then the first of the alphabet: the same in every run */
    lua_pushnil(L);
    lua_insert(L, top + 1); /* top + 1: the best name; top + 2: package.loaded */
    lua_pushnil(L);
    while (lua_next(L, top + 2)) {
      if (lua_rawequal(L, -1, idx) && lua_type(L, -2) == LUA_TSTRING) {
        size_t len, best_len;
        const char *name = lua_tolstring(L, -2, &len), *held = best ? lua_tolstring(L, top + 1, &best_len) : NULL;
        if (held == NULL || len < best_len || (len == best_len && strcmp(name, held) < 0)) {
          lua_copy(L, -2, top + 1);
          best = 1;
        }
      }
      lua_pop(L, 1);
    }
    if (best) {
      r = put_name(p, top + 1);
      *named = true;
    }
  }
  lua_settop(L, top);
  return r;
}

/* ---- values inside modules ---- */

typedef struct search {
  lua_State *L;
  int target; /* stack index of what is looked for */
  size_t len; /* of the best name so far; 0 none */
  char best[NAME_ROOM];
} search;

/* A candidate "a\0b\0c". */
static void search_found(search *s, const char *const part[], const size_t len[], int n) {
  char name[NAME_ROOM];
  size_t total = 0;
  for (int i = 0; i < n; i++) {
    if (total + len[i] + 1 > sizeof name || memchr(part[i], 0, len[i]) != NULL) return;
    memcpy(name + total, part[i], len[i]);
    total += len[i];
    if (i + 1 < n) name[total++] = '\0';
  }
  if (s->len == 0 || total < s->len || (total == s->len && memcmp(name, s->best, total) < 0)) {
    memcpy(s->best, name, total);
    s->len = total;
  }
}

/* Look through the table on top of the stack, which has the name part[0..n-1]. */
static void search_table(wf_packer *p, search *s, const char *part[], size_t len[], int n, bool inner) {
  lua_State *L = s->L;
  int table = lua_gettop(L), left = n > 1 ? INNER_MAX : INT32_MAX;
  luaL_checkstack(L, 4, "packing");
  lua_pushnil(L);
  while (left-- > 0 && lua_next(L, table)) {
    if (lua_type(L, -2) == LUA_TSTRING) {
      part[n] = lua_tolstring(L, -2, &len[n]);
      if (lua_rawequal(L, -1, s->target)) search_found(s, (const char *const *)part, len, n + 1);
      else if (inner && n < 2 && lua_istable(L, -1) && !is_module(p)) search_table(p, s, part, len, n + 1, true);
    }
    lua_pop(L, 1);
  }
  lua_settop(L, table);
}

static void search_modules(wf_packer *p, search *s, const char *only) {
  lua_State *L = s->L;
  const char *part[3];
  size_t len[3], only_len = only == NULL ? 0 : strlen(only);
  if (push_loaded(L)) {
    int loaded = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, loaded)) {
      if (lua_type(L, -2) == LUA_TSTRING) {
        part[0] = lua_tolstring(L, -2, &len[0]);
        bool wanted = only == NULL || (strncmp(part[0], only, only_len) == 0 &&
                                       (part[0][only_len] == '\0' || part[0][only_len] == '.'));
        if (wanted && lua_rawequal(L, -1, s->target)) search_found(s, (const char *const *)part, len, 1);
        /* what hangs off _G is a module of its own, or the script's */
        if (wanted && lua_istable(L, -1)) search_table(p, s, part, len, 1, strcmp(part[0], "_G") != 0);
      }
      lua_pop(L, 1);
    }
  }
}

/* Does the name at stack index `name` still lead to the value at idx? */
static bool name_holds(lua_State *L, int name, int idx) {
  int top = lua_gettop(L);
  size_t len;
  const char *at = lua_tolstring(L, name, &len), *end = at + len;
  bool holds = push_loaded(L);
  while (holds) {
    const char *stop = memchr(at, 0, (size_t)(end - at));
    lua_pushlstring(L, at, (size_t)((stop == NULL ? end : stop) - at));
    lua_rawget(L, -2);
    if (stop == NULL) {
      holds = lua_rawequal(L, -1, idx);
      break;
    }
    holds = lua_istable(L, -1);
    at = stop + 1;
  }
  lua_settop(L, top);
  return holds;
}

enum wf_packed wf_pack_named_value(wf_packer *p, int idx, int top, const char *only, bool *named) {
  lua_State *L = p->L;
  luaL_checkstack(L, 12, "packing");
  enum wf_packed r = PACK_OK;
  *named = true;
  wf_pack_state_value(L, p->box, STATE_NAMES);
  lua_pushvalue(L, idx);
  bool known = lua_rawget(L, top + 1) == LUA_TSTRING && name_holds(L, top + 2, idx);
  if (!known) {
    search s = {.L = L, .target = idx};
    lua_settop(L, top + 1);
    search_modules(p, &s, only);
    lua_settop(L, top + 1);
    *named = s.len > 0;
    if (*named) {
      lua_pushlstring(L, s.best, s.len);
      lua_pushvalue(L, idx);
      lua_pushvalue(L, top + 2);
      lua_rawset(L, top + 1); /* anchors the name too */
    }
  }
  if (*named) r = put_name(p, top + 2);
  lua_settop(L, top);
  return r;
}
