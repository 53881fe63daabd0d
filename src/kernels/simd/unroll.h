#pragma once

/// Loops with a constant index, for intrinsics that want immediates. Included by files of every
/// instruction set; the lambda's type keeps each use in its own file.
#define NIBBLE_INLINE inline __attribute__((always_inline))
/// After a lambda's parameters. A body that is called rather than inlined keeps its sums in memory.
#define NIBBLE_INLINE_LAMBDA __attribute__((always_inline))

namespace nibble {

/// The most tokens of a tile; a kernel has a copy for each number of tokens up to it. What only tests run,
/// the emulated kernels and the sanitizers' builds, has NIBBLE_MOST_TILE_TOKENS and so fewer copies to
/// compile.
static constexpr int tile_tokens(int best) {
#ifdef NIBBLE_MOST_TILE_TOKENS
  return best < NIBBLE_MOST_TILE_TOKENS ? best : NIBBLE_MOST_TILE_TOKENS;
#else
  return best;
#endif
}

template <int N, int I = 0, class Body>
NIBBLE_INLINE void unroll(Body&& body) {
  if constexpr (I < N) {
    body.template operator()<I>();
    unroll<N, I + 1>(body);
  }
}

}  // namespace nibble
