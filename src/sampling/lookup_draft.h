#pragma once

#include <cstdint>
#include <span>

namespace nibble {

/// Prompt lookup (Saxena 2023): looks for the last tokens of the history earlier in it, and gives what
/// followed there, at most `most` tokens: a guess at what follows here. The longest match counts, of equal
/// ones the latest; matches of fewer than `least_match` tokens do not. Lengths beyond `longest_match` count
/// as it.
std::span<const int32_t> lookup_draft(std::span<const int32_t> history, size_t most, size_t least_match = 2,
                                      size_t longest_match = 8);

}  // namespace nibble
