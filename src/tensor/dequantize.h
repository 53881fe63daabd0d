#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/tensor_view.h"

namespace nibble {

/// One row of `cols` values as float32: the definition of each format, in scalar code. `row` is the
/// beginning of a row and need not be aligned. Not for Layout::planes.
void dequantize_row(DType dtype, const std::byte* row, float* out, uint64_t cols);

/// Rows [first, first + count) of a tensor of any layout, as float32 [count, cols].
void dequantize_rows(const TensorView& tensor, uint64_t first, uint64_t count, float* out);

/// The 256 values, ascending, of bitsandbytes' signed dynamic 8-bit map (Dettmers et al. 2022, 8-bit
/// Optimizers via Block-wise Quantization, arXiv 2110.02861), which codes the block scales of NF4_DQ and
/// FP4_DQ.
const std::array<float, 256>& dynamic8_values();

/// The planes of an NF4_DQ or FP4_DQ tensor (blocks.h).
struct DoubleQuantized {
  const uint8_t* codes;        ///< [elements / 2]
  const uint8_t* scale_codes;  ///< [elements / 64]
  const std::byte* scales2;    ///< float32 [ceil(elements / 64 / 256)], unaligned
  float mean;
  /// The scale of block `index` of the tensor.
  float block_scale(uint64_t index) const;
};
DoubleQuantized double_quantized(const TensorView& tensor);

}  // namespace nibble
