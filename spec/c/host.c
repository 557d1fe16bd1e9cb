/* A small Lua interpreter for the tests: `lua [-e code] [-l module] [--] [script | -] [args]`.
 *
 * The sanitizers want their runtime in the program itself, and the distribution's lua5.4 has none. So
 * the tests under a sanitizer run in this host, built with it and linked to a static Lua, whose API it
 * exports to the modules that scripts load. It behaves as the stock interpreter does in what tests can
 * see: `arg`, a message with traceback on stderr and status 1 after an error, Ctrl-C raised as
 * "interrupted!" through a hook, the state closed at the end. It has no interactive mode.
 *
 * Runs on the process's main thread only; the state belongs to main(). on_interrupt runs as a signal
 * handler on whichever thread receives SIGINT and only calls lua_sethook, which Lua allows there.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

/* The state that on_interrupt stops. Written by main's thread before the handler is installed. */
static lua_State *interrupted_state;
static const char *program = "lua";

struct command_line {
  int argc;
  char **argv;
  int script; /* index of the script in argv, or 0 */
};

static void on_hook(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

static void on_interrupt(int sig) {
  (void)signal(sig, SIG_DFL); /* a second Ctrl-C kills */
  lua_sethook(interrupted_state, on_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/* Turns an error value into text with a traceback, as the stock interpreter does. */
static int on_error(lua_State *L) {
  const char *message = lua_tostring(L, 1);
  if (message == NULL) {
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) return 1;
    message = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  }
  luaL_traceback(L, L, message, 1);
  return 1;
}

/* Calls the function below its nargs arguments; false and a message on stderr if it raised. */
static int call_reported(lua_State *L, int nargs, int status) {
  if (status == LUA_OK) {
    int base = lua_gettop(L) - nargs;
    lua_pushcfunction(L, on_error);
    lua_insert(L, base);
    interrupted_state = L;
    (void)signal(SIGINT, on_interrupt);
    status = lua_pcall(L, nargs, 0, base);
    (void)signal(SIGINT, SIG_DFL);
    lua_remove(L, base);
  }
  if (status != LUA_OK) {
    const char *message = lua_tostring(L, -1);
    fprintf(stderr, "%s: %s\n", program, message != NULL ? message : "(no message)");
    fflush(stderr);
    lua_pop(L, 1);
  }
  return status == LUA_OK;
}

static void push_arg_table(lua_State *L, const struct command_line *cl) {
  int origin = cl->script != 0 ? cl->script : cl->argc;
  lua_createtable(L, cl->argc - origin, origin + 1);
  for (int i = 0; i < cl->argc; i++) {
    lua_pushstring(L, cl->argv[i]);
    lua_rawseti(L, -2, i - origin);
  }
}

static int run_statement(lua_State *L, const char *code) {
  return call_reported(L, 0, luaL_loadbuffer(L, code, strlen(code), "=(command line)"));
}

static int run_require(lua_State *L, const char *module) {
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  if (!call_reported(L, 1, LUA_OK)) return 0;
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "loaded");
  lua_getfield(L, -1, module);
  lua_setglobal(L, module);
  lua_pop(L, 2);
  return 1;
}

static int run_script(lua_State *L, const struct command_line *cl) {
  const char *name = cl->argv[cl->script];
  int status = luaL_loadfile(L, strcmp(name, "-") == 0 ? NULL : name);
  int nargs = 0;
  if (status == LUA_OK) {
    nargs = cl->argc - cl->script - 1;
    luaL_checkstack(L, nargs + 3, "too many arguments to script");
    for (int i = cl->script + 1; i < cl->argc; i++) lua_pushstring(L, cl->argv[i]);
  }
  return call_reported(L, nargs, status);
}

/* Index of the script in argv, 0 if there is none, -1 after a bad option. */
static int find_script(int argc, char **argv) {
  int i = 1;
  for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
    if (strcmp(argv[i], "--") == 0) return i + 1 < argc ? i + 1 : 0;
    if (argv[i][1] != 'e' && argv[i][1] != 'l' && strcmp(argv[i], "-v") != 0) return -1;
    if (argv[i][1] != 'v' && argv[i][2] == '\0' && ++i >= argc) return -1;
  }
  return i < argc ? i : 0;
}

static int run_options(lua_State *L, const struct command_line *cl) {
  int end = cl->script != 0 ? cl->script : cl->argc;
  for (int i = 1; i < end && strcmp(cl->argv[i], "--") != 0; i++) {
    char option = cl->argv[i][1];
    if (option == 'v') {
      puts(LUA_COPYRIGHT);
      continue;
    }
    const char *value = cl->argv[i][2] != '\0' ? cl->argv[i] + 2 : cl->argv[++i];
    if (!(option == 'e' ? run_statement(L, value) : run_require(L, value))) return 0;
  }
  return 1;
}

/* [-0, +1, e] The whole run, protected; leaves true if everything succeeded. */
static int run_all(lua_State *L) {
  const struct command_line *cl = lua_touserdata(L, 1);
  luaL_checkversion(L);
  luaL_openlibs(L);
  push_arg_table(L, cl);
  lua_setglobal(L, "arg");
  lua_gc(L, LUA_GCGEN, 0, 0); /* as the stock interpreter of 5.4 does */
  int ok = run_options(L, cl) && (cl->script == 0 || run_script(L, cl));
  lua_pushboolean(L, ok);
  return 1;
}

int main(int argc, char **argv) {
  struct command_line cl = {argc, argv, find_script(argc, argv)};
  if (argc > 0 && argv[0][0] != '\0') program = argv[0];
  if (cl.script < 0) {
    fprintf(stderr, "usage: %s [-v] [-e code] [-l module] [--] [script | -] [args]\n", program);
    return EXIT_FAILURE;
  }
  lua_State *L = luaL_newstate();
  if (L == NULL) {
    fprintf(stderr, "%s: cannot create a state\n", program);
    return EXIT_FAILURE;
  }
  lua_pushcfunction(L, run_all);
  lua_pushlightuserdata(L, &cl);
  int status = lua_pcall(L, 1, 1, 0);
  if (status != LUA_OK) fprintf(stderr, "%s: %s\n", program, lua_tostring(L, -1));
  int ok = status == LUA_OK && lua_toboolean(L, -1);
  lua_close(L);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
