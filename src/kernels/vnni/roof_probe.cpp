#include <immintrin.h>

#include "kernels/isa_roof_probe.h"
#include "kernels/simd/probe_loop.h"

namespace nibble::vnni {

uint64_t probe_multiply(uint64_t rounds) {
  const __m512i total = simd::probe_loop<16, __m512i>(
      rounds, _mm512_set1_epi8(3), _mm512_set1_epi8(5),
      [](__m512i sum, __m512i a, __m512i b) { return _mm512_dpbusd_epi32(sum, a, b); },
      [](__m512i a, __m512i b) { return _mm512_add_epi32(a, b); });
  return uint64_t(uint32_t(_mm512_reduce_add_epi32(total)));
}

}  // namespace nibble::vnni
