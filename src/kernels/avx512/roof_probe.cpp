#include <immintrin.h>

#include "kernels/isa_roof_probe.h"
#include "kernels/simd/probe_loop.h"

namespace nibble::avx512 {

uint64_t probe_read(const void* data, size_t bytes) {
  const auto* p = static_cast<const __m512i*>(data);
  const size_t vectors = bytes / sizeof(__m512i);
  __m512i sums[8] = {};
  for (size_t i = 0; i < vectors; i += 8) {
    for (size_t lane = 0; lane < 8; ++lane) {
      sums[lane] = _mm512_xor_si512(sums[lane], _mm512_load_si512(p + i + lane));
    }
  }
  __m512i total = sums[0];
  for (size_t lane = 1; lane < 8; ++lane) total = _mm512_xor_si512(total, sums[lane]);
  return uint64_t(_mm512_reduce_add_epi64(total));
}

uint64_t probe_multiply(uint64_t rounds) {
  const __m512i ones = _mm512_set1_epi16(1);
  const __m512i total = simd::probe_loop<16, __m512i>(
      rounds, _mm512_set1_epi8(3), _mm512_set1_epi8(5),
      [&](__m512i sum, __m512i a, __m512i b) {
        return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), ones));
      },
      [](__m512i a, __m512i b) { return _mm512_add_epi32(a, b); });
  return uint64_t(uint32_t(_mm512_reduce_add_epi32(total)));
}

float probe_multiply_float(uint64_t rounds) {
  return _mm512_reduce_add_ps(simd::probe_loop<16, __m512>(
      rounds, _mm512_set1_ps(1), _mm512_set1_ps(1),
      [](__m512 sum, __m512 a, __m512 b) { return _mm512_fmadd_ps(a, b, sum); },
      [](__m512 a, __m512 b) { return _mm512_add_ps(a, b); }));
}

}  // namespace nibble::avx512
