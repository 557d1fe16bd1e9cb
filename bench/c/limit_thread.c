/* The floor of a dedicated thread: pthread_create and join alone ("bare_us"), with a
 * Lua state opened and closed in the new thread without libraries ("us": the lean
 * state that the goal names), with the base library ("base_us"), and with all of them
 * ("full_us"). Where the two threads run decides the figure: the harness pins this
 * program and its peers alike, or none of them. */
#include "bench.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

enum { BARE, LEAN, BASE, FULL };

static void *body(void *arg) {
  int what = (int)(intptr_t)arg;
  if (what == BARE) return NULL;
  lua_State *L = luaL_newstate();
  if (!L) abort();
  if (what == BASE) luaL_requiref(L, "_G", luaopen_base, 1);
  if (what == FULL) luaL_openlibs(L);
  lua_close(L);
  return NULL;
}

static double microseconds(int what, long n) {
  double t = now_ns();
  for (long i = 0; i < n; i++) {
    pthread_t th;
    if (pthread_create(&th, NULL, body, (void *)(intptr_t)what)) abort();
    pthread_join(th, NULL);
  }
  return (now_ns() - t) / 1e3 / (double)n;
}

int main(int argc, char **argv) {
  long n = arg_long(argc, argv, 1, 3000);
  microseconds(LEAN, n / 10);
  printf("us %.3f\n", microseconds(LEAN, n));
  printf("bare_us %.3f\n", microseconds(BARE, n));
  printf("base_us %.3f\n", microseconds(BASE, n));
  printf("full_us %.3f\n", microseconds(FULL, n));
  return 0;
}
