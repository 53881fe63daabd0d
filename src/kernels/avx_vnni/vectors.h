#pragma once

#include "kernels/avx2/vectors.h"

/// The namespace of these kernels; the emulated copy in the tests has another.
#ifndef NIBBLE_AVX_VNNI
#define NIBBLE_AVX_VNNI avx_vnni
#endif

namespace nibble {
namespace {

/// AVX2 with AVX-VNNI's VPDPBUSD: four products of unsigned and signed bytes added to a 32-bit lane. Tiles
/// of AVX2's 4 tokens are best here, too: of 3, 4, 5 and 6 tokens Q4_0 at 302, 318, 308 and 263 Gop/s, and
/// two panels of rows at 252, on a core of Zen 4 with the 16 registers that AVX-VNNI's encoding can name.
struct AvxVnniVectors : Avx2Vectors {
  static constexpr bool kDotProduct = true;
  static NIBBLE_INLINE Int dot(Int sum, Int unsigned8, Int signed8) {
    return _mm256_dpbusd_avx_epi32(sum, unsigned8, signed8);
  }
};

}  // namespace
}  // namespace nibble
