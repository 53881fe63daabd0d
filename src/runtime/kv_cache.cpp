#include "runtime/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <stdexcept>

#include "base/checked.h"
#include "base/error.h"

namespace nibble {

uint64_t KvCache::bytes_for(const ModelConfig& config, uint32_t sequences, uint32_t capacity, KvType type) {
  std::optional<uint64_t> bytes = KvLayout(type, config.head_dim).bytes;
  for (const uint64_t count :
       {uint64_t(config.n_layers), uint64_t(config.n_kv_heads), uint64_t(sequences), kv_blocks(capacity)}) {
    if (bytes) bytes = checked_mul(*bytes, count);
  }
  return bytes.value_or(std::numeric_limits<uint64_t>::max());
}

KvCache::KvCache(const ModelConfig& config, uint32_t sequences, uint32_t capacity, KvType type,
                 std::optional<uint32_t> blocks)
    : capacity_(capacity),
      kv_heads_(config.n_kv_heads),
      layout_(type, config.head_dim),
      block_bytes_(layout_.bytes * config.n_layers * kv_heads_) {
  const uint64_t all = uint64_t(sequences) * kv_blocks(capacity);
  const uint64_t bytes =
      blocks ? bytes_for(config, *blocks, kKvBlock, type) : bytes_for(config, sequences, capacity, type);
  const uint64_t total = blocks ? *blocks : all;
  if (total > std::numeric_limits<uint32_t>::max() || !reserve_.take(bytes)) {
    fail("no memory for a KV cache of {} tokens ({:.1f} GB): use a shorter --context", total * kKvBlock,
         double(bytes) / 1e9);
  }
  total_blocks_ = uint32_t(total);
  sequences_.resize(sequences);
}

uint32_t KvCache::take_block() {
  if (free_.empty()) {
    if (references_.size() == total_blocks_) throw std::logic_error("the KV cache has no free block");
    references_.push_back(1);
    return uint32_t(references_.size() - 1);
  }
  const uint32_t block = free_.back();
  free_.pop_back();
  references_[block] = 1;
  return block;
}

void KvCache::release_block(uint32_t block) {
  if (--references_[block] == 0) free_.push_back(block);
}

void KvCache::own_block(Sequence& sequence, uint32_t index) {
  const uint32_t shared = sequence.blocks[index];
  if (references_[shared] == 1) return;
  const uint32_t own = take_block();
  std::memcpy(head(own, 0, 0), head(shared, 0, 0), block_bytes_);
  release_block(shared);
  sequence.blocks[index] = own;
}

void KvCache::truncate(uint32_t index, uint32_t length) {
  Sequence& sequence = sequences_[index];
  sequence.length = std::min(sequence.length, length);
  while (sequence.blocks.size() > kv_blocks(sequence.length)) {
    release_block(sequence.blocks.back());
    sequence.blocks.pop_back();
  }
}

void KvCache::copy_prefix(uint32_t from, uint32_t to, uint32_t length) {
  length = std::min(length, sequences_[from].length);
  if (from != to) {
    truncate(to, 0);
    const auto first = sequences_[from].blocks.begin();
    sequences_[to].blocks.assign(first, first + ptrdiff_t(kv_blocks(length)));
    for (const uint32_t block : sequences_[to].blocks) ++references_[block];
    sequences_[to].length = length;
  }
  truncate(to, length);
}

void KvCache::make_room(uint32_t index, uint32_t length) {
  Sequence& sequence = sequences_[index];
  if (length <= sequence.length) return;
  // Blocks after the length are left where a batch failed midway; the one with the length is the only one
  // that may be shared.
  if (sequence.length % kKvBlock != 0) own_block(sequence, sequence.length / kKvBlock);
  while (sequence.blocks.size() < kv_blocks(length)) sequence.blocks.push_back(take_block());
}

uint32_t KvCache::new_blocks(uint32_t index, uint32_t length) const {
  const Sequence& sequence = sequences_[index];
  if (length <= sequence.length) return 0;
  const size_t needed = kv_blocks(length), have = sequence.blocks.size();
  const bool copies =
      sequence.length % kKvBlock != 0 && references_[sequence.blocks[sequence.length / kKvBlock]] > 1;
  return uint32_t(needed > have ? needed - have : 0) + (copies ? 1 : 0);
}

void KvCache::append(uint32_t layer, uint32_t sequence, uint32_t position, const float* key,
                     const float* value) {
  const uint32_t block = sequences_[sequence].blocks[position / kKvBlock];
  thread_local std::vector<float> rotated;  // [kv_heads, head_dim]
  if (layout_.quantized()) {
    rotated.resize(size_t(kv_heads_) * layout_.head_dim);
    layout_.rotate(key, 1.0f, rotated.data(), kv_heads_);
    key = rotated.data();
  }
  for (uint32_t h = 0; h < kv_heads_; ++h) {
    const size_t offset = size_t(h) * layout_.head_dim;
    layout_.store(head(block, layer, h), position % kKvBlock, key + offset, value + offset);
  }
}

}  // namespace nibble
