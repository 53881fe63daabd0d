#pragma once

#include "kernels/avx512/vectors.h"

/// What simd/quantized_attention.h asks for beside the operations of matrix products.
namespace nibble {
namespace {

template <class Base>
struct AttentionVectors512 : Base {
  using Int = __m512i;
  using Float = __m512;
  static constexpr size_t kIntegerSums = 16;  // of 32 registers

  static NIBBLE_INLINE Int set32(int v) { return _mm512_set1_epi32(v); }
  template <int N>
  static NIBBLE_INLINE Int shift_left32(Int v) {
    return _mm512_slli_epi32(v, N);
  }
  template <int N>
  static NIBBLE_INLINE Int shift_right32(Int v) {
    return _mm512_srli_epi32(v, N);
  }
  static NIBBLE_INLINE Int absolute8(Int x) { return _mm512_abs_epi8(x); }
  static NIBBLE_INLINE Int with_sign8(Int y, Int x) {
    return _mm512_mask_sub_epi8(y, _mm512_movepi8_mask(x), _mm512_setzero_si512(), y);
  }
  static NIBBLE_INLINE Int to_int(Float v) { return _mm512_cvtps_epi32(v); }
  static NIBBLE_INLINE void store_bytes(uint8_t* p, Int v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(v));
  }
  static NIBBLE_INLINE Float min(Float a, Float b) { return _mm512_min_ps(a, b); }
  static NIBBLE_INLINE Float max(Float a, Float b) { return _mm512_max_ps(a, b); }
  static NIBBLE_INLINE Float zero_with(Float w, Float x) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(w, _mm512_setzero_ps(), _CMP_NEQ_UQ), x);
  }
  static NIBBLE_INLINE float sum(Float v) { return _mm512_reduce_add_ps(v); }
  static NIBBLE_INLINE float largest(Float v) { return _mm512_reduce_max_ps(v); }
};

}  // namespace
}  // namespace nibble
