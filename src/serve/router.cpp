#include "serve/router.h"

#include <set>

#include "serve/api_error.h"

namespace nibble {

namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  while (path.starts_with('/')) {
    path.remove_prefix(1);
    const size_t end = path.find('/');
    segments.emplace_back(path.substr(0, end));
    path.remove_prefix(end == std::string_view::npos ? path.size() : end);
  }
  return segments;
}

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& segments,
             std::map<std::string, std::string>& names) {
  if (pattern.size() != segments.size()) return false;
  std::map<std::string, std::string> found;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i].starts_with('{')) {
      found[pattern[i].substr(1, pattern[i].size() - 2)] = segments[i];
    } else if (pattern[i] != segments[i]) {
      return false;
    }
  }
  names = std::move(found);
  return true;
}

}  // namespace

void Router::add(const std::string& method, std::string_view pattern, Handler handler, Access access) {
  routes_.push_back({method, std::string(pattern), split(pattern), std::move(handler), access});
}

const Router::Route& Router::find(HttpRequest& request) const {
  const std::vector<std::string> segments = split(request.path);
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::set<std::string> others;
  for (const Route& route : routes_) {
    if (!matches(route.pattern, segments, request.segments)) continue;
    if (route.method == method) return route;
    others.insert(route.method);
  }
  if (others.empty() && fallback_ && method == "GET") {
    if (const Route* route = fallback_(request.path)) return *route;
  }
  if (others.empty()) {
    throw ApiError(
        404,
        fmt::format("there is no {} {}; /openapi.json lists what there is", request.method, request.path), {},
        "unknown_url");
  }
  std::string allowed;
  for (const std::string& other : others) allowed += (allowed.empty() ? "" : ", ") + other;
  throw ApiError(405, fmt::format("{} takes {}, not {}", request.path, allowed, request.method), {},
                 "method_not_allowed");
}

}  // namespace nibble
