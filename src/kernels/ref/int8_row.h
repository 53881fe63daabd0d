#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensor/tensor_view.h"

namespace nibble {

/// One row of an integer format as the kernels see it: x[i] = scale[i / group] * q[i] + min[i / group].
struct Int8Row {
  size_t group = 32;         ///< columns; 16, 32, 64 or 128
  std::vector<int8_t> q;     ///< [cols padded to scale_group(group)], padding zero
  std::vector<float> scale;  ///< [padded cols / group]
  std::vector<float> min;    ///< [padded cols / group], empty when the format has none
};

/// Columns whose products are summed as integers: those that share a scale, at most 128.
size_t integer_group(DType dtype);

/// True for the types whose weights are small integers with scales.
bool is_integer_format(DType dtype);

/// Takes row `index` of an integer-format tensor apart. `out` is reused between calls.
void expand_int8_row(const TensorView& tensor, size_t index, Int8Row& out);

}  // namespace nibble
