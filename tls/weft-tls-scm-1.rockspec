rockspec_format = "3.0"
package = "weft-tls"
version = "scm-1"
source = { url = "." }
description = {
  summary = "TLS for weft, over OpenSSL",
  detailed = "The C half of weft.tls. weft itself does not need it.",
  license = "MIT",
}
dependencies = { "lua >= 5.4", "weft" }
external_dependencies = {
  OPENSSL = { header = "openssl/ssl.h" },
}
build = {
  type = "builtin",
  modules = {
    ["weft.tls_core"] = {
      sources = { "tls/core.c" },
      incdirs = { "$(OPENSSL_INCDIR)" },
      libdirs = { "$(OPENSSL_LIBDIR)" },
      libraries = { "ssl", "crypto" },
    },
  },
}
