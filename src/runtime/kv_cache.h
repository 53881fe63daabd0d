#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "model/model_config.h"

namespace nibble {

enum class KvType { f32, f16 };

/// Keys and values of all layers for a number of sequences, each with room for `capacity` tokens.
/// Keys are stored after rotary embedding. With a sliding window nothing is dropped: attention limits
/// what it reads. Memory is taken from the system as tokens come, not when the cache is made.
class KvCache {
 public:
  /// Throws Error with the size when the machine refuses that much memory.
  KvCache(const ModelConfig& config, uint32_t sequences, uint32_t capacity, KvType type = KvType::f16);

  uint32_t sequences() const { return uint32_t(lengths_.size()); }
  uint32_t capacity() const { return capacity_; }
  uint32_t length(uint32_t sequence) const { return lengths_[sequence]; }
  KvType type() const { return type_; }
  uint64_t bytes() const { return bytes_; }
  /// What a cache of this shape takes, for memory plans; the largest uint64_t when it would not fit one.
  static uint64_t bytes_for(const ModelConfig& config, uint32_t sequences, uint32_t capacity, KvType type);

  /// Forgets all tokens from `length` on; a longer length changes nothing.
  void truncate(uint32_t sequence, uint32_t length);
  /// Makes `to` a copy of the first `length` tokens of `from`, which has at least so many.
  void copy_prefix(uint32_t from, uint32_t to, uint32_t length);

  // For the runtime's attention.

  /// Elements between two positions of a head: head_dim, padded with zeros to kAttentionAlign.
  uint32_t stride() const { return stride_; }
  /// Writes the token's key and value [n_kv_heads, head_dim] of one layer. Does not change the length.
  void append(uint32_t layer, uint32_t sequence, uint32_t position, const float* key, const float* value);
  const std::byte* keys(uint32_t layer, uint32_t sequence, uint32_t kv_head) const;    // [capacity, stride]
  const std::byte* values(uint32_t layer, uint32_t sequence, uint32_t kv_head) const;  // [capacity, stride]
  void set_length(uint32_t sequence, uint32_t length) { lengths_[sequence] = length; }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };

  /// The offset of [capacity, stride] of one head: layers, then sequences, then keys and values, then heads.
  size_t head_offset(uint32_t layer, uint32_t sequence, bool value, uint32_t kv_head) const;
  void store(size_t offset, const float* x);

  uint32_t capacity_ = 0, layers_ = 0, kv_heads_ = 0, head_dim_ = 0, stride_ = 0;
  size_t element_bytes_ = 0;
  KvType type_ = KvType::f16;
  std::vector<uint32_t> lengths_;
  uint64_t bytes_ = 0;
  std::unique_ptr<std::byte, Free> data_;
};

}  // namespace nibble
