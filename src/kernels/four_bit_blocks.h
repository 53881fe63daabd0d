#pragma once

#include <cstdint>
#include <cstring>

#include "tensor/blocks.h"
#include "tensor/codes.h"
#include "tensor/dequantize.h"

namespace nibble {

/// The blocks of 64 of an NF4 or FP4 tensor, with double quantization or without.
class FourBitBlocks {
 public:
  explicit FourBitBlocks(const TensorView& weights)
      : weights_(weights), planes_(dtype_info(weights.dtype).layout == Layout::planes) {
    if (planes_) plane_ = double_quantized(weights);
  }

  /// Takes block `index`, counted in row order, apart; returns its scale.
  float take(size_t index, uint8_t* codes) const {
    if (!planes_) {
      BlockNF4 b;
      std::memcpy(&b, weights_.data.data() + index * sizeof(b), sizeof(b));
      unpack_codes(b, codes);
      return b.d;
    }
    for (size_t i = 0; i < BlockNF4::kElements; ++i) {
      codes[i] = (plane_.codes[index * 32 + i / 2] >> (i % 2 == 0 ? 4 : 0)) & 15;
    }
    return plane_.block_scale(index);
  }

 private:
  const TensorView& weights_;
  bool planes_;
  DoubleQuantized plane_{};
};

}  // namespace nibble
