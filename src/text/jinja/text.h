#pragma once

#include <string>
#include <string_view>

#include "text/jinja/runtime.h"

namespace nibble::jinja {

/// Python's str() of a value: what {{ }} prints.
std::string to_text(Runtime& runtime, const Value& value);
/// Python's repr().
std::string repr(Runtime& runtime, const Value& value);

std::string int_text(Int value);
/// The shortest digits that give the same float, as Python's repr: 1.0, 0.1, 1e-05, 1e+16, inf, nan.
std::string float_text(double value);
/// Quoted and escaped as Python does: single quotes unless only they occur inside.
std::string in_quotes(std::string_view text);
/// As quoted, with everything outside ASCII escaped: Python's ascii().
std::string quoted_ascii(std::string_view text);

}  // namespace nibble::jinja
