#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/isa_kernels.h"

namespace nibble::avx2 {

namespace {

/// 127 / largest, or 0 for a group of zeros; scale as well.
__m256 inverse_scale(__m256i largest_bits, float* scale) {
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(largest_bits), _mm256_extracti128_si256(largest_bits, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
  const float largest = _mm_cvtss_f32(_mm_castsi128_ps(m));
  *scale = largest / 127.0f;
  return _mm256_set1_ps(largest > 0.0f ? 127.0f / largest : 0.0f);
}

/// Rounded to nearest even within +-127; a NaN becomes -127 (VMAXPS returns its second operand).
__m256i round_codes(__m256 x, __m256 inverse) {
  const __m256 value = _mm256_max_ps(_mm256_mul_ps(x, inverse), _mm256_set1_ps(-127.0f));
  return _mm256_cvtps_epi32(_mm256_min_ps(value, _mm256_set1_ps(127.0f)));
}

int32_t sum16(__m128i q) {
  const __m128i pairs = _mm_maddubs_epi16(_mm_set1_epi8(1), q);
  __m128i sums = _mm_madd_epi16(pairs, _mm_set1_epi16(1));
  sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0x4e));
  sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0xb1));
  return _mm_cvtsi128_si32(sums);
}

void quantize_group(const float* x, size_t g, const QuantizedToken& out) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256 v[4];
  __m256i largest = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_loadu_ps(x + 8 * i);
    largest = _mm256_max_epi32(largest, _mm256_and_si256(_mm256_castps_si256(v[i]), magnitude));
  }
  const __m256 inverse = inverse_scale(largest, out.scale + g);
  const __m256i low = _mm256_packs_epi32(round_codes(v[0], inverse), round_codes(v[1], inverse));
  const __m256i high = _mm256_packs_epi32(round_codes(v[2], inverse), round_codes(v[3], inverse));
  // Packing works within 128-bit lanes: the permutation puts the words of four codes into order.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i q = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.q + 32 * g), q);
  out.sums16[2 * g] = sum16(_mm256_castsi256_si128(q));
  out.sums16[2 * g + 1] = sum16(_mm256_extracti128_si256(q, 1));
  out.sums32[g] = out.sums16[2 * g] + out.sums16[2 * g + 1];
}

}  // namespace

void quantize_activations(const float* x, size_t cols, const QuantizedToken& out) {
  const size_t groups = cols / kActivationGroup, rest = cols % kActivationGroup;
  for (size_t g = 0; g < groups; ++g) quantize_group(x + g * kActivationGroup, g, out);
  if (rest == 0) return;
  float padded[kActivationGroup] = {};
  memcpy(padded, x + groups * kActivationGroup, rest * sizeof(float));
  quantize_group(padded, groups, out);
}

}  // namespace nibble::avx2
