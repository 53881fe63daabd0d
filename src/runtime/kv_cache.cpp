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

uint32_t padded(uint32_t head_dim) {
  return uint32_t((head_dim + kAttentionAlign - 1) / kAttentionAlign * kAttentionAlign);
}

size_t element_size(KvType type) {
  return type == KvType::f32 ? sizeof(float) : sizeof(half);
}

}  // namespace

uint64_t KvCache::bytes_for(const ModelConfig& config, uint32_t sequences, uint32_t capacity, KvType type) {
  std::optional<uint64_t> bytes = 2 * element_size(type);
  for (uint64_t count : {config.n_layers, sequences, config.n_kv_heads, capacity, padded(config.head_dim)}) {
    if (bytes) bytes = checked_mul(*bytes, count);
  }
  return bytes.value_or(std::numeric_limits<uint64_t>::max());
}

KvCache::KvCache(const ModelConfig& config, uint32_t sequences, uint32_t capacity, KvType type)
    : capacity_(capacity),
      layers_(config.n_layers),
      kv_heads_(config.n_kv_heads),
      head_dim_(config.head_dim),
      stride_(padded(config.head_dim)),
      element_bytes_(element_size(type)),
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

size_t KvCache::head_offset(uint32_t layer, uint32_t sequence, bool value, uint32_t kv_head) const {
  const size_t head = ((size_t(layer) * lengths_.size() + sequence) * 2 + value) * kv_heads_ + kv_head;
  return head * capacity_ * stride_ * element_bytes_;
}

void KvCache::truncate(uint32_t sequence, uint32_t length) {
  lengths_[sequence] = std::min(lengths_[sequence], length);
}

void KvCache::copy_prefix(uint32_t from, uint32_t to, uint32_t length) {
  length = std::min(length, lengths_[from]);
  if (from != to) {
    const size_t bytes = size_t(length) * stride_ * element_bytes_;
    for (uint32_t layer = 0; layer < layers_; ++layer) {
      for (const bool value : {false, true}) {
        for (uint32_t head = 0; head < kv_heads_; ++head) {
          std::memcpy(data_.get() + head_offset(layer, to, value, head),
                      data_.get() + head_offset(layer, from, value, head), bytes);
        }
      }
    }
  }
  lengths_[to] = length;
}

void KvCache::store(size_t offset, const float* x) {
  if (type_ == KvType::f32) {
    std::memcpy(data_.get() + offset, x, head_dim_ * sizeof(float));
  } else {
    vector_ops().float_to_half(x, reinterpret_cast<half*>(data_.get() + offset), head_dim_);
  }
}

void KvCache::append(uint32_t layer, uint32_t sequence, uint32_t position, const float* key,
                     const float* value) {
  const size_t row = size_t(position) * stride_ * element_bytes_;
  for (uint32_t head = 0; head < kv_heads_; ++head) {
    store(head_offset(layer, sequence, false, head) + row, key + size_t(head) * head_dim_);
    store(head_offset(layer, sequence, true, head) + row, value + size_t(head) * head_dim_);
  }
}

const std::byte* KvCache::keys(uint32_t layer, uint32_t sequence, uint32_t kv_head) const {
  return data_.get() + head_offset(layer, sequence, false, kv_head);
}

const std::byte* KvCache::values(uint32_t layer, uint32_t sequence, uint32_t kv_head) const {
  return data_.get() + head_offset(layer, sequence, true, kv_head);
}

}  // namespace nibble
