#pragma once

#include <cstdint>
#include <cstring>

#include "tensor/blocks.h"

/// The integer parts of the blocks, taken out of their bits: what dequantization and the kernels' packing
/// share. Codes come as stored, unsigned and in element order; what to subtract or look up stands in
/// blocks.h.
namespace nibble {

namespace detail {

// Eight codes at a time, one a byte of a 64-bit number: shifts and masks that need no vectors to be fast.

inline uint64_t load8(const uint8_t* from) {
  uint64_t bytes = 0;
  std::memcpy(&bytes, from, sizeof(bytes));
  return bytes;
}
inline void store8(uint8_t* to, uint64_t bytes) {
  std::memcpy(to, &bytes, sizeof(bytes));
}
/// `mask` in each byte.
constexpr uint64_t each_byte(uint8_t mask) {
  return mask * 0x0101010101010101u;
}

/// Low nibbles are the first half of the elements, high nibbles the second; bytes is a multiple of 8.
inline void unpack_nibbles(const uint8_t* qs, uint32_t bytes, uint8_t* q) {
  for (uint32_t i = 0; i < bytes; i += 8) {
    const uint64_t pairs = load8(qs + i);
    store8(q + i, pairs & each_byte(15));
    store8(q + i + bytes, pairs >> 4 & each_byte(15));
  }
}

inline void add_fifth_bits(const uint8_t* qh, uint8_t* q) {
  for (uint32_t i = 0; i < 4; ++i) {
    // Byte j keeps bit j of eight, and the addition carries it into the byte's highest bit.
    const uint64_t bits = each_byte(qh[i]) & 0x8040201008040201u;
    const uint64_t fifth = ((bits + each_byte(0x7f)) & each_byte(0x80)) >> 3;
    store8(q + 8 * i, load8(q + 8 * i) | fifth);
  }
}

/// The eight 6-bit scales and mins of Q4_K and Q5_K.
inline void unpack_k_scales(const uint8_t* packed, uint8_t* scales, uint8_t* mins) {
  for (uint32_t j = 0; j < 4; ++j) {
    scales[j] = packed[j] & 63;
    mins[j] = packed[j + 4] & 63;
    scales[j + 4] = uint8_t((packed[j + 8] & 15) | (packed[j] >> 6) << 4);
    mins[j + 4] = uint8_t((packed[j + 8] >> 4) | (packed[j + 4] >> 6) << 4);
  }
}

/// Adds `mask` bits from bit `from` up of 32 bytes to 32 codes, shifted to bit `to`.
inline void add_high_bits(const uint8_t* bits, uint32_t from, uint8_t mask, uint32_t to, uint8_t* q) {
  for (uint32_t l = 0; l < 32; l += 8) {
    store8(q + l, load8(q + l) | (load8(bits + l) >> from & each_byte(mask)) << to);
  }
}

/// The 2-bit planes of Q2_K and Q3_K.
inline void unpack_two_bits(const uint8_t* qs, uint8_t* q) {
  for (uint32_t n = 0; n < 2; ++n) {
    for (uint32_t s = 0; s < 4; ++s) {
      for (uint32_t l = 0; l < 32; l += 8) {
        store8(q + 128 * n + 32 * s + l, load8(qs + 32 * n + l) >> 2 * s & each_byte(3));
      }
    }
  }
}

}  // namespace detail

inline void unpack_codes(const BlockQ4_0& b, uint8_t* q) {
  detail::unpack_nibbles(b.qs, 16, q);
}
inline void unpack_codes(const BlockQ4_1& b, uint8_t* q) {
  detail::unpack_nibbles(b.qs, 16, q);
}
inline void unpack_codes(const BlockIQ4_NL& b, uint8_t* q) {
  detail::unpack_nibbles(b.qs, 16, q);
}
inline void unpack_codes(const BlockMXFP4& b, uint8_t* q) {
  detail::unpack_nibbles(b.qs, 16, q);
}
inline void unpack_codes(const BlockNF4& b, uint8_t* q) {
  detail::unpack_nibbles(b.qs, 32, q);
}
template <uint32_t G>
void unpack_codes(const BlockInt4<G>& b, uint8_t* q) {
  detail::unpack_nibbles(b.qs, G / 2, q);
}
template <uint32_t G>
void unpack_codes(const BlockUint4<G>& b, uint8_t* q) {
  detail::unpack_nibbles(b.qs, G / 2, q);
}

inline void unpack_codes(const BlockQ5_0& b, uint8_t* q) {
  detail::unpack_nibbles(b.qs, 16, q);
  detail::add_fifth_bits(b.qh, q);
}
inline void unpack_codes(const BlockQ5_1& b, uint8_t* q) {
  detail::unpack_nibbles(b.qs, 16, q);
  detail::add_fifth_bits(b.qh, q);
}

/// Two's complement bytes.
inline void unpack_codes(const BlockQ8_0& b, uint8_t* q) {
  std::memcpy(q, b.qs, sizeof(b.qs));
}

inline void unpack_codes(const BlockQ2_K& b, uint8_t* q) {
  detail::unpack_two_bits(b.qs, q);
}
inline void unpack_codes(const BlockQ3_K& b, uint8_t* q) {
  detail::unpack_two_bits(b.qs, q);
  for (uint32_t g = 0; g < 8; ++g) detail::add_high_bits(b.hmask, g, 1, 2, q + 32 * g);
}
inline void unpack_codes(const BlockQ4_K& b, uint8_t* q) {
  for (uint32_t n = 0; n < 4; ++n) detail::unpack_nibbles(b.qs + 32 * n, 32, q + 64 * n);
}
inline void unpack_codes(const BlockQ5_K& b, uint8_t* q) {
  for (uint32_t n = 0; n < 4; ++n) detail::unpack_nibbles(b.qs + 32 * n, 32, q + 64 * n);
  for (uint32_t g = 0; g < 8; ++g) detail::add_high_bits(b.qh, g, 1, 4, q + 32 * g);
}
inline void unpack_codes(const BlockQ6_K& b, uint8_t* q) {
  for (uint32_t n = 0; n < 2; ++n) {
    detail::unpack_nibbles(b.ql + 64 * n, 64, q + 128 * n);
    for (uint32_t s = 0; s < 4; ++s) {
      detail::add_high_bits(b.qh + 32 * n, 2 * s, 3, 4, q + 128 * n + 32 * s);
    }
  }
}
inline void unpack_codes(const BlockIQ4_XS& b, uint8_t* q) {
  for (uint32_t g = 0; g < 8; ++g) detail::unpack_nibbles(b.qs + 16 * g, 16, q + 32 * g);
}

/// The integer scales of a super-block and, where the format has them, its mins.
inline void unpack_scales(const BlockQ2_K& b, uint8_t* scales, uint8_t* mins) {
  for (uint32_t g = 0; g < 16; ++g) {
    scales[g] = b.scales[g] & 15;
    mins[g] = b.scales[g] >> 4;
  }
}
inline void unpack_scales(const BlockQ4_K& b, uint8_t* scales, uint8_t* mins) {
  detail::unpack_k_scales(b.scales, scales, mins);
}
inline void unpack_scales(const BlockQ5_K& b, uint8_t* scales, uint8_t* mins) {
  detail::unpack_k_scales(b.scales, scales, mins);
}
inline void unpack_scales(const BlockQ3_K& b, int8_t* scales) {
  for (uint32_t j = 0; j < 16; ++j) {
    const uint32_t low = j < 8 ? b.scales[j] & 15u : b.scales[j - 8] >> 4;
    const uint32_t high = (b.scales[8 + j % 4] >> 2 * (j / 4)) & 3u;
    scales[j] = int8_t(int(low | high << 4) - 32);
  }
}
inline void unpack_scales(const BlockQ6_K& b, int8_t* scales) {
  std::memcpy(scales, b.scales, sizeof(b.scales));
}
inline void unpack_scales(const BlockIQ4_XS& b, int8_t* scales) {
  for (uint32_t g = 0; g < 8; ++g) {
    const uint32_t low = (b.scales_l[g / 2] >> 4 * (g % 2)) & 15u;
    const uint32_t high = (uint32_t(b.scales_h) >> 2 * g) & 3u;
    scales[g] = int8_t(int(low | high << 4) - 32);
  }
}

/// Half of MXFP4's scale 2^(e - 127), to go with kMXFP4Values, which are twice the values of FP4.
inline float mxfp4_half_scale(uint8_t e) {
  const uint32_t bits = e < 2 ? 0x00200000u << e : uint32_t(e - 1) << 23;
  float scale = 0;
  std::memcpy(&scale, &bits, sizeof(scale));
  return scale;
}

}  // namespace nibble
