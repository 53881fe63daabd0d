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
__m256i round_codes(const float* x, __m256 inverse) {
  const __m256 value = _mm256_max_ps(_mm256_mul_ps(_mm256_loadu_ps(x), inverse), _mm256_set1_ps(-127.0f));
  return _mm256_cvtps_epi32(_mm256_min_ps(value, _mm256_set1_ps(127.0f)));
}

__m256i quantize32(const float* x, __m256 inverse) {
  const __m256i low = _mm256_packs_epi32(round_codes(x, inverse), round_codes(x + 8, inverse));
  const __m256i high = _mm256_packs_epi32(round_codes(x + 16, inverse), round_codes(x + 24, inverse));
  // Packing works within 128-bit lanes: the permutation puts the words of four codes into order.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
}

/// Sums of fours.
__m256i sum4(__m256i q) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), q);
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

int32_t sum_lanes(__m128i sums) {
  sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0x4e));
  sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0xb1));
  return _mm_cvtsi128_si32(sums);
}

__m128i low_half(__m256i v) {
  return _mm256_castsi256_si128(v);
}
__m128i high_half(__m256i v) {
  return _mm256_extracti128_si256(v, 1);
}

/// x [groups.scale] to the group of scales `g`.
void quantize_group(const float* x, ActivationGroups groups, size_t g, const QuantizedToken& out) {
  const size_t size = groups.scale;
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i largest = _mm256_setzero_si256();
  for (size_t i = 0; i < size; i += 8) {
    const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(x + i));
    largest = _mm256_max_epi32(largest, _mm256_and_si256(bits, magnitude));
  }
  float scale;
  const __m256 inverse = inverse_scale(largest, &scale);
  out.scale[g * out.stride] = scale;
  const auto store_sum = [&](size_t column, int32_t sum) {
    const size_t at = (size * g + column) / groups.sum * out.stride;
    out.sums[at] = sum;
    out.scaled_sums[at] = float(sum) * scale;
  };
  __m256i sums = _mm256_setzero_si256();
  for (size_t i = 0; i < size; i += 32) {
    const __m256i q = quantize32(x + i, inverse);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.q + size * g + i), q);
    if (out.moved != nullptr) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.moved + size * g + i),
                          _mm256_xor_si256(q, _mm256_set1_epi8(char(0x80))));
    }
    sums = _mm256_add_epi32(sums, sum4(q));
    if ((i + 32) % groups.sum != 0) continue;
    if (groups.sum < 32) {
      store_sum(i, sum_lanes(low_half(sums)));
      store_sum(i + 16, sum_lanes(high_half(sums)));
    } else {
      store_sum(i, sum_lanes(_mm_add_epi32(low_half(sums), high_half(sums))));
    }
    sums = _mm256_setzero_si256();
  }
}

}  // namespace

void quantize_activations(const float* x, size_t cols, ActivationGroups groups, const QuantizedToken& out) {
  constexpr size_t kMostGroup = 128;
  const size_t size = groups.scale, whole = cols / size, rest = cols % size;
  for (size_t g = 0; g < whole; ++g) quantize_group(x + g * size, groups, g, out);
  if (rest == 0) return;
  float padded[kMostGroup] = {};
  memcpy(padded, x + whole * size, rest * sizeof(float));
  quantize_group(padded, groups, whole, out);
}

}  // namespace nibble::avx2
