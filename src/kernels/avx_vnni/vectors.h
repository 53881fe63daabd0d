#pragma once

#include "kernels/avx2/vectors.h"

/// The namespace of these kernels; the emulated copy in the tests has another.
#ifndef NIBBLE_AVX_VNNI
#define NIBBLE_AVX_VNNI avx_vnni
#endif

namespace nibble {
namespace {

/// AVX2 with AVX-VNNI's VPDPBUSD: four products of unsigned and signed bytes added to a 32-bit lane. Tiles
/// of AVX2's 4 tokens are best here, too: of 2, 3, 4, 5, 6 and 8 tokens, Q4_0 at 261, 310, 323, 299, 269 and
/// 228 Gop/s on a core of Zen 4 limited to the 16 registers that the encoding of AVX-VNNI can name.
struct AvxVnniVectors : Avx2Vectors {
  static constexpr bool kDotProduct = true;
  static NIBBLE_INLINE Int dot(Int sum, Int unsigned8, Int signed8) {
    return _mm256_dpbusd_avx_epi32(sum, unsigned8, signed8);
  }
};

}  // namespace
}  // namespace nibble
