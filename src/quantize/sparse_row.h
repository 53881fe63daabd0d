#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace nibble {

/// Stores a row of blocks of dense_dtype(dtype) as `dtype`, which keeps the values that are not zero
/// (tensor/sparse_blocks.h). Throws Error when a block has more of them than the type holds.
void store_sparse_row(DType dtype, const std::byte* dense, std::byte* out, uint64_t cols);

}  // namespace nibble
