#pragma once

#include <stdint.h>

#include "kernels/simd/unroll.h"

namespace nibble::simd {

/// Keeps `Sums` chains busy for `rounds` rounds of sum = step(sum, a, b); returns their total by add(x, y).
template <int Sums, class Sum, class Factor, class Step, class Add>
NIBBLE_INLINE Sum probe_loop(uint64_t rounds, Factor a, Factor b, Step step, Add add) {
  Sum sums[Sums] = {};
  for (uint64_t round = 0; round < rounds; ++round) {
    for (Sum& sum : sums) {
      // The compiler must not find out that the factors never change.
      __asm__ volatile("" : "+v"(a), "+v"(b));
      sum = step(sum, a, b);
    }
  }
  Sum total = sums[0];
  for (int i = 1; i < Sums; ++i) total = add(total, sums[i]);
  return total;
}

}  // namespace nibble::simd
