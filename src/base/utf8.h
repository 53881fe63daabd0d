#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace nibble {

/// One code point read from UTF-8. `length` is 0 where the bytes are not valid UTF-8 (overlong forms,
/// surrogates and values above U+10FFFF are not).
struct CodePoint {
  char32_t value = 0;
  int length = 0;
};

/// Reads the code point at the beginning of text.
CodePoint decode_utf8(std::string_view text);

/// Appends a code point as UTF-8.
void append_utf8(std::string& out, char32_t value);

/// The offset of the first byte that is not valid UTF-8, or text.size() when all are.
size_t find_invalid_utf8(std::string_view text);

/// The length of the longest prefix that does not end inside a character: what a stream may print.
/// Bytes that can never become valid count as complete.
size_t complete_utf8_prefix(std::string_view text);

/// The text with U+FFFD for each longest run of bytes that begins a character but does not complete it,
/// and for each other byte that is not UTF-8: what Python's errors="replace" gives.
std::string replace_invalid_utf8(std::string_view text);

}  // namespace nibble
