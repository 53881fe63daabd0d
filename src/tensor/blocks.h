#pragma once

#include <cstddef>
#include <cstdint>

#include "base/half.h"

/// The one definition of every block format. A value is given by the formula beside its block; `h(x)`
/// is the float of half x. Standard formats are laid out as in GGUF files (docs/formats.md).
namespace nibble {

/// x[j] = h(d) * (q[j] - 8); byte j holds q[j] low and q[j + 16] high.
struct BlockQ4_0 {
  static constexpr uint32_t kElements = 32;
  half d;
  uint8_t qs[16];
};

/// x[j] = h(d) * q[j] + h(m); nibbles as Q4_0.
struct BlockQ4_1 {
  static constexpr uint32_t kElements = 32;
  half d, m;
  uint8_t qs[16];
};

/// x[j] = h(d) * (q[j] - 16); low 4 bits as Q4_0, bit 4 of q[j] is bit j of the little-endian qh.
struct BlockQ5_0 {
  static constexpr uint32_t kElements = 32;
  half d;
  uint8_t qh[4];
  uint8_t qs[16];
};

/// x[j] = h(d) * q[j] + h(m); bits as Q5_0.
struct BlockQ5_1 {
  static constexpr uint32_t kElements = 32;
  half d, m;
  uint8_t qh[4];
  uint8_t qs[16];
};

/// x[j] = h(d) * qs[j].
struct BlockQ8_0 {
  static constexpr uint32_t kElements = 32;
  half d;
  int8_t qs[32];
};

/// Super-block of 16 groups of 16. x = h(d) * (scales[g] & 15) * q - h(dmin) * (scales[g] >> 4).
/// For n = 0, 1 (halves of 128) and s = 0..3: bits 2s of qs[32 n + l] are q[128 n + 32 s + l].
struct BlockQ2_K {
  static constexpr uint32_t kElements = 256;
  uint8_t scales[16];
  uint8_t qs[64];
  half d, dmin;
};

/// Super-block of 16 groups of 16. x = h(d) * (scale[g] - 32) * (q - 4), q of 3 bits: the low two as
/// in Q2_K, the high one is bit (4 n + s) of hmask[l]. The sixteen 6-bit scales: low 4 bits of scale j
/// are the low nibble (j < 8) or the high nibble (j >= 8) of scales[j % 8]; its high 2 bits are bits
/// 2 (j / 4) of scales[8 + j % 4].
struct BlockQ3_K {
  static constexpr uint32_t kElements = 256;
  uint8_t hmask[32];
  uint8_t qs[64];
  uint8_t scales[12];
  half d;
};

/// Super-block of 8 groups of 32. x = h(d) * scale[g] * q - h(dmin) * min[g]. For n = 0..3: the low
/// nibble of qs[32 n + l] is q[64 n + l], the high one q[64 n + 32 + l]. 6-bit scales and mins: j < 4:
/// scale = scales[j] & 63, min = scales[j + 4] & 63; else scale = (scales[j + 4] & 15) | (scales[j - 4]
/// >> 6) << 4, min = (scales[j + 4] >> 4) | (scales[j] >> 6) << 4.
struct BlockQ4_K {
  static constexpr uint32_t kElements = 256;
  half d, dmin;
  uint8_t scales[12];
  uint8_t qs[128];
};

/// As Q4_K with a fifth bit: bit g of qh[l] belongs to element l of group g.
struct BlockQ5_K {
  static constexpr uint32_t kElements = 256;
  half d, dmin;
  uint8_t scales[12];
  uint8_t qh[32];
  uint8_t qs[128];
};

/// Super-block of 16 groups of 16. x = h(d) * scales[g] * (q - 32). For n = 0, 1 and l < 32:
/// q[128 n + l]      = ql[64 n + l] & 15      | (qh[32 n + l] >> 0 & 3) << 4
/// q[128 n + 32 + l] = ql[64 n + 32 + l] & 15 | (qh[32 n + l] >> 2 & 3) << 4
/// q[128 n + 64 + l] = ql[64 n + l] >> 4      | (qh[32 n + l] >> 4 & 3) << 4
/// q[128 n + 96 + l] = ql[64 n + 32 + l] >> 4 | (qh[32 n + l] >> 6 & 3) << 4
struct BlockQ6_K {
  static constexpr uint32_t kElements = 256;
  uint8_t ql[128];
  uint8_t qh[64];
  int8_t scales[16];
  half d;
};

/// The 16 values of IQ4_NL and IQ4_XS.
inline constexpr int8_t kIQ4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};

/// x[j] = h(d) * kIQ4Values[q[j]]; nibbles as Q4_0.
struct BlockIQ4_NL {
  static constexpr uint32_t kElements = 32;
  half d;
  uint8_t qs[16];
};

/// Super-block of 8 groups of 32. x = h(d) * (scale[g] - 32) * kIQ4Values[q]; scale[g] = nibble g of
/// scales_l | (scales_h >> 2 g & 3) << 4; group g's nibbles as Q4_0 in qs + 16 g.
struct BlockIQ4_XS {
  static constexpr uint32_t kElements = 256;
  half d;
  uint16_t scales_h;
  uint8_t scales_l[4];
  uint8_t qs[128];
};

/// Twice the values of OCP FP4 (E2M1), so that they are integers.
inline constexpr int8_t kMXFP4Values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// OCP Microscaling FP4: x[j] = 2^(e - 127) * kMXFP4Values[q[j]] / 2; nibbles as Q4_0. e = 0 and 1 give
/// the float32 subnormals 2^-127 and 2^-126.
struct BlockMXFP4 {
  static constexpr uint32_t kElements = 32;
  uint8_t e;
  uint8_t qs[16];
};

/// NormalFloat4's 16 values (QLoRA, appendix E), as bitsandbytes has them.
inline constexpr float kNF4Values[16] = {-1.0f,
                                         -0.6961928009986877f,
                                         -0.5250730514526367f,
                                         -0.39491748809814453f,
                                         -0.28444138169288635f,
                                         -0.18477343022823334f,
                                         -0.09105003625154495f,
                                         0.0f,
                                         0.07958029955625534f,
                                         0.16093020141124725f,
                                         0.24611230194568634f,
                                         0.33791524171829224f,
                                         0.44070982933044434f,
                                         0.5626170039176941f,
                                         0.7229568362236023f,
                                         1.0f};

/// bitsandbytes' FP4 values, scaled to [-1, 1].
inline constexpr float kFP4Values[16] = {
    0.0f, 0.0052083333f,  0.6666666667f,  1.0f,  0.3333333333f,  0.5f,  0.1666666667f,  0.25f,
    0.0f, -0.0052083333f, -0.6666666667f, -1.0f, -0.3333333333f, -0.5f, -0.1666666667f, -0.25f};

/// NF4 and FP4 without double quantization: x[j] = d * values[q[j]]; byte j holds q[j] low and
/// q[j + 32] high. Also what NF4_DQ and FP4_DQ are unpacked to for the kernels.
struct BlockNF4 {
  static constexpr uint32_t kElements = 64;
  float d;
  uint8_t qs[32];
};

/// NF4_DQ and FP4_DQ are planes over the n elements of a tensor in row order, bitsandbytes' own arrays
/// byte for byte: codes (n / 2 bytes; element 2 i high, 2 i + 1 low), the 8-bit codes of the block
/// scales (n / 64 bytes), the float32 scales of these codes in blocks of 256 (padded to a multiple of 4
/// bytes before them), and one float32, the mean that was taken off the block scales. Block scale =
/// dynamic8[code] * scale2[block / 256] + mean.
inline constexpr uint64_t kDoubleQuantBlock = 256;

inline uint64_t double_quantized_bytes(uint64_t elements) {
  const uint64_t scales = elements / 64;
  const uint64_t head = (elements / 2 + scales + 3) / 4 * 4;
  return head + 4 * ((scales + kDoubleQuantBlock - 1) / kDoubleQuantBlock) + 4;
}

/// INT8: a row is a float32 scale and cols int8: x[j] = scale * q[j].
inline constexpr uint64_t kInt8RowHeaderBytes = 4;

/// x[j] = h(d) * (q[j] - 8); byte j holds q[j] low and q[j + G / 2] high.
template <uint32_t G>
struct BlockInt4 {
  static constexpr uint32_t kElements = G;
  half d;
  uint8_t qs[G / 2];
};

/// x[j] = h(d) * q[j] + h(m); nibbles as BlockInt4.
template <uint32_t G>
struct BlockUint4 {
  static constexpr uint32_t kElements = G;
  half d, m;
  uint8_t qs[G / 2];
};

static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ5_0) == 22);
static_assert(sizeof(BlockQ5_1) == 24 && sizeof(BlockQ8_0) == 34 && sizeof(BlockQ2_K) == 84);
static_assert(sizeof(BlockQ3_K) == 110 && sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176);
static_assert(sizeof(BlockQ6_K) == 210 && sizeof(BlockIQ4_NL) == 18 && sizeof(BlockIQ4_XS) == 136);
static_assert(sizeof(BlockMXFP4) == 17 && sizeof(BlockNF4) == 36);
static_assert(sizeof(BlockInt4<64>) == 34 && sizeof(BlockUint4<128>) == 68);

}  // namespace nibble
