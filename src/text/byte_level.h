#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nibble {

/// GPT-2's map between bytes and printable characters, in which byte-level tokens are written
/// (Radford et al. 2019): printable Latin-1 bytes stand for themselves, the others for U+0100 and on.
char32_t byte_level_character(uint8_t byte);

/// The bytes that a token stands for; nothing when it has a character that no byte is written as.
std::optional<std::string> decode_byte_level(std::string_view token);

}  // namespace nibble
