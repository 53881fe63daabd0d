#pragma once

#include <cmath>
#include <vector>

#include "base/half.h"
#include "runtime/kv_layout.h"

namespace nibble {

/// What a block holds of one position of a head, read by the layout's description alone.
struct StoredToken {
  std::vector<double> key, value;  // [head_dim]; quantized keys are rotated
  std::vector<double> key_step;    // [head_dim], between neighbouring codes; 0 for floats
  std::vector<double> value_step;  // [head_dim]
};

class BlockReader {
 public:
  BlockReader(const KvLayout& layout, const std::byte* block) : layout_(layout), block_(block) {}

  StoredToken read(size_t position) const {
    StoredToken token;
    for (size_t i = 0; i < layout_.head_dim; ++i) {
      const Element key = this->key(position, i), value = this->value(position, i);
      token.key.push_back(key.value);
      token.key_step.push_back(key.step);
      token.value.push_back(value.value);
      token.value_step.push_back(value.step);
    }
    return token;
  }

 private:
  struct Element {
    double value, step;
  };

  double number(size_t begin, size_t index) const {
    if (layout_.type == KvType::f32) return reinterpret_cast<const float*>(block_ + begin)[index];
    return half_at(begin, index);
  }
  double half_at(size_t begin, size_t index) const {
    return half_to_float(reinterpret_cast<const half*>(block_ + begin)[index]);
  }
  int byte(size_t index) const { return std::to_integer<int>(block_[index]); }

  Element key(size_t p, size_t i) const {
    if (!layout_.quantized()) return {number(0, i * 64 + p), 0.0};
    if (layout_.type == KvType::int8) {
      const size_t group = i / 32 * (32 * 64 + 2 * 64);
      const double scale = half_at(group + 32 * 64, p);
      return {scale * (byte(group + (i % 32 / 4 * 64 + p) * 4 + i % 4) - 128), scale};
    }
    const size_t group = i / 32 * (16 * 64 + 2 * 2 * 64);
    const double scale = half_at(group + 16 * 64, p);
    const int pair = byte(group + (i % 32 / 8 * 64 + p) * 4 + i % 4);
    const int code = i % 8 < 4 ? pair % 16 : pair / 16;
    return {scale * code + half_at(group + 16 * 64, 64 + p), scale};
  }

  Element value(size_t p, size_t i) const {
    const size_t stride = layout_.value_stride;
    if (!layout_.quantized()) return {number(layout_.values, p * stride + i), 0.0};
    if (layout_.type == KvType::int8) {
      const double scale = half_at(layout_.value_scales, p);
      return {scale * int8_t(byte(layout_.values + (p / 4 * stride + i) * 4 + p % 4)), scale};
    }
    const double scale = half_at(layout_.value_scales, i / 32 * 64 + p);
    const int pair = byte(layout_.values + ((i / 32 * 16 + p / 4) * 16 + i % 16) * 4 + p % 4);
    const int code = i % 32 < 16 ? pair % 16 : pair / 16;
    return {scale * code + half_at(layout_.value_minima, i / 32 * 64 + p), scale};
  }

  const KvLayout& layout_;
  const std::byte* block_;
};

/// The rotation of quantized keys, from its definition: in pieces of the largest power of two that divides
/// the head, (-1)^(number of common bits of row and column) / sqrt(size).
inline std::vector<double> rotated(const std::vector<double>& x) {
  size_t size = 1;
  while (x.size() % (2 * size) == 0) size *= 2;
  std::vector<double> y(x.size(), 0.0);
  for (size_t i = 0; i < x.size(); ++i) {
    for (size_t j = 0; j < size; ++j) {
      const double term = x[i / size * size + j] / std::sqrt(double(size));
      y[i] += __builtin_popcountll(i % size & j) % 2 == 0 ? term : -term;
    }
  }
  return y;
}

}  // namespace nibble
