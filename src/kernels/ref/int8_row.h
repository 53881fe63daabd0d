#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/matmul_args.h"
#include "tensor/tensor_view.h"

namespace nibble {

/// One row of an integer format as the kernels see it: x[i] = scale[i / group] * q[i] + min[i / group].
struct Int8Row {
  size_t group = 32;         ///< columns; 16, 32, 64 or 128
  std::vector<int8_t> q;     ///< [cols padded to ActivationGroups::scale], padding zero
  std::vector<float> scale;  ///< [padded cols / group]
  std::vector<float> min;    ///< [padded cols / group], empty when the format has none
};

/// Takes row `index` of an integer-format tensor apart for activations in such groups. `out` is reused
/// between calls.
void expand_int8_row(const TensorView& tensor, size_t index, ActivationGroups groups, Int8Row& out);

}  // namespace nibble
