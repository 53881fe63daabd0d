#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http.h"

namespace nibble {

/// The keys that clients show as "Authorization: Bearer KEY".
class ApiKeys {
 public:
  /// One key a line; empty lines and lines that begin with # are left out. Throws Error naming the file when
  /// it can't be read or has none.
  void add_file(const std::filesystem::path& path);
  /// Throws Error when it is empty or has spaces.
  void add(std::string_view key);

  bool empty() const { return digests_.empty(); }
  /// Takes the same time whichever key it is compared with, and wherever they differ: digests are compared,
  /// all of them.
  bool contains(std::string_view key) const;

 private:
  using Digest = std::array<unsigned char, 32>;  // SHA-256
  static Digest digest(std::string_view key);
  std::vector<Digest> digests_;
};

/// Who may ask.
struct AccessRules {
  ApiKeys keys;          ///< none: everybody who can connect
  std::string cors;      ///< an origin whose pages may use the API, "*" for all, empty for none but our own
  bool loopback = true;  ///< listening there: names of other hosts are refused, which rebound DNS would bring
};

/// True for the addresses of this machine alone.
bool is_loopback(const std::string& host);

/// Throws ApiError for a request that may not be served: a page of another origin (a browser sends its user's
/// requests along without being asked), a foreign host name, a missing or wrong key. `open`: needs no key.
void check_access(const HttpRequest& request, const AccessRules& rules, bool open);

/// The headers that tell a browser what the rules allow.
void add_cors_headers(const HttpRequest& request, const AccessRules& rules, HttpResponse& response);

}  // namespace nibble
