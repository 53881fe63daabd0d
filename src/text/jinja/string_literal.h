#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/jinja/value.h"

/// Literals of templates, and Python's int() and float() of text.
namespace nibble::jinja {

struct NumberLiteral {
  size_t bytes = 0;            ///< 0: no number begins here
  std::optional<Value> value;  ///< nothing when it does not fit
};
/// The number that a text begins with: 1_000, 0xff, 0o7, 0b1, and where `may_be_float` 1.5, 1e3.
NumberLiteral read_number(std::string_view text, bool may_be_float);

/// Resolves backslash escapes as Python's unicode-escape codec; nothing when one is cut short or wrong.
std::optional<std::string> unescape(std::string_view text);

/// int(text, base), or nothing where Python raises ValueError. Fails when the number does not fit.
std::optional<Int> parse_int(std::string_view text, int base);
/// float(text), or nothing where Python raises ValueError.
std::optional<double> parse_float(std::string_view text);

}  // namespace nibble::jinja
