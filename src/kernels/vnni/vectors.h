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
  /// With four signed bytes for all lanes. The instruction broadcasts them; GCC makes two of it.
  static NIBBLE_INLINE Int dot_broadcast(Int sum, Int unsigned8, const int8_t* signed8) {
#ifdef NIBBLE_EMULATION
    return dot(sum, unsigned8, broadcast32(signed8));
#else
    asm("vpdpbusd %2%{1to16%}, %1, %0"
        : "+v"(sum)
        : "v"(unsigned8), "m"(*reinterpret_cast<const int8_t(*)[4]>(signed8)));
    return sum;
#endif
  }
};

}  // namespace
}  // namespace nibble
