#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/matmul_args.h"
#include "kernels/simd/unroll.h"
#include "tensor/blocks.h"

/// The namespace of these kernels; the emulated copy in the tests has another.
#ifndef NIBBLE_AVX512
#define NIBBLE_AVX512 avx512
#endif

/// AVX-512 (F, BW, DQ) behind the names that simd/ uses. In an unnamed namespace: every template that
/// takes this type stays inside its file.
namespace nibble {
namespace {

struct Avx512Vectors {
  using Int = __m512i;
  using Float = __m512;
  static constexpr bool kDotProduct = false;
  static constexpr int kBytes = 64;
  static constexpr int kRows = 16;
  static constexpr int kRowVectors = int(kPanelRows) / kRows;
  /// Tokens of a tile: 8 integer and 8 float sums leave half of the 32 registers for the operands; 12
  /// float sums of a block and 12 accumulators leave a quarter.
  static constexpr int kTilePanels = 1, kIntegerTokens = tile_tokens(8), kPackedTokens = 1;
  static constexpr int kFloatTokens = tile_tokens(12);

  static NIBBLE_INLINE Int load(const void* p) { return _mm512_loadu_si512(p); }
  static NIBBLE_INLINE void store(void* p, Int v) { _mm512_storeu_si512(p, v); }
  static NIBBLE_INLINE Int zero() { return _mm512_setzero_si512(); }
  static NIBBLE_INLINE Int set8(int v) { return _mm512_set1_epi8(int8_t(v)); }
  static NIBBLE_INLINE Int set16(int v) { return _mm512_set1_epi16(int16_t(v)); }
  static NIBBLE_INLINE Int broadcast32(const void* p) {
    int32_t v;
    memcpy(&v, p, sizeof(v));
    return _mm512_set1_epi32(v);
  }
  static NIBBLE_INLINE Int bit_and(Int a, Int b) { return _mm512_and_si512(a, b); }
  static NIBBLE_INLINE Int bit_or(Int a, Int b) { return _mm512_or_si512(a, b); }
  static NIBBLE_INLINE Int bit_xor(Int a, Int b) { return _mm512_xor_si512(a, b); }
  template <int N>
  static NIBBLE_INLINE Int shift_left16(Int v) {
    return _mm512_slli_epi16(v, N);
  }
  template <int N>
  static NIBBLE_INLINE Int shift_right16(Int v) {
    return _mm512_srli_epi16(v, N);
  }
  template <int N>
  static NIBBLE_INLINE Int shift_right_signed16(Int v) {
    return _mm512_srai_epi16(v, N);
  }
  static NIBBLE_INLINE Int add16(Int a, Int b) { return _mm512_add_epi16(a, b); }
  static NIBBLE_INLINE Int add32(Int a, Int b) { return _mm512_add_epi32(a, b); }
  static NIBBLE_INLINE Int sub8(Int a, Int b) { return _mm512_sub_epi8(a, b); }
  static NIBBLE_INLINE Int sub32(Int a, Int b) { return _mm512_sub_epi32(a, b); }
  /// The low 16 bits of 16-bit products.
  static NIBBLE_INLINE Int mul16(Int a, Int b) { return _mm512_mullo_epi16(a, b); }
  static NIBBLE_INLINE Int madd(Int a, Int b) { return _mm512_madd_epi16(a, b); }
  static NIBBLE_INLINE Int maddubs(Int unsigned8, Int signed8) {
    return _mm512_maddubs_epi16(unsigned8, signed8);
  }
  template <int Factor>
  static NIBBLE_INLINE Int multiply(Int v) {
    if constexpr ((Factor & (Factor - 1)) == 0) return _mm512_slli_epi32(v, __builtin_ctz(Factor));
    return _mm512_mullo_epi32(v, _mm512_set1_epi32(Factor));
  }

  /// A table of 16 bytes in every 128-bit lane.
  static NIBBLE_INLINE Int byte_table(const int8_t (&values)[16], int added) {
    const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
    return _mm512_broadcast_i32x4(_mm_add_epi8(table, _mm_set1_epi8(int8_t(added))));
  }
  static NIBBLE_INLINE Int look_up(Int table, Int codes) { return _mm512_shuffle_epi8(table, codes); }

  static NIBBLE_INLINE Float load_float(const void* p) { return _mm512_loadu_ps(p); }
  static NIBBLE_INLINE void store_float(void* p, Float v) { _mm512_storeu_ps(p, v); }
  static NIBBLE_INLINE Float set_float(float v) { return _mm512_set1_ps(v); }
  static NIBBLE_INLINE Float zero_float() { return _mm512_setzero_ps(); }
  static NIBBLE_INLINE Float broadcast_float(const float* p) { return _mm512_set1_ps(*p); }
  static NIBBLE_INLINE Float load_half(const void* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  }
  static NIBBLE_INLINE Float load_bfloat16(const void* p) {
    const Int wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
  }
  static NIBBLE_INLINE Float load_int8(const void* p) {
    return to_float(_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))));
  }
  /// Each byte, sign-extended to 16 bits, twice.
  static NIBBLE_INLINE Int load_int8_pairs(const void* p) {
    const Int wide = _mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
    return _mm512_or_si512(_mm512_and_si512(wide, _mm512_set1_epi32(0xffff)), _mm512_slli_epi32(wide, 16));
  }
  static NIBBLE_INLINE Int widen_uint8(const void* p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  }
  static NIBBLE_INLINE Float load_uint8(const void* p) { return to_float(widen_uint8(p)); }
  static NIBBLE_INLINE Float load_low_nibbles(const void* p) {
    return to_float(_mm512_and_si512(widen_uint8(p), _mm512_set1_epi32(15)));
  }
  static NIBBLE_INLINE Float load_high_nibbles(const void* p) {
    return to_float(_mm512_srli_epi32(widen_uint8(p), 4));
  }
  /// mxfp4_half_scale: 2^(e - 128), whose two smallest values are subnormal.
  static NIBBLE_INLINE Float load_exponent(const void* p) {
    const Int e = widen_uint8(p);
    const Int normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    const Int subnormal = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
    const __mmask16 is_normal = _mm512_cmpgt_epi32_mask(e, _mm512_set1_epi32(1));
    return _mm512_castsi512_ps(_mm512_mask_mov_epi32(subnormal, is_normal, normal));
  }
  /// Byte I of each lane, signed.
  template <int I>
  static NIBBLE_INLINE Float signed_byte(Int v) {
    return to_float(_mm512_srai_epi32(_mm512_slli_epi32(v, 24 - 8 * I), 24));
  }
  static NIBBLE_INLINE Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static NIBBLE_INLINE Float to_float(Int v) { return _mm512_cvtepi32_ps(v); }
  static NIBBLE_INLINE Float mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static NIBBLE_INLINE Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  static NIBBLE_INLINE Float negate(Float v) {
    return _mm512_castsi512_ps(
        _mm512_xor_si512(_mm512_castps_si512(v), _mm512_set1_epi32(int32_t(0x80000000))));
  }

  /// out[i] = values[nibble i] of each 32-bit lane; VPERMPS looks at the four lowest bits.
  template <class Table>
  static NIBBLE_INLINE void look_up_floats(const Table& table, Int words, Float (&out)[8]) {
    unroll<8>([&]<int I>() {
      out[I] = _mm512_permutexvar_ps(_mm512_srli_epi32(words, 4 * I), _mm512_loadu_ps(table.values));
    });
  }
};

}  // namespace
}  // namespace nibble
