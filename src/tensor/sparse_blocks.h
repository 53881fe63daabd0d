#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/half.h"

/// The block formats of pruned matrices: of 32 weights at most 16 are stored, whichever they are, so that
/// 2:4, 4:8 and 16:32 sparsity fit. Bit j of the little-endian mask says that weight j is stored; the values
/// are in order, and those of a mask with more than 16 bits that have no place are 0, as all that are not
/// stored.
namespace nibble {

inline constexpr uint32_t kSparseStored = 16;

/// Q8_0 with 16 values: x[j] = h(d) * qs[k] where weight j is the k-th stored one. 5.5 bits per weight.
struct BlockQ8_S50 {
  static constexpr uint32_t kElements = 32;
  half d;
  uint8_t mask[4];
  int8_t qs[kSparseStored];
};

/// Q4_0 with 16 values: x[j] = h(d) * (q[k] - 8); byte k holds q[k] low and q[k + 8] high. 3.5 bits per
/// weight.
struct BlockQ4_S50 {
  static constexpr uint32_t kElements = 32;
  half d;
  uint8_t mask[4];
  uint8_t qs[kSparseStored / 2];
};

static_assert(sizeof(BlockQ8_S50) == 22 && sizeof(BlockQ4_S50) == 14);

namespace detail {

/// stored [kSparseStored] to the 32 places of a block; `zero` is the code of a weight that is not stored.
inline void spread_codes(const uint8_t (&mask)[4], const uint8_t* stored, uint8_t zero, uint8_t* q) {
  uint8_t values[33];  // so that no mask reads past them
  std::memcpy(values, stored, kSparseStored);
  std::memset(values + kSparseStored, zero, sizeof(values) - kSparseStored);
  uint32_t bits = 0;
  std::memcpy(&bits, mask, sizeof(bits));
  uint32_t next = 0;
  for (uint32_t j = 0; j < 32; ++j) {
    const uint32_t here = bits >> j & 1;
    q[j] = here ? values[next] : zero;
    next += here;
  }
}

}  // namespace detail

/// The codes [32] of the block as those of Q8_0: two's complement bytes.
inline void unpack_codes(const BlockQ8_S50& b, uint8_t* q) {
  detail::spread_codes(b.mask, reinterpret_cast<const uint8_t*>(b.qs), 0, q);
}
/// As those of Q4_0.
inline void unpack_codes(const BlockQ4_S50& b, uint8_t* q) {
  uint8_t stored[kSparseStored];
  for (uint32_t k = 0; k < kSparseStored / 2; ++k) {
    stored[k] = b.qs[k] & 15;
    stored[k + kSparseStored / 2] = b.qs[k] >> 4;
  }
  detail::spread_codes(b.mask, stored, 8, q);
}

}  // namespace nibble
