#include "runtime/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <limits>

#include "base/checked.h"
#include "base/error.h"
#include "base/half.h"
#include "kernels/vector_ops.h"

namespace nibble {

namespace {

uint64_t padded(uint64_t count) {
  return (count + kKeyPanel - 1) / kKeyPanel * kKeyPanel;
}

size_t element_size(KvType type) {
  return type == KvType::f32 ? sizeof(float) : sizeof(half);
}

}  // namespace

uint64_t KvCache::bytes_for(const ModelConfig& config, uint32_t sequences, uint32_t capacity, KvType type) {
  const uint64_t key_and_value = config.head_dim + padded(config.head_dim);
  std::optional<uint64_t> bytes = element_size(type);
  for (const uint64_t count : {uint64_t(config.n_layers), uint64_t(sequences), uint64_t(config.n_kv_heads),
                               padded(capacity), key_and_value}) {
    if (bytes) bytes = checked_mul(*bytes, count);
  }
  return bytes.value_or(std::numeric_limits<uint64_t>::max());
}

KvCache::KvCache(const ModelConfig& config, uint32_t sequences, uint32_t capacity, KvType type)
    : capacity_(capacity),
      kv_heads_(config.n_kv_heads),
      head_dim_(config.head_dim),
      layers_(config.n_layers),
      value_stride_(uint32_t(padded(config.head_dim))),
      element_bytes_(element_size(type)),
      key_bytes_(padded(capacity) * head_dim_ * element_bytes_),
      value_bytes_(padded(capacity) * value_stride_ * element_bytes_),
      type_(type),
      bytes_(bytes_for(config, sequences, capacity, type)) {
  // calloc: the padding must be zero, and pages come from the system only when they are written.
  if (bytes_ <= uint64_t(std::numeric_limits<ptrdiff_t>::max())) {
    data_.reset(static_cast<std::byte*>(std::calloc(std::max<uint64_t>(bytes_, 1), 1)));
  }
  if (!data_) {
    fail("no memory for a KV cache of {} x {} tokens ({:.1f} GB): use a shorter --context", sequences,
         capacity, double(bytes_) / 1e9);
  }
  lengths_.assign(sequences, 0);
}

std::byte* KvCache::head(uint32_t layer, uint32_t sequence, uint32_t kv_head) const {
  const size_t index = (size_t(layer) * lengths_.size() + sequence) * kv_heads_ + kv_head;
  return data_.get() + index * (key_bytes_ + value_bytes_);
}

const std::byte* KvCache::keys(uint32_t layer, uint32_t sequence, uint32_t kv_head) const {
  return head(layer, sequence, kv_head);
}

const std::byte* KvCache::values(uint32_t layer, uint32_t sequence, uint32_t kv_head) const {
  return head(layer, sequence, kv_head) + key_bytes_;
}

void KvCache::truncate(uint32_t sequence, uint32_t length) {
  lengths_[sequence] = std::min(lengths_[sequence], length);
}

void KvCache::copy_prefix(uint32_t from, uint32_t to, uint32_t length) {
  length = std::min(length, lengths_[from]);
  if (from != to) {
    // Whole panels: what lies beyond the length counts for nothing.
    const size_t positions = padded(length);
    for (uint32_t layer = 0; layer < layers_; ++layer) {
      for (uint32_t h = 0; h < kv_heads_; ++h) {
        const std::byte* source = head(layer, from, h);
        std::byte* target = head(layer, to, h);
        std::memcpy(target, source, positions * head_dim_ * element_bytes_);
        std::memcpy(target + key_bytes_, source + key_bytes_, positions * value_stride_ * element_bytes_);
      }
    }
  }
  lengths_[to] = length;
}

void KvCache::append(uint32_t layer, uint32_t sequence, uint32_t position, const float* key,
                     const float* value) {
  for (uint32_t h = 0; h < kv_heads_; ++h) {
    std::byte* data = head(layer, sequence, h);
    store_key(data, position, key + size_t(h) * head_dim_);
    store_value(data + key_bytes_, position, value + size_t(h) * head_dim_);
  }
}

void KvCache::store_key(std::byte* keys, uint32_t position, const float* x) const {
  const size_t panel = position / kKeyPanel * head_dim_ * kKeyPanel, lane = position % kKeyPanel;
  if (type_ == KvType::f32) {
    float* out = reinterpret_cast<float*>(keys) + panel + lane;
    for (size_t i = 0; i < head_dim_; ++i) out[i * kKeyPanel] = x[i];
    return;
  }
  half* out = reinterpret_cast<half*>(keys) + panel + lane;
  constexpr size_t kPiece = 64;
  half halves[kPiece];
  for (size_t begin = 0; begin < head_dim_; begin += kPiece) {
    const size_t count = std::min<size_t>(kPiece, head_dim_ - begin);
    vector_ops().float_to_half(x + begin, halves, count);
    for (size_t i = 0; i < count; ++i) out[(begin + i) * kKeyPanel] = halves[i];
  }
}

void KvCache::store_value(std::byte* values, uint32_t position, const float* x) const {
  std::byte* out = values + size_t(position) * value_stride_ * element_bytes_;
  if (type_ == KvType::f32) {
    std::memcpy(out, x, head_dim_ * sizeof(float));
  } else {
    vector_ops().float_to_half(x, reinterpret_cast<half*>(out), head_dim_);
  }
}

}  // namespace nibble
