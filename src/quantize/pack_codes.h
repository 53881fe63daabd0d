#pragma once

#include <cstdint>
#include <cstring>

#include "tensor/blocks.h"

/// The inverse of unpack_codes (tensor/codes.h): unsigned codes in element order into the bits of a block,
/// whose scales stay. Each file has its own copies, since files are compiled for different instruction sets.
namespace nibble {

/// The 4 low bits of code j in the low and of code j + N / 2 in the high half of byte j.
template <int N>
static inline void pack_nibbles(const uint8_t* q, uint8_t* out) {
  for (int j = 0; j < N / 2; ++j) out[j] = uint8_t((q[j] & 15) | q[j + N / 2] << 4);
}

/// The 2 low bits of all codes as Q2_K and Q3_K store them.
static inline void pack_two_bits(const uint8_t* q, uint8_t* out) {
  for (int n = 0; n < 2; ++n) {
    for (int l = 0; l < 32; ++l) {
      const uint8_t* p = q + 128 * n + l;
      out[32 * n + l] = uint8_t((p[0] & 3) | (p[32] & 3) << 2 | (p[64] & 3) << 4 | (p[96] & 3) << 6);
    }
  }
}

/// The 4 low bits of all codes as Q4_K and Q5_K store them.
static inline void pack_four_bits(const uint8_t* q, uint8_t* out) {
  for (int n = 0; n < 4; ++n) pack_nibbles<64>(q + 64 * n, out + 32 * n);
}

/// The one bit from `bit` up of all codes of a super-block: bit g of byte l is of code 32 g + l.
static inline void pack_high_bits(const uint8_t* q, int bit, uint8_t* out) {
  for (int l = 0; l < 32; ++l) {
    uint8_t bits = 0;
    for (int g = 0; g < 8; ++g) bits |= uint8_t((q[32 * g + l] >> bit) << g);
    out[l] = bits;
  }
}

/// The fifth bits of 32 codes.
static inline void pack_fifth_bits(const uint8_t* q, uint8_t* qh) {
  uint32_t bits = 0;
  for (int j = 0; j < 32; ++j) bits |= uint32_t(q[j] >> 4) << j;
  std::memcpy(qh, &bits, sizeof(bits));
}

/// Q4_0, Q4_1, IQ4_NL, MXFP4, NF4, INT4, and the low bits of Q5_0 and Q5_1.
template <typename Block>
static inline void pack_codes(const uint8_t* q, Block& b) {
  pack_nibbles<int(Block::kElements)>(q, b.qs);
}
static inline void pack_codes(const uint8_t* q, BlockQ5_0& b) {
  pack_nibbles<32>(q, b.qs);
  pack_fifth_bits(q, b.qh);
}
static inline void pack_codes(const uint8_t* q, BlockQ5_1& b) {
  pack_nibbles<32>(q, b.qs);
  pack_fifth_bits(q, b.qh);
}
static inline void pack_codes(const uint8_t* q, BlockQ8_0& b) {
  for (int j = 0; j < 32; ++j) b.qs[j] = int8_t(q[j] - 127);
}
static inline void pack_codes(const uint8_t* q, BlockQ2_K& b) {
  pack_two_bits(q, b.qs);
}
static inline void pack_codes(const uint8_t* q, BlockQ3_K& b) {
  pack_two_bits(q, b.qs);
  pack_high_bits(q, 2, b.hmask);
}
static inline void pack_codes(const uint8_t* q, BlockQ4_K& b) {
  pack_four_bits(q, b.qs);
}
static inline void pack_codes(const uint8_t* q, BlockQ5_K& b) {
  pack_four_bits(q, b.qs);
  pack_high_bits(q, 4, b.qh);
}
static inline void pack_codes(const uint8_t* q, BlockQ6_K& b) {
  for (int n = 0; n < 2; ++n) {
    for (int l = 0; l < 32; ++l) {
      const uint8_t* p = q + 128 * n + l;
      b.ql[64 * n + l] = uint8_t((p[0] & 15) | p[64] << 4);
      b.ql[64 * n + 32 + l] = uint8_t((p[32] & 15) | p[96] << 4);
      b.qh[32 * n + l] = uint8_t(p[0] >> 4 | p[32] >> 4 << 2 | p[64] >> 4 << 4 | p[96] >> 4 << 6);
    }
  }
}
static inline void pack_codes(const uint8_t* q, BlockIQ4_XS& b) {
  for (int g = 0; g < 8; ++g) pack_nibbles<32>(q + 32 * g, b.qs + 16 * g);
}

}  // namespace nibble
