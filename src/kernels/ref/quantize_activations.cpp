#include "kernels/ref/quantize_activations.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/matmul_args.h"

namespace nibble {

namespace {

/// Quantizes n values of a group of `size` and fills it up with zeros; returns the scale.
float quantize_group(const float* x, size_t n, size_t size, int8_t* q) {
  // The largest magnitude by its bits, where infinity and NaN win over every finite value.
  uint32_t bits = 0;
  for (size_t i = 0; i < n; ++i) bits = std::max(bits, std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu);
  const float largest = std::bit_cast<float>(bits);
  const float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
  for (size_t i = 0; i < n; ++i) {
    float value = x[i] * inverse;
    value = value > -127.0f ? value : -127.0f;
    value = value < 127.0f ? value : 127.0f;
    q[i] = int8_t(std::nearbyint(value));
  }
  std::fill(q + n, q + size, int8_t(0));
  return largest / 127.0f;
}

}  // namespace

void reference_quantize_activations(const float* x, size_t cols, ActivationGroups groups,
                                    const QuantizedToken& out) {
  const size_t size = groups.scale, group = groups.sum, parts = size / group;
  for (size_t begin = 0; begin < cols; begin += size) {
    const size_t g = begin / size;
    int8_t* q = out.q + begin;
    const float scale = quantize_group(x + begin, std::min(size, cols - begin), size, q);
    out.scale[g * out.stride] = scale;
    for (size_t part = 0; part < parts; ++part) {
      int32_t sum = 0;
      for (size_t i = 0; i < group; ++i) sum += q[part * group + i];
      out.sums[(g * parts + part) * out.stride] = sum;
      out.scaled_sums[(g * parts + part) * out.stride] = float(sum) * scale;
    }
    if (out.moved != nullptr) {
      for (size_t i = 0; i < size; ++i) out.moved[begin + i] = uint8_t(q[i] + 128);
    }
  }
}

}  // namespace nibble
