#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quantize/four_bit_scale.h"
#include "tensor/dtype.h"

namespace nibble {

/// Round-to-nearest quantization of one row of `cols` values into dtype's blocks (tensor/blocks.h), scales
/// chosen to minimize the squared error. `importance` [cols], or null for equal, weights each column's
/// error; its values are finite and not negative. NF4 and FP4 take bitsandbytes' scales and codes, which
/// know no weights, unless `scale` says otherwise. Not for Layout::planes (quantize/double_quant.h). Sparse
/// types take the scales and codes of their dense twins; a block with more than they store is an Error.
///
/// Values must be finite (quantize/finite.h); cols must be a multiple of the block. Values beyond what the
/// type reaches become its largest. The result depends on nothing else: neither the machine's
/// instruction set nor other rows.
void quantize_row(DType dtype, const float* x, std::byte* out, uint64_t cols,
                  const float* importance = nullptr, FourBitScale scale = FourBitScale::absmax);

/// Weights [n] scaled to a mean of one, so that sums of weighted squares stay in range, and with a small
/// floor: a column that no sample touched must not take arbitrary values. Empty when they are null or say
/// nothing.
std::vector<float> normalized_importance(const float* importance, uint64_t n);

}  // namespace nibble
