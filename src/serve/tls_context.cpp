#include "serve/tls_context.h"

#include <openssl/err.h>

#include "base/error.h"

namespace nibble {

namespace {

[[noreturn]] void fail_tls(const std::string& file, const char* what) {
  char reason[256] = "unknown error";
  if (const auto code = ERR_get_error()) ERR_error_string_n(code, reason, sizeof(reason));
  ERR_clear_error();
  fail("{}: {} ({}); give a PEM file", file, what, reason);
}

}  // namespace

TlsContext make_tls_context(const std::string& certificate, const std::string& key) {
  ERR_clear_error();
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  if (!context) fail("OpenSSL has no TLS for a server");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1) {
    fail_tls(certificate, "no certificate that can be used");
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
    fail_tls(key, "no key that can be used with the certificate");
  }
  if (SSL_CTX_check_private_key(context.get()) != 1) fail_tls(key, "the key is not the certificate's");
  return context;
}

}  // namespace nibble
