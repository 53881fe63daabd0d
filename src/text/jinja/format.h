#pragma once

#include <string>
#include <string_view>

#include "text/jinja/runtime.h"

/// Python's three ways to format: text % values, text.format(values) and format(value, spec).
namespace nibble::jinja {

/// `format` must be a string; `values` a tuple, a dict or a single value.
Value format_percent(Runtime& runtime, const Value& format, const Value& values);
/// Attributes and elements of fields are looked up as templates look them up.
Value format_braces(Runtime& runtime, const Value& format, const Arguments& arguments);
std::string format_value(Runtime& runtime, const Value& value, std::string_view spec);

/// Rounds to a number of decimals, which may be negative, correctly: Python's round() of a float.
double round_decimals(double value, int64_t decimals);

}  // namespace nibble::jinja
