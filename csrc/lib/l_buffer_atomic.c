/* weft.buffer: the methods of single elements: load store exchange add cas with the orders of C11, wait and wake. */
#include "lib/l_buffer.h"
#include "lx/error.h"

#include <stdio.h>

#include "rt/sched.h"

enum { SELF = WF_BUFFER_SELF, INDEX = WF_BUFFER_INDEX, VALUE = 3, DESIRED = 4 };

/* Which orders an operation takes, as bits. */
enum {
  LOADS = 1 << WF_RELAXED | 1 << WF_ACQUIRE | 1 << WF_SEQ_CST,
  STORES = 1 << WF_RELAXED | 1 << WF_RELEASE | 1 << WF_SEQ_CST,
  BOTH = LOADS | STORES | 1 << WF_ACQ_REL
};

static enum wf_order check_order(lua_State *L, int arg, int allowed) {
  static const char *const names[] = {"relaxed", "acquire", "release", "acq_rel", "seq_cst"};
  const char *name = luaL_checkstring(L, arg);
  for (int o = WF_RELAXED; o <= WF_SEQ_CST; o++)
    if (strcmp(name, names[o]) == 0 && (allowed >> o & 1)) return (enum wf_order)o;
  const char *expected = allowed == LOADS    ? "relaxed, acquire or seq_cst"
                         : allowed == STORES ? "relaxed, release or seq_cst"
                                             : "relaxed, acquire, release, acq_rel or seq_cst";
  luaL_argerror(L, arg, lua_pushfstring(L, "the order %s expected, got '%s'", expected, name));
  return WF_SEQ_CST;
}

/* The order at arg, seq_cst by default. [-0, +0, e] */
static inline enum wf_order opt_order(lua_State *L, int arg, int allowed) {
  return wf_likely(lua_isnoneornil(L, arg)) ? WF_SEQ_CST : check_order(L, arg, allowed);
}

/* b:load(i[, order]) */
static int buffer_load(lua_State *L) {
  const wf_buffer *b = wf_check_buffer(L, SELF);
  const char *p = wf_check_element(L, INDEX, b);
  wf_elem_push(L, b->v.type, wf_elem_load(wf_elems[b->v.type].shift, p, opt_order(L, VALUE, LOADS)));
  return 1;
}

/* b:store(i, v[, order]) */
static int buffer_store(lua_State *L) {
  const wf_buffer *b = wf_check_buffer(L, SELF);
  char *p = wf_check_element(L, INDEX, b);
  uint64_t bits = wf_check_bits(L, VALUE, b->v.type);
  wf_elem_store(wf_elems[b->v.type].shift, p, bits, opt_order(L, VALUE + 1, STORES));
  return 0;
}

/* b:exchange(i, v[, order]): the value of before. */
static int buffer_exchange(lua_State *L) {
  const wf_buffer *b = wf_check_buffer(L, SELF);
  char *p = wf_check_element(L, INDEX, b);
  uint64_t bits = wf_check_bits(L, VALUE, b->v.type);
  wf_elem_push(L, b->v.type, wf_elem_exchange(wf_elems[b->v.type].shift, p, bits, opt_order(L, VALUE + 1, BOTH)));
  return 1;
}

static int bad_amount(lua_State *L, const wf_elem_info *e) {
  if (lua_type(L, VALUE) != LUA_TNUMBER) return luaL_typeerror(L, VALUE, "number");
  if (!lua_isinteger(L, VALUE)) return luaL_argerror(L, VALUE, "number has no integer representation");
  lua_Integer most = (lua_Integer)(UINT64_MAX >> (64 - (8u << e->shift)));
  return luaL_argerror(L, VALUE, lua_pushfstring(L, "%I is more than %s can change by (%I to %I)", lua_tointeger(L, VALUE), e->name,
                                                 -most, most));
}

/* b:add(i, v[, order]): the value of before. Integers wrap around; the amount may be negative in any type. */
static int buffer_add(lua_State *L) {
  const wf_buffer *b = wf_check_buffer(L, SELF);
  char *p = wf_check_element(L, INDEX, b);
  const wf_elem_info *e = &wf_elems[b->v.type];
  int ok;
  if (e->floating) {
    lua_Number n = luaL_checknumber(L, VALUE);
    wf_elem_push(L, b->v.type, wf_elem_add_float(b->v.type, p, n, opt_order(L, VALUE + 1, BOTH)));
    return 1;
  }
  lua_Integer v = lua_tointegerx(L, VALUE, &ok);
  if (wf_unlikely(!ok)) return bad_amount(L, e);
  if (e->shift < 3) {
    lua_Integer most = (lua_Integer)(UINT64_MAX >> (64 - (8u << e->shift)));
    if (wf_unlikely(v < -most || v > most)) return bad_amount(L, e);
  }
  wf_elem_push(L, b->v.type, wf_elem_add_int(e->shift, p, (uint64_t)v, opt_order(L, VALUE + 1, BOTH)));
  return 1;
}

/* b:cas(i, old, new[, order]): true, or false and the value that was not `old`. Bits are compared. */
static int buffer_cas(lua_State *L) {
  const wf_buffer *b = wf_check_buffer(L, SELF);
  char *p = wf_check_element(L, INDEX, b);
  uint64_t expected = wf_check_bits(L, VALUE, b->v.type), desired = wf_check_bits(L, DESIRED, b->v.type);
  bool done = wf_elem_cas(wf_elems[b->v.type].shift, p, &expected, desired, opt_order(L, DESIRED + 1, BOTH));
  lua_pushboolean(L, done);
  if (done) return 1;
  wf_elem_push(L, b->v.type, expected);
  return 2;
}

/* Waiting ----------------------------------------------------------------------------------------- */

static int push_outcome(lua_State *L, const char *what) {
  lua_pushstring(L, what);
  return 1;
}

static int wait_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return push_outcome(L, wf_wait_end(L, (wf_task *)ctx) == WF_GOT ? "woken" : "timeout");
}

/* Give the buffer its name in the running trace. */
static void label(wf_buffer *b) {
  uint32_t trace = wf_trace_on();
  char text[WF_TRACE_TEXT + 1];
  if (wf_likely(trace == 0) || b->labelled == trace) return;
  b->labelled = trace;
  snprintf(text, sizeof text, "buffer %u", b->seq);
  wf_trace_label(wf_buffer_id(b), text);
}

/* b:wait(i, expected[, seconds]): "changed" when the element is not `expected`; else "woken" or "timeout". */
static int buffer_wait(lua_State *L) {
  wf_buffer *b = wf_check_buffer(L, SELF);
  wf_iso *iso = b->object.iso;
  const char *p = wf_check_element(L, INDEX, b);
  unsigned shift = wf_elems[b->v.type].shift;
  uint64_t expected = wf_check_bits(L, VALUE, b->v.type);
  uint64_t deadline = wf_opt_deadline(iso, L, VALUE + 1);
  bool waits = deadline == WF_NEVER || lua_tonumber(L, VALUE + 1) > 0;
  lua_settop(L, SELF);
  wf_cancel_point(iso, L);
  if (wf_elem_load(shift, p, WF_SEQ_CST) != expected) return push_outcome(L, "changed");
  if (!waits) return push_outcome(L, "timeout");
  label(b);
  wf_task *t = wf_wait_begin(iso, L, WF_WHY_WAIT);
  wf_memory *m = b->view->memory;
  wf_swait *w = wf_swait_of(iso, t);
  wf_snode *n = w == NULL ? NULL : wf_swait_add(w, &m->shared, 1);
  if (n == NULL || !wf_memory_wait(m, n, p, shift, expected)) {
    if (t->flags & WF_F_SHARED) wf_swait_end(t);
    t->claim = WF_IDLE;
    return n == NULL ? lx_raise_memory(L) : push_outcome(L, "changed");
  }
  if (m->crossed) wf_wait_outside(iso, t);
  wf_wait_until(iso, t, deadline);
  return wf_wait_park(iso, L, t, wf_buffer_id(b), wait_k);
}

/* b:wake(i[, n]): wake those who wait for the element, one or n of them (math.huge: all): how many. */
static int buffer_wake(lua_State *L) {
  const wf_buffer *b = wf_check_buffer(L, SELF);
  const char *p = wf_check_element(L, INDEX, b);
  lua_Number n = luaL_optnumber(L, VALUE, 1);
  luaL_argcheck(L, n >= 0, VALUE, "a number of tasks >= 0 expected");
  size_t most = n < 0x1p31 ? (size_t)n : SIZE_MAX;
  lua_pushinteger(L, (lua_Integer)wf_memory_wake(b->object.iso, b->view->memory, p, most));
  return 1;
}

const luaL_Reg wf_buffer_atomic_methods[] = {{"load", buffer_load}, {"store", buffer_store}, {"exchange", buffer_exchange},
                                             {"add", buffer_add},   {"cas", buffer_cas},     {"wait", buffer_wait},
                                             {"wake", buffer_wake}, {NULL, NULL}};
