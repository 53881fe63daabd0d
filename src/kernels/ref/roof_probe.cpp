#include <emmintrin.h>

#include "kernels/isa_roof_probe.h"
#include "kernels/simd/probe_loop.h"

namespace nibble::ref {

uint64_t probe_read(const void* data, size_t bytes) {
  const auto* words = static_cast<const uint64_t*>(data);
  uint64_t sums[8] = {};
  for (size_t i = 0; i < bytes / sizeof(uint64_t); i += 8) {
    for (size_t lane = 0; lane < 8; ++lane) sums[lane] ^= words[i + lane];
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total ^= sum;
  return total;
}

// SSE2 has no product of int8, so that the bytes are widened and multiplied as 16-bit pairs; the widening
// belongs to the weights of a tile and is done once.
uint64_t probe_multiply(uint64_t rounds) {
  const __m128i total = simd::probe_loop<8, __m128i>(
      8 * rounds, _mm_set1_epi16(3), _mm_set1_epi16(5),
      [](__m128i sum, __m128i a, __m128i b) { return _mm_add_epi32(sum, _mm_madd_epi16(a, b)); },
      [](__m128i a, __m128i b) { return _mm_add_epi32(a, b); });
  return uint64_t(_mm_cvtsi128_si64(total));
}

float probe_multiply_float(uint64_t rounds) {
  __m128 total = simd::probe_loop<8, __m128>(
      rounds, _mm_set1_ps(1), _mm_set1_ps(1),
      [](__m128 sum, __m128 a, __m128 b) { return _mm_add_ps(sum, _mm_mul_ps(a, b)); },
      [](__m128 a, __m128 b) { return _mm_add_ps(a, b); });
  total = _mm_add_ps(total, _mm_movehl_ps(total, total));
  return _mm_cvtss_f32(_mm_add_ss(total, _mm_shuffle_ps(total, total, 1)));
}

}  // namespace nibble::ref
