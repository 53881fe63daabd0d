#pragma once

#include "kernels/avx512/vectors.h"

/// The namespace of these kernels; the emulated copy in the tests has another.
#ifndef NIBBLE_VNNI
#define NIBBLE_VNNI vnni
#endif

namespace nibble {
namespace {

/// AVX-512 with VPDPBUSD: four products of unsigned and signed bytes added to a 32-bit lane.
struct VnniVectors : Avx512Vectors {
  static constexpr bool kDotProduct = true;
  /// 2 x 6 integer sums, as many accumulators, two weights and an activation fill 27 of 32 registers. With
  /// two panels an activation is broadcast once for two products, which keeps the loads below them.
  static constexpr int kTilePanels = 2, kIntegerTokens = tile_tokens(6);
  /// Up to so many tokens taking the codes apart for each panel costs less than unpacking it.
  static constexpr int kPackedTokens = tile_tokens(8);
  static NIBBLE_INLINE Int dot(Int sum, Int unsigned8, Int signed8) {
    return _mm512_dpbusd_epi32(sum, unsigned8, signed8);
  }
};

}  // namespace
}  // namespace nibble
