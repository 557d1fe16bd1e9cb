/* A host with two Lua states in one thread and an event loop of its own. In one state runs an echo server, in the other
 * its clients; neither knows of the other, and none of them ever blocks the host.
 *
 *   cc -o two_states examples/embed/two_states.c -Icsrc $(pkg-config --cflags --libs lua5.4) \
 *      build/weft/core.so -Wl,-rpath,$PWD/build/weft
 *   eval "$(make -s luapath)"; ./two_states
 *
 * The host must be linked with the very file that `require "weft"` finds, so that there is one weft in the process. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "weft.h"

static const char SERVER[] =
    "local weft = require 'weft'\n"
    "local server = assert(weft.net.listen('127.0.0.1', 0, function(conn)\n"
    "  for line in conn:lines() do conn:write('echo ', line, '\\n') end\n"
    "end))\n"
    "function stop() server:close() end\n" /* the host calls this one */
    "return (select(2, server:sockname()))\n";

static const char CLIENTS[] =
    "local port = ...\n"
    "local weft = require 'weft'\n"
    "for i = 1, 3 do\n"
    "  weft.go(function()\n"
    "    local conn <close> = assert(weft.net.connect('127.0.0.1', port))\n"
    "    for k = 1, 2 do\n"
    "      conn:write('client ', i, ', line ', k, '\\n')\n"
    "      print(conn:read 'l')\n"
    "      weft.sleep(0.01)\n"
    "    end\n"
    "  end)\n"
    "end\n";

static void check(lua_State *L, int status) {
  if (status == LUA_OK) return;
  fprintf(stderr, "two_states: %s\n", lua_tostring(L, -1));
  exit(1);
}

static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  if (L == NULL) exit(1);
  luaL_openlibs(L);
  return L;
}

/* The smaller of two time-outs, of which -1 is the longest. */
static int sooner(int a, int b) { return a < 0 || (b >= 0 && b < a) ? b : a; }

int main(void) {
  lua_State *server = open_state(), *clients = open_state();
  check(server, luaL_loadstring(server, SERVER) || lua_pcall(server, 0, 1, 0));
  check(clients, luaL_loadstring(clients, CLIENTS));
  lua_pushinteger(clients, lua_tointeger(server, -1));
  check(clients, lua_pcall(clients, 1, 0, 0));

  struct pollfd fds[2] = {{weft_backend_fd(server), POLLIN, 0}, {weft_backend_fd(clients), POLLIN, 0}};
  int steps = 0, serving = 1, asking = 1;
  while (serving) {
    if (asking && !(asking = weft_step(clients))) { /* the clients are done: so is the server */
      lua_getglobal(server, "stop");
      check(server, lua_pcall(server, 0, 0, 0));
    }
    serving = weft_step(server);
    steps++;
    if (!serving) break;
    int timeout = sooner(weft_timeout(server), asking ? weft_timeout(clients) : -1);
    poll(fds, asking ? 2 : 1, timeout); /* a host would watch its own descriptors here too */
  }
  printf("all done\n");
  fprintf(stderr, "%d steps\n", steps);
  lua_close(clients);
  lua_close(server);
  return 0;
}
