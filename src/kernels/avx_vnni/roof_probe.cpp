#include <immintrin.h>

#include "kernels/isa_roof_probe.h"

namespace nibble::avx_vnni {

uint64_t probe_multiply(uint64_t rounds) {
  __m256i sums[12] = {};
  __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(5);
  for (uint64_t round = 0; round < rounds; ++round) {
    for (auto& sum : sums) {
      // The compiler must not find out that the factors never change.
      __asm__ volatile("" : "+x"(a), "+x"(b));
      sum = _mm256_dpbusd_avx_epi32(sum, a, b);
    }
  }
  __m256i total = sums[0];
  for (int i = 1; i < 12; ++i) total = _mm256_add_epi32(total, sums[i]);
  return uint64_t(_mm_cvtsi128_si64(_mm256_castsi256_si128(total)));
}

}  // namespace nibble::avx_vnni
