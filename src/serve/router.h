#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http.h"

namespace nibble {

/// Which function answers which method and path.
class Router {
 public:
  using Handler = std::function<void(Exchange&)>;
  enum class Access { key, open };

  struct Route {
    std::string method, name;          ///< the name: the pattern as it was given
    std::vector<std::string> pattern;  ///< segments of the path; "{name}" stands for any one
    Handler handler;
    Access access;
  };

  /// `pattern` as "/api/jobs/{id}/events".
  void add(const std::string& method, std::string_view pattern, Handler handler, Access access = Access::key);
  /// Answers GET of every path that no route has; null when the path is not its own either.
  void set_fallback(std::function<const Route*(const std::string& path)> fallback) { fallback_ = fallback; }

  /// The route of a request, whose segments are set. Throws ApiError 404 or 405.
  const Route& find(HttpRequest& request) const;

 private:
  std::vector<Route> routes_;
  std::function<const Route*(const std::string&)> fallback_;
};

}  // namespace nibble
