#include "text/character_pairs.h"

#include <algorithm>
#include <bit>

#include "base/utf8.h"
#include "text/hash.h"

namespace nibble {

namespace {

constexpr uint64_t kNoPair = UINT64_MAX;

uint64_t pair_key(char32_t left, char32_t right) {
  return uint64_t(left) << 32 | right;
}

}  // namespace

CharacterPairs::CharacterPairs(const std::vector<std::string_view>& pieces) {
  std::vector<uint64_t> others;
  for (std::string_view piece : pieces) {
    CodePoint left = decode_utf8(piece);
    while (left.length > 0) {
      piece.remove_prefix(size_t(left.length));
      const CodePoint right = decode_utf8(piece);
      if (right.length == 0) break;
      if ((left.value | right.value) < 128) {
        ascii_[left.value << 7 | right.value] = true;
      } else {
        others.push_back(pair_key(left.value, right.value));
      }
      left = right;
    }
  }
  std::ranges::sort(others);
  others.erase(std::unique(others.begin(), others.end()), others.end());
  others_.assign(std::bit_ceil(others.size() * 2 + 2), kNoPair);
  for (const uint64_t pair : others) others_[slot_of(pair)] = pair;
}

size_t CharacterPairs::slot_of(uint64_t pair) const {
  size_t at = mix_bits(pair) & (others_.size() - 1);
  while (others_[at] != pair && others_[at] != kNoPair) at = (at + 1) & (others_.size() - 1);
  return at;
}

bool CharacterPairs::contains_other(char32_t left, char32_t right) const {
  const uint64_t pair = pair_key(left, right);
  return others_[slot_of(pair)] == pair;
}

}  // namespace nibble
