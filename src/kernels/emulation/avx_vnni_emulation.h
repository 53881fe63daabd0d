#pragma once

/// Included before everything else where AVX-VNNI kernels are compiled for machines with AVX2 alone.
#include <immintrin.h>

#define NIBBLE_AVX_VNNI emulated_avx_vnni

namespace nibble::emulation {

/// The products of two 16-bit halves are exact: VPMADDWD takes whole words, not bytes.
inline __m256i dot_half(__m128i unsigned8, __m128i signed8) {
  return _mm256_madd_epi16(_mm256_cvtepu8_epi16(unsigned8), _mm256_cvtepi8_epi16(signed8));
}

/// VPDPBUSD: sum of a lane plus its four products of unsigned and signed bytes, without saturation.
inline __m256i dpbusd(__m256i sum, __m256i unsigned8, __m256i signed8) {
  const __m256i low = dot_half(_mm256_castsi256_si128(unsigned8), _mm256_castsi256_si128(signed8));
  const __m256i high = dot_half(_mm256_extracti128_si256(unsigned8, 1), _mm256_extracti128_si256(signed8, 1));
  // VPHADDD adds within 128-bit lanes: quarters 1 and 2 of the result stand in each other's place.
  return _mm256_add_epi32(sum, _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8));
}

}  // namespace nibble::emulation

#define _mm256_dpbusd_avx_epi32 nibble::emulation::dpbusd
