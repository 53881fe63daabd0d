#pragma once

#include <cstdint>
#include <span>

namespace nibble {

/// A guess at what follows a text: what followed an earlier place in it that reads the same.
struct LookupDraft {
  std::span<const int32_t> tokens;  ///< of the history; none when there is no such place
  size_t match = 0;                 ///< how many tokens before both places are the same
};

/// Prompt lookup (Saxena 2023): looks for the last tokens of the history earlier in it, and gives what
/// followed there, at most `most` tokens. The longest match counts, of equal ones the latest; matches of
/// fewer than `least_match` tokens do not, and those of more than `longest_match` count as that.
LookupDraft lookup_draft(std::span<const int32_t> history, size_t most, size_t least_match = 2,
                         size_t longest_match = 8);

}  // namespace nibble
