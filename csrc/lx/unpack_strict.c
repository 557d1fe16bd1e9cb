/* Pairs of a stranger's table: no key twice, and no crowd of keys that Lua's hash puts in one place.
 *
 * A table with n such keys takes n * n steps to fill, minutes for a megabyte. Where numbers go is known (strings are
 * hashed with a seed of the state): the places are counted in a few buckets, and the message is refused when one
 * bucket gets many times its share. Real keys spread; of the buckets of a large table the fullest holds
 * about four times the mean.
 */
#include <lauxlib.h>
#include <limits.h>
#include <math.h>

#include "lx/unpacker.h"

enum {
  FEW_BUCKETS = 64, /* on the C stack, for tables up to FEW pairs */
  FEW = 4096,
  PER_BUCKET = 8, /* pairs to a bucket of a larger table; its counters lie in a userdata */
  SHARE = 8,      /* times the mean */
  ALLOWANCE = 64, /* and this many more, so that small tables pass */
};

typedef struct crowd {
  uint16_t *count;
  uint32_t buckets, most;
  uint64_t places; /* nodes of the table's hash, as Lua will have them */
} crowd;

/* Where Lua puts an integer key, up to 5.4.3 (which says that it is 5.4.0) and since. */
static uint64_t place_of_integer(const crowd *c, lua_Integer i) {
#if LUA_VERSION_RELEASE_NUM < 50404
  return (uint64_t)i & (c->places - 1);
#else
  return (uint64_t)i % ((c->places - 1) | 1);
#endif
}

static uint64_t place_of_float(const crowd *c, lua_Number n) {
  int e;
  n = frexp(n, &e) * -(lua_Number)INT_MIN;
  unsigned u = isfinite(n) ? (unsigned)e + (unsigned)(lua_Integer)n : 0;
  if (u > (unsigned)INT_MAX) u = ~u;
  return u % ((c->places - 1) | 1);
}

/* Count the number at the top as a key. False: there are too many of its kind. */
static bool crowd_admits(crowd *c, lua_State *L) {
  uint64_t place =
      lua_isinteger(L, -1) ? place_of_integer(c, lua_tointeger(L, -1)) : place_of_float(c, lua_tonumber(L, -1));
  uint64_t bucket = ((place + 1) * UINT64_C(0x9E3779B97F4A7C15) >> 32) * c->buckets >> 32;
  return ++c->count[bucket] <= c->most;
}

static bool read_key(wf_reader *r, crowd *c) {
  if (!wf_read_value(r)) return false;
  int type = lua_type(r->L, -1);
  if (type == LUA_TNIL || (type == LUA_TNUMBER && isnan(lua_tonumber(r->L, -1))))
    return wf_read_bad(r, "nil or NaN as a key");
  if (type == LUA_TNUMBER && !crowd_admits(c, r->L)) return wf_read_bad(r, "keys that would make a table slow");
  return true;
}

/* The pairs of the table on top. */
static bool read_pairs(wf_reader *r, uint32_t nhash, crowd *c) {
  lua_State *L = r->L;
  for (; nhash > 0; nhash--) {
    if (!read_key(r, c) || !wf_read_value(r)) return false;
    if (lua_isnil(L, -1)) return wf_read_bad(r, "a key without value");
    lua_pushvalue(L, -2);
    if (lua_rawget(L, -4) != LUA_TNIL) return wf_read_bad(r, "a key twice");
    lua_pop(L, 1);
    lua_rawset(L, -3);
  }
  return true;
}

bool wf_read_strict_pairs(wf_reader *r, uint32_t nhash) {
  lua_State *L = r->L;
  uint16_t few[FEW_BUCKETS] = {0};
  crowd c = {few, FEW_BUCKETS, 0, 1};
  if (nhash > FEW) c.buckets = nhash / PER_BUCKET;
  c.most = nhash / c.buckets * SHARE + ALLOWANCE; /* below what a counter holds */
  while (c.places < nhash) c.places *= 2;
  if (nhash <= FEW) return read_pairs(r, nhash, &c);
  size_t bytes = c.buckets * sizeof *c.count;
  if (!wf_read_pay(r, bytes + 64)) return false;
  luaL_checkstack(L, 8, "unpacking");
  c.count = lua_newuserdatauv(L, bytes, 0);
  memset(c.count, 0, bytes);
  lua_insert(L, -2); /* below the table, until it is filled */
  if (!read_pairs(r, nhash, &c)) return false;
  lua_remove(L, -2);
  return true;
}
