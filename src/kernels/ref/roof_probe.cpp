#include <emmintrin.h>

#include "kernels/isa_roof_probe.h"

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
  constexpr int kSums = 8;
  __m128i sums[kSums] = {};
  __m128i a = _mm_set1_epi16(3), b = _mm_set1_epi16(5);
  for (uint64_t round = 0; round < rounds; ++round) {
    for (int repeat = 0; repeat < 8; ++repeat) {
      for (auto& sum : sums) {
        // The compiler must not find out that the factors never change.
        __asm__ volatile("" : "+x"(a), "+x"(b));
        sum = _mm_add_epi32(sum, _mm_madd_epi16(a, b));
      }
    }
  }
  __m128i total = _mm_setzero_si128();
  for (const auto& sum : sums) total = _mm_add_epi32(total, sum);
  return uint64_t(_mm_cvtsi128_si64(total));
}

float probe_multiply_float(uint64_t rounds) {
  __m128 sums[8] = {};
  __m128 a = _mm_set1_ps(1), b = _mm_set1_ps(1);
  for (uint64_t round = 0; round < rounds; ++round) {
    for (auto& sum : sums) {
      __asm__ volatile("" : "+x"(a), "+x"(b));
      sum = _mm_add_ps(sum, _mm_mul_ps(a, b));
    }
  }
  __m128 total = _mm_setzero_ps();
  for (const auto& sum : sums) total = _mm_add_ps(total, sum);
  total = _mm_add_ps(total, _mm_movehl_ps(total, total));
  return _mm_cvtss_f32(_mm_add_ss(total, _mm_shuffle_ps(total, total, 1)));
}

}  // namespace nibble::ref
