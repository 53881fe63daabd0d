#pragma once

#include <string>
#include <string_view>

namespace nibble {

/// A regular expression whose matches are all valid in a `format` of JSON Schema, though not every valid
/// text matches. Throws Error that lists the known ones.
std::string_view string_format_regex(const std::string& format);

}  // namespace nibble
