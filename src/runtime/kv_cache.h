#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/model_config.h"
#include "runtime/kv_layout.h"
#include "runtime/memory_reserve.h"

namespace nibble {

/// Blocks of kKvBlock positions that so many tokens take.
constexpr uint64_t kv_blocks(uint64_t tokens) {
  return (tokens + kKvBlock - 1) / kKvBlock;
}

/// Keys and values of all layers for a number of sequences, each with room for `capacity` tokens.
/// Keys are stored after rotary embedding. With a sliding window nothing is dropped: attention limits
/// what it reads.
///
/// Memory is a pool of blocks of kKvBlock positions, taken from the system as tokens come; a sequence is a
/// table of blocks. Sequences with a common beginning share its blocks, and a block that others share is
/// copied before a sequence writes to it (Kwon et al. 2023).
class KvCache {
 public:
  /// `blocks` bounds the pool; by default it holds all sequences full. With a smaller one the caller sees
  /// to it that there are blocks (new_blocks, free_blocks) before sequences grow. Throws Error with the size
  /// when the machine refuses that much memory.
  KvCache(const ModelConfig& config, uint32_t sequences, uint32_t capacity, KvType type = KvType::f16,
          std::optional<uint32_t> blocks = {});

  uint32_t sequences() const { return uint32_t(sequences_.size()); }
  uint32_t capacity() const { return capacity_; }
  uint32_t length(uint32_t sequence) const { return sequences_[sequence].length; }
  /// When all blocks are in use.
  uint64_t bytes() const { return reserve_.size(); }
  uint64_t used_bytes() const {
    return uint64_t(used_blocks()) * block_bytes_;
  }  ///< of blocks that hold tokens
  /// What a cache of this shape takes, for memory plans; the largest uint64_t when it would not fit one.
  static uint64_t bytes_for(const ModelConfig& config, uint32_t sequences, uint32_t capacity, KvType type);

  /// Forgets all tokens from `length` on and gives their blocks back to the pool; a longer length changes
  /// nothing.
  void truncate(uint32_t sequence, uint32_t length);
  /// Makes `to` the first `length` tokens of `from`, or all where it has fewer. No token is copied.
  void copy_prefix(uint32_t from, uint32_t to, uint32_t length);

  uint32_t free_blocks() const { return total_blocks_ - used_blocks(); }
  uint32_t total_blocks() const { return total_blocks_; }
  /// How many blocks make_room would take, the copy of a shared one included.
  uint32_t new_blocks(uint32_t sequence, uint32_t length) const;
  /// The sequence's blocks by their numbers in the pool, in the order of positions.
  std::span<const uint32_t> blocks(uint32_t sequence) const { return sequences_[sequence].blocks; }

  // For the runtime.

  /// Makes room for the positions from the sequence's length up to `length`, which append then writes.
  void make_room(uint32_t sequence, uint32_t length);
  /// Writes the token's key and value [n_kv_heads, head_dim] of one layer. Does not change the length.
  /// Different positions may be written at the same time.
  void append(uint32_t layer, uint32_t sequence, uint32_t position, const float* key, const float* value);
  void set_length(uint32_t sequence, uint32_t length) { sequences_[sequence].length = length; }
  /// The positions from index * kKvBlock on, of one head, as layout() says.
  const std::byte* block(uint32_t layer, uint32_t sequence, uint32_t kv_head, uint32_t index) const {
    return head(sequences_[sequence].blocks[index], layer, kv_head);
  }
  const KvLayout& layout() const { return layout_; }

 private:
  struct Sequence {
    std::vector<uint32_t> blocks;  ///< their indices in the pool
    uint32_t length = 0;
  };

  /// A block holds [layers, kv_heads] blocks of one head.
  std::byte* head(uint32_t block, uint32_t layer, uint32_t kv_head) const {
    return reserve_.data() + block * block_bytes_ + (size_t(layer) * kv_heads_ + kv_head) * layout_.bytes;
  }
  uint32_t used_blocks() const { return uint32_t(references_.size() - free_.size()); }
  uint32_t take_block();
  void release_block(uint32_t block);
  /// Replaces a block that other sequences read too by a copy.
  void own_block(Sequence& sequence, uint32_t index);

  uint32_t capacity_ = 0, kv_heads_ = 0, total_blocks_ = 0;
  KvLayout layout_;
  size_t block_bytes_ = 0;
  std::vector<Sequence> sequences_;
  std::vector<uint32_t> references_;  ///< sequences that use each block taken so far
  std::vector<uint32_t> free_;        ///< blocks given back; the last one is taken first
  MemoryReserve reserve_;
};

}  // namespace nibble
