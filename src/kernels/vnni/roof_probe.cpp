#include <immintrin.h>

#include "kernels/isa_roof_probe.h"

namespace nibble::vnni {

uint64_t probe_multiply(uint64_t rounds) {
  __m512i sums[16] = {};
  __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
  for (uint64_t round = 0; round < rounds; ++round) {
    for (auto& sum : sums) {
      // The compiler must not find out that the factors never change.
      __asm__ volatile("" : "+v"(a), "+v"(b));
      sum = _mm512_dpbusd_epi32(sum, a, b);
    }
  }
  __m512i total = sums[0];
  for (int i = 1; i < 16; ++i) total = _mm512_add_epi32(total, sums[i]);
  return uint64_t(uint32_t(_mm512_reduce_add_epi32(total)));
}

}  // namespace nibble::vnni
