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
    const uint8_t* pairs = plane_.codes + index * (BlockNF4::kElements / 2);
    for (size_t i = 0; i < BlockNF4::kElements / 2; ++i) {
      codes[2 * i] = pairs[i] >> 4;  // bitsandbytes has the first one high
      codes[2 * i + 1] = pairs[i] & 15;
    }
    return plane_.block_scale(index);
  }

 private:
  const TensorView& weights_;
  bool planes_;
  DoubleQuantized plane_{};
};

}  // namespace nibble
