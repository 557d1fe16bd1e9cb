/* weft.buffer: the methods over many elements: slice fill copy string sum min max sort. They run to their end
 * without letting other tasks come; other threads may use the elements meanwhile. */
#include "lib/l_buffer.h"

#include "lx/error.h"

enum { SELF = WF_BUFFER_SELF, FROM = 2, TO = 3, VALUE = 2, SOURCE = 2, SMALL = 1024 };

/* The optional range i, j at FROM and TO: all by default, empty when j is i - 1. [-0, +0, e] */
static void check_range(lua_State *L, const wf_buffer *b, size_t *first, size_t *n) {
  lua_Integer count = (lua_Integer)b->v.n;
  lua_Integer i = luaL_optinteger(L, FROM, 1), j = luaL_optinteger(L, TO, count);
  if (b->view == NULL) luaL_error(L, "the buffer is closed");
  if (i < 1 || i - 1 > count) luaL_argerror(L, FROM, lua_pushfstring(L, "%I is out of bounds (1 to %I)", i, count + 1));
  if (j < i - 1 || j > count) luaL_argerror(L, TO, lua_pushfstring(L, "%I is out of bounds (%I to %I)", j, i - 1, count));
  *first = (size_t)(i - 1);
  *n = (size_t)(j - (i - 1));
}

static const wf_buffer *check_open(lua_State *L) {
  const wf_buffer *b = wf_check_buffer(L, SELF);
  if (b->view == NULL) luaL_error(L, "the buffer is closed");
  return b;
}

static int self(lua_State *L) {
  lua_settop(L, SELF);
  return 1;
}

/* b:slice([i[, j]]): another buffer of the same memory. */
static int buffer_slice(lua_State *L) {
  const wf_buffer *b = wf_check_buffer(L, SELF);
  size_t first, n;
  check_range(L, b, &first, &n);
  wf_buffer_slice(b->object.iso, L, SELF, first, n);
  return 1;
}

/* b:fill(v) */
static int buffer_fill(lua_State *L) {
  const wf_buffer *b = check_open(L);
  wf_elems_fill(&b->v, wf_check_bits(L, VALUE, b->v.type));
  return self(L);
}

static int too_long(lua_State *L, size_t n, const wf_buffer *b) {
  return luaL_argerror(L, SOURCE, lua_pushfstring(L, "%I elements do not fit a buffer of %I", (lua_Integer)n, (lua_Integer)b->v.n));
}

/* Element i of the source, from 0, cannot be held; its value is on top. */
static int bad_element(lua_State *L, size_t i, enum wf_elem t) {
  const char *why = wf_buffer_value_text(L, lua_gettop(L), t);
  return luaL_argerror(L, SOURCE, lua_pushfstring(L, "element %I: %s", (lua_Integer)i + 1, why));
}

static void copy_buffer(lua_State *L, const wf_buffer *b, const wf_buffer *from) {
  if (from->view == NULL) luaL_argerror(L, SOURCE, "the buffer is closed");
  if (from->v.n > b->v.n) too_long(L, from->v.n, b);
  size_t done = wf_elems_copy(&b->v, &from->v, from->v.n);
  if (done == from->v.n) return;
  uint64_t bits = wf_elem_load_relaxed(wf_elems[from->v.type].shift, from->v.data + done * from->v.stride);
  if (from->v.type == WF_U64) /* the number that it stands for, if only nearly */
    lua_pushnumber(L, (lua_Number)bits);
  else
    wf_elem_push(L, from->v.type, bits);
  bad_element(L, done, b->v.type);
}

static void copy_string(lua_State *L, const wf_buffer *b) {
  size_t len, size = wf_elem_size(b->v.type);
  const char *bytes = lua_tolstring(L, SOURCE, &len);
  if (len % size != 0)
    luaL_argerror(L, SOURCE, lua_pushfstring(L, "%I bytes are no whole number of elements of %I", (lua_Integer)len, (lua_Integer)size));
  if (len / size > b->v.n) too_long(L, len / size, b);
  wf_elems_of_bytes(&b->v, bytes, len / size);
}

static void copy_list(lua_State *L, const wf_buffer *b) {
  size_t n = (size_t)lua_rawlen(L, SOURCE);
  uint64_t bits;
  if (n > b->v.n) too_long(L, n, b);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, SOURCE, (lua_Integer)i + 1);
    if (!wf_elem_of_lua(L, -1, b->v.type, &bits)) bad_element(L, i, b->v.type);
    wf_elem_store_relaxed(wf_elems[b->v.type].shift, b->v.data + i * b->v.stride, bits);
    lua_pop(L, 1);
  }
}

/* b:copy(src): the elements of a buffer or a list, or the bytes of a string. What does not fit its element raises;
 * those before it are copied then. */
static int buffer_copy(lua_State *L) {
  const wf_buffer *b = check_open(L);
  const wf_buffer *from = wf_object_test(L, SOURCE, WF_CLASS_BUFFER, sizeof *from);
  if (from != NULL)
    copy_buffer(L, b, from);
  else if (lua_type(L, SOURCE) == LUA_TSTRING)
    copy_string(L, b);
  else if (lua_type(L, SOURCE) == LUA_TTABLE)
    copy_list(L, b);
  else
    luaL_typeerror(L, SOURCE, "buffer, string or table");
  return self(L);
}

/* b:string([i[, j]]): their bytes. */
static int buffer_string(lua_State *L) {
  const wf_buffer *b = wf_check_buffer(L, SELF);
  size_t first, size = wf_elem_size(b->v.type);
  wf_elems_view v = b->v;
  check_range(L, b, &first, &v.n);
  if (v.n > SIZE_MAX / 2 / size) return lx_raise_memory(L);
  v.data += first * v.stride;
  size_t len = v.n * size;
  /* A short string must not change while Lua looks for it among those it has. */
  if (len <= SMALL) {
    char bytes[SMALL];
    wf_elems_to_bytes(&v, bytes);
    lua_pushlstring(L, bytes, len);
    return 1;
  }
  luaL_Buffer out;
  char *bytes = luaL_buffinitsize(L, &out, len);
  if (b->view == NULL) return luaL_error(L, "the buffer is closed"); /* by a finaliser, just now */
  wf_elems_to_bytes(&v, bytes);
  luaL_pushresultsize(&out, len);
  return 1;
}

/* b:sum() */
static int buffer_sum(lua_State *L) {
  const wf_buffer *b = check_open(L);
  uint64_t sum;
  if (wf_elems[b->v.type].floating) {
    lua_pushnumber(L, wf_elems_sum_float(&b->v));
    return 1;
  }
  if (!wf_elems_sum_int(&b->v, &sum)) return luaL_error(L, "the sum does not fit %s", b->v.type == WF_U64 ? "u64" : "an integer");
  lua_pushinteger(L, (lua_Integer)sum);
  return 1;
}

static int extreme(lua_State *L, uint64_t (*find)(const wf_elems_view *v)) {
  const wf_buffer *b = check_open(L);
  if (b->v.n == 0) return luaL_error(L, "the buffer is empty");
  wf_elem_push(L, b->v.type, find(&b->v));
  return 1;
}

/* b:min(), b:max() */
static int buffer_min(lua_State *L) { return extreme(L, wf_elems_min); }
static int buffer_max(lua_State *L) { return extreme(L, wf_elems_max); }

/* b:sort() */
static int buffer_sort(lua_State *L) {
  const wf_buffer *b = check_open(L);
  if (!wf_elems_sort(&b->v)) {
    lx_error_new(L, "memory", "not enough memory to sort %I elements", (lua_Integer)b->v.n);
    return lua_error(L);
  }
  return self(L);
}

const luaL_Reg wf_buffer_bulk_methods[] = {
    {"slice", buffer_slice}, {"fill", buffer_fill}, {"copy", buffer_copy}, {"string", buffer_string}, {"sum", buffer_sum},
    {"min", buffer_min},     {"max", buffer_max},   {"sort", buffer_sort}, {NULL, NULL}};
