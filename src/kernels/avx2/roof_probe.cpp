#include <immintrin.h>

#include "kernels/isa_roof_probe.h"
#include "kernels/simd/probe_loop.h"

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
  const __m256i ones = _mm256_set1_epi16(1);
  const __m256i total = simd::probe_loop<8, __m256i>(
      rounds, _mm256_set1_epi8(3), _mm256_set1_epi8(5),
      [&](__m256i sum, __m256i a, __m256i b) {
        return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
      },
      [](__m256i a, __m256i b) { return _mm256_add_epi32(a, b); });
  return uint64_t(_mm_cvtsi128_si64(_mm256_castsi256_si128(total)));
}

float probe_multiply_float(uint64_t rounds) {
  // Two products a cycle of four cycles' latency, five on older processors, need ten sums.
  const __m256 total = simd::probe_loop<12, __m256>(
      rounds, _mm256_set1_ps(1), _mm256_set1_ps(1),
      [](__m256 sum, __m256 a, __m256 b) { return _mm256_fmadd_ps(a, b, sum); },
      [](__m256 a, __m256 b) { return _mm256_add_ps(a, b); });
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(total), _mm256_extractf128_ps(total, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

}  // namespace nibble::avx2
