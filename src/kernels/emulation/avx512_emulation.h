#pragma once

/// Included before everything else where AVX-512 kernels are compiled for machines without it: SIMDe's
/// portable forms of the intrinsics, and those that it lacks, from halves.
#define SIMDE_ENABLE_NATIVE_ALIASES
// An intrinsic is a call: in place, each is a dozen instructions, and a kernel takes the compiler minutes.
#define SIMDE_NO_INLINE
#include <simde/x86/avx512.h>
// AVX2, FMA and F16C are there.
#include <immintrin.h>
#include <string.h>

#define NIBBLE_AVX512 emulated_avx512
#define NIBBLE_VNNI emulated_vnni

namespace nibble::emulation {

/// The 512-bit vector with these halves.
template <class Wide, class Half>
Wide join(Half low, Half high) {
  static_assert(sizeof(Wide) == 2 * sizeof(Half));
  Wide result;
  memcpy(&result, &low, sizeof(low));
  memcpy(reinterpret_cast<char*>(&result) + sizeof(low), &high, sizeof(high));
  return result;
}

inline simde__m512 cvtph_ps(__m256i v) {
  return join<simde__m512>(_mm256_cvtph_ps(_mm256_castsi256_si128(v)),
                           _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1)));
}
inline simde__m512i cvtepu16_epi32(__m256i v) {
  return join<simde__m512i>(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(v)),
                            _mm256_cvtepu16_epi32(_mm256_extracti128_si256(v, 1)));
}
inline simde__m512i cvtepi8_epi32(__m128i v) {
  return join<simde__m512i>(_mm256_cvtepi8_epi32(v), _mm256_cvtepi8_epi32(_mm_srli_si128(v, 8)));
}
inline simde__m512i cvtepu8_epi32(__m128i v) {
  return join<simde__m512i>(_mm256_cvtepu8_epi32(v), _mm256_cvtepu8_epi32(_mm_srli_si128(v, 8)));
}
inline simde__m512 cvtepi32_ps(simde__m512i v) {
  __m256i halves[2];
  memcpy(halves, &v, sizeof(v));
  return join<simde__m512>(_mm256_cvtepi32_ps(halves[0]), _mm256_cvtepi32_ps(halves[1]));
}

template <int N>
simde__m512i srai_epi32(simde__m512i v) {
  __m256i halves[2];
  memcpy(halves, &v, sizeof(v));
  return join<simde__m512i>(_mm256_srai_epi32(halves[0], N), _mm256_srai_epi32(halves[1], N));
}
inline simde__m512i cvtps_epi32(simde__m512 v) {
  __m256 halves[2];
  memcpy(halves, &v, sizeof(v));
  return join<simde__m512i>(_mm256_cvtps_epi32(halves[0]), _mm256_cvtps_epi32(halves[1]));
}
inline __m128i cvtepi32_epi8(simde__m512i v) {
  int32_t lanes[16];
  int8_t bytes[16];
  memcpy(lanes, &v, sizeof(v));
  for (int i = 0; i < 16; ++i) bytes[i] = int8_t(lanes[i]);
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}
inline float reduce_max_ps(simde__m512 v) {
  float lanes[16];
  memcpy(lanes, &v, sizeof(v));
  for (int i = 1; i < 16; ++i) lanes[0] = lanes[i] > lanes[0] ? lanes[i] : lanes[0];
  return lanes[0];
}
/// As a tree, like the compiler's sequence.
inline float reduce_add_ps(simde__m512 v) {
  float lanes[16];
  memcpy(lanes, &v, sizeof(v));
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

}  // namespace nibble::emulation

// SIMDe 0.7.4 gives this name a macro with the arguments of the masked form.
#undef _mm512_madd_epi16
#define _mm512_madd_epi16 simde_mm512_madd_epi16
#define _mm512_cvtph_ps nibble::emulation::cvtph_ps
#define _mm512_cvtepu16_epi32 nibble::emulation::cvtepu16_epi32
#define _mm512_cvtepi8_epi32 nibble::emulation::cvtepi8_epi32
#define _mm512_cvtepu8_epi32 nibble::emulation::cvtepu8_epi32
#define _mm512_cvtepi32_ps nibble::emulation::cvtepi32_ps
#define _mm512_srai_epi32(v, n) nibble::emulation::srai_epi32<n>(v)
#define _mm512_cvtps_epi32 nibble::emulation::cvtps_epi32
#define _mm512_cvtepi32_epi8 nibble::emulation::cvtepi32_epi8
#define _mm512_reduce_max_ps nibble::emulation::reduce_max_ps
#define _mm512_reduce_add_ps nibble::emulation::reduce_add_ps
