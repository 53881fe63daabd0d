#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace nibble {

/// Round-to-nearest quantization of one row of `cols` values into dtype's blocks, scales chosen to
/// minimize the squared error. `importance` [cols], or null for equal, weights each column's error.
/// Not for Layout::planes. Values must be finite; cols must be a multiple of the block.
void quantize_row(DType dtype, const float* x, std::byte* out, uint64_t cols,
                  const float* importance = nullptr);

}  // namespace nibble
