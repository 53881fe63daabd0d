#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace nibble {

struct TlsContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using TlsContext = std::unique_ptr<SSL_CTX, TlsContextDeleter>;

/// A server's context, TLS 1.2 and later, from PEM files: the certificate with its chain, and its key. Throws
/// Error naming the file that can't be used and why.
TlsContext make_tls_context(const std::string& certificate, const std::string& key);

}  // namespace nibble
