/* The floor of a channel round trip from Lua: bench/weft/roundtrip.lua's loop over channels that do what they must
 * and nothing else. A method of a userdata is looked up as Lua does it, a C function takes or hands over a value,
 * the one that waits yields, a queue says who goes on. No check of arguments or classes, no cancellation,
 * time-outs, trace, errors, nor waits outside tasks. "ns" is a round trip, "locals_ns" the same
 * with the methods in locals. One thread, one state. */
#include "bench.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

typedef struct channel {
  lua_State *receiver; /* one that waits, with its stack ready for the value */
} channel;

static lua_State *queue[4];
static unsigned head, tail;

static int recv_k(lua_State *L, int status, lua_KContext ctx) {
  (void)L, (void)status, (void)ctx;
  return 1;
}

static int channel_send(lua_State *L) {
  channel *c = lua_touserdata(L, 1);
  lua_State *to = c->receiver;
  if (to == NULL) return luaL_error(L, "nobody waits");
  lua_xmove(L, to, 1);
  c->receiver = NULL;
  queue[tail++ & 3] = to;
  return 0;
}

static int channel_recv(lua_State *L) {
  channel *c = lua_touserdata(L, 1);
  c->receiver = L;
  return lua_yieldk(L, 0, 0, recv_k);
}

static const char *const bodies[2][2] = {
    {"local a, b, n = ... for _ = 1, n do b:send(a:recv()) end",
     "local a, b, n = ... for i = 1, n do a:send(i) if b:recv() ~= i then error 'another' end end"},
    {"local a, b, n = ... local send, recv = a.send, a.recv for _ = 1, n do send(b, recv(a)) end",
     "local a, b, n = ... local send, recv = a.send, a.recv for i = 1, n do send(a, i) if recv(b) ~= i then error 'another' end end"}};

static double round_trips(lua_State *L, int which, long n) {
  static const luaL_Reg methods[] = {{"send", channel_send}, {"recv", channel_recv}, {NULL, NULL}};
  luaL_newlib(L, methods);
  lua_createtable(L, 0, 1);
  lua_insert(L, -2);
  lua_setfield(L, -2, "__index");
  lua_State *co[2];
  for (int i = 0; i < 2; i++) {
    channel *c = lua_newuserdatauv(L, sizeof *c, 0);
    c->receiver = NULL;
    lua_pushvalue(L, 1);
    lua_setmetatable(L, -2);
  }
  for (int i = 0; i < 2; i++) {
    co[i] = lua_newthread(L);
    if (luaL_loadstring(co[i], bodies[which][i])) abort();
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_pushinteger(L, n);
    lua_xmove(L, co[i], 3);
  }
  int nres = 0, started = 0;
  double t = cpu_ns();
  head = tail = 0;
  while (started < 2 || head != tail) {
    int status = started < 2 ? lua_resume(co[started++], NULL, 3, &nres) : lua_resume(queue[head++ & 3], NULL, 1, &nres);
    if (status != LUA_YIELD && status != LUA_OK) abort();
  }
  t = cpu_ns() - t;
  lua_settop(L, 0);
  return t / (double)n;
}

int main(int argc, char **argv) {
  long n = arg_long(argc, argv, 1, 1000000);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  round_trips(L, 0, n / 10);
  printf("ns %.3f\n", round_trips(L, 0, n));
  printf("locals_ns %.3f\n", round_trips(L, 1, n));
  lua_close(L);
  return 0;
}
