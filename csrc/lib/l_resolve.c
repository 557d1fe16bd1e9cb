/* core.resolve: names to addresses, by libuv's thread pool. */
#include <string.h>

#include "lib/lib.h"
#include "lx/error.h"
#include "rt/io.h"
#include "sys/addr.h"

enum { HOST = 1, DEADLINE = 2, BOX = 3 };

typedef struct look_up {
  wf_op op;
  uv_getaddrinfo_t req;
  struct addrinfo *found;
  int status;
} look_up;

static void look_up_free(wf_op *op) {
  look_up *u = wf_container_of(op, look_up, op);
  if (u->found != NULL) uv_freeaddrinfo(u->found);
}

static void on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *found) {
  look_up *u = wf_container_of(req, look_up, req);
  u->status = status;
  u->found = found;
  wf_op_done(&u->op);
}

static int fail_uv(lua_State *L, int status, const char *what) {
  char code[64], text[128];
  uv_err_name_r(status, code, sizeof code);
  uv_strerror_r(status, text, sizeof text);
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s: %s", code, text, what);
  lua_pushstring(L, code);
  return 3;
}

static int resolve_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  int how = wf_op_end(L, (wf_task *)ctx, BOX);
  if (how == WF_TIMEOUT) return fail_uv(L, UV_ETIMEDOUT, lua_tostring(L, HOST));
  const look_up *u = wf_op_of(L, BOX);
  if (u->status != 0) return fail_uv(L, u->status, lua_tostring(L, HOST));
  lua_newtable(L);
  lua_Integer n = 0;
  for (const struct addrinfo *a = u->found; a != NULL; a = a->ai_next) {
    char host[WF_ADDR_TEXT];
    unsigned port;
    if (!wf_addr_host(a->ai_addr, host, sizeof host, &port)) continue;
    lua_createtable(L, 0, 2);
    lua_pushstring(L, host);
    lua_setfield(L, -2, "address");
    lua_pushstring(L, a->ai_family == AF_INET6 ? "inet6" : "inet");
    lua_setfield(L, -2, "family");
    lua_rawseti(L, -2, ++n);
  }
  wf_op_drop(L, BOX);
  return 1;
}

/* core.resolve(name [, timeout]): a list of {address=, family=}, in the system's order. */
static int lib_resolve(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  size_t len;
  const char *host = luaL_checklstring(L, HOST, &len);
  uint64_t deadline = wf_opt_deadline(wf_iso_up(L), L, DEADLINE);
  lua_settop(L, DEADLINE);
  if (len == 0 || strlen(host) != len) return fail_uv(L, UV_EAI_NONAME, host);
  wf_cancel_point(iso, L);
  int err;
  uv_loop_t *uv = wf_io_uv(iso, &err);
  if (uv == NULL) return lx_fail_errno(L, err, host);
  look_up *u = wf_op_push(iso, L, sizeof *u, look_up_free);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
  int r = uv_getaddrinfo(uv, &u->req, on_found, host, NULL, &hints);
  if (r != 0) {
    wf_op_drop(L, BOX);
    return fail_uv(L, r, host);
  }
  wf_op_started(&u->op, (uv_req_t *)&u->req);
  return wf_op_wait(iso, L, BOX, deadline, 0, resolve_k);
}

void wf_lib_resolve(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"resolve", lib_resolve}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
