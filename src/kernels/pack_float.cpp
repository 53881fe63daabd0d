#include <algorithm>
#include <cstring>

#include "base/half.h"
#include "kernels/packing.h"
#include "tensor/blocks.h"
#include "tensor/codes.h"
#include "tensor/dequantize.h"

namespace nibble {

namespace {

/// Column after column, missing rows as zeros. A few columns of all rows at a time stay in the cache.
template <typename Element>
void pack_elements(const TensorView& weights, size_t first, size_t count, uint8_t* out) {
  const size_t cols = weights.cols();
  const std::byte* from = weights.data.data() + first * cols * sizeof(Element);
  for (size_t begin = 0; begin < cols; begin += kFloatBlock) {
    const size_t here = std::min(kFloatBlock, cols - begin);
    Element block[kFloatBlock][kPanelRows] = {};
    for (size_t row = 0; row < count; ++row) {
      Element elements[kFloatBlock];
      std::memcpy(elements, from + (row * cols + begin) * sizeof(Element), here * sizeof(Element));
      for (size_t col = 0; col < here; ++col) block[col][row] = elements[col];
    }
    std::memcpy(out + begin * kPanelRows * sizeof(Element), block, here * sizeof(block[0]));
  }
}

/// One row of a block of 64: its scale, and 8 words with 8 codes each.
void store_four_bits(float scale, const uint8_t (&codes)[kFloatBlock], size_t row, uint8_t* out) {
  std::memcpy(out + row * sizeof(float), &scale, sizeof(float));
  for (size_t i = 0; i < kFloatBlock / 8; ++i) {
    uint32_t word = 0;
    for (size_t j = 0; j < 8; ++j) word |= uint32_t(codes[8 * i + j]) << 4 * j;
    std::memcpy(out + kPanelRows * sizeof(float) + i * kCodeLineBytes + row * sizeof(word), &word,
                sizeof(word));
  }
}

void pack_four_bits(const TensorView& weights, size_t first, size_t count, uint8_t* out) {
  const size_t blocks = weights.cols() / kFloatBlock;
  const bool planes = dtype_info(weights.dtype).layout == Layout::planes;
  const DoubleQuantized plane = planes ? double_quantized(weights) : DoubleQuantized{};
  for (size_t block = 0; block < blocks; ++block) {
    uint8_t* to = out + block * float_block_bytes(FloatFormat::nf4);
    std::memset(to, 0, float_block_bytes(FloatFormat::nf4));
    for (size_t row = 0; row < count; ++row) {
      const size_t index = (first + row) * blocks + block;
      uint8_t codes[kFloatBlock];
      if (planes) {
        for (size_t i = 0; i < kFloatBlock; ++i) {
          codes[i] = (plane.codes[index * 32 + i / 2] >> (i % 2 == 0 ? 4 : 0)) & 15;
        }
        store_four_bits(plane.block_scale(index), codes, row, to);
      } else {
        BlockNF4 b;
        std::memcpy(&b, weights.data.data() + index * sizeof(b), sizeof(b));
        unpack_codes(b, codes);
        store_four_bits(b.d, codes, row, to);
      }
    }
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
