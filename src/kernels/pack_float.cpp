#include <algorithm>
#include <cstring>

#include "kernels/four_bit_blocks.h"
#include "kernels/pack_lines.h"
#include "kernels/packing.h"

namespace nibble {

namespace {

/// Column after column, missing rows as zeros: [cols][16 rows]. Rows go through a buffer of their own, so
/// that the last columns and rows need no other way.
template <typename Element>
void pack_elements(const TensorView& weights, size_t first, size_t count, uint8_t* out) {
  constexpr size_t kHere = 32 / sizeof(Element);  // columns of a row in 32 bytes
  const size_t cols = weights.cols(), stride = cols * sizeof(Element);
  const auto* from = reinterpret_cast<const uint8_t*>(weights.data.data()) + first * stride;
  const size_t tail = (cols + kFloatBlock - 1) / kFloatBlock * kFloatBlock - cols;
  std::memset(out + cols * kPanelRows * sizeof(Element), 0, tail * kPanelRows * sizeof(Element));
  for (size_t begin = 0; begin < cols; begin += kHere, from += 32) {
    const size_t bytes = std::min<size_t>(32, stride - begin * sizeof(Element));
    alignas(16) uint8_t rows[kPanelRows][32] = {};
    if (bytes == 32) {
      for (size_t row = 0; row < count; ++row) std::memcpy(rows[row], from + row * stride, 32);
    } else {
      for (size_t row = 0; row < count; ++row) std::memcpy(rows[row], from + row * stride, bytes);
    }
    Lines lines;  // of elements of 4 bytes each line is a column, of 2 bytes two columns in turn
    transpose_rows(rows[0], 32, lines);
    if constexpr (sizeof(Element) == 2) split_pairs(lines);
    std::memcpy(out + begin * kPanelRows * sizeof(Element), lines, bytes * kPanelRows);
  }
}

/// 32 bytes of codes of each row to words of eight, lowest bits first.
void store_words(const uint8_t (*codes)[kFloatBlock / 2], uint8_t* out) {
  Lines lines;
  transpose_rows(codes[0], kFloatBlock / 2, lines);
  std::memcpy(out, lines, sizeof(lines));
}

void pack_four_bits(const TensorView& weights, size_t first, size_t count, uint8_t* out) {
  const size_t blocks = weights.cols() / kFloatBlock;
  const FourBitBlocks source(weights);
  for (size_t block = 0; block < blocks; ++block) {
    uint8_t* to = out + block * float_block_bytes(FloatFormat::nf4);
    float scales[kPanelRows] = {};
    uint8_t pairs[kPanelRows][kFloatBlock / 2] = {};
    for (size_t row = 0; row < count; ++row) {
      uint8_t codes[kFloatBlock];
      scales[row] = source.take((first + row) * blocks + block, codes);
      join_nibbles(codes, pairs[row]);
    }
    std::memcpy(to, scales, sizeof(scales));
    store_words(pairs, to + sizeof(scales));
  }
}

}  // namespace

template <FloatFormat F>
void pack_float(const TensorView& weights, size_t begin, size_t end, std::byte* out) {
  for (size_t panel = begin; panel < end; ++panel) {
    const size_t first = panel * kPanelRows, count = std::min(kPanelRows, weights.rows() - first);
    auto* to = reinterpret_cast<uint8_t*>(out) + panel * float_panel_bytes(F, weights.cols());
    if constexpr (is_four_bit(F)) {
      pack_four_bits(weights, first, count, to);
    } else if constexpr (F == FloatFormat::f32) {
      pack_elements<float>(weights, first, count, to);
    } else {
      pack_elements<uint16_t>(weights, first, count, to);
    }
  }
}

template void pack_float<FloatFormat::f32>(const TensorView&, size_t, size_t, std::byte*);
template void pack_float<FloatFormat::f16>(const TensorView&, size_t, size_t, std::byte*);
template void pack_float<FloatFormat::bf16>(const TensorView&, size_t, size_t, std::byte*);
template void pack_float<FloatFormat::nf4>(const TensorView&, size_t, size_t, std::byte*);
template void pack_float<FloatFormat::fp4>(const TensorView&, size_t, size_t, std::byte*);

}  // namespace nibble
