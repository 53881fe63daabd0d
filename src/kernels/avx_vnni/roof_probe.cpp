#include <immintrin.h>

#include "kernels/isa_roof_probe.h"
#include "kernels/simd/probe_loop.h"

namespace nibble::avx_vnni {

uint64_t probe_multiply(uint64_t rounds) {
  const __m256i total = simd::probe_loop<12, __m256i>(
      rounds, _mm256_set1_epi8(3), _mm256_set1_epi8(5),
      [](__m256i sum, __m256i a, __m256i b) { return _mm256_dpbusd_avx_epi32(sum, a, b); },
      [](__m256i a, __m256i b) { return _mm256_add_epi32(a, b); });
  return uint64_t(_mm_cvtsi128_si64(_mm256_castsi256_si128(total)));
}

}  // namespace nibble::avx_vnni
