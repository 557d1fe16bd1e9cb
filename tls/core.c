/* weft.tls_core: OpenSSL between two strings. No socket and no wait is in here: what has come from the network is fed,
 * what is to go there is taken, and lua/weft/tls.lua moves it through a weft stream. So the module needs Lua and OpenSSL
 * alone, and is optional.
 *
 * A context is a userdata that owns an SSL_CTX; a session owns an SSL with two memory BIOs and refers to its context by
 * user value 1. Both belong to their Lua state. */
#include <lauxlib.h>
#include <lua.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#define CONTEXT "weft.tls.context"
#define SESSION "weft.tls.session"

enum { ALPN_MOST = 256, PIECE = 16 * 1024 };

typedef struct context {
  SSL_CTX *ctx;
  int server;
  unsigned char alpn[ALPN_MOST]; /* as it goes over the wire */
  unsigned alpn_len;
} context;

typedef struct session {
  SSL *ssl;
  BIO *in, *out; /* owned by ssl */
} session;

/* false, and what OpenSSL says. */
static int fail(lua_State *L, const char *what) {
  char text[256];
  unsigned long e = ERR_get_error();
  ERR_error_string_n(e, text, sizeof text);
  const char *reason = e == 0 ? NULL : ERR_reason_error_string(e);
  ERR_clear_error();
  lua_pushboolean(L, 0);
  lua_pushfstring(L, "%s: %s", what, reason != NULL ? reason : e == 0 ? "failed" : text);
  return 2;
}

/* Contexts ---------------------------------------------------------------------------------------- */

static context *check_context(lua_State *L, int arg) {
  context *c = luaL_checkudata(L, arg, CONTEXT);
  luaL_argcheck(L, c->ctx != NULL, arg, "closed context");
  return c;
}

static int context_gc(lua_State *L) {
  context *c = luaL_checkudata(L, 1, CONTEXT);
  SSL_CTX_free(c->ctx);
  c->ctx = NULL;
  return 0;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in, unsigned inlen, void *ud) {
  const context *c = ud;
  unsigned char *chosen;
  (void)ssl;
  if (SSL_select_next_proto(&chosen, outlen, c->alpn, c->alpn_len, in, inlen) != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

static BIO *bio_of(lua_State *L, const char *pem, size_t len) {
  if (len > INT32_MAX) luaL_error(L, "too long");
  BIO *b = BIO_new_mem_buf(pem, (int)len);
  if (b == NULL) luaL_error(L, "not enough memory");
  return b;
}

/* context(server): TLS 1.2 and later. */
static int context_new(lua_State *L) {
  int server = lua_toboolean(L, 1);
  context *c = lua_newuserdatauv(L, sizeof *c, 0);
  memset(c, 0, sizeof *c);
  luaL_setmetatable(L, CONTEXT);
  c->server = server;
  c->ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  if (c->ctx == NULL) return fail(L, "context");
  SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION);
  SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION);
  return 1;
}

/* c:identity(certificates, key): PEM texts; the first certificate is its own. true, or false and why. */
static int context_identity(lua_State *L) {
  context *c = check_context(L, 1);
  size_t ncert, nkey;
  const char *cert = luaL_checklstring(L, 2, &ncert), *key = luaL_checklstring(L, 3, &nkey);
  BIO *b = bio_of(L, cert, ncert);
  X509 *x = PEM_read_bio_X509_AUX(b, NULL, NULL, NULL);
  int ok = x != NULL && SSL_CTX_use_certificate(c->ctx, x) == 1;
  X509_free(x);
  SSL_CTX_clear_chain_certs(c->ctx);
  while (ok && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL)
    if (SSL_CTX_add0_chain_cert(c->ctx, x) != 1) X509_free(x);
  BIO_free(b);
  if (!ok) return fail(L, "certificate");
  ERR_clear_error(); /* the end of the chain */
  b = bio_of(L, key, nkey);
  EVP_PKEY *k = PEM_read_bio_PrivateKey(b, NULL, NULL, (void *)(uintptr_t)""); /* no prompt for a pass phrase */
  BIO_free(b);
  ok = k != NULL && SSL_CTX_use_PrivateKey(c->ctx, k) == 1 && SSL_CTX_check_private_key(c->ctx) == 1;
  EVP_PKEY_free(k);
  if (!ok) return fail(L, "key");
  lua_pushboolean(L, 1);
  return 1;
}

/* c:trust([certificates]): PEM text, or the system's. Peers are verified from now on. */
static int context_trust(lua_State *L) {
  context *c = check_context(L, 1);
  if (lua_isnoneornil(L, 2)) {
    if (SSL_CTX_set_default_verify_paths(c->ctx) != 1) return fail(L, "trust");
  } else {
    size_t n;
    const char *pem = luaL_checklstring(L, 2, &n);
    BIO *b = bio_of(L, pem, n);
    X509_STORE *store = SSL_CTX_get_cert_store(c->ctx);
    int found = 0;
    for (X509 *x; (x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL; X509_free(x)) found += X509_STORE_add_cert(store, x) == 1;
    BIO_free(b);
    if (found == 0) return fail(L, "trust");
    ERR_clear_error();
  }
  SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER | (c->server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
  lua_pushboolean(L, 1);
  return 1;
}

/* c:alpn{protocols}: in the order of preference. */
static int context_alpn(lua_State *L) {
  context *c = check_context(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  unsigned len = 0;
  for (lua_Integer i = 1; lua_geti(L, 2, i) != LUA_TNIL; i++, lua_pop(L, 1)) {
    size_t n;
    const char *p = luaL_checklstring(L, -1, &n);
    luaL_argcheck(L, n > 0 && n < 256 && len + n + 1 <= ALPN_MOST, 2, "protocol names of 1 to 255 bytes, 255 in all, expected");
    c->alpn[len++] = (unsigned char)n;
    memcpy(c->alpn + len, p, n);
    len += (unsigned)n;
  }
  c->alpn_len = len;
  if (c->server)
    SSL_CTX_set_alpn_select_cb(c->ctx, on_alpn, c);
  else if (SSL_CTX_set_alpn_protos(c->ctx, c->alpn, len) != 0)
    return fail(L, "alpn");
  lua_pushboolean(L, 1);
  return 1;
}

/* Sessions ---------------------------------------------------------------------------------------- */

static session *check_session(lua_State *L) {
  session *s = luaL_checkudata(L, 1, SESSION);
  luaL_argcheck(L, s->ssl != NULL, 1, "closed session");
  return s;
}

static int session_gc(lua_State *L) {
  session *s = luaL_checkudata(L, 1, SESSION);
  SSL_free(s->ssl);
  s->ssl = NULL;
  return 0;
}

/* c:session([name]): of a client, the name that the server's certificate must have, also sent as SNI. */
static int context_session(lua_State *L) {
  context *c = check_context(L, 1);
  const char *name = luaL_optstring(L, 2, NULL);
  session *s = lua_newuserdatauv(L, sizeof *s, 1);
  memset(s, 0, sizeof *s);
  luaL_setmetatable(L, SESSION);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  s->ssl = SSL_new(c->ctx);
  s->in = BIO_new(BIO_s_mem());
  s->out = BIO_new(BIO_s_mem());
  if (s->ssl == NULL || s->in == NULL || s->out == NULL) {
    BIO_free(s->in);
    BIO_free(s->out);
    return fail(L, "session");
  }
  BIO_set_mem_eof_return(s->in, -1);
  SSL_set_bio(s->ssl, s->in, s->out);
  if (c->server) {
    SSL_set_accept_state(s->ssl);
    return 1;
  }
  SSL_set_connect_state(s->ssl);
  if (name == NULL) return 1;
  X509_VERIFY_PARAM *p = SSL_get0_param(s->ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(p, name) == 1) return 1; /* an address: no SNI */
  ERR_clear_error();
  X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (SSL_set1_host(s->ssl, name) != 1 || SSL_set_tlsext_host_name(s->ssl, name) != 1) return fail(L, "name");
  return 1;
}

/* s:feed(bytes): from the network. */
static int session_feed(lua_State *L) {
  session *s = check_session(L);
  size_t n;
  const char *p = luaL_checklstring(L, 2, &n);
  for (size_t at = 0; at < n;) {
    int piece = n - at < PIECE ? (int)(n - at) : PIECE;
    if (BIO_write(s->in, p + at, piece) != piece) return luaL_error(L, "not enough memory");
    at += (size_t)piece;
  }
  return 0;
}

/* s:ended(): nothing more will come from the network. */
static int session_ended(lua_State *L) {
  BIO_set_mem_eof_return(check_session(L)->in, 0);
  return 0;
}

/* s:take(): what is to go to the network, or nil. */
static int session_take(lua_State *L) {
  session *s = check_session(L);
  size_t n = BIO_ctrl_pending(s->out);
  if (n == 0) return 0;
  luaL_Buffer b;
  char *p = luaL_buffinitsize(L, &b, n);
  int got = BIO_read(s->out, p, n < INT32_MAX ? (int)n : INT32_MAX);
  luaL_pushresultsize(&b, got > 0 ? (size_t)got : 0);
  return 1;
}

/* What the result of an operation means: nil (more is needed from the network), false and why, or false, "end". */
static int outcome(lua_State *L, session *s, int r) {
  int e = SSL_get_error(s->ssl, r);
  if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
    ERR_clear_error();
    lua_pushnil(L);
    return 1;
  }
  if (e == SSL_ERROR_ZERO_RETURN) {
    ERR_clear_error();
    lua_pushboolean(L, 0);
    lua_pushliteral(L, "end");
    return 2;
  }
  long verdict = SSL_get_verify_result(s->ssl);
  if (verdict != X509_V_OK) {
    ERR_clear_error();
    lua_pushboolean(L, 0);
    lua_pushfstring(L, "certificate not accepted: %s", X509_verify_cert_error_string(verdict));
    return 2;
  }
  return fail(L, "tls");
}

/* s:handshake(): true; nil: feed more; false and why. */
static int session_handshake(lua_State *L) {
  session *s = check_session(L);
  ERR_clear_error();
  int r = SSL_do_handshake(s->ssl);
  if (r != 1) return outcome(L, s, r);
  lua_pushboolean(L, 1);
  return 1;
}

/* s:read(): what has arrived; nil: feed more; false and why, "end" at the peer's orderly end. */
static int session_read(lua_State *L) {
  session *s = check_session(L);
  char piece[PIECE];
  luaL_Buffer b;
  size_t total = 0;
  int r;
  ERR_clear_error();
  luaL_buffinit(L, &b);
  while ((r = SSL_read(s->ssl, piece, sizeof piece)) > 0) {
    luaL_addlstring(&b, piece, (size_t)r);
    total += (size_t)r;
    if (total >= 4 * PIECE) break;
  }
  if (total == 0) return outcome(L, s, r);
  ERR_clear_error(); /* what comes after it is found again */
  luaL_pushresult(&b);
  return 1;
}

/* s:write(bytes): true; nil: not now; false and why. */
static int session_write(lua_State *L) {
  session *s = check_session(L);
  size_t n, put;
  const char *p = luaL_checklstring(L, 2, &n);
  ERR_clear_error();
  if (n > 0 && SSL_write_ex(s->ssl, p, n, &put) != 1) return outcome(L, s, 0);
  lua_pushboolean(L, 1);
  return 1;
}

/* s:shutdown(): the peer will see an orderly end, once what is taken has gone. */
static int session_shutdown(lua_State *L) {
  session *s = check_session(L);
  if (SSL_is_init_finished(s->ssl)) SSL_shutdown(s->ssl);
  ERR_clear_error();
  return 0;
}

/* s:info(): {version, cipher, alpn, name, subject, issuer}. */
static int session_info(lua_State *L) {
  session *s = check_session(L);
  const unsigned char *alpn;
  unsigned n;
  char text[512];
  lua_createtable(L, 0, 6);
  lua_pushstring(L, SSL_get_version(s->ssl));
  lua_setfield(L, -2, "version");
  lua_pushstring(L, SSL_get_cipher_name(s->ssl));
  lua_setfield(L, -2, "cipher");
  SSL_get0_alpn_selected(s->ssl, &alpn, &n);
  if (n > 0) {
    lua_pushlstring(L, (const char *)alpn, n);
    lua_setfield(L, -2, "alpn");
  }
  const char *name = SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name);
  if (name != NULL) {
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
  }
  X509 *peer = SSL_get1_peer_certificate(s->ssl);
  if (peer == NULL) return 1;
  X509_NAME_oneline(X509_get_subject_name(peer), text, sizeof text);
  lua_pushstring(L, text);
  lua_setfield(L, -2, "subject");
  X509_NAME_oneline(X509_get_issuer_name(peer), text, sizeof text);
  lua_pushstring(L, text);
  lua_setfield(L, -2, "issuer");
  X509_free(peer);
  return 1;
}

static void class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc) {
  luaL_newmetatable(L, name);
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

__attribute__((visibility("default"))) int luaopen_weft_tls_core(lua_State *L) {
  static const luaL_Reg contexts[] = {{"identity", context_identity}, {"trust", context_trust}, {"alpn", context_alpn},
                                      {"session", context_session},   {NULL, NULL}};
  static const luaL_Reg sessions[] = {{"feed", session_feed},         {"ended", session_ended}, {"take", session_take},
                                      {"handshake", session_handshake}, {"read", session_read},   {"write", session_write},
                                      {"shutdown", session_shutdown}, {"info", session_info},   {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"context", context_new}, {NULL, NULL}};
  luaL_checkversion(L);
  class(L, CONTEXT, contexts, context_gc);
  class(L, SESSION, sessions, session_gc);
  luaL_newlib(L, funcs);
  lua_pushstring(L, OpenSSL_version(OPENSSL_VERSION));
  lua_setfield(L, -2, "version");
  return 1;
}
