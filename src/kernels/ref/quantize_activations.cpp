#include "kernels/ref/quantize_activations.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/matmul_args.h"

namespace nibble {

namespace {

void quantize_group(const float* x, size_t n, int8_t* q, float& scale) {
  // The largest magnitude by its bits, where infinity and NaN win over every finite value.
  uint32_t bits = 0;
  for (size_t i = 0; i < n; ++i) bits = std::max(bits, std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu);
  const float largest = std::bit_cast<float>(bits);
  scale = largest / 127.0f;
  const float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
  for (size_t i = 0; i < n; ++i) {
    float value = x[i] * inverse;
    value = value > -127.0f ? value : -127.0f;
    value = value < 127.0f ? value : 127.0f;
    q[i] = int8_t(std::nearbyint(value));
  }
  std::fill(q + n, q + kActivationGroup, int8_t(0));
}

}  // namespace

void reference_quantize_activations(const float* x, size_t cols, const QuantizedToken& out) {
  for (size_t begin = 0; begin < cols; begin += kActivationGroup) {
    const size_t g = begin / kActivationGroup;
    int8_t* q = out.q + begin;
    quantize_group(x + begin, std::min(kActivationGroup, cols - begin), q, out.scale[g]);
    for (size_t h = 0; h < 2; ++h) {
      int32_t sum = 0;
      for (size_t i = 0; i < 16; ++i) sum += q[16 * h + i];
      out.sums16[2 * g + h] = sum;
    }
    out.sums32[g] = out.sums16[2 * g] + out.sums16[2 * g + 1];
  }
}

}  // namespace nibble
