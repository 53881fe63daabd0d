#pragma once

#include <span>
#include <string_view>

#include "text/jinja/builtin.h"

namespace nibble::jinja {

/// The methods of str that ask: startswith, find, count, isdigit, ...
std::span<const Builtin> string_predicates();

bool is_lower_text(std::string_view text);  ///< str.islower: has cased characters, all of them lower
bool is_upper_text(std::string_view text);

}  // namespace nibble::jinja
