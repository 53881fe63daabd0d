#include "quantize/finite.h"

#include <bit>

namespace nibble {

bool all_finite(const float* x, uint64_t n) {
  // Without an early exit inside the chunk, so that the loop is vectorized.
  constexpr uint64_t kChunk = 4096;
  for (uint64_t start = 0; start < n; start += kChunk) {
    const uint64_t end = n - start < kChunk ? n : start + kChunk;
    uint32_t bad = 0;
    for (uint64_t i = start; i < end; ++i) {
      bad |= uint32_t((std::bit_cast<uint32_t>(x[i]) & 0x7f800000u) == 0x7f800000u);
    }
    if (bad != 0) return false;
  }
  return true;
}

}  // namespace nibble
