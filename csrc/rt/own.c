/* See own.h. On the isolate's carrier. */
#include "rt/own.h"

#include <lualib.h>
#include <string.h>

#include "base/alloc.h"
#include "lx/lean.h"
#include "rt/family.h"

/* The loader: called with the module's name. Upvalues: isolate, name. */
static int load_own(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  const char *name = lua_tostring(L, lua_upvalueindex(2));
  size_t size;
  const char *code = wf_family_code(iso->member, name, &size);
  if (luaL_loadbufferx(L, code, size, name, "b") != LUA_OK) return lua_error(L);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_call(L, 1, 1);
  return 1;
}

typedef struct dump {
  char *bytes;
  size_t n, room;
} dump;

static int dump_write(lua_State *L, const void *p, size_t n, void *ud) {
  dump *d = ud;
  (void)L;
  if (d->n + n > d->room) {
    size_t room = (d->n + n) * 2;
    char *bytes = wf_realloc(d->bytes, room);
    if (bytes == NULL) return 1;
    d->bytes = bytes;
    d->room = room;
  }
  memcpy(d->bytes + d->n, p, n);
  d->n += n;
  return 0;
}

/* Compile the module, for the whole family. False: it is not found on this isolate's path. */
static bool compile(wf_iso *iso, lua_State *L, const char *name) {
  luaL_checkstack(L, 6, NULL);
  wf_state_lib(L, LUA_LOADLIBNAME);
  lua_getfield(L, -1, "searchpath");
  lua_pushstring(L, name);
  lua_getfield(L, -3, "path");
  lua_call(L, 2, 1);
  const char *file = lua_tostring(L, -1);
  bool ok = file != NULL;
  if (ok) {
    if (luaL_loadfilex(L, file, NULL) != LUA_OK) lua_error(L);
    dump d = {NULL, 0, 0};
    ok = lua_dump(L, dump_write, &d, 0) == 0 && wf_family_keep_code(iso->member, name, d.bytes, d.n);
    if (!ok) wf_free(d.bytes);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  return ok;
}

/* __index of package.preload: preload, name. */
static int preload_index(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  size_t size;
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *name = lua_tostring(L, 2);
  if (strncmp(name, "weft", 4) != 0 || (name[4] != '\0' && name[4] != '.') || iso->member == NULL) return 0;
  if (strcmp(name, "weft.core") == 0) {
    lua_pushcfunction(L, iso->open_core);
    return 1;
  }
  if (wf_family_code(iso->member, name, &size) == NULL && !compile(iso, L, name)) return 0;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, load_own, 2);
  return 1;
}

int wf_own_prepare(lua_State *L) {
  wf_iso_prepare(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_createtable(L, 0, 1);
  lua_pushlightuserdata(L, wf_iso_of(L));
  lua_pushcclosure(L, preload_index, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
  return 0;
}
