/* The words of a transfer error: where in the values the packer stands, and what is wrong there.
 *
 * Full mode only, so Lua may allocate and raise. Reads the keys that the packer's frames left on the stack. */
#include <ctype.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>

#include "lx/error.h"
#include "lx/packer.h"

enum { KEY_MAX = 40, PATH_MAX_SHOWN = 400, PATH_ENDS = 190 };

static bool is_name(const char *s, size_t len) {
  if (len == 0 || len > KEY_MAX || isdigit((unsigned char)s[0])) return false;
  for (size_t i = 0; i < len; i++)
    if (!isalnum((unsigned char)s[i]) && s[i] != '_') return false;
  return true;
}

static void add_string_key(luaL_Buffer *b, const char *s, size_t len) {
  if (is_name(s, len)) {
    luaL_addstring(b, ".");
    luaL_addlstring(b, s, len);
    return;
  }
  luaL_addstring(b, "[\"");
  for (size_t i = 0; i < len && i < KEY_MAX; i++) {
    unsigned char c = (unsigned char)s[i];
    char esc[8];
    if (c == '"' || c == '\\') snprintf(esc, sizeof esc, "\\%c", c);
    else if (c < 32 || c == 127) snprintf(esc, sizeof esc, "\\%d", c);
    else snprintf(esc, sizeof esc, "%c", c);
    luaL_addstring(b, esc);
  }
  luaL_addstring(b, len > KEY_MAX ? "...\"]" : "\"]");
}

static void add_key(lua_State *L, luaL_Buffer *b, int at) {
  char text[64];
  size_t len;
  switch (lua_type(L, at)) {
    case LUA_TSTRING: {
      const char *s = lua_tolstring(L, at, &len);
      add_string_key(b, s, len);
      return;
    }
    case LUA_TNUMBER:
      if (lua_isinteger(L, at)) snprintf(text, sizeof text, "[" LUA_INTEGER_FMT "]", lua_tointeger(L, at));
      else snprintf(text, sizeof text, "[%.14g]", lua_tonumber(L, at));
      break;
    case LUA_TBOOLEAN: snprintf(text, sizeof text, "[%s]", lua_toboolean(L, at) ? "true" : "false"); break;
    default: snprintf(text, sizeof text, "[%s]", luaL_typename(L, at)); break;
  }
  luaL_addstring(b, text);
}

static void add_frame(lua_State *L, luaL_Buffer *b, const wf_frame *f) {
  if (f == NULL) return;
  add_frame(L, b, f->up); /* at most PACK_DEPTH deep */
  if (f->upvalue > 0) {
    const char *name = lua_getupvalue(L, f->at, f->upvalue); /* there it is: its value could not be packed; the function keeps it */
    lua_pop(L, 1);
    luaL_addstring(b, " upvalue '");
    luaL_addstring(b, name);
    luaL_addstring(b, "'");
  } else if (f->in_key) {
    luaL_addstring(b, "[key]");
  } else {
    add_key(L, b, f->at);
  }
}

/* [-0, +1, m] */
static void push_path(wf_packer *p) {
  lua_State *L = p->L;
  luaL_Buffer b;
  char number[24];
  bool counted = p->count > 1 || strcmp(p->what, "arg") == 0 || strcmp(p->what, "result") == 0;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, p->what);
  if (counted) {
    snprintf(number, sizeof number, " %d", p->value);
    luaL_addstring(&b, number);
  }
  add_frame(L, &b, p->frame);
  luaL_pushresult(&b);
  size_t len;
  const char *path = lua_tolstring(L, -1, &len);
  if (len > PATH_MAX_SHOWN) {
    lua_pushlstring(L, path, PATH_ENDS);
    lua_pushliteral(L, "...");
    lua_pushlstring(L, path + len - PATH_ENDS, PATH_ENDS);
    lua_concat(L, 3);
    lua_remove(L, -2);
  }
}

enum wf_packed wf_pack_refuse(wf_packer *p, const char *fmt, ...) {
  lua_State *L = p->L;
  va_list ap;
  if (!p->full) return PACK_FULL;
  luaL_checkstack(L, 12, "packing");
  va_start(ap, fmt);
  lua_pushvfstring(L, fmt, ap);
  va_end(ap);
  push_path(p);
  lx_error_new(L, "transfer", "%s: %s", lua_tostring(L, -1), lua_tostring(L, -2));
  lx_error_place(L);
  return PACK_REFUSED;
}
