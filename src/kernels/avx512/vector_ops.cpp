#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/vector_ops_tables.h"

namespace nibble {

namespace {

struct V {
  using F = __m512;
  static constexpr size_t kLanes = 16;
  static constexpr size_t kAccumulators = 24;  // of 32 registers

  static __mmask16 first(size_t n) { return __mmask16((1u << n) - 1u); }

  static F load(const float* x) { return _mm512_loadu_ps(x); }
  static F load_n(const float* x, size_t n) { return _mm512_maskz_loadu_ps(first(n), x); }
  static void store(float* x, F v) { _mm512_storeu_ps(x, v); }
  static void store_n(float* x, F v, size_t n) { _mm512_mask_storeu_ps(x, first(n), v); }
  static F load_half_n(const uint16_t* x, size_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), x));
  }
  static void store_half_n(uint16_t* x, F v, size_t n) {
    _mm256_mask_storeu_epi16(x, first(n), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }

  static F set1(float x) { return _mm512_set1_ps(x); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F round(F x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F exp2i(F n) {
    const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(biased, 23));
  }
  static F below(F x, F limit, F y) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_NLT_UQ), y);
  }

  static float sum(F v) { return _mm512_reduce_add_ps(v); }
  static float largest(F v) { return _mm512_reduce_max_ps(v); }

  static F duplicate(const float* x, size_t n) {
    const __m512i pairs = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(pairs, _mm512_maskz_loadu_ps(first(n), x));
  }
  template <size_t Distance>
  static F swap(F v) {
    if constexpr (Distance == 1) return _mm512_permute_ps(v, 0xb1);
    if constexpr (Distance == 2) return _mm512_permute_ps(v, 0x4e);
    if constexpr (Distance == 4) return _mm512_shuffle_f32x4(v, v, 0xb1);
    if constexpr (Distance == 8) return _mm512_shuffle_f32x4(v, v, 0x4e);
  }
  static F swap_pairs(F v) { return _mm512_permute_ps(v, 0xb1); }
  static F rotate(F x, F c, F t) { return _mm512_fmaddsub_ps(x, c, t); }
};

#include "kernels/vector_ops_simd.inc"

}  // namespace

const VectorOps kVectorOpsAvx512 = kTable;

}  // namespace nibble
