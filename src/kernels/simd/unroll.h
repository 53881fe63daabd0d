#pragma once

/// Loops with a constant index, for intrinsics that want immediates. Included by files of every
/// instruction set; the lambda's type keeps each use in its own file.
#define NIBBLE_INLINE inline __attribute__((always_inline))
/// After a lambda's parameters. A body that is called rather than inlined keeps its sums in memory.
#define NIBBLE_INLINE_LAMBDA __attribute__((always_inline))

namespace nibble {

template <int N, int I = 0, class Body>
NIBBLE_INLINE void unroll(Body&& body) {
  if constexpr (I < N) {
    body.template operator()<I>();
    unroll<N, I + 1>(body);
  }
}

}  // namespace nibble
