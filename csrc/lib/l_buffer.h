/* What the halves of the buffer binding share: checks of arguments, and elements as Lua values. On the isolate's
 * carrier. */
#ifndef WF_LIB_L_BUFFER_H
#define WF_LIB_L_BUFFER_H

#include "lib/lib.h"
#include "rt/buffer.h"

enum { WF_BUFFER_SELF = 1, WF_BUFFER_INDEX = 2 };

static inline wf_buffer *wf_check_buffer(lua_State *L, int arg) {
  wf_buffer *b = wf_object_test(L, arg, WF_CLASS_BUFFER, sizeof *b);
  if (wf_unlikely(b == NULL)) luaL_typeerror(L, arg, "weft.buffer");
  return b;
}

/* The address of the element whose index is at idx; NULL: no index, or out of bounds. [-0, +0, -] */
static inline char *wf_buffer_at(lua_State *L, int idx, const wf_buffer *b) {
  int ok;
  lua_Unsigned i = (lua_Unsigned)lua_tointegerx(L, idx, &ok) - 1;
  return wf_likely(ok && i < b->v.n) ? b->v.data + (size_t)i * b->v.stride : NULL;
}

/* Push what is wrong with the index at idx, or with the value at idx as an element. [-0, +1, m] */
const char *wf_buffer_index_text(lua_State *L, int idx, const wf_buffer *b);
const char *wf_buffer_value_text(lua_State *L, int idx, enum wf_elem t);

/* The same for the argument of a method, or raise. [-0, +0, e] */
static inline char *wf_check_element(lua_State *L, int arg, const wf_buffer *b) {
  char *p = wf_buffer_at(L, arg, b);
  if (wf_unlikely(p == NULL)) luaL_argerror(L, arg, wf_buffer_index_text(L, arg, b));
  return p;
}

/* The bits of the value at idx as an element; false when it cannot be one. [-0, +0, -] */
bool wf_elem_of_lua(lua_State *L, int idx, enum wf_elem t, uint64_t *bits);

static inline uint64_t wf_check_bits(lua_State *L, int arg, enum wf_elem t) {
  uint64_t bits = 0;
  if (wf_unlikely(!wf_elem_of_lua(L, arg, t, &bits))) luaL_argerror(L, arg, wf_buffer_value_text(L, arg, t));
  return bits;
}

/* Push an element. [-0, +1, -] */
static inline void wf_elem_push(lua_State *L, enum wf_elem t, uint64_t bits) {
  if (wf_elems[t].floating)
    lua_pushnumber(L, wf_elem_to_f64(t, bits));
  else
    lua_pushinteger(L, wf_elem_to_i64(t, bits));
}

/* Methods of the other files, as upvalues of which they have the isolate. */
extern const luaL_Reg wf_buffer_bulk_methods[], wf_buffer_atomic_methods[];

#endif
