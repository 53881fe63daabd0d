#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace nibble {

/// Reads the fields of a JSON object; a field that is null counts as absent. Everything throws ApiError 400
/// that names the field, and what it must be.
class JsonFields {
 public:
  using Json = nlohmann::ordered_json;

  /// Parses a request's body.
  static Json parse_body(const std::string& body);

  /// `object` must outlive the reader. `prefix` stands before the names in messages.
  explicit JsonFields(const Json& object, std::string prefix = {});

  /// Null when it is absent.
  const Json* find(const char* name) const;
  const Json& required(const char* name) const;

  std::optional<bool> boolean(const char* name) const;
  std::optional<int64_t> integer(const char* name, int64_t least = std::numeric_limits<int64_t>::min(),
                                 int64_t most = std::numeric_limits<int64_t>::max()) const;
  std::optional<double> number(const char* name, double least, double most) const;
  std::optional<std::string> text(const char* name) const;
  std::string required_text(const char* name) const;
  /// A list of texts, or one alone.
  std::vector<std::string> texts(const char* name) const;
  /// Null when it is absent.
  const Json* object(const char* name) const;
  const Json* array(const char* name) const;

  std::string path(const char* name) const { return prefix_ + name; }

 private:
  const Json& object_;
  std::string prefix_;
};

/// A list of token ids, each in [0, vocab).
std::vector<int32_t> read_token_ids(const nlohmann::ordered_json& list, const std::string& name,
                                    size_t vocab);

}  // namespace nibble
