#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/model_config.h"

namespace nibble {

enum class KvType { f32, f16 };

/// Keys and values of all layers for a number of sequences, each with room for `capacity` tokens.
/// Keys are stored after rotary embedding. With a sliding window nothing is dropped: attention limits
/// what it reads.
class KvCache {
 public:
  KvCache(const ModelConfig& config, uint32_t sequences, uint32_t capacity, KvType type = KvType::f16);

  uint32_t sequences() const { return uint32_t(lengths_.size()); }
  uint32_t capacity() const { return capacity_; }
  uint32_t length(uint32_t sequence) const { return lengths_[sequence]; }
  KvType type() const { return type_; }
  uint64_t bytes() const { return data_.size(); }
  /// What a cache of this shape takes, for memory plans.
  static uint64_t bytes_for(const ModelConfig& config, uint32_t sequences, uint32_t capacity, KvType type);

  /// Forgets all tokens from `length` on.
  void truncate(uint32_t sequence, uint32_t length);
  /// Makes `to` a copy of the first `length` tokens of `from`.
  void copy_prefix(uint32_t from, uint32_t to, uint32_t length);

  // For the runtime's attention.
  void append(uint32_t layer, uint32_t sequence, uint32_t position, const float* key, const float* value);
  const std::byte* keys(uint32_t layer, uint32_t sequence, uint32_t kv_head) const;    // [capacity, head_dim]
  const std::byte* values(uint32_t layer, uint32_t sequence, uint32_t kv_head) const;  // [capacity, head_dim]
  void set_length(uint32_t sequence, uint32_t length) { lengths_[sequence] = length; }

 private:
  uint32_t capacity_ = 0, layers_ = 0, kv_heads_ = 0, head_dim_ = 0;
  KvType type_ = KvType::f16;
  std::vector<uint32_t> lengths_;
  std::vector<std::byte> data_;
};

}  // namespace nibble
