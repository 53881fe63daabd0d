#include "runtime/kv_layout.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/half.h"
#include "runtime/kv_quantize.h"

namespace nibble {

namespace {

struct Name {
  std::string_view name;
  KvType type;
};
// The first name of a type is its own.
constexpr Name kNames[] = {{"f32", KvType::f32},
                           {"f16", KvType::f16},
                           {"q8_0", KvType::int8},
                           {"q4_0", KvType::int4},
                           {"int8", KvType::int8},
                           {"int4", KvType::int4},
                           {"q8_0_unrotated", KvType::int8_unrotated},
                           {"q4_0_unrotated", KvType::int4_unrotated}};

/// How elements lie, whether they are rotated or not.
KvType stored_as(KvType type) {
  if (type == KvType::int8_unrotated) return KvType::int8;
  return type == KvType::int4_unrotated ? KvType::int4 : type;
}

void store_float(const KvLayout& layout, std::byte* block, uint32_t position, const float* key,
                 const float* value) {
  float* keys = reinterpret_cast<float*>(block) + position;
  for (size_t i = 0; i < layout.head_dim; ++i) keys[i * kKvBlock] = key[i];
  float* values = reinterpret_cast<float*>(block + layout.values) + size_t(position) * layout.value_stride;
  std::memcpy(values, value, layout.head_dim * sizeof(float));
}

void store_half(const KvLayout& layout, std::byte* block, uint32_t position, const float* key,
                const float* value) {
  half* keys = reinterpret_cast<half*>(block) + position;
  constexpr size_t kPiece = 64;
  half halves[kPiece];
  for (size_t begin = 0; begin < layout.head_dim; begin += kPiece) {
    const size_t count = std::min<size_t>(kPiece, layout.head_dim - begin);
    vector_ops().float_to_half(key + begin, halves, count);
    for (size_t i = 0; i < count; ++i) keys[(begin + i) * kKvBlock] = halves[i];
  }
  half* values = reinterpret_cast<half*>(block + layout.values) + size_t(position) * layout.value_stride;
  vector_ops().float_to_half(value, values, layout.head_dim);
}

}  // namespace

std::string_view kv_type_name(KvType type) {
  for (const Name& name : kNames) {
    if (name.type == type) return name.name;
  }
  return "";
}

std::vector<std::string> kv_type_names() {
  std::vector<std::string> names;
  for (const Name& name : kNames) names.emplace_back(name.name);
  return names;
}

std::optional<KvType> kv_type_from_name(std::string_view text) {
  for (const Name& name : kNames) {
    if (name.name == text) return name.type;
  }
  return std::nullopt;
}

KvLayout::KvLayout(KvType of, uint32_t head_dim_)
    : type(stored_as(of)), rotated(type == of), head_dim(head_dim_) {
  const size_t step = quantized() ? kKvGroup : 16;
  value_stride = uint32_t((head_dim + step - 1) / step * step);
  const auto part = [&](size_t size) {
    const size_t begin = bytes;
    bytes += size;
    return begin;
  };
  const size_t scales = value_groups() * kKvBlock * sizeof(half), elements = size_t(kKvBlock) * value_stride;
  switch (type) {
    case KvType::f32:
    case KvType::f16: {
      const size_t element = type == KvType::f32 ? sizeof(float) : sizeof(half);
      part(kKvBlock * head_dim * element);
      values = part(elements * element);
      break;
    }
    case KvType::int8:
      part(groups() * kInt8KeyBytes);
      value_scales = part(scales);
      values = part(elements);
      break;
    case KvType::int4:
      part(groups() * kInt4KeyBytes);
      value_scales = part(scales);
      value_minima = part(scales);
      values = part(elements / 2);
      break;
    case KvType::int8_unrotated:
    case KvType::int4_unrotated:
      break;  // stored_as() gives none of these
  }
}

void KvLayout::rotate(const float* x, float factor, float* y, size_t heads) const {
  if (!rotated) return vector_ops().scale(x, factor, y, heads * head_dim);
  // Blocks of the largest power of two that divides the head.
  const uint32_t block = head_dim & (~head_dim + 1);
  vector_ops().hadamard(x, factor / std::sqrt(float(block)), y, heads * head_dim, block);
}

void KvLayout::store(std::byte* block, uint32_t position, const float* key, const float* value) const {
  switch (type) {
    case KvType::f32:
      return store_float(*this, block, position, key, value);
    case KvType::f16:
      return store_half(*this, block, position, key, value);
    case KvType::int8:
      return store_int8(*this, block, position, key, value);
    case KvType::int4:
      return store_int4(*this, block, position, key, value);
    case KvType::int8_unrotated:
    case KvType::int4_unrotated:
      return;
  }
}

}  // namespace nibble
