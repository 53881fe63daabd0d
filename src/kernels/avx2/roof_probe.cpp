#include <immintrin.h>

#include "kernels/isa_roof_probe.h"

namespace nibble::avx2 {

uint64_t probe_read(const void* data, size_t bytes) {
  const auto* p = static_cast<const __m256i*>(data);
  const size_t vectors = bytes / sizeof(__m256i);
  __m256i sums[8] = {};
  for (size_t i = 0; i < vectors; i += 8) {
    for (size_t lane = 0; lane < 8; ++lane) {
      sums[lane] = _mm256_xor_si256(sums[lane], _mm256_load_si256(p + i + lane));
    }
  }
  __m256i total = sums[0];
  for (size_t lane = 1; lane < 8; ++lane) total = _mm256_xor_si256(total, sums[lane]);
  const __m128i half = _mm_xor_si128(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1));
  return uint64_t(_mm_cvtsi128_si64(half)) ^ uint64_t(_mm_extract_epi64(half, 1));
}

uint64_t probe_multiply(uint64_t rounds) {
  __m256i sums[8] = {};
  __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(5);
  const __m256i ones = _mm256_set1_epi16(1);
  for (uint64_t round = 0; round < rounds; ++round) {
    for (auto& sum : sums) {
      // The compiler must not find out that the factors never change.
      __asm__ volatile("" : "+x"(a), "+x"(b));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
    }
  }
  __m256i total = sums[0];
  for (int i = 1; i < 8; ++i) total = _mm256_add_epi32(total, sums[i]);
  return uint64_t(_mm_cvtsi128_si64(_mm256_castsi256_si128(total)));
}

float probe_multiply_float(uint64_t rounds) {
  // Two products a cycle of four cycles' latency, five on older processors, need ten sums.
  __m256 sums[12] = {};
  __m256 a = _mm256_set1_ps(1), b = _mm256_set1_ps(1);
  for (uint64_t round = 0; round < rounds; ++round) {
    for (auto& sum : sums) {
      __asm__ volatile("" : "+x"(a), "+x"(b));
      sum = _mm256_fmadd_ps(a, b, sum);
    }
  }
  __m256 total = sums[0];
  for (int i = 1; i < 12; ++i) total = _mm256_add_ps(total, sums[i]);
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(total), _mm256_extractf128_ps(total, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

}  // namespace nibble::avx2
