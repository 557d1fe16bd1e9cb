/* weft.dns: names to addresses and back, by the system's resolver, which blocks: each look-up is an errand (rt/errand.h) on
 * the lanes for names. A numeric address is answered in place. */
#include <string.h>

#include "lib/lib.h"
#include "lx/error.h"
#include "lx/opts.h"
#include "rt/errand.h"
#include "rt/io.h"
#include "sys/addr.h"
#include "sys/names.h"

enum { NAME = 1, OPTS = 2, BOX = 3 };

/* Options ------------------------------------------------------------------------------------------ */

/* One of two words; `none` when it is not given. */
static int opt_word(lua_State *L, const char *key, const char *const words[2], const int values[2], int none) {
  const char *s = lx_opt_string(L, OPTS, key, NULL);
  if (s == NULL) return none;
  for (int i = 0; i < 2; i++)
    if (strcmp(s, words[i]) == 0) return values[i];
  return luaL_argerror(L, OPTS, lua_pushfstring(L, "option '%s': '%s' or '%s' expected, got '%s'", key, words[0], words[1], s));
}

static int opt_family(lua_State *L) {
  static const char *const words[] = {"inet", "inet6"};
  static const int values[] = {AF_INET, AF_INET6};
  return opt_word(L, "family", words, values, AF_UNSPEC);
}

static int opt_socktype(lua_State *L, int none) {
  static const char *const words[] = {"stream", "dgram"};
  static const int values[] = {SOCK_STREAM, SOCK_DGRAM};
  return opt_word(L, "socktype", words, values, none);
}

/* The deadline; the option is left on the stack, so that an error can name it. */
static uint64_t opt_timeout(wf_iso *iso, lua_State *L) {
  if (lua_isnil(L, OPTS)) return WF_NEVER;
  lua_getfield(L, OPTS, "timeout");
  if (!lua_isnil(L, -1) && (lua_type(L, -1) != LUA_TNUMBER || !(lua_tonumber(L, -1) >= 0)))
    luaL_argerror(L, OPTS, lua_pushfstring(L, "option 'timeout': seconds from 0 on expected, got %s", luaL_tolstring(L, -1, NULL)));
  uint64_t when = wf_opt_deadline(iso, L, lua_gettop(L));
  lua_pop(L, 1);
  return when;
}

static void check_options(lua_State *L, const char *const *known) {
  lua_settop(L, OPTS);
  if (lua_isnil(L, OPTS)) return;
  luaL_checktype(L, OPTS, LUA_TTABLE);
  lx_opts_check(L, OPTS, known);
}

/* Start the errand in the box and wait for it; `what` is its name in a trace. [-0, +0|+3, e] */
static int look_up_wait(wf_iso *iso, lua_State *L, const char *what, uint64_t deadline, lua_KFunction k) {
  uint32_t labelled = 0;
  uint64_t id = WF_OBJECT_ID(iso, ++iso->objects);
  int err = wf_errand_start(iso, L, BOX, WF_LANES_NAMES);
  if (err != 0) return lx_fail_errno(L, err, what);
  wf_io_label(id, &labelled, "name %s", what);
  return wf_errand_wait(iso, L, BOX, deadline, id, k);
}

/* Names to addresses ------------------------------------------------------------------------------- */

typedef struct look_up {
  wf_errand errand;
  wf_names_query query;
  struct addrinfo *found;
  int err;
  bool wants_port; /* show port and socktype */
  char text[];     /* the name, the service */
} look_up;

static void look_up_work(wf_errand *e) {
  look_up *u = wf_container_of(e, look_up, errand);
  u->err = wf_names_find(&u->query, &u->found);
}

static void look_up_free(wf_errand *e) {
  look_up *u = wf_container_of(e, look_up, errand);
  if (u->found != NULL) wf_names_free(u->found);
}

/* Push a table for the address; false: it is of no family that is known here. [-0, +0|+1, m] */
static bool push_address(lua_State *L, const struct addrinfo *a, bool wants_port) {
  char host[WF_ADDR_TEXT];
  unsigned port;
  if (!wf_addr_host(a->ai_addr, host, sizeof host, &port)) return false;
  lua_createtable(L, 0, 4);
  lua_pushstring(L, host);
  lua_setfield(L, -2, "address");
  lua_pushstring(L, a->ai_family == AF_INET6 ? "inet6" : "inet");
  lua_setfield(L, -2, "family");
  if (a->ai_canonname != NULL) {
    lua_pushstring(L, a->ai_canonname);
    lua_setfield(L, -2, "canonname");
  }
  if (!wants_port) return true;
  lua_pushinteger(L, (lua_Integer)port);
  lua_setfield(L, -2, "port");
  lua_pushstring(L, a->ai_socktype == SOCK_DGRAM ? "dgram" : "stream");
  lua_setfield(L, -2, "socktype");
  return true;
}

static int push_found(lua_State *L, const look_up *u) {
  lua_Integer n = 0;
  if (u->err != 0) return lx_fail_uv(L, u->err, u->query.name);
  lua_newtable(L);
  for (const struct addrinfo *a = u->found; a != NULL; a = a->ai_next)
    if (push_address(L, a, u->wants_port)) lua_rawseti(L, -2, ++n);
  wf_errand_drop(L, BOX);
  return 1;
}

static int resolve_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  int how = wf_errand_end(L, (wf_task *)ctx, BOX);
  if (how == WF_TIMEOUT) return lx_fail_uv(L, UV_ETIMEDOUT, lua_tostring(L, NAME));
  return push_found(L, wf_errand_of(L, BOX));
}

/* The service is a name, or the number of a port: as text on top of the stack, or nil. */
static const char *push_service(lua_State *L) {
  if (lua_isnil(L, OPTS) || lua_getfield(L, OPTS, "service") == LUA_TNIL) {
    lua_settop(L, OPTS);
    lua_pushnil(L);
    return NULL;
  }
  size_t len;
  bool port = lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 0 && lua_tointeger(L, -1) <= 65535;
  if (!port && lua_type(L, -1) != LUA_TSTRING)
    luaL_argerror(L, OPTS, lua_pushfstring(L, "option 'service': a name or a port from 0 to 65535 expected, got %s", luaL_tolstring(L, -1, NULL)));
  const char *s = lua_tolstring(L, -1, &len);
  if (strlen(s) != len) luaL_argerror(L, OPTS, "option 'service': a name with a NUL in it");
  return s;
}

/* weft.dns.resolve(name [, opts]): a list of {address=, family= ...}, in the system's order. */
static int lib_resolve(lua_State *L) {
  static const char *const known[] = {"family", "service", "socktype", "timeout", "canonname", "addrconfig", NULL};
  wf_iso *iso = wf_iso_up(L);
  size_t len;
  const char *name = luaL_checklstring(L, NAME, &len);
  check_options(L, known);
  bool opts = !lua_isnil(L, OPTS);
  int family = opts ? opt_family(L) : AF_UNSPEC, socktype = opts ? opt_socktype(L, SOCK_STREAM) : SOCK_STREAM;
  bool canonname = opts && lx_opt_boolean(L, OPTS, "canonname", false);
  bool addrconfig = opts && lx_opt_boolean(L, OPTS, "addrconfig", false);
  uint64_t deadline = opt_timeout(iso, L);
  const char *service = push_service(L);
  if (len == 0 || strlen(name) != len) return lx_fail_uv(L, UV_EAI_NONAME, name);
  wf_cancel_point(iso, L);
  size_t slen = service == NULL ? 0 : strlen(service);
  look_up *u = wf_errand_push(iso, L, sizeof *u + len + 1 + slen + 1, look_up_work, look_up_free);
  lua_replace(L, BOX); /* the service's text is copied, or of the table */
  memcpy(u->text, name, len + 1);
  if (service != NULL) memcpy(u->text + len + 1, service, slen + 1);
  u->query = (wf_names_query){.name = u->text, .service = service == NULL ? NULL : u->text + len + 1, .family = family, .socktype = socktype,
                              .canonname = canonname, .addrconfig = addrconfig};
  u->wants_port = service != NULL;
  if (wf_names_at_once(&u->query, &u->found, &u->err)) return push_found(L, u);
  return look_up_wait(iso, L, name, deadline, resolve_k);
}

/* Addresses to names ------------------------------------------------------------------------------- */

typedef struct inquiry {
  wf_errand errand;
  wf_addr address;
  bool dgram, required, wants_service;
  int err;
  char host[WF_NAMES_HOST], service[WF_NAMES_SERVICE];
} inquiry;

static void inquiry_work(wf_errand *e) {
  inquiry *q = wf_container_of(e, inquiry, errand);
  q->err = wf_names_of(&q->address.sa, q->dgram, q->required, q->host, q->service);
}

static int reverse_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  int how = wf_errand_end(L, (wf_task *)ctx, BOX);
  if (how == WF_TIMEOUT) return lx_fail_uv(L, UV_ETIMEDOUT, lua_tostring(L, NAME));
  const inquiry *q = wf_errand_of(L, BOX);
  if (q->err != 0) return lx_fail_uv(L, q->err, lua_tostring(L, NAME));
  lua_pushstring(L, q->host);
  if (q->wants_service) lua_pushstring(L, q->service);
  bool both = q->wants_service;
  wf_errand_drop(L, BOX);
  return both ? 2 : 1;
}

/* weft.dns.reverse(address [, opts]): the name of the address, and with a port that of the service. */
static int lib_reverse(lua_State *L) {
  static const char *const known[] = {"port", "socktype", "timeout", "numeric", NULL};
  wf_iso *iso = wf_iso_up(L);
  size_t len;
  wf_addr address;
  const char *text = luaL_checklstring(L, NAME, &len);
  check_options(L, known);
  bool opts = !lua_isnil(L, OPTS), wants_service = opts && lx_opt_given(L, OPTS, "port");
  unsigned port = wants_service ? (unsigned)lx_opt_integer(L, OPTS, "port", 0, 0, 65535) : 0;
  bool dgram = opts && opt_socktype(L, SOCK_STREAM) == SOCK_DGRAM, numeric = opts && lx_opt_boolean(L, OPTS, "numeric", false);
  uint64_t deadline = opt_timeout(iso, L);
  if (strlen(text) != len || wf_addr_parse(&address, text, port) != 0)
    return luaL_argerror(L, NAME, lua_pushfstring(L, "a numeric address expected, got '%s'", text));
  wf_cancel_point(iso, L);
  inquiry *q = wf_errand_push(iso, L, sizeof *q, inquiry_work, NULL);
  q->address = address;
  q->dgram = dgram;
  q->required = !numeric;
  q->wants_service = wants_service;
  return look_up_wait(iso, L, text, deadline, reverse_k);
}

void wf_lib_dns(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"resolve", lib_resolve}, {"reverse", lib_reverse}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
