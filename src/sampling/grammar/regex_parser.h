#pragma once

#include <string_view>

#include "sampling/grammar/regex.h"

namespace nibble {

/// The expression as it is written, anchors included. Throws Error.
Regex::Expression parse_regex(std::string_view pattern);

}  // namespace nibble
