#pragma once

#include "kernels/avx2/vectors.h"

/// What simd/quantized_attention.h asks for beside the operations of matrix products.
namespace nibble {
namespace {

template <class Base>
struct AttentionVectors256 : Base {
  using Int = __m256i;
  using Float = __m256;
  static constexpr size_t kIntegerSums = 8;  // of 16 registers

  static NIBBLE_INLINE Int set32(int v) { return _mm256_set1_epi32(v); }
  template <int N>
  static NIBBLE_INLINE Int shift_left32(Int v) {
    return _mm256_slli_epi32(v, N);
  }
  template <int N>
  static NIBBLE_INLINE Int shift_right32(Int v) {
    return _mm256_srli_epi32(v, N);
  }
  static NIBBLE_INLINE Int absolute8(Int x) { return _mm256_abs_epi8(x); }
  static NIBBLE_INLINE Int with_sign8(Int y, Int x) { return _mm256_sign_epi8(y, x); }
  static NIBBLE_INLINE Int to_int(Float v) { return _mm256_cvtps_epi32(v); }
  static NIBBLE_INLINE void store_bytes(uint8_t* p, Int v) {
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
  }
  static NIBBLE_INLINE Float min(Float a, Float b) { return _mm256_min_ps(a, b); }
  static NIBBLE_INLINE Float max(Float a, Float b) { return _mm256_max_ps(a, b); }
  static NIBBLE_INLINE Float zero_with(Float w, Float x) {
    return _mm256_and_ps(_mm256_cmp_ps(w, _mm256_setzero_ps(), _CMP_NEQ_UQ), x);
  }
  static NIBBLE_INLINE float sum(Float v) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
  }
  static NIBBLE_INLINE float largest(Float v) {
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
  }
};

}  // namespace
}  // namespace nibble
