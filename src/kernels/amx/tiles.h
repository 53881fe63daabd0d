#pragma once

#include <stddef.h>

/// AMX's tile instructions. Not the compiler's intrinsics: those of g++ 12 don't say that they read memory,
/// so that stores to what a tile loads may come after it. The tests include an emulation in this file's
/// place.
#ifndef NIBBLE_AMX
#define NIBBLE_AMX amx

#include "kernels/amx/tile_config.h"

namespace nibble::amx {

inline void load_config(const TileConfig& config) {
  __asm__ volatile("ldtilecfg %0" ::"m"(config));
}
inline void release_tiles() {
  __asm__ volatile("tilerelease");
}
template <int Tile>
void zero_tile() {
  __asm__ volatile("tilezero %%tmm%c0" ::"i"(Tile));
}
/// Rows lie `stride` bytes apart.
template <int Tile>
void load_tile(const void* from, size_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(Tile) : "memory");
}
template <int Tile>
void store_tile(void* to, size_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(Tile) : "memory");
}
/// C[m, n] += sum over k of A[m, k] * B[k, n] of signed bytes. A row of B has four k of each n side by side.
template <int C, int A, int B>
void dot_int8() {
  __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
}
/// The same of bfloat16 into float32; a row of B has two k of each n side by side.
template <int C, int A, int B>
void dot_bfloat16() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
}

}  // namespace nibble::amx

#endif
