#pragma once

#include "kernels/matmul_args.h"

namespace nibble {

void reference_quantize_activations(const float* x, size_t cols, size_t group, const QuantizedToken& out);

}  // namespace nibble
