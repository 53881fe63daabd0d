#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/draft_model.h"

namespace nibble {

/// The keys and values of a draft model for the answers that run: a sequence for each one, in a pool of
/// blocks of its own. An answer gets a sequence when the blocks that it may come to need are there, and keeps
/// them for its time, so that none runs out of memory; without one it goes on as without a draft model. One
/// thread at a time.
class DraftPool {
 public:
  /// `sequences` at once of at most `capacity` tokens, in `blocks` blocks; `vocab`: tokens of the large
  /// model. Throws Error when the machine refuses that much memory.
  DraftPool(Forward& forward, uint32_t vocab, uint32_t sequences, uint32_t capacity, uint32_t blocks,
            KvType type);

  /// Drafts for an answer that has at most so many tokens, prompt included; null when there is no room. It
  /// must not outlive the pool.
  std::unique_ptr<DraftModel> take(uint32_t most_tokens);
  const KvCache& cache() const { return cache_; }

 private:
  friend class DraftModel;
  void give_back(uint32_t sequence, uint64_t blocks);

  Forward& forward_;
  uint32_t vocab_;  ///< tokens that both know
  KvCache cache_;
  std::vector<uint32_t> free_;  ///< sequences
  uint64_t free_blocks_;        ///< that no answer counts on
};

}  // namespace nibble
