#include <algorithm>
#include <cstring>

#include "kernels/four_bit_blocks.h"
#include "kernels/pack_lines.h"
#include "kernels/packing.h"
#include "tensor/blocks.h"
#include "tensor/codes.h"
#include "tensor/sparse_blocks.h"

namespace nibble {

namespace {

void store_nibbles(const Lines& lines, uint8_t* out) {
  for (int i = 0; i < 4; ++i) store_planes<4, 2, 0>(lines + 2 * i, out + i * kCodeLineBytes);
}
void store_two_bits(const Lines& lines, uint8_t* out) {
  for (int i = 0; i < 2; ++i) store_planes<2, 4, 0>(lines + 4 * i, out + i * kCodeLineBytes);
}

template <int Bits>
void store_whole_and_parts(const Lines& lines, uint8_t* out) {
  std::memset(out, 0, Bits * kCodeLineBytes);
  for (const CodePart& part : code_parts<Bits>())
    add_bits(lines[part.quad], part, out + part.line * kCodeLineBytes);
}

/// What PackedPanel::codes takes apart.
template <int Bits>
void store_codes(const Lines& lines, uint8_t* out) {
  if constexpr (Bits == 8) std::memcpy(out, lines, sizeof(lines));
  if constexpr (Bits == 2) store_two_bits(lines, out);
  if constexpr (Bits == 4) store_nibbles(lines, out);
  if constexpr (Bits == 3 || Bits == 5 || Bits == 6) store_whole_and_parts<Bits>(lines, out);
}

/// codes [16 rows][block columns] to the lines of the packed block.
template <PackedFormat F>
void store_block_codes(const uint8_t (*codes)[F.block], uint8_t* out) {
  for (uint32_t group = 0; group < F.block / 32; ++group) {
    Lines lines;
    transpose_rows(codes[0] + 32 * group, F.block, lines);
    store_codes<F.bits>(lines, out + group * F.group32_bytes());
  }
}

/// The scales of one row of a block, to where ScaleKind says.
template <PackedFormat F, typename Block>
void store_scales(const Block& b, size_t row, uint8_t* out) {
  if constexpr (F.scales == ScaleKind::exponent) {
    out[row] = b.e;
    return;
  } else {
    std::memcpy(out + 2 * row, &b.d, 2);
  }
  if constexpr (F.scales == ScaleKind::plain_min) std::memcpy(out + 2 * (kPanelRows + row), &b.m, 2);
  if constexpr (F.scales == ScaleKind::super) {
    int8_t scales[F.groups()];
    unpack_scales(b, scales);
    for (uint32_t g = 0; g < F.groups(); ++g) out[kPanelRows * (2 + g) + row] = uint8_t(scales[g]);
  }
  if constexpr (F.scales == ScaleKind::folded) {
    int8_t scales[F.block / kFoldedColumns];
    unpack_scales(b, scales);
    out[2 * row + 1] ^= 0x80;  // the sign of d
    for (uint32_t g = 0; g < F.block / kFoldedColumns; ++g)
      out[kPanelRows * (2 + g) + row] = uint8_t(-scales[g]);
  }
  if constexpr (F.scales == ScaleKind::super_nibbles) {
    std::memcpy(out + 2 * (kPanelRows + row), &b.dmin, 2);
    for (uint32_t g = 0; g < F.groups(); ++g) out[kPanelRows * (4 + g) + row] = b.scales[g];
  }
  if constexpr (F.scales == ScaleKind::super_min) {
    uint8_t scales[F.groups()], mins[F.groups()];
    unpack_scales(b, scales, mins);
    std::memcpy(out + 2 * (kPanelRows + row), &b.dmin, 2);
    for (uint32_t g = 0; g < F.groups(); ++g) {
      out[kPanelRows * (4 + g) + row] = scales[g];
      out[kPanelRows * (4 + F.groups() + g) + row] = mins[g];
    }
  }
}

template <PackedFormat F, typename Block>
void pack_blocks(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  static_assert(F.block == Block::kElements);
  const size_t cols = weights.cols(), rows = weights.rows(), stride = row_bytes(weights.dtype, cols);
  for (size_t panel = begin; panel < end; ++panel) {
    auto* to = reinterpret_cast<uint8_t*>(out) + panel * F.panel_bytes(cols);
    const size_t first = panel * kPanelRows, count = std::min(kPanelRows, rows - first);
    for (size_t block = 0; block < cols / F.block; ++block, to += F.block_bytes()) {
      uint8_t codes[kPanelRows][F.block] = {};
      std::memset(to, 0, F.scale_bytes());
      for (size_t row = 0; row < count; ++row) {
        const Block& b = block_at<Block>(weights.data.data() + (first + row) * stride, block);
        unpack_codes(b, codes[row]);
        store_scales<F>(b, row, to);
      }
      store_block_codes<F>(codes, to + F.scale_bytes());
    }
  }
}

/// NF4 and FP4: scales for the values in multiples of 1/unit.
template <PackedFormat F>
void pack_four_bit_floats(const TensorView& weights, size_t begin, size_t end, float unit, std::byte* out) {
  const size_t blocks = weights.cols() / F.block, rows = weights.rows();
  const FourBitBlocks source(weights);
  for (size_t panel = begin; panel < end; ++panel) {
    auto* to = reinterpret_cast<uint8_t*>(out) + panel * F.panel_bytes(weights.cols());
    const size_t first = panel * kPanelRows, count = std::min(kPanelRows, rows - first);
    for (size_t block = 0; block < blocks; ++block, to += F.block_bytes()) {
      uint8_t codes[kPanelRows][F.block] = {};
      std::memset(to, 0, F.scale_bytes());
      for (size_t row = 0; row < count; ++row) {
        const float scale = source.take((first + row) * blocks + block, codes[row]) / unit;
        std::memcpy(to + row * sizeof(scale), &scale, sizeof(scale));
      }
      store_block_codes<F>(codes, to + F.scale_bytes());
    }
  }
}

/// INT8: rows with a scale at their head and any number of columns.
void pack_channels(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  constexpr PackedFormat F = kPackedInt8;
  const size_t cols = weights.cols(), rows = weights.rows(), stride = row_bytes(weights.dtype, cols);
  for (size_t panel = begin; panel < end; ++panel) {
    auto* to = reinterpret_cast<uint8_t*>(out) + panel * F.panel_bytes(cols);
    const std::byte* from = weights.data.data() + panel * kPanelRows * stride;
    const size_t count = std::min(kPanelRows, rows - panel * kPanelRows);
    std::memset(to, 0, F.header_bytes());
    for (size_t row = 0; row < count; ++row)
      std::memcpy(to + 4 * row, from + row * stride, kInt8RowHeaderBytes);
    to += F.header_bytes();
    for (size_t col = 0; col < cols; col += F.block, to += F.block_bytes()) {
      uint8_t codes[kPanelRows][F.block] = {};
      const size_t here = std::min<size_t>(F.block, cols - col);
      for (size_t row = 0; row < count; ++row) {
        std::memcpy(codes[row], from + row * stride + kInt8RowHeaderBytes + col, here);
      }
      store_block_codes<F>(codes, to);
    }
  }
}

}  // namespace

template <>
void pack_integer<kPackedQ4_0>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  weights.dtype == DType::Q4_S50 ? pack_blocks<kPackedQ4_0, BlockQ4_S50>(weights, begin, end, out)
                                 : pack_blocks<kPackedQ4_0, BlockQ4_0>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedQ4_1>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedQ4_1, BlockQ4_1>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedQ5_0>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedQ5_0, BlockQ5_0>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedQ5_1>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedQ5_1, BlockQ5_1>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedQ8_0>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  weights.dtype == DType::Q8_S50 ? pack_blocks<kPackedQ8_0, BlockQ8_S50>(weights, begin, end, out)
                                 : pack_blocks<kPackedQ8_0, BlockQ8_0>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedQ2_K>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedQ2_K, BlockQ2_K>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedQ3_K>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedQ3_K, BlockQ3_K>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedQ4_K>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedQ4_K, BlockQ4_K>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedQ5_K>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedQ5_K, BlockQ5_K>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedQ6_K>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedQ6_K, BlockQ6_K>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedIQ4_NL>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedIQ4_NL, BlockIQ4_NL>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedIQ4_XS>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedIQ4_XS, BlockIQ4_XS>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedMXFP4>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedMXFP4, BlockMXFP4>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedInt4G64>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedInt4G64, BlockInt4<64>>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedInt4G128>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedInt4G128, BlockInt4<128>>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedUint4G64>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedUint4G64, BlockUint4<64>>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedUint4G128>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_blocks<kPackedUint4G128, BlockUint4<128>>(weights, begin, end, out);
}
template <>
void pack_integer<kPackedNF4>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_four_bit_floats<kPackedNF4>(weights, begin, end, kNF4Unit, out);
}
template <>
void pack_integer<kPackedFP4>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_four_bit_floats<kPackedFP4>(weights, begin, end, kFP4Unit, out);
}
template <>
void pack_integer<kPackedInt8>(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  pack_channels(weights, begin, end, out);
}

}  // namespace nibble
