#include "serve/access.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "serve/api_error.h"

namespace nibble {

namespace {

constexpr std::string_view kBearer = "Bearer ";

/// "localhost" of "localhost:8080", "::1" of "[::1]:8080".
std::string host_name(std::string_view host) {
  if (host.starts_with('[')) return std::string(host.substr(1, host.find(']') - 1));
  return std::string(host.substr(0, host.find(':')));
}

bool same_origin(const std::string& origin, const std::string& host) {
  const size_t scheme = origin.find("://");
  return scheme != std::string::npos && origin.substr(scheme + 3) == host;
}

}  // namespace

void ApiKeys::add_file(const std::filesystem::path& path) {
  std::istringstream lines(read_file(path));
  const size_t before = digests_.size();
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty() && line.front() != '#') add(line);
  }
  if (digests_.size() == before) fail("{}: has no key: write one a line", path.string());
}

void ApiKeys::add(std::string_view key) {
  if (key.empty() || key.find_first_of(" \t\r\n") != std::string_view::npos) {
    fail("an API key is empty or has spaces in it: write letters and digits");
  }
  digests_.push_back(digest(key));
}

bool ApiKeys::contains(std::string_view key) const {
  const Digest wanted = digest(key);
  int found = 0;
  for (const Digest& known : digests_) {
    found |= static_cast<int>(CRYPTO_memcmp(known.data(), wanted.data(), wanted.size()) == 0);
  }
  return found != 0;
}

ApiKeys::Digest ApiKeys::digest(std::string_view key) {
  Digest result;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), result.data());
  return result;
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

void check_access(const HttpRequest& request, const AccessRules& rules, bool open) {
  const std::string& host = request.header("host");
  const std::string& origin = request.header("origin");
  if (rules.loopback && !host.empty() && !is_loopback(host_name(host))) {
    throw ApiError(403, fmt::format("this server is not {}: address it as localhost or 127.0.0.1", host), {},
                   "foreign_host");
  }
  const bool allowed =
      origin.empty() || same_origin(origin, host) || rules.cors == "*" || rules.cors == origin;
  if (!allowed) {
    throw ApiError(
        403, fmt::format("pages of {} may not use this server; start it with --cors {}", origin, origin), {},
        "foreign_origin");
  }
  if (open || rules.keys.empty() || request.method == "OPTIONS") return;
  const std::string_view sent = request.header("authorization");
  if (!sent.starts_with(kBearer)) {
    throw ApiError(401, "the API key is missing: send it as 'Authorization: Bearer KEY'", {},
                   "missing_api_key");
  }
  if (!rules.keys.contains(sent.substr(kBearer.size()))) {
    throw ApiError(401, "the API key is not one of this server's", {}, "invalid_api_key");
  }
}

void add_cors_headers(const HttpRequest& request, const AccessRules& rules, HttpResponse& response) {
  if (rules.cors.empty() || request.header("origin").empty()) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", rules.cors);
  if (rules.cors != "*") response.headers.emplace_back("Vary", "Origin");
  if (request.method != "OPTIONS") return;
  response.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS");
  response.headers.emplace_back("Access-Control-Allow-Headers", "Authorization, Content-Type");
  response.headers.emplace_back("Access-Control-Max-Age", "600");
}

}  // namespace nibble
