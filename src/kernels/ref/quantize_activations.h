#pragma once

#include "kernels/matmul_args.h"

namespace nibble {

void reference_quantize_activations(const float* x, size_t cols, ActivationGroups groups,
                                    const QuantizedToken& out);

}  // namespace nibble
