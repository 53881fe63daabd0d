#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensor/tensor_view.h"

namespace nibble {

/// A tensor that owns its bytes, for tests and benchmarks of kernels.
struct SyntheticWeights {
  std::vector<std::byte> bytes;
  TensorView view;
};

/// Random codes with scales of ordinary size, so that values are about 0.1 to 10. cols must be a multiple
/// of the type's block.
SyntheticWeights synthetic_weights(DType dtype, uint64_t rows, uint64_t cols, uint64_t seed);

}  // namespace nibble
