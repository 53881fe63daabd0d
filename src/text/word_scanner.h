#pragma once

#include <cstddef>
#include <string_view>

namespace nibble {

/// The regular expressions that byte-level vocabularies cut text with, as hand-written scanners: each
/// gives the end of the word that begins at `begin` < text.size(). A byte that is not UTF-8 counts as a
/// character that is neither letter, number nor whitespace.

/// GPT-2: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t gpt2_word_end(std::string_view text, size_t begin);

/// Llama 3 (max_digits 3) and Qwen 2 (max_digits 1):
/// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,max_digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|
/// \s*[\r\n]+|\s+(?!\S)|\s+
size_t llama3_word_end(std::string_view text, size_t begin, int max_digits);

/// The beginning of the first digit from `begin` on, or text.size(); `*length` gets the digit's bytes.
size_t find_digit(std::string_view text, size_t begin, size_t* length);

}  // namespace nibble
