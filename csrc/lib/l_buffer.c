/* weft.buffer, weft.atomic: the class, b[i], and how buffers cross.
 *
 * b[i] and b.method both come to __index, a C function whose upvalue 2 is the table of methods. It is the hot
 * path: the element's type alone decides, in one switch. */
#include "lib/l_buffer.h"

#include <math.h>

#include "lx/error.h"
#include "lx/msg.h"
#include "lx/opts.h"

enum { SELF = WF_BUFFER_SELF, INDEX = WF_BUFFER_INDEX, VALUE = 3 };

/* Elements as Lua values ---------------------------------------------------------------------------- */

const char *wf_buffer_index_text(lua_State *L, int idx, const wf_buffer *b) {
  int is_integer;
  lua_Integer i = lua_tointegerx(L, idx, &is_integer);
  if (b->view == NULL) return lua_pushliteral(L, "the buffer is closed");
  if (!is_integer)
    return lua_pushfstring(L, "an integer is expected as index, got %s",
                           lua_type(L, idx) == LUA_TNUMBER ? lua_tostring(L, idx) : luaL_typename(L, idx));
  if (b->v.n == 0) return lua_pushfstring(L, "index %I is out of bounds (the buffer is empty)", i);
  return lua_pushfstring(L, "index %I is out of bounds (1 to %I)", i, (lua_Integer)b->v.n);
}

/* An integer, or a float with an integer's value, as the bits of an integer type. */
static bool integer_bits(lua_State *L, int idx, enum wf_elem t, uint64_t *bits) {
  int ok;
  lua_Integer i = lua_tointegerx(L, idx, &ok);
  if (ok) {
    *bits = (uint64_t)i;
    switch (t) {
      case WF_I8: *bits &= UINT8_MAX; return i == (int8_t)i;
      case WF_U8: return i == (uint8_t)i;
      case WF_I16: *bits &= UINT16_MAX; return i == (int16_t)i;
      case WF_U16: return i == (uint16_t)i;
      case WF_I32: *bits &= UINT32_MAX; return i == (int32_t)i;
      case WF_U32: return i == (uint32_t)i;
      default: return true; /* u64 too: what reads as a negative integer is written as one */
    }
  }
  lua_Number n = lua_tonumber(L, idx);
  if (t != WF_U64 || !(n >= 0x1p63 && n < 0x1p64)) return false;
  *bits = (uint64_t)n;
  return true;
}

bool wf_elem_of_lua(lua_State *L, int idx, enum wf_elem t, uint64_t *bits) {
  if (wf_unlikely(lua_type(L, idx) != LUA_TNUMBER)) return false;
  if (!wf_elems[t].floating) return integer_bits(L, idx, t, bits);
  *bits = wf_elem_of_f64(t, lua_tonumber(L, idx));
  return true;
}

const char *wf_buffer_value_text(lua_State *L, int idx, enum wf_elem t) {
  const wf_elem_info *e = &wf_elems[t];
  if (lua_type(L, idx) != LUA_TNUMBER)
    return lua_pushfstring(L, "a number expected, got %s", lua_isnone(L, idx) ? "no value" : luaL_typename(L, idx));
  lua_Number n = lua_tonumber(L, idx);
  lua_pushvalue(L, idx);
  const char *number = lua_tostring(L, -1);
  if (n != floor(n) && !isinf(n)) return lua_pushfstring(L, "%s is not an integer (the elements are %s)", number, e->name);
  if (t == WF_U64) return lua_pushfstring(L, "%s does not fit u64 (0 to 2^64 - 1)", number);
  return lua_pushfstring(L, "%s does not fit %s (%I to %I)", number, e->name, (lua_Integer)e->min, (lua_Integer)e->max);
}

/* b[i] ------------------------------------------------------------------------------------------------ */

static int buffer_index(lua_State *L) {
  const wf_buffer *b = wf_check_buffer(L, SELF);
  if (lua_type(L, INDEX) == LUA_TSTRING) {
    lua_settop(L, INDEX);
    lua_rawget(L, lua_upvalueindex(2));
    return 1;
  }
  const char *p = wf_buffer_at(L, INDEX, b);
  if (wf_unlikely(p == NULL)) return luaL_error(L, "%s", wf_buffer_index_text(L, INDEX, b));
  switch (b->v.type) {
#define X(ID, name, T)                                                                  \
  case WF_##ID: {                                                                       \
    T v;                                                                                \
    __atomic_load((const T __attribute__((may_alias)) *)(const void *)p, &v, __ATOMIC_RELAXED); \
    PUSH(v);                                                                            \
    return 1;                                                                           \
  }
#define PUSH(v) lua_pushinteger(L, (lua_Integer)(v))
    WF_ELEM_INTS(X)
#undef PUSH
#define PUSH(v) lua_pushnumber(L, (lua_Number)(v))
    WF_ELEM_FLOATS(X)
#undef PUSH
#undef X
    default: return 0;
  }
}

static int buffer_newindex(lua_State *L) {
  const wf_buffer *b = wf_check_buffer(L, SELF);
  if (wf_unlikely(lua_type(L, INDEX) == LUA_TSTRING)) return luaL_error(L, "a buffer has no fields that can be set");
  char *p = wf_buffer_at(L, INDEX, b);
  uint64_t bits;
  if (wf_unlikely(p == NULL)) return luaL_error(L, "%s", wf_buffer_index_text(L, INDEX, b));
  if (wf_unlikely(!wf_elem_of_lua(L, VALUE, b->v.type, &bits)))
    return luaL_error(L, "%s", wf_buffer_value_text(L, VALUE, b->v.type));
  wf_elem_store_relaxed(wf_elems[b->v.type].shift, p, bits);
  return 0;
}

static int buffer_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)wf_check_buffer(L, SELF)->v.n);
  return 1;
}

/* The step of pairs(b). */
static int buffer_next(lua_State *L) {
  const wf_buffer *b = wf_check_buffer(L, SELF);
  lua_Integer i = luaL_checkinteger(L, INDEX);
  if (i < 0 || (lua_Unsigned)i >= b->v.n) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, i + 1);
  wf_elem_push(L, b->v.type, wf_elem_load_relaxed(wf_elems[b->v.type].shift, b->v.data + (size_t)i * b->v.stride));
  return 2;
}

static int buffer_pairs(lua_State *L) {
  wf_check_buffer(L, SELF);
  lua_settop(L, SELF);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, buffer_next, 1);
  lua_insert(L, SELF);
  lua_pushinteger(L, 0);
  return 3;
}

/* The same elements of the same memory. */
static int buffer_eq(lua_State *L) {
  const wf_buffer *a = wf_object_test(L, 1, WF_CLASS_BUFFER, sizeof *a);
  const wf_buffer *b = wf_object_test(L, 2, WF_CLASS_BUFFER, sizeof *b);
  lua_pushboolean(L, a != NULL && b != NULL && a->view != NULL && b->view != NULL && a->view->memory == b->view->memory &&
                         a->v.data == b->v.data && a->v.n == b->v.n);
  return 1;
}

static int buffer_tostring(lua_State *L) {
  const wf_buffer *b = wf_check_buffer(L, SELF);
  if (b->view == NULL)
    lua_pushfstring(L, "weft.buffer %d (closed)", (int)b->seq);
  else if (b->v.stride == wf_elem_size(b->v.type))
    lua_pushfstring(L, "weft.buffer %d (%s, %I)", (int)b->seq, wf_elems[b->v.type].name, (lua_Integer)b->v.n);
  else
    lua_pushfstring(L, "weft.buffer %d (%s, %I, %I bytes apart)", (int)b->seq, wf_elems[b->v.type].name, (lua_Integer)b->v.n,
                    (lua_Integer)b->v.stride);
  return 1;
}

static int buffer_close(lua_State *L) {
  wf_buffer_close(wf_check_buffer(L, SELF));
  return 0;
}

/* b:type(), b:stride(): as given to weft.buffer. */
static int buffer_type(lua_State *L) {
  lua_pushstring(L, wf_elems[wf_check_buffer(L, SELF)->v.type].name);
  return 1;
}

static int buffer_stride(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)wf_check_buffer(L, SELF)->v.stride);
  return 1;
}

/* Making ---------------------------------------------------------------------------------------------- */

static enum wf_elem check_type(lua_State *L, int arg) {
  const char *name = luaL_checkstring(L, arg);
  for (int t = 0; t < WF_ELEM_COUNT; t++)
    if (strcmp(name, wf_elems[t].name) == 0) return (enum wf_elem)t;
  luaL_argerror(L, arg, lua_pushfstring(L, "a type (i8 u8 i16 u16 i32 u32 i64 u64 f32 f64) expected, got '%s'", name));
  return WF_ELEM_COUNT;
}

/* weft.buffer(type, n[, {stride = bytes}]): n elements, all 0. */
static int buffer_new(lua_State *L) {
  static const char *const known[] = {"stride", NULL};
  enum wf_elem type = check_type(L, 1);
  lua_Integer n = luaL_checkinteger(L, 2), size = (lua_Integer)wf_elem_size(type), stride = size;
  luaL_argcheck(L, n >= 0, 2, "a number of elements >= 0 expected");
  if (!lua_isnoneornil(L, 3)) {
    luaL_checktype(L, 3, LUA_TTABLE);
    lx_opts_check(L, 3, known);
    stride = lx_opt_integer(L, 3, "stride", size, size, (lua_Integer)WF_BUFFER_MOST);
    if (stride % size != 0) luaL_argerror(L, 3, lua_pushfstring(L, "stride must be a multiple of %I, the size of %s", size, wf_elems[type].name));
  }
  luaL_argcheck(L, n <= (lua_Integer)WF_BUFFER_MOST / stride, 2, "too many elements: their size overflows");
  wf_buffer_new(wf_iso_up(L), L, type, (size_t)n, (size_t)stride);
  return 1;
}

/* weft.atomic([v]): a buffer of one i64. */
static int atomic_new(lua_State *L) {
  uint64_t bits = lua_isnoneornil(L, 1) ? 0 : wf_check_bits(L, 1, WF_I64);
  const wf_buffer *b = wf_buffer_new(wf_iso_up(L), L, WF_I64, 1, sizeof(int64_t));
  wf_elem_store_relaxed(wf_elems[WF_I64].shift, b->v.data, bits);
  return 1;
}

/* Crossing -------------------------------------------------------------------------------------------- */

static void *buffer_take(lua_State *L, int idx) {
  const wf_buffer *b = lua_touserdata(L, idx);
  if (b->view != NULL) return wf_buffer_take(L, idx);
  lua_pushliteral(L, "a closed weft.buffer cannot cross isolates");
  return NULL;
}

static void buffer_give(lua_State *L, void *handle) {
  wf_iso *iso = wf_iso_of(L);
  if (iso == NULL) luaL_error(L, "a weft.buffer cannot come to a Lua state without weft");
  wf_class_open(iso, L, WF_CLASS_BUFFER);
  wf_buffer_give(iso, L, handle);
}

static void buffer_drop(void *handle) { wf_view_release(handle); }

static void *buffer_take_for_peer(lua_State *L, int idx) { return wf_buffer_take_for_peer(L, idx); }

const wf_transfer wf_buffer_transfer = {"weft.buffer", buffer_take, buffer_give, buffer_drop, 2, buffer_take_for_peer, NULL, NULL};

/* Replace the table of methods by the function that knows b[i] too. Stack: metatable. */
static void set_index(wf_iso *iso, lua_State *L) {
  lua_pushlightuserdata(L, iso);
  lua_getfield(L, -2, "__index");
  wf_lib_add(iso, L, wf_buffer_bulk_methods);
  wf_lib_add(iso, L, wf_buffer_atomic_methods);
  lua_pushcclosure(L, buffer_index, 2);
  lua_setfield(L, -2, "__index");
}

void wf_lib_buffer(wf_iso *iso, lua_State *L) {
  static const luaL_Reg methods[] = {{"type", buffer_type}, {"stride", buffer_stride}, {"close", buffer_close}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__newindex", buffer_newindex}, {"__len", buffer_len},     {"__pairs", buffer_pairs},
                                  {"__eq", buffer_eq},             {"__close", buffer_close}, {"__gc", buffer_close},
                                  {"__tostring", buffer_tostring}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"buffer", buffer_new}, {"atomic", atomic_new}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_BUFFER, "weft.buffer", methods, meta);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->class_ref[WF_CLASS_BUFFER]);
  set_index(iso, L);
  lua_pushlightuserdata(L, (void *)(uintptr_t)&wf_buffer_transfer);
  lua_setfield(L, -2, "__weft_transfer");
  lua_pop(L, 1);
  wf_lib_add(iso, L, funcs);
}
