#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/vector_ops_tables.h"

namespace nibble {

namespace {

struct V {
  using F = __m256;
  static constexpr size_t kLanes = 8;
  static constexpr size_t kAccumulators = 12;  // of 16 registers

  /// All bits set in the first n lanes.
  static __m256i first(size_t n) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(int(n)), lanes);
  }

  static F load(const float* x) { return _mm256_loadu_ps(x); }
  static F load_n(const float* x, size_t n) { return _mm256_maskload_ps(x, first(n)); }
  static void store(float* x, F v) { _mm256_storeu_ps(x, v); }
  static void store_n(float* x, F v, size_t n) { _mm256_maskstore_ps(x, first(n), v); }
  static F load_half_n(const uint16_t* x, size_t n) {
    if (n == kLanes) return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
    uint16_t padded[kLanes] = {};
    for (size_t i = 0; i < n; ++i) padded[i] = x[i];
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(padded)));
  }
  static void store_half_n(uint16_t* x, F v, size_t n) {
    const __m128i halves = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
    if (n == kLanes) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(x), halves);
      return;
    }
    uint16_t padded[kLanes];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(padded), halves);
    for (size_t i = 0; i < n; ++i) x[i] = padded[i];
  }

  static F set1(float x) { return _mm256_set1_ps(x); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static F round(F x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F exp2i(F n) {
    const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
  }
  static F below(F x, F limit, F y) { return _mm256_andnot_ps(_mm256_cmp_ps(x, limit, _CMP_LT_OQ), y); }

  static float sum(F v) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
  }
  static float largest(F v) {
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
  }

  static F duplicate(const float* x, size_t n) {
    const __m128 four = n == 4 ? _mm_loadu_ps(x) : _mm_maskload_ps(x, _mm256_castsi256_si128(first(n)));
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(four), _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
  }
  template <size_t Distance>
  static F swap(F v) {
    if constexpr (Distance == 1) return _mm256_permute_ps(v, 0xb1);
    if constexpr (Distance == 2) return _mm256_permute_ps(v, 0x4e);
    if constexpr (Distance == 4) return _mm256_permute2f128_ps(v, v, 1);
  }
  static F swap_pairs(F v) { return _mm256_permute_ps(v, 0xb1); }
  static F rotate(F x, F c, F t) { return _mm256_fmaddsub_ps(x, c, t); }
};

#include "kernels/vector_ops_simd.inc"

}  // namespace

const VectorOps kVectorOpsAvx2 = kTable;

}  // namespace nibble
