#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/jinja/runtime.h"

/// What both kinds of format strings share.
namespace nibble::jinja {

/// A number or text laid out in a field. The width and precision are in characters.
struct FieldLayout {
  std::string fill = " ";
  char align = '\0';       ///< '<' '>' '^' '=' (padding after the sign), or 0 for the type's own
  char sign = '-';         ///< '-' '+' ' '
  bool alternate = false;  ///< '#': 0x, 0o, 0b; keeps the point and trailing zeros
  char grouping = '\0';    ///< ',' or '_'
  int64_t width = 0;
  int64_t precision = -1;  ///< -1: the type's own
};

/// Largest width and precision of a field.
constexpr int64_t kMaxFieldWidth = 1'000'000;
constexpr int64_t kMaxPrecision = 1000;

/// Sign, prefix and digits of an int in type d, x, X, o or b.
struct NumberParts {
  std::string sign, prefix, digits;
};
NumberParts int_parts(Int value, char type, const FieldLayout& layout);
/// ... of a float in type e, E, f, F, g, G, % or 'r' for its repr.
NumberParts float_parts(double value, char type, const FieldLayout& layout);

/// Puts the parts into the field; charges its width.
std::string lay_out_number(Runtime& runtime, const NumberParts& parts, const FieldLayout& layout);
std::string lay_out_text(Runtime& runtime, std::string text, const FieldLayout& layout);

/// Reads digits at `at`; fails when the number is above `limit`. Returns -1 where there are none.
int64_t read_count(std::string_view text, size_t& at, int64_t limit);

}  // namespace nibble::jinja
