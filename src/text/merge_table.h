#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nibble {

/// What two neighbouring symbols become, and how early: smaller ranks merge first.
struct Merge {
  static constexpr uint32_t kNever = UINT32_MAX;
  uint32_t rank = kNever;
  int32_t id = -1;
};

/// The merges of byte pair encoding (Sennrich et al. 2016), found by the pair of symbols.
class MergeTable {
 public:
  /// `count`: how many merges will be added at most.
  explicit MergeTable(size_t count = 0);
  /// A pair that is added again keeps its last merge, as in Hugging Face's tokenizers.
  void add(int32_t left, int32_t right, Merge merge);
  /// Rank kNever where the pair does not merge.
  Merge find(int32_t left, int32_t right) const;

  /// Replaces the symbols of one word by what is left after all merges: always the pair with the
  /// smallest rank first, the leftmost of several. O(n log n).
  void apply(std::vector<int32_t>& symbols) const;

 private:
  struct Slot {
    uint64_t pair = UINT64_MAX;
    Merge merge;
  };
  size_t slot_of(uint64_t pair) const;
  void apply_short(std::vector<int32_t>& symbols) const;
  void apply_long(std::vector<int32_t>& symbols) const;

  std::vector<Slot> slots_;  // [power of two], open addressing
};

}  // namespace nibble
