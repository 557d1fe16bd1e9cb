/* Values between Lua states: a flat encoding (DESIGN.md D7).
 *
 * wf_pack reads n values of one state and makes a message (msg.h); wf_unpack makes them again in any state of this
 * process. Tables keep cycles and references shared among all n values; functions travel as bytecode with their
 * upvalues, upvalues that are shared stay shared; C functions, files and the modules of package.loaded travel by name,
 * other C functions by address, objects outside Lua by their class's wf_transfer. (A module's table that holds data
 * alone, in a message of data alone, is copied as the data that it is.) What cannot travel is an error of kind
 * "transfer" that names the path: `arg 2.users[3].sock: a weft.tcp cannot cross isolates`.
 *
 * Both run on the carrier of the state that they are given, take no lock, and never run Lua code,
 * but for what unpacking asks for: `require` of a module that the target has not loaded, and finalisers.
 */
#ifndef WF_LX_PACK_H
#define WF_LX_PACK_H

#include "lx/msg.h"

/* Who will read the message. */
enum wf_pack_reach {
  WF_REACH_PROCESS, /* states of this process: everything travels */
  WF_REACH_PEERS,   /* a process that we started: no pointers and no handles, bytecode inline */
  WF_REACH_ANYONE,  /* anyone: up to 16 values of data: tables, strings, numbers */
};

/* Encode the n values at first..first+n-1. `what` names them in errors: "arg", "result", "upvalue" are
 * numbered, "value" is not when n is 1. NULL after pushing one error value, a weft error of kind
 * "transfer" or "memory". Nothing is left behind when it raises. [-0, +(0|1), m] */
wf_msg *wf_pack(lua_State *L, int first, int n, const char *what);

/* The same for other readers. The bytes to send are m->data, m->len; such a message has nothing on the side
 * unless the reach is WF_REACH_PROCESS. [-0, +(0|1), m] */
wf_msg *wf_pack_for(lua_State *L, int first, int n, const char *what, enum wf_pack_reach reach);

/* Push the values and return how many. Raises a weft error of kind "transfer" when the target lacks a
 * module or a registered metatable. [-0, +n, e] */
int wf_unpack(lua_State *L, const wf_msg *m);

/* The same for a message with one value, which is given up. [-0, +1, e] */
void wf_unpack_take(lua_State *L, wf_msg *m);

/* Decode bytes of a process that we started: they are checked, but for bytecode. -1 after pushing an
 * error value when they are malformed. [-0, +(n|1), e] */
int wf_unpack_peer(lua_State *L, const void *bytes, size_t len);

/* Decode bytes that anyone may have written: no functions, pointers, handles or modules; allocates
 * at most 16 times the input and 4 KiB; time is linear. -1 after pushing an error value. [-0, +(n|1), m] */
int wf_unpack_untrusted(lua_State *L, const void *bytes, size_t len);

/* weft.register(name, metatable): name a metatable for both directions in this state. Registering
 * the same pair again is harmless; a name or a metatable that is taken raises. [-2, +0, e] */
int wf_register(lua_State *L);

/* The same from C, for the metatable at idx. [-0, +0, e] */
void wf_register_meta(lua_State *L, const char *name, int idx);

/* A scalar or a short string in 16 bytes, without allocation: what most channels carry. */
typedef union wf_cell {
  struct {
    uint8_t tag; /* enum in pack_cell.c; 0 is nil, so that zeroed memory is valid */
    uint8_t len;
    char text[14];
  } s;
  struct {
    uint64_t head;
    union {
      lua_Integer i;
      lua_Number n;
      void *p;
    } u;
  } v;
} wf_cell;

/* 1 when the value at idx fits: nil, boolean, number, light userdata, string up to 14 bytes. [-0, +0, -] */
int wf_cell_put(lua_State *L, int idx, wf_cell *c);

/* Does it hold an address; or a string, so that pushing it needs memory? */
bool wf_cell_is_pointer(const wf_cell *c);
bool wf_cell_is_string(const wf_cell *c);

/* Push it. [-0, +1, m] */
void wf_cell_push(lua_State *L, const wf_cell *c);

#endif
