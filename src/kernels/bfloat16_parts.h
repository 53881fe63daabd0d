#pragma once

#include <cstddef>
#include <cstdint>

/// float32 as a sum of bfloat16, which AMX multiplies.
namespace nibble {

/// A float32 has 24 significant bits and a bfloat16 8.
inline constexpr size_t kBfloat16Parts = 3;
/// Columns whose parts stand together: those that one product of tiles takes.
inline constexpr size_t kPartColumns = 32;

/// uint16 elements of one token.
constexpr size_t part_elements(size_t cols) {
  return (cols + kPartColumns - 1) / kPartColumns * kPartColumns * kBfloat16Parts;
}

/// x [cols] to out [cols rounded up / 32][3][32], whose parts add up to x, the largest first. They add up
/// exactly down to 2^-126, below which bfloat16's arithmetic has zeros. Padding is zero; what is not finite
/// keeps that in its first part.
void split_into_bfloat16(const float* x, size_t cols, uint16_t* out);

}  // namespace nibble
