#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/forward.h"
#include "runtime/kv_cache.h"

namespace nibble {

/// A small model that guesses what a large one will say. One for each answer: it keeps the answer's keys and
/// values of the small model. All share the Forward.
class DraftModel {
 public:
  /// `capacity`: tokens of prompt and answer; `vocab`: tokens of the large model, which may lack or have more
  /// of the unused ones behind the vocabulary.
  DraftModel(Forward& forward, uint32_t capacity, uint32_t vocab);

  /// The most probable continuation of the history, at most `most` tokens. What it begins with that was there
  /// in the last call is not computed again.
  std::vector<int32_t> draft(std::span<const int32_t> history, size_t most);
  /// Seconds a drafted token takes; 0 before the first.
  double seconds_per_token() const { return seconds_per_token_; }

 private:
  Forward& forward_;
  KvCache cache_;
  uint32_t vocab_;  ///< tokens that both know
  std::vector<int32_t> cached_;
  double seconds_per_token_ = 0;
};

}  // namespace nibble
