#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace nibble {

/// Which characters stand side by side in some piece of a vocabulary. No merge crosses any other place,
/// so that text can be cut there and each part be merged, and remembered, by itself.
class CharacterPairs {
 public:
  explicit CharacterPairs(const std::vector<std::string_view>& pieces);

  bool contains(char32_t left, char32_t right) const {
    if ((left | right) < 128) return ascii_[left << 7 | right];
    return contains_other(left, right);
  }

 private:
  bool contains_other(char32_t left, char32_t right) const;
  size_t slot_of(uint64_t pair) const;

  std::array<bool, size_t{128} * 128> ascii_{};
  std::vector<uint64_t> others_;  // [power of two], open addressing
};

}  // namespace nibble
