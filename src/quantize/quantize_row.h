#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace nibble {

/// Round-to-nearest quantization of one row of `cols` values into dtype's blocks (tensor/blocks.h), scales
/// chosen to minimize the squared error. `importance` [cols], or null for equal, weights each column's
/// error; its values are finite and not negative. NF4 and FP4 take bitsandbytes' scales and codes, which
/// know no weights. Not for Layout::planes (quantize/double_quant.h).
///
/// Values must be finite (quantize/finite.h); cols must be a multiple of the block. Values beyond what the
/// type reaches become its largest. The result depends on nothing else: neither the machine's
/// instruction set nor other rows.
void quantize_row(DType dtype, const float* x, std::byte* out, uint64_t cols,
                  const float* importance = nullptr);

}  // namespace nibble
