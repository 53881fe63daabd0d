#include "engine/draft_pool.h"

#include <algorithm>

namespace nibble {

DraftPool::DraftPool(Forward& forward, uint32_t vocab, uint32_t sequences, uint32_t capacity, uint32_t blocks,
                     KvType type)
    : forward_(forward),
      vocab_(std::min(vocab, forward.model().config().vocab)),
      cache_(forward.model().config(), sequences, capacity, type, blocks),
      free_blocks_(blocks) {
  for (uint32_t i = sequences; i-- > 0;) free_.push_back(i);
}

std::unique_ptr<DraftModel> DraftPool::take(uint32_t most_tokens) {
  const uint32_t capacity = std::min(most_tokens, cache_.capacity());
  const uint64_t blocks = kv_blocks(capacity);
  if (free_.empty() || blocks > free_blocks_) return nullptr;
  free_blocks_ -= blocks;
  const uint32_t sequence = free_.back();
  free_.pop_back();
  return std::make_unique<DraftModel>(*this, sequence, capacity);
}

void DraftPool::give_back(uint32_t sequence, uint64_t blocks) {
  cache_.truncate(sequence, 0);
  free_.push_back(sequence);
  free_blocks_ += blocks;
}

}  // namespace nibble
