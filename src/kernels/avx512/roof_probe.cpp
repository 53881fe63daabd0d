#include <immintrin.h>

#include "kernels/isa_roof_probe.h"

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
  __m512i sums[16] = {};
  __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
  const __m512i ones = _mm512_set1_epi16(1);
  for (uint64_t round = 0; round < rounds; ++round) {
    for (auto& sum : sums) {
      // The compiler must not find out that the factors never change.
      __asm__ volatile("" : "+v"(a), "+v"(b));
      sum = _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), ones));
    }
  }
  __m512i total = sums[0];
  for (int i = 1; i < 16; ++i) total = _mm512_add_epi32(total, sums[i]);
  return uint64_t(uint32_t(_mm512_reduce_add_epi32(total)));
}

float probe_multiply_float(uint64_t rounds) {
  __m512 sums[16] = {};
  __m512 a = _mm512_set1_ps(1), b = _mm512_set1_ps(1);
  for (uint64_t round = 0; round < rounds; ++round) {
    for (auto& sum : sums) {
      __asm__ volatile("" : "+v"(a), "+v"(b));
      sum = _mm512_fmadd_ps(a, b, sum);
    }
  }
  __m512 total = sums[0];
  for (int i = 1; i < 16; ++i) total = _mm512_add_ps(total, sums[i]);
  return _mm512_reduce_add_ps(total);
}

}  // namespace nibble::avx512
