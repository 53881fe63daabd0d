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

  // For the runtime's attention. Elements are float or half, as type() says.

  /// Writes the token's key and value [n_kv_heads, head_dim] of one layer. Does not change the length.
  void append(uint32_t layer, uint32_t sequence, uint32_t position, const float* key, const float* value);
  /// The keys of a head in panels of kKeyPanel positions: [panels, head_dim, kKeyPanel].
  const std::byte* keys(uint32_t layer, uint32_t sequence, uint32_t kv_head) const;
  /// The values of a head: [panels * kKeyPanel, value_stride].
  const std::byte* values(uint32_t layer, uint32_t sequence, uint32_t kv_head) const;
  /// head_dim, padded with zeros to a multiple of 16.
  uint32_t value_stride() const { return value_stride_; }
  void set_length(uint32_t sequence, uint32_t length) { lengths_[sequence] = length; }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };

  /// The bytes of one head come together: its keys, then its values.
  std::byte* head(uint32_t layer, uint32_t sequence, uint32_t kv_head) const;
  void store_key(std::byte* keys, uint32_t position, const float* x) const;
  void store_value(std::byte* values, uint32_t position, const float* x) const;

  uint32_t capacity_ = 0, kv_heads_ = 0, head_dim_ = 0, layers_ = 0, value_stride_ = 0;
  size_t element_bytes_ = 0, key_bytes_ = 0, value_bytes_ = 0;  // the last two of one head
  KvType type_ = KvType::f16;
  std::vector<uint32_t> lengths_;
  uint64_t bytes_ = 0;
  std::unique_ptr<std::byte, Free> data_;
};

}  // namespace nibble
