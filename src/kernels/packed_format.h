#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/matmul_args.h"

/// How packed weights lie in memory. Plain data: files of every instruction set include it.
///
/// A packed matrix is a sequence of panels of kPanelRows rows, the last filled up with zero rows. Codes of
/// integer formats stand in lines of 64 bytes: line `quad` holds columns 4 quad .. 4 quad + 3 of the 16 rows,
/// row after row, so that a vector of 32-bit lanes has one row per lane and meets four activations that are
/// broadcast. This is the operand that VPDPBUSD and AMX's tiles take, too. Codes of fewer than 8 bits share
/// bytes; the scales of the 16 rows stand before the codes they belong to. Every instruction set reads the
/// same bytes.
namespace nibble {

inline constexpr size_t kCodeLineBytes = kPanelRows * 4;

/// What the stored codes mean.
enum class CodeKind : uint8_t {
  offset,   ///< unsigned; the weight is code - offset
  signed8,  ///< the weight itself
  iq4,      ///< index into kIQ4Values
  mxfp4,    ///< index into kMXFP4Values
  nf4,      ///< index into kNF4Bytes
  fp4,      ///< index into kFP4Bytes
};

/// NF4's and FP4's values as multiples of 1/kNF4Unit and 1/kFP4Unit, the units with the least squared error
/// for normal weights: 0.3% and 0.2% of what rounding to the 16 values costs already. The float kernels
/// multiply with the exact values.
inline constexpr float kNF4Unit = 112, kFP4Unit = 120;
inline constexpr int8_t kNF4Bytes[16] = {-112, -78, -59, -44, -32, -21, -10, 0,
                                         9,    18,  28,  38,  49,  63,  81,  112};
inline constexpr int8_t kFP4Bytes[16] = {0, 1, 80, 120, 40, 60, 20, 30, 0, -1, -80, -120, -40, -60, -20, -30};

/// The scales of a packed block, each an array over the 16 rows, in this order.
enum class ScaleKind : uint8_t {
  plain,          ///< d
  plain_float,    ///< d as float32
  plain_min,      ///< d, m
  super,          ///< d; int8 scale of each group: weight scale = d * scale
  super_min,      ///< d, dmin; uint8 scale of each group, uint8 min of each group
  super_nibbles,  ///< d, dmin; a byte of each group, scale low and min high
  folded,         ///< -d; int8 scale, negated, of each kFoldedColumns columns: see PackedFormat::folded
  exponent,       ///< MXFP4's e, uint8
  channel,        ///< none in the blocks: one float32 per row at the head of the panel
};

/// Columns that share an integer scale in ScaleKind::folded.
inline constexpr uint32_t kFoldedColumns = 16;

struct PackedFormat {
  CodeKind kind;
  uint8_t bits;     ///< of a stored code; a group of 32 columns takes `bits` lines
  uint8_t offset;   ///< taken off the (looked up) unsigned codes
  uint8_t largest;  ///< the largest unsigned code that is multiplied
  uint32_t group;   ///< columns that share a scale: 16, 32, 64 or 128; their products are summed as integers
  uint32_t block;   ///< columns of a packed block
  ScaleKind scales;

  constexpr uint32_t groups() const { return block / group; }
  /// Integer scales join the codes: the weight that is multiplied is scale * (code - offset) as a signed
  /// byte. Q3_K's -scale * (code - 4) lies in [-128, 124], where scale * (code - 4) would reach 128.
  constexpr bool folded() const { return scales == ScaleKind::folded; }
  /// Of the activations that are multiplied with these weights.
  constexpr ActivationGroups activation_groups() const {
    if (folded()) return {kFoldedColumns, group};
    return group;
  }
  constexpr bool has_min() const {
    return scales == ScaleKind::plain_min || scales == ScaleKind::super_min ||
           scales == ScaleKind::super_nibbles;
  }
  /// True when the codes are indices of a table.
  constexpr bool looked_up() const { return kind != CodeKind::offset && kind != CodeKind::signed8; }
  /// Signed weights whose products overflow VPMADDUBSW's sums.
  constexpr bool wide() const { return folded() || (kind != CodeKind::offset && kind != CodeKind::mxfp4); }
  constexpr size_t scale_bytes() const {
    switch (scales) {
      case ScaleKind::plain:
        return kPanelRows * 2;
      case ScaleKind::plain_min:
      case ScaleKind::plain_float:
        return kPanelRows * 4;
      case ScaleKind::super:
        return kPanelRows * (2 + groups());
      case ScaleKind::super_min:
        return kPanelRows * (4 + 2 * groups());
      case ScaleKind::super_nibbles:
        return kPanelRows * (4 + groups());
      case ScaleKind::folded:
        return kPanelRows * (2 + block / kFoldedColumns);
      case ScaleKind::exponent:
        return kPanelRows;
      case ScaleKind::channel:
        return 0;
    }
    return 0;
  }
  constexpr size_t group32_bytes() const { return bits * kCodeLineBytes; }
  constexpr size_t block_bytes() const { return scale_bytes() + block / 32 * group32_bytes(); }
  constexpr size_t header_bytes() const {
    return scales == ScaleKind::channel ? kPanelRows * sizeof(float) : 0;
  }
  constexpr size_t panel_bytes(size_t cols) const {
    return header_bytes() + (cols + block - 1) / block * block_bytes();
  }
};

inline constexpr PackedFormat kPackedQ4_0{CodeKind::offset, 4, 8, 15, 32, 32, ScaleKind::plain};
inline constexpr PackedFormat kPackedQ4_1{CodeKind::offset, 4, 0, 15, 32, 32, ScaleKind::plain_min};
inline constexpr PackedFormat kPackedQ5_0{CodeKind::offset, 5, 16, 31, 32, 32, ScaleKind::plain};
inline constexpr PackedFormat kPackedQ5_1{CodeKind::offset, 5, 0, 31, 32, 32, ScaleKind::plain_min};
inline constexpr PackedFormat kPackedQ8_0{CodeKind::signed8, 8, 0, 0, 32, 32, ScaleKind::plain};
inline constexpr PackedFormat kPackedQ2_K{CodeKind::offset, 2, 0, 3, 16, 256, ScaleKind::super_nibbles};
inline constexpr PackedFormat kPackedQ3_K{CodeKind::offset, 3, 4, 7, 64, 256, ScaleKind::folded};
inline constexpr PackedFormat kPackedQ4_K{CodeKind::offset, 4, 0, 15, 32, 256, ScaleKind::super_min};
inline constexpr PackedFormat kPackedQ5_K{CodeKind::offset, 5, 0, 31, 32, 256, ScaleKind::super_min};
inline constexpr PackedFormat kPackedQ6_K{CodeKind::offset, 6, 32, 63, 16, 256, ScaleKind::super};
inline constexpr PackedFormat kPackedIQ4_NL{CodeKind::iq4, 4, 0, 0, 32, 32, ScaleKind::plain};
inline constexpr PackedFormat kPackedIQ4_XS{CodeKind::iq4, 4, 0, 0, 32, 256, ScaleKind::super};
inline constexpr PackedFormat kPackedMXFP4{CodeKind::mxfp4, 4, 12, 24, 32, 32, ScaleKind::exponent};
inline constexpr PackedFormat kPackedNF4{CodeKind::nf4, 4, 0, 0, 64, 64, ScaleKind::plain_float};
inline constexpr PackedFormat kPackedFP4{CodeKind::fp4, 4, 0, 0, 64, 64, ScaleKind::plain_float};
inline constexpr PackedFormat kPackedInt8{CodeKind::signed8, 8, 0, 0, 128, 128, ScaleKind::channel};
inline constexpr PackedFormat kPackedInt4G64{CodeKind::offset, 4, 8, 15, 64, 64, ScaleKind::plain};
inline constexpr PackedFormat kPackedInt4G128{CodeKind::offset, 4, 8, 15, 128, 128, ScaleKind::plain};
inline constexpr PackedFormat kPackedUint4G64{CodeKind::offset, 4, 0, 15, 64, 64, ScaleKind::plain_min};
inline constexpr PackedFormat kPackedUint4G128{CodeKind::offset, 4, 0, 15, 128, 128, ScaleKind::plain_min};

/// Where `bits` bits of quad `quad`'s codes from bit `from` on lie: in line `line`, from bit `at` on.
struct CodePart {
  uint8_t quad, from, bits, line, at;
};

inline constexpr CodePart kThreeBitParts[] = {
    {0, 0, 3, 0, 0}, {1, 0, 3, 0, 3}, {2, 0, 3, 1, 0}, {3, 0, 3, 1, 3}, {4, 0, 3, 2, 0},
    {5, 0, 3, 2, 3}, {6, 0, 2, 0, 6}, {6, 2, 1, 2, 6}, {7, 0, 2, 1, 6}, {7, 2, 1, 2, 7}};
inline constexpr CodePart kFiveBitParts[] = {
    {0, 0, 5, 0, 0}, {1, 0, 5, 1, 0}, {2, 0, 5, 2, 0}, {3, 0, 5, 3, 0}, {4, 0, 5, 4, 0}, {5, 0, 3, 0, 5},
    {5, 3, 2, 1, 5}, {6, 0, 3, 2, 5}, {6, 3, 2, 3, 5}, {7, 0, 3, 4, 5}, {7, 3, 1, 1, 7}, {7, 4, 1, 3, 7}};
inline constexpr CodePart kSixBitParts[] = {
    {0, 0, 6, 0, 0}, {1, 0, 6, 1, 0}, {2, 0, 6, 2, 0}, {3, 0, 6, 3, 0}, {4, 0, 6, 4, 0}, {5, 0, 6, 5, 0},
    {6, 0, 2, 0, 6}, {6, 2, 2, 1, 6}, {6, 4, 2, 2, 6}, {7, 0, 2, 3, 6}, {7, 2, 2, 4, 6}, {7, 4, 2, 5, 6}};

/// Of codes of 3, 5 and 6 bits. As many quads as there is room for stand whole in a line, since taking them
/// out costs one or two operations; the others fill what is left of the lines.
template <int Bits>
constexpr auto& code_parts() {
  if constexpr (Bits == 3) return kThreeBitParts;
  if constexpr (Bits == 5) return kFiveBitParts;
  if constexpr (Bits == 6) return kSixBitParts;
}

/// Packed float weights: column after column, each with its 16 rows. The 4-bit kinds have blocks of 64
/// columns: 16 float32 scales, then lines of 16 words with the codes of 8 consecutive columns, lowest bits
/// first.
enum class FloatFormat : uint8_t { f32, f16, bf16, nf4, fp4 };

/// Columns whose products are summed before they join the accumulator.
inline constexpr size_t kFloatBlock = 64;

constexpr bool is_four_bit(FloatFormat format) {
  return format == FloatFormat::nf4 || format == FloatFormat::fp4;
}
/// Bytes of kFloatBlock columns of a panel.
constexpr size_t float_block_bytes(FloatFormat format) {
  if (is_four_bit(format)) return kPanelRows * (sizeof(float) + kFloatBlock / 2);
  return kPanelRows * kFloatBlock * (format == FloatFormat::f32 ? 4 : 2);
}
/// Whole blocks: the last one's padding is never used.
constexpr size_t float_panel_bytes(FloatFormat format, size_t cols) {
  return (cols + kFloatBlock - 1) / kFloatBlock * float_block_bytes(format);
}

}  // namespace nibble
