#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "text/vocabulary.h"

namespace nibble {

/// Finds added tokens in a text: leftmost first, of several at one place the longest.
class AddedTokenMatcher {
 public:
  struct Match {
    size_t begin, end;
    int32_t id;
  };

  void add(std::string_view text, const AddedToken& token);
  bool empty() const { return tokens_.empty(); }
  /// Matches in order. Special tokens are text unless `parse_special`.
  std::vector<Match> find(std::string_view text, bool parse_special) const;

 private:
  struct Node {
    std::vector<std::pair<uint8_t, uint32_t>> children;  // byte -> node
    int32_t token = -1;                                  // index into tokens_
  };
  uint32_t child_of(uint32_t node, uint8_t byte) const;  // 0: none
  std::pair<int32_t, size_t> longest_at(std::string_view text, size_t at) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_ = {Node{}};
  std::array<bool, 256> first_byte_{};
};

}  // namespace nibble
