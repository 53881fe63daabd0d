#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/forward.h"
#include "runtime/kv_cache.h"

namespace nibble {

class DraftPool;

/// A small model that guesses what a large one will say. One for each answer: it has a sequence of the pool
/// with the answer's keys and values of the small model. All share the Forward.
class DraftModel {
 public:
  /// DraftPool::take makes it. `capacity`: tokens of prompt and answer that it may keep.
  DraftModel(DraftPool& pool, uint32_t sequence, uint32_t capacity);
  ~DraftModel();  ///< gives the sequence back
  DraftModel(const DraftModel&) = delete;
  DraftModel& operator=(const DraftModel&) = delete;

  /// The most probable continuation of the history, at most `most` tokens. What it begins with that was there
  /// in the last call is not computed again.
  std::vector<int32_t> draft(std::span<const int32_t> history, size_t most);
  /// Seconds a drafted token takes; 0 before the first.
  double seconds_per_token() const { return seconds_per_token_; }

 private:
  DraftPool& pool_;
  const uint32_t sequence_, capacity_;
  std::vector<int32_t> cached_;
  double seconds_per_token_ = 0;
};

}  // namespace nibble
