#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// What Python's str knows about characters, for UTF-8 text. A byte that is not valid UTF-8 counts as
/// one character of its own and is kept as it is.
namespace nibble::jinja {

struct Character {
  char32_t value = 0;  ///< 0xdc80 + (byte - 0x80) for a byte that is not valid UTF-8, as surrogateescape
  size_t bytes = 0;
};

/// The character that begins at `at`, which must lie inside the text.
Character character_at(std::string_view text, size_t at);
/// The character that ends before `end`, which must be greater than 0.
Character character_before(std::string_view text, size_t end);

size_t count_characters(std::string_view text);

bool is_space(char32_t c);
bool is_line_break(char32_t c);  ///< what str.splitlines splits at
bool is_alpha(char32_t c);
bool is_numeric(char32_t c);
bool is_digit(char32_t c);
bool is_decimal(char32_t c);
bool is_lower(char32_t c);
bool is_upper(char32_t c);
bool is_title(char32_t c);  ///< title-case letters such as U+01C5, not upper-case ones
bool is_printable(char32_t c);
inline bool is_alnum(char32_t c) {
  return is_alpha(c) || is_numeric(c);
}
inline bool is_cased(char32_t c) {
  return is_lower(c) || is_upper(c) || is_title(c);
}

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title(std::string_view text);  ///< str.title: each run of cased characters
std::string capitalize(std::string_view text);
std::string swap_case(std::string_view text);
std::string fold_case(std::string_view text);

/// Text without the characters of `chars` (white space when null) at its ends.
enum class StripEnds { left, right, both };
std::string_view strip(std::string_view text, StripEnds ends, const std::string_view* chars = nullptr);

}  // namespace nibble::jinja
