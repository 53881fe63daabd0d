#include "kernels/bfloat16_parts.h"

#include <algorithm>
#include <bit>

namespace nibble {

namespace {

/// The upper 16 bits, cut off rather than rounded: rounding could overflow.
uint32_t cut(uint32_t bits) {
  return bits & 0xffff0000u;
}

uint32_t rest(uint32_t bits, uint32_t part) {
  const bool finite = (bits & 0x7f800000u) != 0x7f800000u;
  return finite ? std::bit_cast<uint32_t>(std::bit_cast<float>(bits) - std::bit_cast<float>(part)) : 0;
}

}  // namespace

void split_into_bfloat16(const float* x, size_t cols, uint16_t* out) {
  for (size_t begin = 0; begin < cols; begin += kPartColumns, out += kBfloat16Parts * kPartColumns) {
    const size_t here = std::min(kPartColumns, cols - begin);
    std::fill_n(out, kBfloat16Parts * kPartColumns, uint16_t(0));
    for (size_t i = 0; i < here; ++i) {
      const uint32_t bits = std::bit_cast<uint32_t>(x[begin + i]), high = cut(bits);
      const uint32_t lower = rest(bits, high), middle = cut(lower);
      const uint32_t low = rest(lower, middle);
      out[i] = uint16_t(high >> 16);
      out[kPartColumns + i] = uint16_t(middle >> 16);
      out[2 * kPartColumns + i] = uint16_t(low >> 16);
    }
  }
}

}  // namespace nibble
