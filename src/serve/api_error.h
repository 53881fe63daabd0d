#pragma once

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace nibble {

/// A request that can't be answered, in the shape of OpenAI's errors:
/// {"error": {"message", "type", "param", "code"}}.
class ApiError : public std::runtime_error {
 public:
  /// `param`: the field of the request that is wrong, or empty; `code`: for programs, or empty.
  ApiError(int status, const std::string& message, std::string param = {}, std::string code = {});

  int status() const { return status_; }
  /// Seconds after which it is worth to try again; 0: it is not.
  int retry_after() const { return status_ == 429 || status_ == 503 ? 2 : 0; }
  nlohmann::ordered_json body() const;

 private:
  int status_;
  std::string param_, code_;
};

/// Throws ApiError 400 about a field of the request.
template <typename... Args>
[[noreturn]] void fail_field(const std::string& param, fmt::format_string<Args...> format, Args&&... args) {
  throw ApiError(400, fmt::format(format, std::forward<Args>(args)...), param);
}

}  // namespace nibble
