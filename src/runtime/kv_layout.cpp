#include "runtime/kv_layout.h"

#include <algorithm>
#include <cstring>

#include "base/half.h"

namespace nibble {

namespace {

size_t element_bytes(KvType type) {
  return type == KvType::f32 ? sizeof(float) : sizeof(half);
}

void store_float(const KvLayout& layout, std::byte* block, uint32_t position, const float* key,
                 const float* value) {
  float* keys = reinterpret_cast<float*>(block) + position / kKeyPanel * layout.head_dim * kKeyPanel;
  for (size_t i = 0; i < layout.head_dim; ++i) keys[i * kKeyPanel + position % kKeyPanel] = key[i];
  float* values = reinterpret_cast<float*>(block + layout.values) + size_t(position) * layout.value_stride;
  std::memcpy(values, value, layout.head_dim * sizeof(float));
}

void store_half(const KvLayout& layout, std::byte* block, uint32_t position, const float* key,
                const float* value) {
  half* keys = reinterpret_cast<half*>(block) + position / kKeyPanel * layout.head_dim * kKeyPanel;
  constexpr size_t kPiece = 64;
  half halves[kPiece];
  for (size_t begin = 0; begin < layout.head_dim; begin += kPiece) {
    const size_t count = std::min<size_t>(kPiece, layout.head_dim - begin);
    vector_ops().float_to_half(key + begin, halves, count);
    for (size_t i = 0; i < count; ++i) keys[(begin + i) * kKeyPanel + position % kKeyPanel] = halves[i];
  }
  half* values = reinterpret_cast<half*>(block + layout.values) + size_t(position) * layout.value_stride;
  vector_ops().float_to_half(value, values, layout.head_dim);
}

}  // namespace

KvLayout::KvLayout(KvType type_, uint32_t head_dim_)
    : type(type_), head_dim(head_dim_), value_stride((head_dim_ + 15) / 16 * 16) {
  values = size_t(kKvBlock) * head_dim * element_bytes(type);
  bytes = values + size_t(kKvBlock) * value_stride * element_bytes(type);
}

void KvLayout::store(std::byte* block, uint32_t position, const float* key, const float* value) const {
  if (type == KvType::f32) {
    store_float(*this, block, position, key, value);
  } else {
    store_half(*this, block, position, key, value);
  }
}

}  // namespace nibble
