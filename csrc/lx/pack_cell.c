/* Cells: scalars and short strings in 16 bytes (pack.h). No memory, no state; the carrier of the state only. */
#include <string.h>

#include "lx/pack.h"

enum { CELL_NIL, CELL_FALSE, CELL_TRUE, CELL_INTEGER, CELL_FLOAT, CELL_POINTER, CELL_STRING };

_Static_assert(sizeof(wf_cell) == 16, "a cell is 16 bytes");

int wf_cell_put(lua_State *L, int idx, wf_cell *c) {
  c->v.head = 0;
  switch (lua_type(L, idx)) {
    case LUA_TNIL:
    case LUA_TNONE: c->s.tag = CELL_NIL; return 1;
    case LUA_TBOOLEAN: c->s.tag = lua_toboolean(L, idx) ? CELL_TRUE : CELL_FALSE; return 1;
    case LUA_TNUMBER:
      if (lua_isinteger(L, idx)) {
        c->s.tag = CELL_INTEGER;
        c->v.u.i = lua_tointegerx(L, idx, NULL);
      } else {
        c->s.tag = CELL_FLOAT;
        c->v.u.n = lua_tonumberx(L, idx, NULL);
      }
      return 1;
    case LUA_TLIGHTUSERDATA:
      c->s.tag = CELL_POINTER;
      c->v.u.p = lua_touserdata(L, idx);
      return 1;
    case LUA_TSTRING: {
      size_t len;
      const char *s = lua_tolstring(L, idx, &len);
      if (len > sizeof c->s.text) return 0;
      c->s.tag = CELL_STRING;
      c->s.len = (uint8_t)len;
      memcpy(c->s.text, s, len);
      return 1;
    }
    default: return 0;
  }
}

bool wf_cell_is_pointer(const wf_cell *c) { return c->s.tag == CELL_POINTER; }

bool wf_cell_is_string(const wf_cell *c) { return c->s.tag == CELL_STRING; }

void wf_cell_push(lua_State *L, const wf_cell *c) {
  switch (c->s.tag) {
    case CELL_FALSE:
    case CELL_TRUE: lua_pushboolean(L, c->s.tag == CELL_TRUE); return;
    case CELL_INTEGER: lua_pushinteger(L, c->v.u.i); return;
    case CELL_FLOAT: lua_pushnumber(L, c->v.u.n); return;
    case CELL_POINTER: lua_pushlightuserdata(L, c->v.u.p); return;
    case CELL_STRING: lua_pushlstring(L, c->s.text, c->s.len); return;
    default: lua_pushnil(L); return;
  }
}
