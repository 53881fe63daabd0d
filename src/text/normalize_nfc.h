#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nibble {

/// Unicode's normalization form C; nothing when the text already is in it. Bytes that are not UTF-8
/// stay as they are.
std::optional<std::string> normalize_nfc(std::string_view text);

}  // namespace nibble
