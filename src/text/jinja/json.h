#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "text/jinja/runtime.h"

namespace nibble::jinja {

/// Throws Error when the JSON is nested deeper than kMaxValueDepth.
Value from_json(const nlohmann::ordered_json& json);

/// The parameters of Python's json.dumps.
struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  ///< of one level; with it, one element a line
  std::string item_separator = ", ", key_separator = ": ";
};

/// json.dumps(value, ...). Throws Error for values that JSON has no form for.
std::string to_json(Runtime& runtime, const Value& value, const JsonStyle& style);

}  // namespace nibble::jinja
