#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/tensor_view.h"

namespace nibble {

/// The values of `count` elements of one row from its bytes: the definition of each format, in scalar
/// code. `row` is the beginning of a row. Not for Layout::planes.
void dequantize_row(DType dtype, const std::byte* row, float* out, uint64_t cols);

/// Rows [first, first + count) of a tensor of any layout, as float32 [count, cols].
void dequantize_rows(const TensorView& tensor, uint64_t first, uint64_t count, float* out);

}  // namespace nibble
