#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/matmul_args.h"
#include "kernels/simd/unroll.h"
#include "tensor/blocks.h"

/// AVX2 and FMA behind the names that simd/ uses. In an unnamed namespace: every template that takes this
/// type stays inside its file.
namespace nibble {
namespace {

struct Avx2Vectors {
  using Int = __m256i;
  using Float = __m256;
  static constexpr bool kDotProduct = false;
  static constexpr int kBytes = 32;
  static constexpr int kRows = 8;
  static constexpr int kRowVectors = int(kPanelRows) / kRows;
  /// Tokens of a tile: 2 x 4 integer sums leave room for two weights, an activation and products among 16
  /// registers; 2 x 6 float sums for two weights and an activation.
  static constexpr int kTilePanels = 1, kIntegerTokens = tile_tokens(4), kPackedTokens = 1;
  static constexpr int kFloatTokens = tile_tokens(6);

  static NIBBLE_INLINE Int load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static NIBBLE_INLINE void store(void* p, Int v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
  static NIBBLE_INLINE Int zero() { return _mm256_setzero_si256(); }
  static NIBBLE_INLINE Int set8(int v) { return _mm256_set1_epi8(char(v)); }
  static NIBBLE_INLINE Int set16(int v) { return _mm256_set1_epi16(short(v)); }
  static NIBBLE_INLINE Int broadcast32(const void* p) {
    int32_t v;
    memcpy(&v, p, sizeof(v));
    return _mm256_set1_epi32(v);
  }
  static NIBBLE_INLINE Int bit_and(Int a, Int b) { return _mm256_and_si256(a, b); }
  static NIBBLE_INLINE Int bit_or(Int a, Int b) { return _mm256_or_si256(a, b); }
  static NIBBLE_INLINE Int bit_xor(Int a, Int b) { return _mm256_xor_si256(a, b); }
  template <int N>
  static NIBBLE_INLINE Int shift_left16(Int v) {
    return _mm256_slli_epi16(v, N);
  }
  template <int N>
  static NIBBLE_INLINE Int shift_right16(Int v) {
    return _mm256_srli_epi16(v, N);
  }
  template <int N>
  static NIBBLE_INLINE Int shift_right_signed16(Int v) {
    return _mm256_srai_epi16(v, N);
  }
  static NIBBLE_INLINE Int add16(Int a, Int b) { return _mm256_add_epi16(a, b); }
  static NIBBLE_INLINE Int add32(Int a, Int b) { return _mm256_add_epi32(a, b); }
  static NIBBLE_INLINE Int sub8(Int a, Int b) { return _mm256_sub_epi8(a, b); }
  static NIBBLE_INLINE Int sub32(Int a, Int b) { return _mm256_sub_epi32(a, b); }
  /// The low 16 bits of 16-bit products.
  static NIBBLE_INLINE Int mul16(Int a, Int b) { return _mm256_mullo_epi16(a, b); }
  static NIBBLE_INLINE Int madd(Int a, Int b) { return _mm256_madd_epi16(a, b); }
  static NIBBLE_INLINE Int maddubs(Int unsigned8, Int signed8) {
    return _mm256_maddubs_epi16(unsigned8, signed8);
  }
  template <int Factor>
  static NIBBLE_INLINE Int multiply(Int v) {
    if constexpr ((Factor & (Factor - 1)) == 0) return _mm256_slli_epi32(v, __builtin_ctz(Factor));
    return _mm256_mullo_epi32(v, _mm256_set1_epi32(Factor));
  }

  /// A table of 16 bytes in every 128-bit lane.
  static NIBBLE_INLINE Int byte_table(const int8_t (&values)[16], int added) {
    const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
    return _mm256_broadcastsi128_si256(_mm_add_epi8(table, _mm_set1_epi8(char(added))));
  }
  static NIBBLE_INLINE Int look_up(Int table, Int codes) { return _mm256_shuffle_epi8(table, codes); }

  static NIBBLE_INLINE Float load_float(const void* p) {
    return _mm256_loadu_ps(static_cast<const float*>(p));
  }
  static NIBBLE_INLINE void store_float(void* p, Float v) { _mm256_storeu_ps(static_cast<float*>(p), v); }
  static NIBBLE_INLINE Float set_float(float v) { return _mm256_set1_ps(v); }
  static NIBBLE_INLINE Float zero_float() { return _mm256_setzero_ps(); }
  static NIBBLE_INLINE Float broadcast_float(const float* p) { return _mm256_broadcast_ss(p); }
  static NIBBLE_INLINE Float load_half(const void* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  }
  static NIBBLE_INLINE Float load_bfloat16(const void* p) {
    const Int wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
  }
  static NIBBLE_INLINE Float load_int8(const void* p) {
    return to_float(_mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p))));
  }
  /// Each byte, sign-extended to 16 bits, twice.
  static NIBBLE_INLINE Int load_int8_pairs(const void* p) {
    const Int wide = _mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
    return _mm256_or_si256(_mm256_and_si256(wide, _mm256_set1_epi32(0xffff)), _mm256_slli_epi32(wide, 16));
  }
  static NIBBLE_INLINE Int widen_uint8(const void* p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
  }
  static NIBBLE_INLINE Float load_uint8(const void* p) { return to_float(widen_uint8(p)); }
  static NIBBLE_INLINE Float load_low_nibbles(const void* p) {
    return to_float(_mm256_and_si256(widen_uint8(p), _mm256_set1_epi32(15)));
  }
  static NIBBLE_INLINE Float load_high_nibbles(const void* p) {
    return to_float(_mm256_srli_epi32(widen_uint8(p), 4));
  }
  /// mxfp4_half_scale: 2^(e - 128), whose two smallest values are subnormal.
  static NIBBLE_INLINE Float load_exponent(const void* p) {
    const Int e = widen_uint8(p);
    const Int normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const Int subnormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    const Int is_normal = _mm256_cmpgt_epi32(e, _mm256_set1_epi32(1));
    return _mm256_castsi256_ps(_mm256_blendv_epi8(subnormal, normal, is_normal));
  }
  /// Byte I of each lane, signed.
  template <int I>
  static NIBBLE_INLINE Float signed_byte(Int v) {
    return to_float(_mm256_srai_epi32(_mm256_slli_epi32(v, 24 - 8 * I), 24));
  }
  static NIBBLE_INLINE Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static NIBBLE_INLINE Float to_float(Int v) { return _mm256_cvtepi32_ps(v); }
  static NIBBLE_INLINE Float mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static NIBBLE_INLINE Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  static NIBBLE_INLINE Float negate(Float v) { return _mm256_xor_ps(v, _mm256_set1_ps(-0.0f)); }

  /// out[i] = values[nibble i] of each 32-bit lane. VPERMPS knows only eight values and takes two
  /// operations; VPSHUFB looks up the four bytes of each float, which are then woven together.
  template <class Table>
  static NIBBLE_INLINE void look_up_floats(const Table& table, Int words, Float (&out)[8]) {
    // Within each 128-bit lane from [row][byte] to [byte][row].
    const __m128i transpose = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const Int codes = _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(transpose));
    look_up_four(table, _mm256_and_si256(codes, set8(15)), out);
    look_up_four(table, _mm256_and_si256(_mm256_srli_epi16(codes, 4), set8(15)), out + 1);
  }

 private:
  /// The values of four bytes of codes [byte][row], to every second vector of out.
  template <class Table>
  static NIBBLE_INLINE void look_up_four(const Table& table, Int codes, Float* out) {
    Int plane[4];
    for (int b = 0; b < 4; ++b) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table.planes[b]));
      plane[b] = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), codes);
    }
    const Int low01 = _mm256_unpacklo_epi8(plane[0], plane[1]),
              low23 = _mm256_unpacklo_epi8(plane[2], plane[3]);
    const Int high01 = _mm256_unpackhi_epi8(plane[0], plane[1]);
    const Int high23 = _mm256_unpackhi_epi8(plane[2], plane[3]);
    out[0] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(low01, low23));
    out[2] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(low01, low23));
    out[4] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(high01, high23));
    out[6] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(high01, high23));
  }
};

}  // namespace
}  // namespace nibble
